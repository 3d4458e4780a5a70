"""Unlocking a key from afar: our token's commands for SKF_Transmit, its challenge, and the administrator's response.

Challenge ::= SEQUENCE { version INTEGER (1), serial UTF8String, application UTF8String, salt OCTET STRING,
                         iterations INTEGER, point OCTET STRING (04‖x‖y), nonce OCTET STRING }
Response  ::= SEQUENCE { version INTEGER (1), nonce OCTET STRING, ciphertext OCTET STRING (SM2Cipher DER of the
                         administrator's PIN after PBKDF2-HMAC-SM3) }
Command   ::= SEQUENCE { code INTEGER (1 challenge | 2 unlock), application UTF8String,
                         response OCTET STRING OPTIONAL, newPin OCTET STRING OPTIONAL }
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from miyun.wire import der
from miyun.wire.errors import DecodeError

MAX_ITERATIONS: Final = 1_000_000  # what a challenge may make its reader compute
_MAX_SIZE: Final = 2048
_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Challenge:
    serial: str
    application: str
    salt: bytes
    iterations: int
    point: bytes
    nonce: bytes

    def encode(self) -> bytes:
        return der.sequence(
            der.integer(_VERSION),
            der.utf8(self.serial),
            der.utf8(self.application),
            der.octet_string(self.salt),
            der.integer(self.iterations),
            der.octet_string(self.point),
            der.octet_string(self.nonce),
        )


@dataclass(frozen=True, slots=True)
class Response:
    nonce: bytes
    ciphertext: bytes

    def encode(self) -> bytes:
        return der.sequence(der.integer(_VERSION), der.octet_string(self.nonce), der.octet_string(self.ciphertext))


class CommandCode(IntEnum):
    CHALLENGE = 1
    UNLOCK = 2


@dataclass(frozen=True, slots=True)
class Command:
    code: CommandCode
    application: str
    response: bytes = b""
    new_pin: bytes = field(default=b"", repr=False)

    def encode(self) -> bytes:
        parts = [der.integer(self.code), der.utf8(self.application)]
        if self.code is CommandCode.UNLOCK:
            parts += [der.octet_string(self.response), der.octet_string(self.new_pin)]
        return der.sequence(*parts)


def parse_challenge(encoded: bytes) -> Challenge:
    """Raises DecodeError."""
    reader = _enter(encoded, "Challenge")
    challenge = Challenge(
        serial=reader.text("serial"),
        application=reader.text("application"),
        salt=reader.octet_string("salt"),
        iterations=reader.integer("iterations"),
        point=reader.octet_string("point"),
        nonce=reader.octet_string("nonce"),
    )
    reader.end()
    if not 1 <= challenge.iterations <= MAX_ITERATIONS:
        raise DecodeError(f"1 to {MAX_ITERATIONS}", field="iterations")
    if len(challenge.point) != 65 or challenge.point[0] != 4:
        raise DecodeError("65 octets 04‖x‖y", field="point")
    return challenge


def parse_response(encoded: bytes) -> Response:
    """Raises DecodeError."""
    reader = _enter(encoded, "Response")
    response = Response(reader.octet_string("nonce"), reader.octet_string("ciphertext"))
    reader.end()
    return response


def parse_command(encoded: bytes) -> Command:
    """Raises DecodeError."""
    outer = der.Reader(encoded, field="Command", max_size=_MAX_SIZE)
    reader = outer.enter()
    outer.end()
    code = reader.integer("code")
    if code not in list(CommandCode):
        raise DecodeError("no such command", field="code")
    application = reader.text("application")
    unlock = code == CommandCode.UNLOCK
    response = reader.octet_string("response") if unlock else b""
    new_pin = reader.octet_string("newPin") if unlock else b""
    reader.end()
    return Command(CommandCode(code), application, response, new_pin)


def _enter(encoded: bytes, name: str) -> der.Reader:
    outer = der.Reader(encoded, field=name, max_size=_MAX_SIZE)
    reader = outer.enter()
    outer.end()
    if reader.integer("version") != _VERSION:
        raise DecodeError("version 1", field="version")
    return reader
