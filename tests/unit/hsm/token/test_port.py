"""The port over a library of GM/T 0016, asked of our own library and a real token process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.token_process import AUTHENTICATION_KEY, TokenProcess

from miyun.gm import rand, sm2, sm4
from miyun.hsm.skf import Application, Library, LibraryUnusable, Token, TokenError, connected, token_names
from miyun.wire import oid
from miyun.wire.cms import EnvelopedKey
from miyun.wire.errors import DecodeError
from miyun.wire.skf import PinType, Sar

ADMIN, USER = "admin-pin-1", "user-pin-1"


@pytest.fixture(scope="module")
def running() -> Iterator[TokenProcess]:
    with TokenProcess(serial="PORT-1") as token:
        yield token


@pytest.fixture
def token(running: TokenProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[Token]:
    monkeypatch.setenv("MIYUN_TOKENS", str(running.tokens))
    with connected(Library(), "key") as found:
        found.authenticate(AUTHENTICATION_KEY)
        yield found
        for name in found.applications():
            found.delete_application(name)


@pytest.fixture
def application(token: Token) -> Application:
    made = token.create_application("应用", admin_pin=ADMIN, user_pin=USER)
    made.verify_pin(USER)
    return made


def test_the_token_is_found_and_says_who_it_is(token: Token) -> None:
    assert token_names(Library()) == ["key"]
    info = token.info()
    assert (info.name, info.serial, info.manufacturer) == ("key", "PORT-1", "Miyun")


def test_it_signs_what_others_verify(application: Application) -> None:
    container = application.create_container("盒")
    public = container.generate()
    sm2.verify(public, b"message", container.sign(b"message"))
    assert application.containers() == ["盒"]
    assert application.open_container("盒").public_key() == public


@pytest.mark.parametrize("padding", [0, 32])
def test_the_envelope_of_an_authority_goes_in(application: Application, padding: int) -> None:
    container = application.create_container("box")
    point, d, symmetric = container.generate(), sm2.generate_private_key(), rand.token(16)
    private = sm4.encrypt_ecb(symmetric, bytes(padding) + d)
    envelope = EnvelopedKey(oid.SM4_ECB, sm2.encrypt(point, symmetric), sm2.public_key(d), private)
    container.import_key_pair(envelope.encode())
    assert container.public_key(signing=False) == sm2.public_key(d)
    assert container.decrypt(sm2.encrypt(sm2.public_key(d), b"secret")) == b"secret"


def test_an_envelope_for_another_key_is_refused(application: Application) -> None:
    container = application.create_container("box")
    container.generate()
    other, d, symmetric = sm2.public_key(sm2.generate_private_key()), sm2.generate_private_key(), rand.token(16)
    envelope = EnvelopedKey(
        oid.SM4_ECB, sm2.encrypt(other, symmetric), sm2.public_key(d), sm4.encrypt_ecb(symmetric, d)
    )
    with pytest.raises(TokenError) as caught:
        container.import_key_pair(envelope.encode())
    assert caught.value.code == Sar.INDATAERR
    assert container.public_key(signing=False) is None
    with pytest.raises(DecodeError):
        container.import_key_pair(b"\x30\x00")


def test_a_wrong_pin_says_how_many_tries_are_left(application: Application) -> None:
    left = []
    for _ in range(5):
        with pytest.raises(TokenError) as caught:
            application.verify_pin("wrong-pin")
        left.append(caught.value.tries)
    assert left == [4, 3, 2, 1, 0]
    assert caught.value.code == Sar.PIN_LOCKED
    application.unblock_pin(ADMIN, "new-pin-2")
    application.verify_pin("new-pin-2")
    assert application.pin_info().remaining == 5
    assert not application.pin_info().factory and application.pin_info(PinType.ADMIN).factory


def test_a_certificate_belongs_to_the_key(application: Application) -> None:
    container = application.create_container("box")
    point = container.generate()
    assert container.certificate() is None
    with pytest.raises(TokenError):
        container.import_certificate(b"of another key")
    container.import_certificate(b"certificate of " + point)
    assert container.certificate() == b"certificate of " + point


def test_what_is_no_library_is_named(tmp_path: Path) -> None:
    with pytest.raises(LibraryUnusable, match="cannot be loaded"):
        Library(tmp_path / "missing.so")
    with pytest.raises(LibraryUnusable, match="no function SKF_EnumDev"):
        Library(Path("libc.so.6"))
