"""SM3 (GB/T 32905) and HMAC-SM3."""

import hmac as _stdlib_hmac
from collections.abc import Sequence

from miyun.gm import _check
from miyun.gm.errors import InvalidSignature
from miyun.gm.providers import provider
from miyun.gm.providers.port import Buffer, Hash

DIGEST_SIZE = 32


def digest(data: Buffer) -> bytes:
    """The 32-byte digest of the data."""
    return provider().sm3(_check.data(data))


def digest_many(items: Sequence[Buffer]) -> list[bytes]:
    """The digests of many independent byte strings, hashed side by side."""
    return provider().sm3_many(_check.all_data(items))


def new(data: Buffer = b"") -> Hash:
    """A computation to feed with `update`; `digest` may be asked any number of times."""
    hasher = provider().sm3_new()
    if len(data):
        hasher.update(_check.data(data))
    return hasher


def hmac(key: Buffer, data: Buffer) -> bytes:
    """HMAC-SM3, 32 bytes."""
    return provider().hmac(_check.data(key, "key"), _check.data(data))


def hmac_many(key: Buffer, items: Sequence[Buffer]) -> list[bytes]:
    """HMAC-SM3 of many byte strings under one key."""
    return provider().hmac_many(_check.data(key, "key"), _check.all_data(items))


def hmac_verify(key: Buffer, data: Buffer, tag: Buffer) -> None:
    """Raise InvalidSignature unless `tag` is the whole HMAC-SM3 of the data. Constant time in the tag."""
    if not _stdlib_hmac.compare_digest(hmac(key, data), bytes(_check.data(tag, "tag"))):
        raise InvalidSignature
