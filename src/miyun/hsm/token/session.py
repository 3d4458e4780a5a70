"""One connected device: its handles, who is logged in to which application, and what every function may ask of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from miyun.hsm.token.frames import Function
from miyun.hsm.token.refusal import Refused
from miyun.hsm.token.state import Application, Container
from miyun.hsm.token.unlocking import Unlocking
from miyun.hsm.token.vault import Vault, wipe
from miyun.wire.skf import Right, Sar

MAX_HANDLES: Final = 1024
Answer = Sequence[int | bytes | str]
Handler = Callable[..., Answer]
HANDLERS: Final[dict[Function, Handler]] = {}
Kind = TypeVar("Kind")


def serves(function: Function) -> Callable[[Handler], Handler]:
    """Makes a function of a session and its arguments the handler of a number."""

    def register(handler: Handler) -> Handler:
        HANDLERS[function] = handler
        return handler

    return register


@dataclass(frozen=True, slots=True)
class OpenApplication:
    name: str
    identity: bytes


@dataclass(frozen=True, slots=True)
class OpenContainer:
    application: OpenApplication
    name: str


@dataclass(slots=True, repr=False)
class Login:
    """`key` is the application's, in the clear for as long as somebody is logged in."""

    key: bytearray
    rights: Right


@dataclass(slots=True, repr=False, eq=False)
class Session:
    vault: Vault
    unlocking: Unlocking
    authenticated: bool = False
    challenge: bytes | None = None
    _handles: dict[int, Any] = field(default_factory=dict)
    _logins: dict[bytes, Login] = field(default_factory=dict)
    _last: int = 0

    def close(self) -> None:
        for login in self._logins.values():
            wipe(login.key)
        self._logins.clear()
        for number in list(self._handles):
            self.drop(number)

    # --- handles -----------------------------------------------------------------------------------------------------

    def give(self, thing: object) -> int:
        if len(self._handles) >= MAX_HANDLES:
            raise Refused(Sar.MEMORYERR)
        self._last += 1
        self._handles[self._last] = thing
        return self._last

    def held(self, handle: int, kind: type[Kind]) -> Kind:
        thing = self._handles.get(handle)
        if not isinstance(thing, kind):
            raise Refused(Sar.INVALIDHANDLEERR)
        return thing

    def drop(self, handle: int) -> None:
        thing = self._handles.pop(handle, None)
        if thing is None:
            raise Refused(Sar.INVALIDHANDLEERR)
        if hasattr(thing, "wipe"):
            thing.wipe()

    # --- applications and containers ---------------------------------------------------------------------------------

    def application(self, handle: int) -> Application:
        return self._stored(self.held(handle, OpenApplication))

    def container(self, handle: int) -> tuple[Application, Container, bytes]:
        """The container with its application, and its place for `Vault.private`."""
        return self.contained(self.held(handle, OpenContainer))

    def contained(self, opened: OpenContainer) -> tuple[Application, Container, bytes]:
        application = self._stored(opened.application)
        container = application.containers.get(opened.name)
        if container is None:
            raise Refused(Sar.INVALIDHANDLEERR)
        return application, container, application.identity + opened.name.encode()

    def _stored(self, opened: OpenApplication) -> Application:
        stored = self.vault.state.applications.get(opened.name)
        if stored is None or stored.identity != opened.identity:
            raise Refused(Sar.INVALIDHANDLEERR)
        return stored

    # --- who may -----------------------------------------------------------------------------------------------------

    def log_in(self, application: Application, right: Right, key: bytearray) -> None:
        login = self._logins.get(application.identity)
        if login is None:
            self._logins[application.identity] = Login(key, right)
        else:
            wipe(key)
            login.rights |= right

    def log_out(self, application: Application) -> None:
        login = self._logins.pop(application.identity, None)
        if login is not None:
            wipe(login.key)

    def key(self, application: Application, allowed: Right) -> bytearray:
        """The application's key, when somebody with one of the allowed rights is logged in."""
        login = self._logins.get(application.identity)
        if login is None or not login.rights & allowed:
            raise Refused(Sar.USER_NOT_LOGGED_IN)
        return login.key

    def require(self, application: Application, allowed: int) -> None:
        """A file's right, or that to create one."""
        if allowed != Right.ANYONE:
            self.key(application, Right(allowed & (Right.ADMIN | Right.USER)))

    def require_device(self) -> None:
        """What manages applications needs the device's own authentication first."""
        if not self.authenticated:
            raise Refused(Sar.USER_NOT_LOGGED_IN)
