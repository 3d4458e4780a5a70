"""Which platform this is, in what people sign: a name that it keeps when its address changes, and its address."""

from __future__ import annotations

from typing import Final, Protocol

from miyun.core.machine import machine_errors
from miyun.wire import statement
from miyun.wire.origin import origin_of

_CONTEXT: Final = b"platform identity"
_OCTETS: Final = 10


class Deriver(Protocol):
    """The part of `hsm.port.Machine` used here."""

    async def derive(self, purpose: str, context: bytes, size: int = 32) -> bytes: ...


class Identity:
    """The name is made of the machine's root key at set-up: every process of the platform knows the same, and it goes
    with a backup."""

    def __init__(self, machine: Deriver, url: str) -> None:
        """Raises ValueError for what is no address."""
        self.address = origin_of(url)
        self._machine = machine
        self._name = ""

    async def name(self) -> str:
        if not self._name:
            with machine_errors():
                derived = await self._machine.derive("session", _CONTEXT)
            self._name = f"plf_{derived[:_OCTETS].hex()}"
        return self._name

    async def statement(self, head: str, *lines: str) -> str:
        """To be signed by a person's key."""
        return statement.compose(head, await self.name(), self.address, *lines)
