"""Which pages may ask at all, and for which certificate their user has said yes. One file of the user, 0600."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hmac import compare_digest
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from miyun.wire.origin import origin_of

MAX_PENDING: Final = 32
PENDING_FOR: Final = timedelta(minutes=5)
REFUSAL_FOR: Final = timedelta(seconds=10)  # as long as a page that waits may take to ask again
DURATIONS: Final = {"hour": timedelta(hours=1), "month": timedelta(days=30)}
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


class Consent(msgspec.Struct, frozen=True):
    """`certificate` is the hexadecimal SM3 fingerprint."""

    origin: str
    certificate: str
    until: datetime


class _Kept(msgspec.Struct, frozen=True):
    origins: tuple[str, ...] = ()
    consents: tuple[Consent, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """A page waits for its user's answer. `token` comes back with the answer, from the agent's own page only."""

    request: str
    origin: str
    certificate: str
    subject: str
    at: datetime
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)


def default_file() -> Path:
    return Path.home() / ".miyun" / "agent.json"


def checked_origin(text: str) -> str:
    """scheme://host[:port] in the form that browsers send. https, or this machine's own http. Raises ValueError."""
    parts, origin = urlsplit(text.strip()), origin_of(text.strip())
    secure = parts.scheme == "https" or parts.hostname in _LOOPBACK
    if not secure or parts.path.strip("/") or parts.query or parts.fragment or parts.username:
        raise ValueError(text)
    return origin


class Consents:
    """Read anew at every question: `miyun agent allow` works while the agent runs."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._asked: dict[str, Asked] = {}
        self._refused: dict[tuple[str, str], datetime] = {}

    # --- origins -----------------------------------------------------------------------------------------------------

    def origins(self) -> tuple[str, ...]:
        return self._read().origins

    def allow(self, origin: str) -> str:
        """Raises ValueError for what is no origin."""
        origin = checked_origin(origin)
        with self._changing() as kept:
            if origin not in kept.origins:
                self._write(_Kept((*kept.origins, origin), kept.consents))
        return origin

    def forbid(self, origin: str) -> bool:
        """Takes its consents with it. False when it was not allowed."""
        with self._changing() as kept:
            if origin not in kept.origins:
                return False
            consents = tuple(given for given in kept.consents if given.origin != origin)
            self._write(_Kept(tuple(other for other in kept.origins if other != origin), consents))
        return True

    # --- consents ----------------------------------------------------------------------------------------------------

    def given(self, origin: str, certificate: str, at: datetime) -> bool:
        return any(
            (given.origin, given.certificate) == (origin, certificate) and at < given.until
            for given in self._read().consents
        )

    def ask(self, origin: str, certificate: str, subject: str, at: datetime) -> Asked:
        """One open question for an origin and a certificate."""
        self._asked = {key: asked for key, asked in self._asked.items() if at < asked.at + PENDING_FOR}
        for asked in self._asked.values():
            if (asked.origin, asked.certificate) == (origin, certificate):
                return asked
        while len(self._asked) >= MAX_PENDING:
            del self._asked[next(iter(self._asked))]
        asked = Asked(secrets.token_urlsafe(16), origin, certificate, subject, at)
        self._asked[asked.request] = asked
        return asked

    def take_refusal(self, origin: str, certificate: str, at: datetime) -> bool:
        """Whether the user has just said no. It is told once: who asks again after that gets a new question."""
        said = self._refused.pop((origin, certificate), None)
        return said is not None and at < said + REFUSAL_FOR

    def asked(self, request: str, at: datetime) -> Asked | None:
        asked = self._asked.get(request)
        return asked if asked is not None and at < asked.at + PENDING_FOR else None

    def answer(self, request: str, token: str, answer: str, at: datetime) -> Asked | None:
        """`answer` is one of DURATIONS, or anything else for no. None when nothing of the kind was asked."""
        asked = self.asked(request, at)
        if asked is None or not compare_digest(asked.token.encode(), token.encode()):
            return None
        del self._asked[request]
        duration = DURATIONS.get(answer)
        if duration is None:
            self._refused[asked.origin, asked.certificate] = at
        else:
            self._keep(Consent(asked.origin, asked.certificate, at + duration), at)
        return asked

    def _keep(self, given: Consent, at: datetime) -> None:
        """Nothing of a site that was forbidden meanwhile."""
        with self._changing() as kept:
            if given.origin not in kept.origins:
                return
            which = (given.origin, given.certificate)
            others = (old for old in kept.consents if at < old.until and (old.origin, old.certificate) != which)
            self._write(_Kept(kept.origins, (*others, given)))

    @contextmanager
    def _changing(self) -> Iterator[_Kept]:
        """What the file holds, while no other process changes it: `miyun agent forbid` runs beside the agent."""
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield self._read()
        finally:
            os.close(descriptor)

    def _read(self) -> _Kept:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=_Kept)
        except FileNotFoundError:
            return _Kept()

    def _write(self, kept: _Kept) -> None:
        temporary = self._file.with_suffix(".new")
        with open(temporary, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(msgspec.json.format(msgspec.json.encode(kept)))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self._file)


def now() -> datetime:
    return datetime.now(UTC)
