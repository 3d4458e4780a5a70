"""A person's key behind a maker's library of GM/T 0016, without the key agent: for machines that have no browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from miyun.client import KeyUnusable
from miyun.edge.agent.consent import now
from miyun.edge.agent.keys import Found, Keys
from miyun.edge.cli.say import language, say
from miyun.hsm.skf import Library, LibraryUnusable, TokenError

_COMMAND = "command"  # a login belongs to who gave the PIN: here the one command


class LibraryKey:
    """As `miyun.client.Key`. `pin` is asked at each signature, and the key is logged out after it."""

    def __init__(self, library: Path, pin: Callable[[], str], *, name: str | None = None) -> None:
        self._library, self._pin, self._name = library, pin, name

    def certificate(self) -> bytes:
        with self._keys() as keys:
            return self._found(keys).certificate

    def sign(self, message: bytes) -> bytes:
        with self._keys() as keys:
            identifier = self._found(keys).identifier
            keys.log_in(_COMMAND, identifier, self._pin(), now())
            return keys.logged_in(_COMMAND, identifier, now()).sign(message)

    def _found(self, keys: Keys) -> Found:
        listed = keys.list()
        fitting = [found for found in listed if self._name in (None, found.identifier, found.subject)]
        if len(fitting) != 1:
            raise KeyUnusable.among([found.identifier for found in listed], language())
        return fitting[0]

    @contextmanager
    def _keys(self) -> Iterator[Keys]:
        try:
            keys = Keys(Library(self._library))
        except LibraryUnusable as error:
            raise KeyUnusable(say(f"不能使用 {error.path}：{error.why}", f"{error.path}: {error.why}")) from None
        try:
            yield keys
        except TokenError as error:
            left = "" if error.tries is None else say(f"，还可试 {error.tries} 次", f", {error.tries} tries left")
            raise KeyUnusable(
                say(f"密码钥匙拒绝：{error}{left}", f"the key refused: {error}{left}"),
                code=error.code,
                tries=error.tries,
            ) from None
        finally:
            keys.close()
