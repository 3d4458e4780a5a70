"""Secret keys of applications: derived inside the cryptographic machine, stored nowhere.

SK = derive("access-key", ak) as 64 hex digits; day key = MAC(SK as ASCII, "YYYYMMDD"), which the machine answers for
derive("access-key-day", "ak:YYYYMMDD"), so that a web worker holds nothing that outlives the day.
"""

from __future__ import annotations

from typing import Protocol

from miyun.core.machine import machine_errors


class Deriver(Protocol):
    """The part of `hsm.port.Machine` used here."""

    async def derive(self, purpose: str, context: bytes, size: int = 32) -> bytes: ...


class SecretKeys:
    """Raises MachineLocked, Unavailable."""

    def __init__(self, machine: Deriver) -> None:
        self._machine = machine

    async def secret_key(self, access_key: str) -> str:
        """64 hex digits."""
        value = await self._derive("access-key", access_key.encode())
        return value.hex() if len(value) == 32 else value.decode("ascii")

    async def day_key(self, access_key: str, day: str) -> bytes:
        """32 octets; `day` is YYYYMMDD (UTC)."""
        return await self._derive("access-key-day", f"{access_key}:{day}".encode())

    async def _derive(self, purpose: str, context: bytes) -> bytes:
        with machine_errors():
            return await self._machine.derive(purpose, context)
