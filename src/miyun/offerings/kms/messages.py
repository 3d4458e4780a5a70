"""Requests and answers of the key management room."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from miyun.core.operation import Struct

Limit = Annotated[int, msgspec.Meta(ge=1, le=500)]
Reference = Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
Label = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Description = Annotated[str, msgspec.Meta(max_length=1024)]
AliasName = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_.-]{0,62}$")]
TagName = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_.:/\u4e00-\u9fff-]{1,64}$")]
TagValue = Annotated[str, msgspec.Meta(max_length=256)]
Tags = Annotated[dict[TagName, TagValue], msgspec.Meta(max_length=50)]
AssociatedData = Annotated[bytes, msgspec.Meta(max_length=65536)]
Batch = msgspec.Meta(min_length=1, max_length=500)
Applications = Annotated[list[str], msgspec.Meta(max_length=500)]
Algorithm = Literal["SM2", "SM4", "HMAC-SM3", "AES-256", "EC-P256", "RSA-2048", "RSA-3072"]
Usage = Literal["sign", "encrypt", "mac", "wrap"]
State = Literal["enabled", "disabled", "pending_deletion", "destroyed"]


class KeyView(Struct, frozen=True):
    """`version` is the current one. `owner` names the room or application that the key was made for; `applications`
    may use it besides. No other application finds it."""

    key: str
    algorithm: str
    usage: str
    label: str
    description: str
    owner: str
    origin: Literal["generated", "imported", "restored"]
    state: State
    version: int
    min_decryption_version: int
    created_at: datetime
    rotation_days: int | None = None
    next_rotation_at: datetime | None = None
    deletion_at: datetime | None = None
    destroyed_at: datetime | None = None
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    applications: list[str] = msgspec.field(default_factory=list)


class KeyDetail(KeyView, frozen=True):
    aliases: list[str] = msgspec.field(default_factory=list)


class KeyPage(Struct, frozen=True):
    items: list[KeyView]
    next_cursor: str | None = None


class CreateKeyRequest(Struct, frozen=True):
    """`alias` is made together with the key. `applications` may use it; without any, nobody does until it is opened to
    one (`kms.key.allow`)."""

    algorithm: Algorithm
    usage: Usage
    label: Label
    description: Description = ""
    rotation_days: int | None = None
    alias: AliasName | None = None
    tags: Tags = msgspec.field(default_factory=dict)
    applications: Applications = msgspec.field(default_factory=list)


class ImportKeyRequest(Struct, frozen=True):
    """`enveloped`: the raw key (SM2: 32 octets d), or PKCS#8, enciphered by SM2 (ASN.1) under the transport key."""

    algorithm: Algorithm
    usage: Usage
    label: Label
    enveloped: Annotated[bytes, msgspec.Meta(max_length=8192)]
    description: Description = ""
    tags: Tags = msgspec.field(default_factory=dict)
    applications: Applications = msgspec.field(default_factory=list)


class TransportKey(Struct, frozen=True):
    """`public_key` is a SubjectPublicKeyInfo DER of an SM2 key."""

    public_key: bytes
    public_key_pem: str


class ListKeysRequest(Struct, frozen=True):
    """`tag` is `name=value`; `text` looks into labels."""

    state: State | None = None
    algorithm: Algorithm | None = None
    text: str | None = None
    tag: str | None = None
    limit: Limit = 50
    cursor: str | None = None


class KeyRequest(Struct, frozen=True):
    """`key` is an identifier or `alias:<name>`."""

    key: Reference


class KeyApplicationRequest(Struct, frozen=True):
    key: Reference
    application: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]


class UpdateKeyRequest(Struct, frozen=True):
    """What is left out stays. `rotation_days` 0 ends automatic rotation. `tags` replaces all. `min_decryption_version`
    goes down, and retired versions decrypt again, only with `reopen_versions`."""

    key: Reference
    label: Label | None = None
    description: Description | None = None
    rotation_days: int | None = None
    min_decryption_version: Annotated[int, msgspec.Meta(ge=1)] | None = None
    tags: Tags | None = None
    reopen_versions: bool = False


class ScheduleDeletionRequest(Struct, frozen=True):
    key: Reference
    days: int = 30


class VersionView(Struct, frozen=True):
    version: int
    created_at: datetime
    current: bool
    decrypts: bool
    public_key: bytes | None = None


class VersionList(Struct, frozen=True):
    items: list[VersionView]
    next_cursor: str | None = None


class PublicKeyRequest(Struct, frozen=True):
    key: Reference
    version: int | None = None


class PublicKeyView(Struct, frozen=True):
    key: str
    version: int
    algorithm: str
    public_key: bytes
    public_key_pem: str


class AliasRequest(Struct, frozen=True):
    alias: AliasName
    key: Reference


class DeleteAliasRequest(Struct, frozen=True):
    alias: AliasName


class ListAliasesRequest(Struct, frozen=True):
    limit: Limit = 50
    cursor: str | None = None


class AliasView(Struct, frozen=True):
    alias: str
    key: str
    created_at: datetime


class AliasPage(Struct, frozen=True):
    items: list[AliasView]
    next_cursor: str | None = None


class DataKeyRequest(Struct, frozen=True):
    """`size` in octets. Without plaintext, only the wrapped key is answered: it is unwrapped where it is needed."""

    key: Reference
    size: Literal[16, 32] = 16
    associated_data: AssociatedData = b""
    plaintext: bool = True


class DataKeyView(Struct, frozen=True):
    key: str
    version: int
    wrapped: bytes
    plaintext: bytes | None = None

    def __repr__(self) -> str:
        return f"DataKeyView({self.key} v{self.version})"


class UnwrapRequest(Struct, frozen=True):
    key: Reference
    wrapped: Annotated[bytes, msgspec.Meta(max_length=1024)]
    associated_data: AssociatedData = b""


class UnwrappedView(Struct, frozen=True):
    key: str
    version: int
    plaintext: bytes

    def __repr__(self) -> str:
        return f"UnwrappedView({self.key} v{self.version})"


class RewrapItem(Struct, frozen=True):
    """`new_associated_data` null keeps the old."""

    wrapped: Annotated[bytes, msgspec.Meta(max_length=1024 * 1024)]
    associated_data: AssociatedData = b""
    new_associated_data: AssociatedData | None = None
    reference: Annotated[str, msgspec.Meta(max_length=128)] = ""


class RewrapRequest(Struct, frozen=True):
    """`new_key` null: the newest version of the same key."""

    key: Reference
    items: Annotated[list[RewrapItem], Batch]
    new_key: Reference | None = None


class RewrapResult(Struct, frozen=True):
    """`wrapped` null with an `error` code for an item that failed."""

    wrapped: bytes | None
    error: str | None = None
    reference: str = ""


class RewrapView(Struct, frozen=True):
    key: str
    version: int
    items: list[RewrapResult]


class MacRequest(Struct, frozen=True):
    key: Reference
    items: Annotated[list[bytes], Batch]


class MacView(Struct, frozen=True):
    key: str
    version: int
    macs: list[bytes]


class MacCheckItem(Struct, frozen=True):
    data: bytes
    mac: bytes


class VerifyMacRequest(Struct, frozen=True):
    """`version` null: the current one."""

    key: Reference
    items: Annotated[list[MacCheckItem], Batch]
    version: int | None = None


class VerifyMacView(Struct, frozen=True):
    valid: list[bool]


class BackupView(Struct, frozen=True):
    """`backup` holds the key wrapped by the machine; only this platform's machine can use it."""

    key: str
    versions: int
    backup: bytes


class RestoreKeyRequest(Struct, frozen=True):
    """`conflict`: what to do when a key of that identifier exists. `dry_run` only says what would happen."""

    backup: Annotated[bytes, msgspec.Meta(max_length=4 * 1024 * 1024)]
    conflict: Literal["refuse", "skip", "new_key"] = "refuse"
    dry_run: bool = False


class RestoreKeyView(Struct, frozen=True):
    action: Literal["create", "skip", "new_key", "refuse"]
    key: str
    versions: int
    dry_run: bool
