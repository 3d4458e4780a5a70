"""The self-tests notice a broken algorithm; the runner of vectors notices a broken file."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from miyun.gm import selftest
from miyun.gm.errors import SelfTestFailed
from miyun.gm.providers import Provider


def test_every_provider_passes(provider: Provider) -> None:
    results = selftest.run()
    assert {result.provider for result in results} == {provider.name}
    assert {"SM2 signature", "SM2 pairwise consistency", "SM3", "SM4-GCM"} <= {result.name for result in results}


def broken(provider: Provider, method: str) -> Any:
    """The provider with one method whose answer has a flipped bit."""
    names = [name for name in dir(provider) if not name.startswith("_")]
    double = SimpleNamespace(**{name: getattr(provider, name) for name in names})
    right = getattr(provider, method)

    def wrong(*arguments: Any) -> Any:
        return spoil(right(*arguments))

    setattr(double, method, wrong)
    return double


def spoil(answer: Any) -> Any:
    if isinstance(answer, bool):
        return not answer
    if isinstance(answer, bytes):
        return answer[:-1] + bytes([answer[-1] ^ 1]) if answer else answer
    if isinstance(answer, list):
        return [spoil(entry) for entry in answer]
    if isinstance(answer, tuple):
        return (answer[0], spoil(answer[1]))
    return answer


@pytest.mark.parametrize(
    "method",
    [
        "sm3",
        "sm3_many",
        "hmac",
        "hmac_many",
        "pbkdf2",
        "sm2_public_key",
        "sm2_generate",
        "sm2_on_curve",
        "sm2_multiply",
        "sm2_sign_messages",
        "sm2_verify",
        "sm2_verify_messages",
        "sm2_encrypt",
        "sm2_decrypt",
        "sm2_sign_kat",
        "sm2_encrypt_kat",
        "sm4_ecb",
        "sm4_cbc",
        "sm4_ctr",
        "sm4_gcm_encrypt",
        "sm4_gcm_decrypt",
        "random_kat",
        "sm4_cfb",
        "sm4_ofb",
        "sm4_bc",
        "sm4_ofbnlf",
        "sm4_xts",
        "sm4_hctr",
        "sm4_cbc_mac",
        "sm4_cmac",
        "sm4_ccm_encrypt",
        "sm4_ccm_decrypt",
        "zuc_xor",
        "zuc_mac",
        "sm9_master",
        "sm9_extract",
        "sm9_valid",
        "sm9_sign",
        "sm9_verify",
        "sm9_encapsulate",
        "sm9_decapsulate",
        "sm9_ephemeral",
        "sm9_agree",
        "sm9_tables_hold",
    ],
)
def test_a_broken_algorithm_is_noticed(provider: Provider, method: str) -> None:
    with pytest.raises(SelfTestFailed):
        selftest.run(broken(provider, method))


def write(folder: Path, vectors: object) -> None:
    (folder / "sm3.json").write_text(json.dumps({"algorithm": "SM3", "note": "", "count": 1, "vectors": vectors}))


GOOD = {"id": "abc", "msg_hex": "616263", "digest": "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"}


def test_vectors_that_hold_pass(provider: Provider, tmp_path: Path) -> None:
    write(tmp_path, [GOOD])
    report = selftest.run_vectors(tmp_path, [provider])
    assert report.failed == 0
    assert report.to_dict()["files"][0] == {  # type: ignore[index]
        "file": "sm3.json",
        "provider": provider.name,
        "passed": 1,
        "failed": 0,
        "skipped": 0,
        "why_skipped": "",
        "failures": [],
    }


@pytest.mark.parametrize(
    "vector",
    [GOOD | {"digest": "00" * 32}, GOOD | {"result": "invalid"}, GOOD | {"msg_hex": "zz"}],
    ids=["wrong digest", "right digest declared invalid", "not hex"],
)
def test_a_vector_that_does_not_hold_fails(tmp_path: Path, provider: Provider, vector: dict[str, str]) -> None:
    write(tmp_path, [GOOD, vector])
    assert selftest.run_vectors(tmp_path, [provider]).failed == 1


@pytest.mark.parametrize("content", ["", "{", "[]", '{"vectors": []}', '{"vectors": [1]}', "null", "\udcff"])
def test_an_unreadable_file_fails(tmp_path: Path, content: str) -> None:
    (tmp_path / "broken.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    assert selftest.run_vectors(tmp_path).failed >= 1


def test_an_empty_or_missing_folder_fails(tmp_path: Path) -> None:
    assert selftest.run_vectors(tmp_path).failed >= 1
    assert selftest.run_vectors(tmp_path / "missing").failed >= 1


def test_an_algorithm_that_is_not_built_is_skipped_with_its_reason(tmp_path: Path) -> None:
    write(tmp_path, [{"id": "1", "hid": "01", "kind": "threshold"}, {"id": "2", "unknown": "field"}])
    for entry in selftest.run_vectors(tmp_path).files:
        assert (entry.passed, entry.failed, entry.skipped) == (0, 0, 2)
        assert "SM9" in entry.why_skipped


def test_upper_layers_add_their_checks(tmp_path: Path) -> None:
    seen = []
    write(tmp_path, [{"id": "1", "cert_der": "00"}])
    report = selftest.run_vectors(tmp_path, extra=((frozenset({"cert_der"}), seen.append),))
    assert report.failed == 0
    assert len(seen) == sum(entry.passed for entry in report.files) > 0
