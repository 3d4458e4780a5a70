"""Which provider serves, and what happens when one cannot."""

import logging
import os
import subprocess
import sys

import pytest

from miyun.gm import providers, sm2
from miyun.gm.errors import ProviderUnavailable
from miyun.gm.providers import named, native, openssl


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


PRINT_NAME = "from miyun.gm import provider; print(provider().name)"


def test_the_best_usable_provider_serves() -> None:
    environment = {key: value for key, value in os.environ.items() if key != "MIYUN_GM_PROVIDER"}
    result = subprocess.run(
        [sys.executable, "-c", PRINT_NAME], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert result.stdout.strip() == providers()[0].name


@pytest.mark.parametrize("name", [entry.name for entry in providers()])
def test_each_provider_can_be_forced(name: str) -> None:
    assert run(PRINT_NAME, MIYUN_GM_PROVIDER=name).stdout.strip() == name


def test_an_unknown_provider_is_refused_by_name() -> None:
    result = run(PRINT_NAME, MIYUN_GM_PROVIDER="fastest")
    assert result.returncode != 0
    assert "ProviderUnavailable" in result.stderr
    assert "'fastest'" in result.stderr
    assert "ipp-mb, ipp, openssl, portable" in result.stderr
    with pytest.raises(ProviderUnavailable):
        named("fastest")


def test_without_the_extension_libcrypto_serves_and_says_so() -> None:
    code = f"import sys; sys.modules['miyun.gm._native'] = None; import logging; logging.basicConfig(); {PRINT_NAME}"
    result = run(code + "; from miyun.gm import selftest; print(len(selftest.run()))")
    assert result.returncode == 0, result.stderr
    assert result.stdout.split()[0] == "openssl"
    assert "the C extension is missing" in result.stderr


def test_with_neither_extension_nor_libcrypto_both_reasons_are_given() -> None:
    code = (
        "import sys, ctypes; sys.modules['miyun.gm._native'] = None\n"
        "def missing(*_): raise OSError('no such library')\n"
        f"ctypes.CDLL = missing\n{PRINT_NAME}"
    )
    result = run(code)
    assert "ProviderUnavailable" in result.stderr
    assert "no libcrypto" in result.stderr
    assert "C extension" in result.stderr


def test_a_libcrypto_without_the_needed_functions_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    openssl.libcrypto.load.cache_clear()
    monkeypatch.setitem(openssl.libcrypto._PROTOTYPES, "EVP_of_the_future", (None, ()))
    with pytest.raises(ProviderUnavailable, match="EVP_of_the_future"):
        openssl.OpenSslProvider(None)
    openssl.libcrypto.load.cache_clear()


def test_an_engine_that_cannot_run_says_why() -> None:
    with pytest.raises(ProviderUnavailable, match=r"no such engine|without ipp-crypto|not built"):
        native._engine("quantum")


def test_supplements_are_declared() -> None:
    for entry in providers():
        assert all(": " in line for line in entry.supplemented)
        assert entry.notes
    assert any("SM4-GCM" in line for line in openssl.OpenSslProvider(None).supplemented)


@pytest.mark.parametrize(("isa", "serving"), [("avx2", ["ipp", "portable"]), ("baseline", ["portable"])])
def test_the_branches_of_lesser_processors_pass_the_self_tests(isa: str, serving: list[str]) -> None:
    if "ipp" not in {entry.name for entry in providers()}:
        pytest.skip("this machine has lesser branches only, or the extension lacks ipp")
    code = (
        "from miyun.gm import selftest, providers\n"
        "print(*(entry.name for entry in providers() if len(selftest.run(entry)) > 5))"
    )
    result = run(code, MIYUN_GM_ISA=isa)
    assert result.returncode == 0, result.stderr
    assert [name for name in result.stdout.split() if name != "openssl"] == serving


def test_an_instruction_set_without_a_branch_is_refused() -> None:
    result = run(PRINT_NAME, MIYUN_GM_ISA="sse2", MIYUN_GM_PROVIDER="portable")
    assert "MIYUN_GM_ISA can only be avx2 or baseline" in result.stderr


def test_private_keys_never_reach_logs_or_errors(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    d = sm2.generate_private_key()
    sm2.sign(d, b"message")
    with pytest.raises(sm2.InvalidKey) as error:
        sm2.sign(d + b"\0", b"message")
    assert d.hex() not in caplog.text + str(error.value)
