"""What the software token promises, asked of a real process over its socket."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from tests.token_process import AUTHENTICATION_KEY, TokenClient, TokenProcess

from miyun.gm import rand, sm2, sm3, sm4
from miyun.hsm.token.frames import Function
from miyun.wire.skf import Algorithm, PinType, Right, Sar

ADMIN, USER = b"admin-pin-1", b"user-pin-1"


@pytest.fixture(scope="module")
def token() -> Iterator[TokenProcess]:
    with TokenProcess() as running:
        yield running


@pytest.fixture
def client(token: TokenProcess) -> Iterator[TokenClient]:
    """Leaves no application behind: a token holds few of them."""
    made = token.client()
    yield made
    made.close()
    after = token.client()
    assert after.authenticate() is Sar.OK
    for name in after.done(Function.ENUM_APPLICATION):
        after.done(Function.DELETE_APPLICATION, name)
    after.close()


def number(field: bytes) -> int:
    return int.from_bytes(field, "big")


def application(client: TokenClient, name: str | None = None, *, tries: int = 5, files: int = Right.USER) -> int:
    assert client.authenticate() is Sar.OK
    name = name or rand.token(6).hex()
    (handle,) = client.done(Function.CREATE_APPLICATION, name, ADMIN, tries, USER, tries, files)
    return number(handle)


def container(client: TokenClient, name: str = "c1") -> tuple[int, bytes]:
    """A container with a signing key, the user logged in: its handle and its point."""
    opened = application(client)
    client.done(Function.VERIFY_PIN, opened, PinType.USER, USER)
    handle = number(client.done(Function.CREATE_CONTAINER, opened, name)[0])
    (point,) = client.done(Function.GEN_ECC_KEY_PAIR, handle, Algorithm.SM2_SIGN)
    return handle, b"\4" + point


def envelope(point: bytes, d: bytes, *, left: bool = False) -> tuple[int, bytes, bytes, bytes]:
    """The arguments of IMPORT_ECC_KEY_PAIR for a private key, enciphered to a signing key."""
    symmetric = rand.token(16)
    enciphered = sm4.encrypt_ecb(symmetric, d)
    return (
        Algorithm.SM4_ECB,
        enciphered + bytes(32) if left else bytes(32) + enciphered,
        sm2.public_key(d)[1:],
        sm2.encrypt(point, symmetric, "c1c3c2")[1:],
    )


def test_a_signature_verifies_under_the_exported_key(client: TokenClient) -> None:
    handle, point = container(client)
    digest = sm2.message_digest(point, b"message")
    (signature,) = client.done(Function.ECC_SIGN_DATA, handle, digest)
    der = sm2.encode_signature(number(signature[:32]), number(signature[32:]))
    sm2.verify(point, b"message", der)
    assert client.done(Function.ECC_VERIFY, point[1:], digest, signature) == []
    assert client.ask(Function.ECC_VERIFY, point[1:], sm3.digest(b"other"), signature)[0] is Sar.FAIL


def test_nobody_signs_without_the_pin(client: TokenClient, token: TokenProcess) -> None:
    handle, _ = container(client)
    assert client.done(Function.ECC_SIGN_DATA, handle, bytes(32))
    opened = number(client.done(Function.OPEN_APPLICATION, client.done(Function.ENUM_APPLICATION)[-1])[0])
    client.done(Function.CLEAR_SECURE_STATE, opened)
    assert client.ask(Function.ECC_SIGN_DATA, handle, bytes(32))[0] is Sar.USER_NOT_LOGGED_IN
    client.done(Function.VERIFY_PIN, opened, PinType.ADMIN, ADMIN)
    assert client.ask(Function.ECC_SIGN_DATA, handle, bytes(32))[0] is Sar.USER_NOT_LOGGED_IN


def test_a_login_is_of_one_connection(client: TokenClient, token: TokenProcess) -> None:
    container(client, "mine")
    other = token.client()
    name = other.done(Function.ENUM_APPLICATION)[-1].decode()
    opened = number(other.done(Function.OPEN_APPLICATION, name)[0])
    handle = number(other.done(Function.OPEN_CONTAINER, opened, "mine")[0])
    assert other.ask(Function.ECC_SIGN_DATA, handle, bytes(32))[0] is Sar.USER_NOT_LOGGED_IN
    other.close()


def test_five_wrong_pins_lock_and_the_administrator_unblocks(client: TokenClient) -> None:
    opened = application(client)
    for left in (4, 3, 2, 1):
        code, fields = client.ask(Function.VERIFY_PIN, opened, PinType.USER, b"wrong-pin")
        assert (code, number(fields[0])) == (Sar.PIN_INCORRECT, left)
    assert client.ask(Function.VERIFY_PIN, opened, PinType.USER, b"wrong-pin")[0] is Sar.PIN_LOCKED
    assert client.ask(Function.VERIFY_PIN, opened, PinType.USER, USER)[0] is Sar.PIN_LOCKED
    assert client.ask(Function.UNBLOCK_PIN, opened, b"wrong-pin", b"new-pin-2")[0] is Sar.PIN_INCORRECT
    client.done(Function.UNBLOCK_PIN, opened, ADMIN, b"new-pin-2")
    assert client.ask(Function.VERIFY_PIN, opened, PinType.USER, USER)[0] is Sar.PIN_INCORRECT
    client.done(Function.VERIFY_PIN, opened, PinType.USER, b"new-pin-2")
    assert [number(f) for f in client.done(Function.GET_PIN_INFO, opened, PinType.USER)] == [5, 5, 0]


def test_the_right_pin_gives_all_tries_back(client: TokenClient) -> None:
    opened = application(client, tries=3)
    client.ask(Function.VERIFY_PIN, opened, PinType.USER, b"wrong-pin")
    client.done(Function.VERIFY_PIN, opened, PinType.USER, USER)
    assert [number(f) for f in client.done(Function.GET_PIN_INFO, opened, PinType.USER)] == [3, 3, 1]


def test_a_try_is_counted_even_when_the_process_is_killed() -> None:
    with TokenProcess() as token:
        first = token.client()
        application(first, "app")
        name_handle = number(first.done(Function.OPEN_APPLICATION, "app")[0])
        for _ in range(4):
            first.ask(Function.VERIFY_PIN, name_handle, PinType.USER, b"wrong-pin")
            token.stop(signal.SIGKILL)
            token.start()
            first = token.client()
            name_handle = number(first.done(Function.OPEN_APPLICATION, "app")[0])
        assert number(first.done(Function.GET_PIN_INFO, name_handle, PinType.USER)[1]) == 1
        assert first.ask(Function.VERIFY_PIN, name_handle, PinType.USER, b"wrong-pin")[0] is Sar.PIN_LOCKED


def test_keys_survive_kill_9() -> None:
    with TokenProcess() as token:
        client = token.client()
        _, point = container(client)
        (name,) = client.done(Function.ENUM_APPLICATION)
        token.stop(signal.SIGKILL)
        token.start()
        again = token.client()
        opened = number(again.done(Function.OPEN_APPLICATION, name)[0])
        handle = number(again.done(Function.OPEN_CONTAINER, opened, "c1")[0])
        again.done(Function.VERIFY_PIN, opened, PinType.USER, USER)
        (signature,) = again.done(Function.ECC_SIGN_DATA, handle, bytes(32))
        sm2.verify_digest(point, bytes(32), sm2.encode_signature(number(signature[:32]), number(signature[32:])))


@pytest.mark.parametrize("left", [False, True])
def test_an_encryption_key_pair_comes_in_and_decrypts(client: TokenClient, left: bool) -> None:
    handle, point = container(client)
    d = sm2.generate_private_key()
    client.done(Function.IMPORT_ECC_KEY_PAIR, handle, *envelope(point, d, left=left))
    assert client.done(Function.EXPORT_PUBLIC_KEY, handle, 0) == [sm2.public_key(d)[1:]]
    secret = sm2.encrypt(sm2.public_key(d), b"secret", "c1c3c2")[1:]
    assert client.done(Function.ECC_DECRYPT, handle, secret) == [b"secret"]


def test_a_key_pair_that_is_not_the_points_is_refused(client: TokenClient) -> None:
    handle, point = container(client)
    algorithm, enciphered, _, enveloped = envelope(point, sm2.generate_private_key())
    other = sm2.public_key(sm2.generate_private_key())[1:]
    assert client.ask(Function.IMPORT_ECC_KEY_PAIR, handle, algorithm, enciphered, other, enveloped)[0] is Sar.INDATAERR
    assert client.ask(Function.EXPORT_PUBLIC_KEY, handle, 0)[0] is Sar.KEYNOTFOUNTERR


def test_session_keys_go_to_another_and_come_back(client: TokenClient) -> None:
    handle, point = container(client)
    d = sm2.generate_private_key()
    client.done(Function.IMPORT_ECC_KEY_PAIR, handle, *envelope(point, d))
    enciphered, key = client.done(Function.ECC_EXPORT_SESSION_KEY, handle, Algorithm.SM4_CBC, sm2.public_key(d)[1:])
    (again,) = client.done(Function.IMPORT_SESSION_KEY, handle, Algorithm.SM4_CBC, enciphered)
    iv, message = rand.token(16), b"x" * 100
    client.done(Function.CIPHER_INIT, number(key), 1, iv, 1, 0)
    client.done(Function.CIPHER_INIT, number(again), 0, iv, 1, 0)
    _, sealed = client.done(Function.CIPHER_FINAL, number(key), 1, message, 1000, 0)
    raw = sm2.decrypt(d, b"\4" + enciphered, "c1c3c2")
    assert sealed == sm4.encrypt_cbc(raw, iv, message)
    parts = b""
    for start in range(0, len(sealed), 23):
        parts += client.done(Function.CIPHER_UPDATE, number(again), 0, sealed[start : start + 23], 1000, 0)[1]
    parts += client.done(Function.CIPHER_FINAL, number(again), 0, b"", 1000, 0)[1]
    assert parts == message


def test_a_buffer_that_is_too_small_changes_nothing(client: TokenClient) -> None:
    (key,) = client.done(Function.SET_SYMM_KEY, bytes(16), Algorithm.SM4_ECB)
    client.done(Function.CIPHER_INIT, number(key), 1, b"", 1, 0)
    code, fields = client.ask(Function.CIPHER_FINAL, number(key), 1, b"x" * 20, 31, 0)
    assert (code, number(fields[0])) == (Sar.BUFFER_TOO_SMALL, 32)
    assert number(client.done(Function.CIPHER_FINAL, number(key), 1, b"x" * 20, 0, 1)[0]) == 32
    fitting = client.done(Function.CIPHER_FINAL, number(key), 1, b"x" * 20, 32, 0)[1]
    assert fitting == sm4.encrypt_ecb(bytes(16), b"x" * 20 + bytes([12]) * 12)


def test_digest_with_the_signers_identity_is_what_sm2_signs(client: TokenClient) -> None:
    point = sm2.public_key(sm2.generate_private_key())
    (handle,) = client.done(Function.DIGEST_INIT, Algorithm.SM3, point[1:], sm2.DEFAULT_ID)
    client.done(Function.DIGEST_UPDATE, number(handle), b"mess")
    assert client.done(Function.DIGEST_FINAL, number(handle), b"age") == [sm2.message_digest(point, b"message")]
    assert client.ask(Function.DIGEST_UPDATE, number(handle), b"more")[0] is Sar.HASHOBJERR


def test_a_mac_is_the_last_block_of_cbc(client: TokenClient) -> None:
    (key,) = client.done(Function.SET_SYMM_KEY, bytes(16), Algorithm.SM4_MAC)
    (mac,) = client.done(Function.MAC_INIT, number(key), b"", 0)
    client.done(Function.MAC_UPDATE, number(mac), b"a" * 20)
    (value,) = client.done(Function.MAC_FINAL, number(mac), b"b" * 12)
    assert value == sm4.encrypt_cbc(bytes(16), bytes(16), b"a" * 20 + b"b" * 12, padding=None)[-16:]


def test_applications_need_the_devices_authentication(client: TokenClient) -> None:
    refused = client.ask(Function.CREATE_APPLICATION, "x", ADMIN, 5, USER, 5, Right.USER)[0]
    assert refused is Sar.USER_NOT_LOGGED_IN
    assert client.authenticate(bytes(16)) is Sar.FAIL
    assert client.ask(Function.DELETE_APPLICATION, "x")[0] is Sar.USER_NOT_LOGGED_IN


def test_a_challenge_authenticates_once(client: TokenClient) -> None:
    (drawn,) = client.done(Function.GEN_RANDOM, 8)
    answer = sm4.encrypt_ecb(AUTHENTICATION_KEY, drawn.ljust(16, b"\0"))
    assert client.ask(Function.DEV_AUTH, answer)[0] is Sar.OK
    assert client.ask(Function.DEV_AUTH, answer)[0] is Sar.NOTINITIALIZEERR


@pytest.mark.parametrize(("size", "code"), [(1, Sar.NOTINITIALIZEERR), (7, Sar.NOTINITIALIZEERR), (8, Sar.OK)])
def test_a_challenge_is_too_long_to_come_again(client: TokenClient, size: int, code: Sar) -> None:
    """Of one octet there are 256: whoever heard the answers to them once could authenticate for ever."""
    (drawn,) = client.done(Function.GEN_RANDOM, size)
    assert client.ask(Function.DEV_AUTH, sm4.encrypt_ecb(AUTHENTICATION_KEY, drawn.ljust(16, b"\0")))[0] is code


def test_a_file_is_read_by_whom_it_is_for(client: TokenClient) -> None:
    opened = application(client)
    assert client.ask(Function.CREATE_FILE, opened, "f", 10, Right.USER, Right.USER)[0] is Sar.USER_NOT_LOGGED_IN
    client.done(Function.VERIFY_PIN, opened, PinType.USER, USER)
    client.done(Function.CREATE_FILE, opened, "f", 10, Right.USER, Right.USER)
    client.done(Function.WRITE_FILE, opened, "f", 2, b"secret")
    assert client.done(Function.READ_FILE, opened, "f", 0, 10) == [b"\0\0secret\0\0"]
    client.done(Function.CLEAR_SECURE_STATE, opened)
    assert client.ask(Function.READ_FILE, opened, "f", 0, 10)[0] is Sar.USER_NOT_LOGGED_IN
    assert client.ask(Function.WRITE_FILE, opened, "f", 5, b"toolong")[0] is Sar.USER_NOT_LOGGED_IN


def test_a_handle_of_a_deleted_application_is_dead(client: TokenClient) -> None:
    handle = application(client, "gone")
    client.done(Function.DELETE_APPLICATION, "gone")
    application(client, "gone")
    assert client.ask(Function.VERIFY_PIN, handle, PinType.USER, USER)[0] is Sar.INVALIDHANDLEERR


def test_a_locked_device_keeps_others_waiting(client: TokenClient, token: TokenProcess) -> None:
    other = token.client()
    client.done(Function.LOCK_DEV, 0xFFFFFFFF)
    assert other.ask(Function.LOCK_DEV, 30)[0] is Sar.TIMEOUTERR
    assert other.ask(Function.UNLOCK_DEV)[0] is Sar.FAIL
    client.done(Function.GEN_RANDOM, 8)
    client.close()
    assert other.done(Function.GEN_RANDOM, 8)
    other.close()


@pytest.mark.parametrize("pin", [b"short", b"x" * 17])
def test_a_pin_has_6_to_16_characters(client: TokenClient, pin: bytes) -> None:
    opened = application(client)
    assert client.ask(Function.CHANGE_PIN, opened, PinType.USER, USER, pin)[0] is Sar.PIN_LEN_RANGE


def test_nonsense_is_refused_and_the_next_request_is_served(client: TokenClient) -> None:
    client.send((5).to_bytes(4, "big") + b"\xffabcd")
    assert client.answer()[0] is Sar.INVALIDPARAMERR
    assert client.done(Function.GEN_RANDOM, 4)
    assert client.ask(Function.ECC_SIGN_DATA, 99, bytes(32))[0] is Sar.INVALIDHANDLEERR


def test_a_second_process_does_not_serve_the_same_token(token: TokenProcess) -> None:
    import subprocess
    import sys

    again = subprocess.run([sys.executable, "-m", "miyun.hsm.token", "--folder", str(token.folder)], timeout=60)
    assert again.returncode == 2


def test_the_socket_is_the_users_own(token: TokenProcess) -> None:
    assert os.stat(token.folder / "token.sock").st_mode & 0o777 == 0o600
    assert os.stat(token.folder).st_mode & 0o777 == 0o700
