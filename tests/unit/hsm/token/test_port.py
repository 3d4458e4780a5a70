"""The port over a library of GM/T 0016, asked of our own library and a real token process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.token_process import AUTHENTICATION_KEY, TokenProcess

from miyun.gm import rand, sm2, sm4
from miyun.hsm.skf import Application, Container, Library, LibraryUnusable, Token, TokenError, connected, token_names
from miyun.hsm.skf.agreement import answer, begin
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


# --- key agreement ---------------------------------------------------------------------------------------------------


def paired(application: Application, name: str) -> Container:
    """A container with an encryption key from an authority."""
    container = application.create_container(name)
    point, d, symmetric = container.generate(), sm2.generate_private_key(), rand.token(16)
    private = sm4.encrypt_ecb(symmetric, d)
    container.import_key_pair(
        EnvelopedKey(oid.SM4_ECB, sm2.encrypt(point, symmetric), sm2.public_key(d), private).encode()
    )
    return container


def encryption_key(container: Container) -> bytes:
    found = container.public_key(signing=False)
    assert found is not None
    return found


def test_two_tokens_agree_on_a_session_key(application: Application, running: TokenProcess) -> None:
    ours, iv = paired(application, "agreeing"), bytes(16)
    with TokenProcess(name="other", serial="PORT-2") as other:
        (running.tokens / "other").symlink_to(other.folder)
        try:
            with connected(Library(), "other") as token:
                token.authenticate(AUTHENTICATION_KEY)
                theirs_application = token.create_application("应用", admin_pin=ADMIN, user_pin=USER)
                theirs_application.verify_pin(USER)
                theirs = paired(theirs_application, "agreeing")
                with closing(begin(ours, b"Alice")) as begun:
                    ephemeral, theirs_key = answer(
                        theirs, encryption_key(ours), begun.ephemeral, peer_id=b"Alice", user_id=b"Bob"
                    )
                    key = begun.finish(encryption_key(theirs), ephemeral, b"Bob")
                    assert theirs_key.decrypt(iv, key.encrypt(iv, b"for Bob")) == b"for Bob"
                    assert key.decrypt(iv, theirs_key.encrypt(iv, b"for Alice")) == b"for Alice"
        finally:
            (running.tokens / "other").unlink()


def test_who_calls_the_other_by_another_name_agrees_on_another_key(application: Application) -> None:
    container, iv = paired(application, "names"), bytes(16)
    with closing(begin(container, b"Alice")) as begun:
        ephemeral, theirs = answer(container, encryption_key(container), begun.ephemeral, peer_id=b"Eve", user_id=b"B")
        key = begun.finish(encryption_key(container), ephemeral, b"B")
    assert key.encrypt(iv, b"x") != theirs.encrypt(iv, b"x")


def test_an_agreement_is_good_once_and_needs_the_pin_and_an_encryption_key(application: Application) -> None:
    bare = application.create_container("bare")
    bare.generate()
    container = paired(application, "once")
    public = encryption_key(container)
    assert code_of(lambda: begin(bare)) == Sar.KEYNOTFOUNTERR
    begun = begin(container)
    assert code_of(lambda: begun.finish(public, b"\4" + bytes(64))) == Sar.INDATAERR
    assert code_of(lambda: begun.finish(public, begun.ephemeral)) == Sar.NOTINITIALIZEERR, "it was the one try"
    again = begin(container)
    application.log_out()
    assert code_of(lambda: again.finish(public, again.ephemeral)) == Sar.USER_NOT_LOGGED_IN
    assert code_of(lambda: begin(container)) == Sar.USER_NOT_LOGGED_IN
    assert code_of(lambda: answer(container, public, again.ephemeral)) == Sar.USER_NOT_LOGGED_IN
    again.close()
    assert code_of(again.close) == Sar.INVALIDHANDLEERR


def code_of(call: Callable[[], object]) -> Sar:
    with pytest.raises(TokenError) as caught:
        call()
    return Sar(caught.value.code)
