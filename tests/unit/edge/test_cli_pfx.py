"""The holder's own tool for keys under a password."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.unit.wire.authority import key, make, pki

from miyun.edge.cli.pfx import pfx
from miyun.gm import sm2
from miyun.hsm.port import EnvelopeForm
from miyun.hsm.soft.keys import envelope
from miyun.wire import pem
from miyun.wire.pkcs8 import parse_sm2_private_key, sm2_private_key


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    leaf = pki().leaf
    d = leaf.key.private
    (tmp_path / "key.pem").write_text(pem.encode("PRIVATE KEY", sm2_private_key(d, sm2.public_key(d))))
    (tmp_path / "cert.pem").write_text(leaf.certificate.to_pem())
    (tmp_path / "password").write_text("correct horse\n")
    return tmp_path


def run(folder: Path, *arguments: str, fails: bool = False) -> str:
    done = CliRunner().invoke(pfx, [str(folder / item[1:]) if item.startswith("@") else item for item in arguments])
    assert (done.exit_code != 0) == fails, done.output
    return done.output


SECRET = ("--password-file", "@password", "--iterations", "1000")
MAKE = ("make", "@a.pfx", "--key", "@key.pem", "--certificate", "@cert.pem", *SECRET)


def test_what_was_put_in_is_taken_out(folder: Path) -> None:
    run(folder, *MAKE)
    assert (folder / "a.pfx").stat().st_mode & 0o777 == 0o600
    told = run(folder, "open", "@a.pfx", "--out-key", "@k", "--out-certificates", "@c", "--password-file", "@password")
    assert str(pki().leaf.certificate.subject) in told
    assert (folder / "k").read_text() == (folder / "key.pem").read_text()
    assert (folder / "c").read_text() == (folder / "cert.pem").read_text()
    assert (folder / "k").stat().st_mode & 0o777 == 0o600


def test_nothing_is_written_over_and_a_wrong_password_opens_nothing(folder: Path) -> None:
    run(folder, *MAKE)
    run(folder, *MAKE, fails=True)
    (folder / "other").write_text("incorrect horse\n")
    run(folder, "open", "@a.pfx", "--out-key", "@k", "--password-file", "@other", fails=True)
    assert not (folder / "k").exists()


def test_a_recovered_key_is_received_with_its_certificate(folder: Path) -> None:
    run(folder, *MAKE)
    other = make("enc", key=key(number=7))
    secret = bytearray(other.key.private)
    (folder / "env").write_bytes(envelope(secret, pki().leaf.certificate.spki_der, EnvelopeForm.STANDARD))
    (folder / "enc.pem").write_text(other.certificate.to_pem())
    receive = ("receive", "@env", "@b.pfx", "--signing", "@a.pfx", *SECRET)
    run(folder, *receive, "--certificate", "@cert.pem", fails=True)
    run(folder, *receive, "--certificate", "@enc.pem")
    run(folder, "open", "@b.pfx", "--out-key", "@k", "--password-file", "@password")
    assert parse_sm2_private_key(pem.decode((folder / "k").read_text(), "PRIVATE KEY")) == bytes(secret)
