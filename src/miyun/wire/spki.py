"""SubjectPublicKeyInfo (RFC 5280 4.1.2.7) and the one place where a signature is checked against it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Final

from cryptography import exceptions
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from miyun.gm import intl, sm2, sm3
from miyun.gm.errors import InvalidKey, InvalidSignature
from miyun.wire import der, oid
from miyun.wire.algorithm import DigestAlgorithm, SignatureAlgorithm
from miyun.wire.errors import DecodeError, EncodeError

DEFAULT_ID: Final = sm2.DEFAULT_ID
"""The user identity of GM/T 0009 that goes into Z_A: b"1234567812345678"."""

_MAX_SIZE: Final = 8192
_ECDSA_HASH: Final[dict[DigestAlgorithm, hashes.HashAlgorithm]] = {
    DigestAlgorithm.SHA256: hashes.SHA256(),
    DigestAlgorithm.SHA384: hashes.SHA384(),
    DigestAlgorithm.SHA512: hashes.SHA512(),
}
_HASH_NAME: Final[dict[DigestAlgorithm, intl.HashName]] = {
    DigestAlgorithm.SHA256: "sha256",
    DigestAlgorithm.SHA384: "sha384",
    DigestAlgorithm.SHA512: "sha512",
}
_RSA_PADDING: Final[dict[str, intl.RsaPadding]] = {"rsa": "pkcs1v15", "rsa-pss": "pss"}


class KeyAlgorithm(StrEnum):
    SM2 = "sm2"
    EC_P256 = "ec-p256"
    EC_P384 = "ec-p384"
    EC_P521 = "ec-p521"
    RSA = "rsa"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key. `point` is 04‖x‖y for elliptic curves, None for RSA; `der` is the whole SubjectPublicKeyInfo."""

    algorithm: KeyAlgorithm
    point: bytes | None
    der: bytes = field(repr=False)

    @property
    def key_identifier(self) -> bytes:
        """First 20 octets of SM3 over the BIT STRING's content (RFC 7093 method 1, with SM3)."""
        reader = der.Reader(self.der).enter()
        reader.raw()
        return sm3.digest(reader.bit_string())[:20]


_CURVES: Final = {
    oid.SM2_CURVE: (KeyAlgorithm.SM2, 32),
    oid.P256: (KeyAlgorithm.EC_P256, 32),
    oid.P384: (KeyAlgorithm.EC_P384, 48),
    oid.P521: (KeyAlgorithm.EC_P521, 66),
}


def _prefix(curve: str) -> bytes:
    identifier = der.sequence(der.oid(oid.EC_PUBLIC_KEY), der.oid(curve))
    size = 1 + 2 * _CURVES[curve][1]
    return der.sequence(identifier, der.bit_string(bytes(size)))[:-size]


_SM2_PREFIX: Final = _prefix(oid.SM2_CURVE)
_P256_PREFIX: Final = _prefix(oid.P256)


def _checked(point: bytes) -> bytes:
    if len(point) != 65 or point[0] != 4:
        raise EncodeError("65 octets 04‖x‖y", field="subjectPublicKey")
    return point


def sm2_spki(point: bytes) -> bytes:
    """SubjectPublicKeyInfo of an SM2 point 04‖x‖y: ecPublicKey with curve 1.2.156.10197.1.301."""
    return _SM2_PREFIX + _checked(point)


def ec_p256_spki(point: bytes) -> bytes:
    """SubjectPublicKeyInfo of a P-256 point 04‖x‖y."""
    return _P256_PREFIX + _checked(point)


@lru_cache(maxsize=4096)
def parse_spki(encoded: bytes) -> PublicKey:
    """Reads SM2, NIST curves and RSA. Compressed points and other algorithms raise DecodeError.

    That the point lies on its curve is checked where the key is used, by the algorithm.
    """
    if len(encoded) == 91 and encoded.startswith(_SM2_PREFIX) and encoded[26] == 4:
        return PublicKey(KeyAlgorithm.SM2, encoded[26:], encoded)
    outer = der.Reader(encoded, field="SubjectPublicKeyInfo", max_size=_MAX_SIZE)
    reader = outer.enter()
    outer.end()
    identifier = reader.enter(der.SEQUENCE, "algorithm")
    kind = identifier.oid("algorithm")
    # Tongsuo names the SM2 curve also as the algorithm.
    if kind in (oid.EC_PUBLIC_KEY, oid.SM2_CURVE):
        curve = identifier.oid("namedCurve")
        identifier.end()
        point = reader.bit_string("subjectPublicKey")
        reader.end()
        if curve not in _CURVES or (kind == oid.SM2_CURVE and curve != kind):
            raise reader.fail(f"curve {curve} is not accepted", "namedCurve")
        algorithm, size = _CURVES[curve]
        if len(point) != 1 + 2 * size or point[0] != 4:
            raise reader.fail(f"expected an uncompressed point of {1 + 2 * size} octets", "subjectPublicKey")
        return PublicKey(algorithm, point, encoded)
    if kind == oid.RSA_ENCRYPTION:
        if identifier.more:
            identifier.null("algorithm")
        identifier.end()
        key = der.Reader(reader.bit_string("subjectPublicKey"), field="RSAPublicKey")
        reader.end()
        numbers = key.enter()
        key.end()
        modulus, exponent = numbers.integer("modulus"), numbers.integer("publicExponent")
        numbers.end()
        if modulus < 0 or modulus.bit_length() not in range(1024, 16385) or exponent < 3 or not exponent & 1:
            raise reader.fail("not a usable RSA key", "RSAPublicKey")
        return PublicKey(KeyAlgorithm.RSA, None, encoded)
    raise DecodeError(f"key algorithm {kind} is not accepted", field="SubjectPublicKeyInfo")


def verify(
    spki: bytes, algorithm: SignatureAlgorithm, message: bytes, signature: bytes, user_id: bytes = DEFAULT_ID
) -> None:
    """Raises InvalidSignature unless `signature` (DER for SM2 and ECDSA, raw for RSA) is the key's over `message`.

    For SM2 the message goes through Z_A with `user_id`. Raises DecodeError when the key itself cannot be read.
    """
    try:
        _verify(spki, algorithm, message, signature, user_id)
    except InvalidKey as error:
        raise DecodeError(str(error), field="subjectPublicKey") from None


def _verify(spki: bytes, algorithm: SignatureAlgorithm, message: bytes, signature: bytes, user_id: bytes) -> None:
    key = parse_spki(spki)
    if algorithm.scheme == "sm2":
        if key.algorithm is not KeyAlgorithm.SM2 or key.point is None:
            raise InvalidSignature
        sm2.verify(key.point, message, signature, user_id)
    elif algorithm.scheme == "ecdsa":
        if key.algorithm not in (KeyAlgorithm.EC_P256, KeyAlgorithm.EC_P384, KeyAlgorithm.EC_P521):
            raise InvalidSignature
        _verify_ecdsa(spki, algorithm.digest_algorithm, message, signature)
    else:
        if key.algorithm is not KeyAlgorithm.RSA:
            raise InvalidSignature
        padding = _RSA_PADDING[algorithm.scheme]
        intl.rsa_verify(spki, message, signature, _HASH_NAME[algorithm.digest_algorithm], padding)


def _verify_ecdsa(spki: bytes, digest: DigestAlgorithm, message: bytes, signature: bytes) -> None:
    # `intl` has P-256 with SHA-256, which we make; certificates and messages of others use the other curves too.
    try:
        key = load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidKey("not a point of its curve") from None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise InvalidSignature
    try:
        key.verify(signature, message, ec.ECDSA(_ECDSA_HASH[digest]))
    except exceptions.InvalidSignature:
        raise InvalidSignature from None


def verify_message(spki: bytes, message: bytes, signature: bytes) -> None:
    """As `verify`, by the one algorithm that people's keys sign messages with: SM2 with SM3, ECDSA on P-256 or RSA with
    SHA-256. Raises InvalidSignature for any other key too."""
    algorithm = _MESSAGES.get(parse_spki(spki).algorithm)
    if algorithm is None:
        raise InvalidSignature
    verify(spki, algorithm, message, signature)


_MESSAGES: Final = {
    KeyAlgorithm.SM2: SignatureAlgorithm.SM2_SM3,
    KeyAlgorithm.EC_P256: SignatureAlgorithm.ECDSA_SHA256,
    KeyAlgorithm.RSA: SignatureAlgorithm.RSA_SHA256,
}


def verifies_without_za(spki: bytes, message: bytes, signature: bytes) -> bool:
    """Whether an SM2 signature was made over SM3(message) alone, leaving Z_A out (trap T12).

    Only for telling the user why a signature is refused; such a signature is never accepted.
    """
    try:
        key = parse_spki(spki)
        if key.algorithm is not KeyAlgorithm.SM2 or key.point is None:
            return False
        sm2.verify_digest(key.point, sm3.digest(message), signature)
    except (InvalidSignature, InvalidKey, DecodeError):
        return False
    return True
