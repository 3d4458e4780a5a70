"""Private keys in the clear: PrivateKeyInfo (RFC 5208) with an ECPrivateKey (RFC 5915) on the SM2 curve."""

from __future__ import annotations

from miyun.wire import der, oid
from miyun.wire.errors import DecodeError, EncodeError

_MAX_SIZE = 64 * 1024


def sm2_private_key(d: bytes | bytearray, point: bytes) -> bytes:
    """PrivateKeyInfo DER of an SM2 key pair (d of 32 octets, 04‖x‖y)."""
    if len(d) != 32 or len(point) != 65 or point[0] != 4:
        raise EncodeError("32 octets d and 65 octets 04‖x‖y", field="privateKey")
    key = der.sequence(der.integer(1), der.octet_string(bytes(d)), der.explicit(1, der.bit_string(point)))
    identifier = der.sequence(der.oid(oid.EC_PUBLIC_KEY), der.oid(oid.SM2_CURVE))
    return der.sequence(der.integer(0), identifier, der.octet_string(key))


def parse_sm2_private_key(encoded: bytes) -> bytes:
    """The 32 octets d. Raises DecodeError; that d belongs to a point is for the algorithm to say."""
    outer = der.Reader(encoded, field="PrivateKeyInfo", max_size=_MAX_SIZE)
    info = outer.enter()
    outer.end()
    version = info.integer("version")
    identifier = info.enter(der.SEQUENCE, "privateKeyAlgorithm")
    kind = identifier.oid("algorithm")
    if version not in (0, 1) or kind != oid.EC_PUBLIC_KEY or identifier.oid("curve") != oid.SM2_CURVE:
        raise DecodeError("not an SM2 key", field="PrivateKeyInfo")
    held = info.octet_string("privateKey")
    info.read_if(0xA0, "attributes")
    info.read_if(0x81, "publicKey")
    info.end()
    inner = der.Reader(held, field="ECPrivateKey")
    key = inner.enter()
    inner.end()
    if key.integer("version") != 1:
        raise DecodeError("must be 1", field="ECPrivateKey")
    d = key.octet_string("privateKey")
    if len(d) != 32:
        raise DecodeError("expected 32 octets", field="privateKey")
    return d
