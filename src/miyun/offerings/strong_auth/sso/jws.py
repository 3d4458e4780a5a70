"""Compact JWS (RFC 7515) by keys that are in the machine, and by SM2 (`SM2SM3`), which no library signs or checks."""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_public_key

from miyun.core.ports import KeyDirectory, KeyRef
from miyun.gm import sm3
from miyun.gm.errors import InvalidSignature
from miyun.offerings.strong_auth.sso.model import ALGORITHMS, SigningKey
from miyun.wire import base64url, spki
from miyun.wire.algorithm import SignatureAlgorithm
from miyun.wire.errors import DecodeError

MAX_SIZE = 8192
_CHECKS = {
    "ES256": SignatureAlgorithm.ECDSA_SHA256,
    "RS256": SignatureAlgorithm.RSA_SHA256,
    "SM2SM3": SignatureAlgorithm.SM2_SM3,
}
_CURVES = {"ES256": "P-256", "SM2SM3": "SM2"}


async def sign(keys: KeyDirectory, key: SigningKey, claims: dict[str, Any], *, kind: str = "JWT") -> str:
    algorithm = ALGORITHMS[key.algorithm]
    header = {"alg": algorithm.name, "kid": key.kid, "typ": kind}
    text = f"{base64url.encode(msgspec.json.encode(header))}.{base64url.encode(msgspec.json.encode(claims))}"
    [value] = await keys.sign(KeyRef(key.tenant, key.key), [text.encode()], scheme=algorithm.scheme)
    return f"{text}.{base64url.encode(value if key.algorithm == 'RS256' else _fixed(value))}"


def read(token: str, keys: Sequence[SigningKey]) -> dict[str, Any] | None:
    """The claims of a token that one of `keys` signed; None for any other. Their times are not looked at."""
    try:
        if len(token) > MAX_SIZE:
            return None
        head, body, value = token.split(".")
        header = msgspec.json.decode(base64url.decode(head), type=dict[str, Any])
        key = next(k for k in keys if k.kid == header.get("kid") and k.algorithm == header.get("alg"))
        raw = base64url.decode(value)
        signature = raw if key.algorithm == "RS256" else _der(raw)
        spki.verify(key.public, _CHECKS[key.algorithm], f"{head}.{body}".encode(), signature)
        return msgspec.json.decode(base64url.decode(body), type=dict[str, Any])
    except (ValueError, binascii.Error, StopIteration, InvalidSignature, DecodeError, msgspec.DecodeError):
        return None


def half_hash(algorithm: str, text: str) -> str:
    """`at_hash` (OpenID Connect Core 3.1.3.6): the left half of the hash that the token's algorithm uses."""
    whole = sm3.digest(text.encode()) if algorithm == "SM2SM3" else hashlib.sha256(text.encode()).digest()
    return base64url.encode(whole[:16])


def jwk(key: SigningKey) -> dict[str, str]:
    """The public key as JWKS shows it."""
    common = {"kid": key.kid, "use": "sig", "alg": key.algorithm}
    if key.algorithm == "RS256":
        numbers = load_der_public_key(key.public).public_numbers()  # type: ignore[union-attr]
        return common | {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}  # type: ignore[union-attr]
    point = spki.parse_spki(key.public).point or b""
    return common | {
        "kty": "EC",
        "crv": _CURVES[key.algorithm],
        "x": base64url.encode(point[1:33]),
        "y": base64url.encode(point[33:]),
    }


def thumbprint(public: bytes) -> str:
    """The key's name: SM3 over its SubjectPublicKeyInfo."""
    return base64url.encode(sm3.digest(public))


def _number(value: int) -> str:
    return base64url.encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _fixed(der: bytes) -> bytes:
    r, s = decode_dss_signature(der)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _der(raw: bytes) -> bytes:
    if len(raw) != 64:
        raise ValueError("64 octets are needed")
    return encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
