"""What goes over a token's Unix socket: `libmiyun_skf.so` (native/skf) is the only client.

A request is `u32 length ‖ u8 function ‖ arguments`, an answer `u32 length ‖ u32 SAR code ‖ fields`, big-endian, with
`length` counting what follows it. Arguments and fields are each `u32 length ‖ octets`; a number is four octets. Points
are x‖y, signatures r‖s, ciphertexts x‖y‖C3‖C2. One connection is one connected device: its handles and its logins are
its own.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from enum import IntEnum
from typing import Final

from miyun.wire.errors import DecodeError
from miyun.wire.skf import Sar

LENGTH: Final = struct.Struct("!I")
MAX_REQUEST: Final = 2 * 1024 * 1024


class Function(IntEnum):
    """The number of each function that reaches the token, as native/skf/channel.h has it."""

    SET_LABEL = 1
    GET_DEV_INFO = 2
    LOCK_DEV = 3
    UNLOCK_DEV = 4
    TRANSMIT = 5
    CHANGE_DEV_AUTH_KEY = 6
    DEV_AUTH = 7
    CHANGE_PIN = 8
    GET_PIN_INFO = 9
    VERIFY_PIN = 10
    UNBLOCK_PIN = 11
    CLEAR_SECURE_STATE = 12
    CREATE_APPLICATION = 13
    ENUM_APPLICATION = 14
    DELETE_APPLICATION = 15
    OPEN_APPLICATION = 16
    CREATE_FILE = 17
    DELETE_FILE = 18
    ENUM_FILES = 19
    GET_FILE_INFO = 20
    READ_FILE = 21
    WRITE_FILE = 22
    CREATE_CONTAINER = 23
    DELETE_CONTAINER = 24
    OPEN_CONTAINER = 25
    ENUM_CONTAINER = 26
    GET_CONTAINER_TYPE = 27
    IMPORT_CERTIFICATE = 28
    EXPORT_CERTIFICATE = 29
    GEN_RANDOM = 30
    GEN_ECC_KEY_PAIR = 31
    IMPORT_ECC_KEY_PAIR = 32
    ECC_SIGN_DATA = 33
    ECC_VERIFY = 34
    ECC_DECRYPT = 35
    ECC_EXPORT_SESSION_KEY = 36
    EXT_ECC_ENCRYPT = 37
    EXT_ECC_DECRYPT = 38
    EXT_ECC_SIGN = 39
    AGREEMENT_START = 40
    AGREEMENT_ANSWER = 41
    AGREEMENT_FINISH = 42
    EXPORT_PUBLIC_KEY = 43
    IMPORT_SESSION_KEY = 44
    SET_SYMM_KEY = 45
    CIPHER_INIT = 46
    CIPHER_UPDATE = 47
    CIPHER_FINAL = 48
    DIGEST_INIT = 49
    DIGEST_UPDATE = 50
    DIGEST_FINAL = 51
    MAC_INIT = 52
    MAC_UPDATE = 53
    MAC_FINAL = 54
    CLOSE_HANDLE = 55


ARGUMENTS: Final[dict[Function, str]] = {
    Function.SET_LABEL: "s",
    Function.GET_DEV_INFO: "",
    Function.LOCK_DEV: "u",
    Function.UNLOCK_DEV: "",
    Function.TRANSMIT: "b",
    Function.CHANGE_DEV_AUTH_KEY: "b",
    Function.DEV_AUTH: "b",
    Function.CHANGE_PIN: "uubb",
    Function.GET_PIN_INFO: "uu",
    Function.VERIFY_PIN: "uub",
    Function.UNBLOCK_PIN: "ubb",
    Function.CLEAR_SECURE_STATE: "u",
    Function.CREATE_APPLICATION: "sbubuu",
    Function.ENUM_APPLICATION: "",
    Function.DELETE_APPLICATION: "s",
    Function.OPEN_APPLICATION: "s",
    Function.CREATE_FILE: "usuuu",
    Function.DELETE_FILE: "us",
    Function.ENUM_FILES: "u",
    Function.GET_FILE_INFO: "us",
    Function.READ_FILE: "usuu",
    Function.WRITE_FILE: "usub",
    Function.CREATE_CONTAINER: "us",
    Function.DELETE_CONTAINER: "us",
    Function.OPEN_CONTAINER: "us",
    Function.ENUM_CONTAINER: "u",
    Function.GET_CONTAINER_TYPE: "u",
    Function.IMPORT_CERTIFICATE: "uub",
    Function.EXPORT_CERTIFICATE: "uu",
    Function.GEN_RANDOM: "u",
    Function.GEN_ECC_KEY_PAIR: "uu",
    Function.IMPORT_ECC_KEY_PAIR: "uubbb",
    Function.ECC_SIGN_DATA: "ub",
    Function.ECC_VERIFY: "bbb",
    Function.ECC_DECRYPT: "ub",
    Function.ECC_EXPORT_SESSION_KEY: "uub",
    Function.EXT_ECC_ENCRYPT: "bb",
    Function.EXT_ECC_DECRYPT: "bb",
    Function.EXT_ECC_SIGN: "bb",
    Function.AGREEMENT_START: "uub",
    Function.AGREEMENT_ANSWER: "uubbbb",
    Function.AGREEMENT_FINISH: "ubbb",
    Function.EXPORT_PUBLIC_KEY: "uu",
    Function.IMPORT_SESSION_KEY: "uub",
    Function.SET_SYMM_KEY: "bu",
    Function.CIPHER_INIT: "uubuu",
    Function.CIPHER_UPDATE: "uubuu",
    Function.CIPHER_FINAL: "uubuu",
    Function.DIGEST_INIT: "ubb",
    Function.DIGEST_UPDATE: "ub",
    Function.DIGEST_FINAL: "ub",
    Function.MAC_INIT: "ubu",
    Function.MAC_UPDATE: "ub",
    Function.MAC_FINAL: "ub",
    Function.CLOSE_HANDLE: "u",
}
"""u a number, b octets, s UTF-8 text."""

_FUNCTIONS: Final = {int(function): function for function in Function}


def parse_request(body: bytes) -> tuple[Function, list[int | bytes | str]]:
    """The function and its arguments, of their kinds. Raises DecodeError."""
    if not body or body[0] not in _FUNCTIONS:
        raise DecodeError("no such function", field="function")
    function = _FUNCTIONS[body[0]]
    fields = parse_fields(body[1:])
    kinds = ARGUMENTS[function]
    if len(fields) != len(kinds):
        raise DecodeError(f"{len(kinds)} arguments", field=function.name)
    return function, [_argument(kind, value) for kind, value in zip(kinds, fields, strict=True)]


def parse_fields(body: bytes) -> list[bytes]:
    """The octets of each `u32 length ‖ octets`. Raises DecodeError."""
    fields, position = [], 0
    while position < len(body):
        start = position + LENGTH.size
        if start > len(body):
            raise DecodeError("cut off", field="length")
        (size,) = LENGTH.unpack_from(body, position)
        position = start + size
        if position > len(body):
            raise DecodeError("cut off", field="octets")
        fields.append(body[start:position])
    return fields


def request(function: Function, *arguments: int | bytes | str) -> bytes:
    """The whole frame."""
    body = bytes((function,)) + _joined(arguments)
    return LENGTH.pack(len(body)) + body


def answer(code: Sar, fields: Sequence[int | bytes | str] = ()) -> bytes:
    """The whole frame."""
    body = LENGTH.pack(code) + _joined(fields)
    return LENGTH.pack(len(body)) + body


def _joined(fields: Sequence[int | bytes | str]) -> bytes:
    return b"".join(LENGTH.pack(len(octets)) + octets for octets in map(_octets, fields))


def _octets(value: int | bytes | str) -> bytes:
    if isinstance(value, int):
        return LENGTH.pack(value)
    return value.encode() if isinstance(value, str) else bytes(value)


def _argument(kind: str, value: bytes) -> int | bytes | str:
    if kind == "b":
        return value
    if kind == "u":
        if len(value) != LENGTH.size:
            raise DecodeError("four octets", field="number")
        return int(LENGTH.unpack(value)[0])
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        raise DecodeError("not UTF-8", field="text") from error
    if "\0" in text:
        raise DecodeError("holds a zero octet", field="text")
    return text
