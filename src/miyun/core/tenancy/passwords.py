"""Passwords of people: policy, one-time first passwords, slow salted hash (scrypt, RFC 7914).

The hash takes 16 MiB and about 50 ms; `Guard` runs it in two worker threads and refuses a crowd at the door, so that
the sign-in page cannot be used to exhaust the node.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from miyun.core.errors import Overloaded
from miyun.core.i18n import Text
from miyun.core.tenancy.errors import WeakPassword
from miyun.gm import rand

T = TypeVar("T")

_COST: Final = 2**14
_BLOCK: Final = 8
_MEMORY: Final = 64 * 1024 * 1024
MAX_LENGTH: Final = 128
_ALPHABET: Final = "23456789abcdefghjkmnpqrstuvwxyzABCDEFGHJKMNPQRSTUVWXYZ"  # nothing that looks like another


def hash_password(password: str) -> str:
    """`scrypt$<cost>$<salt>$<hash>`, base64."""
    salt = rand.token(16)
    return f"scrypt${_COST}${_text(salt)}${_text(_derive(password, salt, _COST))}"


def verify_password(password: str, stored: str) -> bool:
    _, cost, salt, expected = stored.split("$")
    derived = _derive(password, base64.b64decode(salt), int(cost))
    return hmac.compare_digest(derived, base64.b64decode(expected))


# what a login name nobody has is checked against, so that it takes as long as any other
NOBODY: Final = f"scrypt${_COST}${'A' * 22}==${'A' * 43}="


def first_password() -> tuple[str, str]:
    """Two halves of 57 bits each, for two administrators to hand over; joined by '-' they are the password."""
    return _half(), _half()


def check_policy(password: str, login: str, *, field: str) -> None:
    """Raises WeakPassword: at least 12 characters, or 10 of three classes; not the login name, not one letter."""
    tests = (str.islower, str.isupper, str.isdigit, lambda ch: not ch.isalnum())
    classes = sum(any(test(ch) for ch in password) for test in tests)
    if len(password) > MAX_LENGTH:
        raise WeakPassword(field, Text("超过 128 个字符。", "it has more than 128 characters."))
    if len(password) < 10 or (len(password) < 12 and classes < 3):
        raise WeakPassword(field, Text("口令强度不足。", "the password is too weak."))
    name = login.partition("@")[0].lower()
    if (len(name) >= 4 and name in password.lower()) or len(set(password)) < 5:
        raise WeakPassword(
            field, Text("口令含有账号名或字符过于单一。", "it holds the login name or too few characters.")
        )


class Guard:
    """Runs password work off the event loop, two at a time; more than `waiting` in the queue answer Overloaded."""

    def __init__(self, *, waiting: int = 64) -> None:
        self._pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="password")
        self._waiting = waiting
        self._queued = 0
        self._lock = threading.Lock()

    async def run(self, work: Callable[[], T]) -> T:
        with self._lock:
            if self._queued >= self._waiting:
                raise Overloaded(retry_after=2)
            self._queued += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            with self._lock:
                self._queued -= 1

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def _derive(password: str, salt: bytes, cost: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=cost, r=_BLOCK, p=1, maxmem=_MEMORY, dklen=32)


def _half() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(10))


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
