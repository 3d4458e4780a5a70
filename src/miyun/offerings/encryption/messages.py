"""Requests and answers of the encryption room. Octets are base64 in JSON."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from miyun.core.operation import Struct
from miyun.offerings.encryption.model import MAX_ASSOCIATED_DATA, MAX_BATCH, MAX_PLAINTEXT, MAX_SM2_PLAINTEXT

KeyReference = Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
Plaintext = Annotated[bytes, msgspec.Meta(max_length=MAX_PLAINTEXT)]
Ciphertext = Annotated[bytes, msgspec.Meta(max_length=MAX_PLAINTEXT + 4096)]
AssociatedData = Annotated[bytes, msgspec.Meta(max_length=MAX_ASSOCIATED_DATA)]
Reference = Annotated[str, msgspec.Meta(max_length=128)]
Version = Annotated[int, msgspec.Meta(ge=1)]
Iv = Annotated[bytes, msgspec.Meta(max_length=16)]
Batch = msgspec.Meta(min_length=1, max_length=MAX_BATCH)
ModeName = Literal["SM4-GCM", "AES-256-GCM", "SM4-CBC", "SM4-CTR"]
Encoding = Literal["asn1", "c1c3c2", "c1c2c3"]


class EncryptRequest(Struct, frozen=True):
    """`mode` null: GCM of the key's algorithm. `raw`: answer iv and ciphertext apart, for other systems; the modes for
    compatibility are always raw, and need `compatibility`."""

    key: KeyReference
    plaintext: Plaintext
    associated_data: AssociatedData = b""
    mode: ModeName | None = None
    raw: bool = False
    compatibility: bool = False


class EncryptView(Struct, frozen=True):
    """`ciphertext` carries the key's version and the iv, unless it is raw: then `iv` stands beside it."""

    key: str
    version: int
    mode: str
    ciphertext: bytes
    iv: bytes | None = None
    compatibility: bool = False


class DecryptRequest(Struct, frozen=True):
    """A raw ciphertext comes with its `iv`, and with the key's `version` (null: the current one)."""

    key: KeyReference
    ciphertext: Ciphertext
    associated_data: AssociatedData = b""
    mode: ModeName | None = None
    iv: Iv | None = None
    version: Version | None = None
    compatibility: bool = False


class DecryptView(Struct, frozen=True):
    key: str
    version: int
    mode: str
    plaintext: bytes

    def __repr__(self) -> str:
        return f"DecryptView({self.key} v{self.version})"


class EncryptItem(Struct, frozen=True):
    """`reference` is the caller's own mark and comes back with the result."""

    plaintext: Plaintext
    associated_data: AssociatedData = b""
    reference: Reference = ""


class EncryptBatchRequest(Struct, frozen=True):
    key: KeyReference
    items: Annotated[list[EncryptItem], Batch]
    mode: Literal["SM4-GCM", "AES-256-GCM"] | None = None


class CiphertextResult(Struct, frozen=True):
    """`ciphertext` null with an `error` code for an item that failed."""

    ciphertext: bytes | None
    error: str | None = None
    reference: str = ""


class CiphertextBatch(Struct, frozen=True):
    key: str
    version: int
    mode: str
    items: list[CiphertextResult]


class DecryptItem(Struct, frozen=True):
    ciphertext: Ciphertext
    associated_data: AssociatedData = b""
    reference: Reference = ""


class DecryptBatchRequest(Struct, frozen=True):
    key: KeyReference
    items: Annotated[list[DecryptItem], Batch]
    mode: Literal["SM4-GCM", "AES-256-GCM"] | None = None


class PlaintextResult(Struct, frozen=True):
    """`plaintext` null with an `error` code for an item that failed."""

    plaintext: bytes | None
    error: str | None = None
    reference: str = ""

    def __repr__(self) -> str:
        return f"PlaintextResult({self.reference!r}, error={self.error!r})"


class PlaintextBatch(Struct, frozen=True):
    key: str
    mode: str
    items: list[PlaintextResult]


class ReencryptItem(Struct, frozen=True):
    """`iv` and `version` as of a raw ciphertext. `new_associated_data` null keeps the old."""

    ciphertext: Ciphertext
    associated_data: AssociatedData = b""
    new_associated_data: AssociatedData | None = None
    iv: Iv | None = None
    version: Version | None = None
    reference: Reference = ""


class ReencryptRequest(Struct, frozen=True):
    """`mode` is that of the old ciphertexts; the new ones are GCM of the new key's algorithm. `new_key` null: the
    newest version of the same key."""

    key: KeyReference
    items: Annotated[list[ReencryptItem], Batch]
    new_key: KeyReference | None = None
    mode: ModeName | None = None


class EnvelopeEncryptRequest(Struct, frozen=True):
    key: KeyReference
    plaintext: Plaintext
    associated_data: AssociatedData = b""


class EnvelopeView(Struct, frozen=True):
    """`envelope` holds everything but the key: its identifier and version, the wrapped data key, the ciphertext."""

    key: str
    version: int
    envelope: bytes


class EnvelopeDecryptRequest(Struct, frozen=True):
    """`key` null: the one that the envelope names."""

    envelope: Ciphertext
    associated_data: AssociatedData = b""
    key: KeyReference | None = None


class StreamEncryptRequest(Struct, frozen=True):
    """In the query; the body is the file."""

    key: KeyReference
    associated_data: AssociatedData = b""


class StreamDecryptRequest(Struct, frozen=True):
    """In the query; the body is the container. `key` null: the one that the container names."""

    key: KeyReference | None = None
    associated_data: AssociatedData = b""


class Sm2EncryptRequest(Struct, frozen=True):
    key: KeyReference
    plaintext: Annotated[bytes, msgspec.Meta(min_length=1, max_length=MAX_SM2_PLAINTEXT)]
    encoding: Encoding = "asn1"


class Sm2CiphertextView(Struct, frozen=True):
    key: str
    version: int
    encoding: str
    ciphertext: bytes


class Sm2DecryptRequest(Struct, frozen=True):
    """`encoding` auto: the one under which it decrypts; raw ones may come with or without the leading 04.
    `version` null: the current one."""

    key: KeyReference
    ciphertext: Annotated[bytes, msgspec.Meta(max_length=MAX_SM2_PLAINTEXT + 256)]
    encoding: Literal["auto", "asn1", "c1c3c2", "c1c2c3"] = "auto"
    version: Version | None = None


class Sm2PlaintextView(Struct, frozen=True):
    key: str
    version: int
    encoding: str
    plaintext: bytes

    def __repr__(self) -> str:
        return f"Sm2PlaintextView({self.key} v{self.version})"
