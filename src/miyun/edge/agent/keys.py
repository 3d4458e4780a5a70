"""The certificates on the keys that are plugged in, and who is logged in to which of them. Blocking: one thread's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from miyun.gm import sm3
from miyun.hsm.skf import Application, Container, Library, TokenError, TokenInfo, connected, token_names
from miyun.wire.errors import DecodeError
from miyun.wire.skf import Sar
from miyun.wire.x509 import parse_certificate

IDLE: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Found:
    """A container with a signing certificate. `identifier` is the certID of the standard's functions."""

    identifier: str
    token: str
    application: str
    container: str
    certificate: bytes
    subject: str

    @property
    def fingerprint(self) -> str:
        return sm3.digest(self.certificate).hex()


@dataclass(slots=True)
class _Login:
    found: Found
    open: ExitStack
    application: Application
    container: Container
    used: datetime


class NotFound(Exception):
    """No key that is plugged in has this certID."""


class NotLoggedIn(Exception):
    """This page has not given the PIN, or too long ago."""


class Keys:
    """A login is one page's: another page has to give the PIN itself."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._logins: dict[tuple[str, str], _Login] = {}

    def close(self) -> None:
        for key in list(self._logins):
            self._drop(key)

    # --- what is there -----------------------------------------------------------------------------------------------

    def list(self) -> list[Found]:
        """A certID is its container's name, with the token's name after it where two would be alike."""
        found = list(self._containers())
        names = [one.container for one in found]
        return [
            one
            if names.count(one.container) == 1
            else Found(
                f"{one.container}@{one.token}", one.token, one.application, one.container, one.certificate, one.subject
            )
            for one in found
        ]

    def find(self, identifier: str) -> Found:
        """Raises NotFound."""
        for found in self.list():
            if found.identifier == identifier:
                return found
        raise NotFound(identifier)

    def exchange_certificate(self, identifier: str) -> bytes | None:
        """That of the encryption key."""
        with self._opened(self.find(identifier)) as (_, container):
            return container.certificate(signing=False)

    def device(self, identifier: str) -> TokenInfo:
        """The token that the certificate is on."""
        with connected(self._library, self.find(identifier).token) as token:
            return token.info()

    def tries(self, identifier: str) -> int:
        with self._opened(self.find(identifier)) as (application, _):
            return application.pin_info().remaining

    def change_pin(self, identifier: str, old: str, new: str) -> None:
        with self._opened(self.find(identifier)) as (application, _):
            application.change_pin(old, new)

    def _containers(self) -> Iterator[Found]:
        for token_name in token_names(self._library):
            with suppress(TokenError), connected(self._library, token_name) as token:
                for name in token.applications():
                    with closing(token.open_application(name)) as application:
                        for container_name in application.containers():
                            with closing(application.open_container(container_name)) as container:
                                certificate = container.certificate()
                            if certificate:
                                subject = _subject(certificate)
                                yield Found(container_name, token_name, name, container_name, certificate, subject)

    def _opened(self, found: Found) -> _Opened:
        return _Opened(self._library, found)

    # --- logins ------------------------------------------------------------------------------------------------------

    def log_in(self, origin: str, identifier: str, pin: str, at: datetime) -> None:
        found = self.find(identifier)
        self._drop((origin, identifier))
        with ExitStack() as stack:
            application, container = stack.enter_context(self._opened(found))
            application.verify_pin(pin)
            self._logins[origin, identifier] = _Login(found, stack.pop_all(), application, container, at)

    def log_out(self, origin: str, identifier: str) -> None:
        self._drop((origin, identifier))

    def logged_in(self, origin: str, identifier: str, at: datetime) -> Container:
        """Raises NotLoggedIn."""
        login = self._logins.get((origin, identifier))
        if login is None:
            raise NotLoggedIn(identifier)
        if at > login.used + IDLE:
            self._drop((origin, identifier))
            raise NotLoggedIn(identifier)
        login.used = at
        return login.container

    def forget_idle(self, at: datetime) -> None:
        for key, login in list(self._logins.items()):
            if at > login.used + IDLE:
                self._drop(key)

    def _drop(self, key: tuple[str, str]) -> None:
        login = self._logins.pop(key, None)
        if login is not None:
            with suppress(TokenError):  # a key that was pulled out is logged out as well
                login.application.log_out()
            with suppress(TokenError):
                login.open.close()


class _Opened:
    """The container of a certificate with its application, open for a `with`."""

    def __init__(self, library: Library, found: Found) -> None:
        self._library, self._found, self._stack = library, found, ExitStack()

    def __enter__(self) -> tuple[Application, Container]:
        with ExitStack() as stack:
            token = stack.enter_context(connected(self._library, self._found.token))
            application = token.open_application(self._found.application)
            stack.callback(application.close)
            container = application.open_container(self._found.container)
            stack.callback(container.close)
            self._stack = stack.pop_all()
        return application, container

    def __exit__(self, *exception: object) -> None:
        try:
            self._stack.close()
        except TokenError as error:
            if error.code != Sar.DEVICE_REMOVED:
                raise


def _subject(certificate: bytes) -> str:
    """The common name; the whole name without one, and the fingerprint of what is no certificate."""
    try:
        subject = parse_certificate(certificate).subject
    except DecodeError:
        return sm3.digest(certificate).hex()[:16]
    return subject.get("CN") or str(subject)
