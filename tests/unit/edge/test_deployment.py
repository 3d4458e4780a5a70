"""`miyun ssl`: keys are made where they stay, and a deployment that fails leaves what was served before."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.outside_ca import OutsideAuthority, new_key

from miyun.edge.cli import root
from miyun.edge.deployment import Deployment, NotDeployed
from miyun.gm import sm2, sm4
from miyun.wire import cms, oid, pem, pkcs8, pkcs10
from miyun.wire.algorithm import SignatureAlgorithm
from miyun.wire.name import Name
from miyun.wire.spki import KeyAlgorithm, sm2_spki
from miyun.wire.x509 import TbsCertificate, load_certificates, parse_certificate


def deployment(folder: Path, test: str = "true", reload: str = "true") -> Deployment:
    return Deployment(folder, ["sh", "-c", test], ["sh", "-c", reload])


def served(folder: Path) -> dict[str, bytes]:
    current = folder / "current"
    return {file.name: file.read_bytes() for file in current.iterdir()} if current.exists() else {}


def versions(folder: Path) -> int:
    return sum(item.is_dir() and not item.is_symlink() for item in folder.iterdir())


def test_all_files_come_at_once_and_for_their_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    version = deployment(folder).put({"fullchain.pem": b"c1", "privkey.pem": b"k1"})
    assert served(folder) == {"fullchain.pem": b"c1", "privkey.pem": b"k1"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in version.iterdir()} == {0o600}
    assert stat.S_IMODE(version.stat().st_mode) == 0o700


@pytest.mark.parametrize("fails", ["test", "reload"])
def test_a_failure_takes_everything_back(tmp_path: Path, fails: str) -> None:
    folder = tmp_path / "tls"
    broken = {fails: "echo wrong >&2; exit 1"}
    with pytest.raises(NotDeployed):
        deployment(folder, **broken).put({"a": b"1"})
    assert served(folder) == {} and versions(folder) == 0
    deployment(folder).put({"a": b"1"})
    again = broken if fails == "test" else {"reload": f"grep -q 1 {folder}/current/a"}  # the new one is refused
    with pytest.raises(NotDeployed) as told:
        deployment(folder, **again).put({"a": b"2"})
    assert served(folder) == {"a": b"1"} and versions(folder) == 1
    if fails == "test":
        assert "wrong" in str(told.value)


def test_the_new_files_are_in_place_when_they_are_tested(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    deployment(folder).put({"a": b"1"})
    deployment(folder, test=f"grep -q 2 {folder}/current/a").put({"a": b"2"})
    assert served(folder) == {"a": b"2"}


def test_old_versions_go(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    for number in range(6):
        deployment(folder).put({"a": str(number).encode()})
    assert versions(folder) == 3 and served(folder) == {"a": b"5"}


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotDeployed):
        deployment(tmp_path / "file").put({"a": b"1"})


@pytest.mark.parametrize(
    ("algorithm", "kind"), [("ecdsa", KeyAlgorithm.EC_P256), ("rsa", KeyAlgorithm.RSA), ("sm2", KeyAlgorithm.SM2)]
)
def test_a_request_and_its_key_are_made_here(tmp_path: Path, algorithm: str, kind: KeyAlgorithm) -> None:
    key, csr = tmp_path / "key.pem", tmp_path / "csr.pem"
    arguments = ["ssl", "request", "www.example.cn", "10.0.0.1", "--algorithm", algorithm]
    done = CliRunner().invoke(root, [*arguments, "--key", str(key), "--csr", str(csr)])
    assert done.exit_code == 0, done.output
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    read = pkcs10.parse_csr(csr.read_text())
    read.verify()
    assert read.public_key.algorithm is kind and "PRIVATE" not in done.output
    again = CliRunner().invoke(root, [*arguments, "--key", str(key), "--csr", str(csr)])
    assert again.exit_code == 2, "a key is not overwritten"


def run_nginx(folder: Path, *arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(root, ["ssl", "deploy", "nginx", "--folder", str(folder), "--nginx", "true", *arguments])
    return done.exit_code, done.output


def test_what_does_not_belong_together_is_not_written(tmp_path: Path) -> None:
    key, other, folder = new_key(), new_key(), tmp_path / "tls"
    (tmp_path / "chain.pem").write_text(OutsideAuthority().issue(key, "www.example.cn"))
    for name, private in (("key.pem", key), ("other.pem", other)):
        content = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (tmp_path / name).write_bytes(content)
    chain = ("--certificate", str(tmp_path / "chain.pem"))
    assert run_nginx(folder, *chain, "--key", str(tmp_path / "other.pem"))[0] == 2
    assert run_nginx(folder, *chain)[0] == 2 and run_nginx(folder)[0] == 2
    assert not folder.exists()
    code, said = run_nginx(folder, *chain, "--key", str(tmp_path / "key.pem"))
    assert code == 0 and set(served(folder)) == {"fullchain.pem", "privkey.pem"}, said


def sm2_certificate(secret: bytes) -> str:
    """Self-signed; only its key matters here."""
    now, name = datetime.now(UTC), Name.of(("CN", "www.example.cn"))
    tbs = TbsCertificate(
        serial=1,
        issuer=name,
        subject=name,
        not_before=now,
        not_after=now + timedelta(days=1),
        spki=sm2_spki(sm2.public_key(secret)),
        signature_algorithm=SignatureAlgorithm.SM2_SM3,
        extensions=(),
    )
    return parse_certificate(tbs.sign(lambda message: sm2.sign(secret, message))).to_pem()


@pytest.fixture
def gm(tmp_path: Path) -> dict[str, Path]:
    """The four files of a pair, by option."""
    signing, encryption, wrapping = sm2.generate_private_key(), sm2.generate_private_key(), bytes(range(16))
    enveloped = cms.EnvelopedKey(
        oid.SM4_ECB,
        sm2.encrypt(sm2.public_key(signing), wrapping),
        sm2.public_key(encryption),
        sm4.encrypt_ecb(wrapping, bytes(32) + encryption),
    )
    contents = {
        "--gm-certificate": sm2_certificate(signing).encode(),
        "--gm-key": pem.encode("PRIVATE KEY", pkcs8.sm2_private_key(signing, sm2.public_key(signing))).encode(),
        "--gm-encryption-certificate": sm2_certificate(encryption).encode(),
        "--gm-enveloped-key": enveloped.encode(),
    }
    files = {option: tmp_path / option.strip("-") for option in contents}
    for option, file in files.items():
        file.write_bytes(contents[option])
    return files


def options(files: dict[str, Path]) -> list[str]:
    return [part for option, file in files.items() for part in (option, str(file))]


def test_a_pair_is_opened_here(tmp_path: Path, gm: dict[str, Path]) -> None:
    folder = tmp_path / "tls"
    code, said = run_nginx(folder, *options(gm))
    assert code == 0, said
    held = pkcs8.parse_sm2_private_key(pem.decode(served(folder)["gm-encryption-key.pem"], "PRIVATE KEY"))
    [encryption] = load_certificates(served(folder)["gm-encryption-fullchain.pem"])
    assert encryption.public_key.point == sm2.public_key(held)
    assert set(served(folder)) == {
        *("gm-sign-fullchain.pem", "gm-sign-key.pem", "gm-encryption-fullchain.pem", "gm-encryption-key.pem")
    }


def test_a_pair_that_is_not_whole_or_not_one_is_not_written(tmp_path: Path, gm: dict[str, Path]) -> None:
    folder = tmp_path / "tls"
    for option in gm:
        assert run_nginx(folder, *options({name: file for name, file in gm.items() if name != option}))[0] == 2
    swapped = gm | {"--gm-encryption-certificate": gm["--gm-certificate"]}
    assert run_nginx(folder, *options(swapped))[0] == 2
    gm["--gm-enveloped-key"].write_bytes(b"0" * 100)
    assert run_nginx(folder, *options(gm))[0] == 2
    assert not folder.exists()
