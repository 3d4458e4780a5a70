"""What a token keeps on disk: `token.json`, replaced as a whole at every change, and `device.secret`.

device secret ──────────────┐
PIN ── PBKDF2-SM3 ── HKDF ──┴─► wraps the application's key, once under each PIN
application's key ────────────► wraps the private keys of its containers and its readers' files

So neither file nor PIN alone opens a key, and who has both files still has to guess a PIN.
"""

from __future__ import annotations

from typing import Final

import msgspec

from miyun.gm import rand
from miyun.hsm.folder import Folder

_STATE: Final = "token.json"
_SECRET: Final = "device.secret"
_SECRET_SIZE: Final = 32


class Pin(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`wrapped`: the application's key under this PIN. `factory`: never changed since the application was made."""

    salt: bytes
    iterations: int
    maximum: int
    remaining: int
    wrapped: bytes
    factory: bool


class KeyPair(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    point: bytes  # x‖y
    wrapped: bytes


class Container(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    signing: KeyPair | None = None
    encryption: KeyPair | None = None
    signing_certificate: bytes = b""
    encryption_certificate: bytes = b""


class File(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`content` is wrapped unless anyone may read it; a file nobody wrote to yet has none."""

    size: int
    read_right: int
    write_right: int
    content: bytes = b""


class Application(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`identity` is drawn anew for each: a name may come back after its application was deleted."""

    identity: bytes
    create_file_right: int
    administrator: Pin
    user: Pin
    containers: dict[str, Container] = {}
    files: dict[str, File] = {}


class State(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`authentication`: the device authentication key, wrapped under the device secret."""

    format: int = 1
    serial: str
    label: str
    authentication: bytes
    applications: dict[str, Application] = {}


class TokenFolder(Folder):
    """The token's directory."""

    def secret(self) -> bytes:
        """Made at the first call. Raises ValueError when it is damaged."""
        secret = self.read(_SECRET)
        if secret is None:
            secret = rand.token(_SECRET_SIZE)
            self.replace(_SECRET, secret)
        if len(secret) != _SECRET_SIZE:
            raise ValueError("the device secret is damaged")
        return secret

    def load(self) -> State | None:
        """Raises msgspec.DecodeError when it is damaged."""
        content = self.read(_STATE)
        return None if content is None else msgspec.json.decode(content, type=State)

    def save(self, state: State) -> None:
        """Durable when it returns."""
        self.replace(_STATE, msgspec.json.encode(state))
