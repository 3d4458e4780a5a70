"""What goes over the VSM's Unix socket. Both ends are ours; the version octet lets an old client be refused cleanly.

A frame is `u32 length ‖ u8 version ‖ u8 code ‖ u32 request id ‖ body`, big-endian, `length` counting what follows it.
`code` is the opcode of a request or the outcome of a reply. When its high bit is set the body is `u64 size` and the
real body lies in the next sealed memfd that came as ancillary data (SCM_RIGHTS): that is how 64 KiB and more travel.
Bodies are MessagePack arrays of the structures below.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Any, Final

import msgspec

from miyun.hsm.port import CipherMode, EnvelopeForm, KeyAlgorithm, KeyBinding, MachineStatus, SignScheme, WrappedKey

VERSION: Final = 1
HEADER: Final = struct.Struct("!IBBI")
LENGTH_FIELD: Final = 4
BULK: Final = 0x80
BULK_SIZE: Final = struct.Struct("!Q")
BULK_FROM: Final = 64 * 1024
MAX_FRAME: Final = BULK_FROM + HEADER.size
MAX_BULK: Final = 64 * 1024 * 1024


class Opcode(IntEnum):
    HELLO = 1
    STATUS = 2
    COUNTERS = 3
    RANDOM = 4
    GENERATE = 5
    REBIND = 6
    SIGN = 7
    ENCRYPT = 8
    DECRYPT = 9
    PUBLIC_DECRYPT = 10
    MAC = 11
    WRAP_NEW = 12
    REWRAP = 13
    TRANSPORT_KEY = 14
    IMPORT_KEY = 15
    DERIVE = 16
    PROVISION = 17
    SUBMIT_SHARE = 18
    LOCK = 19
    EXPORT_ROOT = 20
    RESTORE_ROOT = 21
    ENVELOPE = 22


NOT_REPEATABLE: Final = frozenset({Opcode.GENERATE, Opcode.PROVISION, Opcode.RESTORE_ROOT})
"""After a broken connection these are not sent again: whether they took place is unknown."""

ADMINISTRATIVE: Final = frozenset(
    {Opcode.PROVISION, Opcode.SUBMIT_SHARE, Opcode.LOCK, Opcode.EXPORT_ROOT, Opcode.RESTORE_ROOT}
)
"""Only for the platform's own user."""


class Outcome(IntEnum):
    OK = 0
    UNKNOWN_HANDLE = 1  # send the request again together with the wrapped key
    LOCKED = 2
    FAILED = 3
    UNAVAILABLE = 4
    UNKNOWN_KEY = 5
    WRONG_BINDING = 6
    INVALID_REQUEST = 7
    DECRYPTION_FAILED = 8


class Message(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    pass


class Hello(Message, frozen=True):
    token: bytes


class Nothing(Message, frozen=True):
    pass


class Random(Message, frozen=True):
    size: int


class Generate(Message, frozen=True):
    algorithm: KeyAlgorithm
    binding: KeyBinding


class Rebind(Message, frozen=True):
    key: WrappedKey
    binding: KeyBinding


class Use(Message, frozen=True):
    """`handle` is SM3 over the wrapped key and its binding; `wrapped` follows when the VSM does not know the handle."""

    handle: bytes
    wrapped: WrappedKey | None


class Sign(Use, frozen=True):
    scheme: SignScheme
    items: list[bytes]
    prehashed: bool
    user_id: bytes | None


class Cipher(Use, frozen=True):
    mode: CipherMode
    items: list[tuple[memoryview, bytes, bytes]]  # (data, iv, aad); the data stays where the frame lies


class PublicDecrypt(Use, frozen=True):
    encoding: str
    items: list[bytes]


class Mac(Use, frozen=True):
    items: list[bytes]


class WrapNew(Use, frozen=True):
    size: int
    aad: bytes
    with_plaintext: bool


class Rewrap(Use, frozen=True):
    new_handle: bytes
    new_wrapped: WrappedKey | None
    mode: CipherMode
    items: list[tuple[bytes, bytes, bytes]]
    new_aads: list[bytes]


class ImportKey(Message, frozen=True):
    algorithm: KeyAlgorithm
    binding: KeyBinding
    enveloped: bytes


class Envelope(Message, frozen=True):
    key: WrappedKey
    receiver: bytes
    form: EnvelopeForm


class Derive(Message, frozen=True):
    purpose: str
    context: bytes
    size: int


class Provision(Message, frozen=True):
    threshold: int
    count: int


class SubmitShare(Message, frozen=True):
    text: str


class ExportRoot(Message, frozen=True):
    passphrase: str


class RestoreRoot(Message, frozen=True):
    blob: bytes
    passphrase: str


class Refusal(Message, frozen=True):
    field: str
    reason: str


REQUESTS: Final[dict[Opcode, type[Any]]] = {
    Opcode.HELLO: Hello,
    Opcode.STATUS: Nothing,
    Opcode.COUNTERS: Nothing,
    Opcode.RANDOM: Random,
    Opcode.GENERATE: Generate,
    Opcode.REBIND: Rebind,
    Opcode.SIGN: Sign,
    Opcode.ENCRYPT: Cipher,
    Opcode.DECRYPT: Cipher,
    Opcode.PUBLIC_DECRYPT: PublicDecrypt,
    Opcode.MAC: Mac,
    Opcode.WRAP_NEW: WrapNew,
    Opcode.REWRAP: Rewrap,
    Opcode.TRANSPORT_KEY: Nothing,
    Opcode.IMPORT_KEY: ImportKey,
    Opcode.DERIVE: Derive,
    Opcode.PROVISION: Provision,
    Opcode.SUBMIT_SHARE: SubmitShare,
    Opcode.LOCK: Nothing,
    Opcode.EXPORT_ROOT: ExportRoot,
    Opcode.RESTORE_ROOT: RestoreRoot,
    Opcode.ENVELOPE: Envelope,
}

REPLIES: Final[dict[Opcode, Any]] = {
    Opcode.HELLO: None,
    Opcode.STATUS: MachineStatus,
    Opcode.COUNTERS: dict[str, Any],
    Opcode.RANDOM: bytes,
    Opcode.GENERATE: WrappedKey,
    Opcode.REBIND: WrappedKey,
    Opcode.SIGN: list[bytes],
    Opcode.ENCRYPT: list[tuple[bytes, bytes]],
    Opcode.DECRYPT: list[bytes | None],
    Opcode.PUBLIC_DECRYPT: list[bytes | None],
    Opcode.MAC: list[bytes],
    Opcode.WRAP_NEW: tuple[bytes | None, bytes],
    Opcode.REWRAP: list[tuple[bytes, bytes] | None],
    Opcode.TRANSPORT_KEY: bytes,
    Opcode.IMPORT_KEY: WrappedKey,
    Opcode.DERIVE: bytes,
    Opcode.PROVISION: list[str],
    Opcode.SUBMIT_SHARE: int,
    Opcode.LOCK: None,
    Opcode.EXPORT_ROOT: bytes,
    Opcode.RESTORE_ROOT: None,
    Opcode.ENVELOPE: bytes,
}

encode = msgspec.msgpack.Encoder().encode
REQUEST_DECODERS: Final = {op: msgspec.msgpack.Decoder(kind).decode for op, kind in REQUESTS.items()}
REPLY_DECODERS: Final = {op: msgspec.msgpack.Decoder(kind).decode for op, kind in REPLIES.items()}
decode_refusal = msgspec.msgpack.Decoder(Refusal).decode
