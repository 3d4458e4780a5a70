"""The token's private keys cannot be read out: not from its files, not by any of its functions, not from its memory."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.token_process import AUTHENTICATION_KEY, TokenClient, TokenProcess

from miyun.gm import rand, sm2, sm4
from miyun.hsm.token.frames import ARGUMENTS, Function
from miyun.wire.skf import Algorithm, PinType, Right, Sar
from miyun.wire.skf_unlock import Command, CommandCode

ADMIN, USER = b"Admin-PIN-72", b"User-PIN-358"
NOBODY = 65_534


@dataclass
class Filled:
    """A token with an imported key `d`, and somebody logged in."""

    token: TokenProcess
    client: TokenClient
    application: int
    container: int
    d: bytes

    def spelled(self) -> list[bytes]:
        """What must be found nowhere, in the ways that it could be written."""
        secrets = (self.d, AUTHENTICATION_KEY, ADMIN, USER)
        written = [form for secret in secrets for form in (secret, secret[::-1], secret.hex().encode())]
        # Base64 of a secret inside a longer text: without the ends, which depend on what stands beside it
        shifted = [base64.b64encode(bytes(n) + secret)[4 : -4 or None] for secret in secrets for n in range(3)]
        return [*written, *(self.d.hex().upper().encode(),), *shifted]


@pytest.fixture(scope="module")
def filled() -> Iterator[Filled]:
    with TokenProcess() as token:
        client = token.client()
        assert client.authenticate() is Sar.OK
        number = int.from_bytes
        handle = client.done(Function.CREATE_APPLICATION, "app", ADMIN, 5, USER, 5, Right.USER)[0]
        application = number(handle, "big")
        client.done(Function.VERIFY_PIN, application, PinType.USER, USER)
        container = number(client.done(Function.CREATE_CONTAINER, application, "box")[0], "big")
        (point,) = client.done(Function.GEN_ECC_KEY_PAIR, container, Algorithm.SM2_SIGN)
        d, symmetric = sm2.generate_private_key(), rand.token(16)
        envelope = sm2.encrypt(b"\4" + point, symmetric, "c1c3c2")[1:]
        enciphered = bytes(32) + sm4.encrypt_ecb(symmetric, d)
        client.done(
            Function.IMPORT_ECC_KEY_PAIR, container, Algorithm.SM4_ECB, enciphered, sm2.public_key(d)[1:], envelope
        )
        client.ask(Function.VERIFY_PIN, application, PinType.USER, b"wrong-pin")
        client.done(Function.VERIFY_PIN, application, PinType.USER, USER)
        yield Filled(token, client, application, container, d)


def test_no_file_of_the_token_holds_a_secret(filled: Filled) -> None:
    files = [path for path in filled.token.tokens.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"token.json", "device.secret", "token.log"}
    for path in files:
        content = path.read_bytes()
        assert not [secret for secret in filled.spelled() if secret in content], path.name
        assert path.name == "token.log" or path.stat().st_mode & 0o777 == 0o600


def test_no_function_hands_a_private_key_out(filled: Filled) -> None:
    """Every function, with every handle there is and sensible arguments; what comes back never holds the key."""
    command = Command(CommandCode.CHALLENGE, "app").encode()
    texts, octets = ("app", "box"), (b"", command, bytes(32), bytes(64), sm2.DEFAULT_ID)
    destructive = {Function.DELETE_APPLICATION, Function.DELETE_CONTAINER, Function.LOCK_DEV, Function.VERIFY_PIN}
    destructive |= {Function.CLEAR_SECURE_STATE, Function.UNBLOCK_PIN, Function.CLOSE_HANDLE, Function.CHANGE_PIN}
    answered = 0
    for function, kinds in ARGUMENTS.items():
        if function in destructive:
            continue
        for handle in (filled.application, filled.container, 99):
            for value in octets:
                for flag in (0, 1, 16):
                    numbers = iter([handle, flag, flag, flag, flag])
                    arguments = [next(numbers) if k == "u" else value if k == "b" else texts[flag % 2] for k in kinds]
                    code, fields = filled.client.ask(function, *arguments)
                    answered += code is Sar.OK
                    assert not [secret for secret in filled.spelled() if secret in b"".join(fields)], function
    assert answered > 50
    assert filled.client.done(Function.ECC_SIGN_DATA, filled.container, bytes(32))


def test_it_leaves_no_core_dump(filled: Filled) -> None:
    assert filled.token.process is not None
    limits = Path(f"/proc/{filled.token.process.pid}/limits").read_text()
    assert re_line(limits, "Max core file size").split()[4:6] == ["0", "0"]


def test_its_memory_is_closed_to_others(filled: Filled) -> None:
    """To another user, and, where the test may change users, to the token's own user in another process."""
    assert filled.token.process is not None
    read = f"open('/proc/{filled.token.process.pid}/mem', 'rb')"
    user = NOBODY if os.geteuid() == 0 else None
    done = subprocess.run(["/usr/bin/python3", "-c", read], user=user, capture_output=True, text=True, timeout=60)
    assert "PermissionError" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="changes users")
def test_its_own_users_other_processes_cannot_read_it_either() -> None:
    """What the token's process does to itself before it opens its keys, in a process of an ordinary user."""
    code = (
        f"import sys; from miyun.hsm.soft.confine import confine; confine({NOBODY}); print('ready', flush=True);"
        "sys.stdin.read()"
    )
    confined = subprocess.Popen([sys.executable, "-c", code], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert confined.stdout is not None
    try:
        assert confined.stdout.readline() == "ready\n"
        read = f"open('/proc/{confined.pid}/mem', 'rb')"
        done = subprocess.run(
            ["/usr/bin/python3", "-c", read], user=NOBODY, group=NOBODY, capture_output=True, text=True, timeout=60
        )
        assert "PermissionError" in done.stderr
    finally:
        confined.kill()
        confined.wait()


def re_line(text: str, start: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(start))
