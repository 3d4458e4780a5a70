"""JSON Web Signatures and Keys as ACME uses them (RFC 7515 flattened, RFC 7517, RFC 7638), over joserfc."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey, import_key
from joserfc.jws import FlattenedJSONSerialization, JWSRegistry, deserialize_json

from miyun.wire import base64url
from miyun.wire.errors import DecodeError

ALGORITHMS: Final = ("ES256", "ES384", "ES512", "RS256", "EdDSA")
"""What a key may sign with; RFC 8555 6.2 asks for ES256, and forbids `none` and MACs."""

_OF_CURVE: Final = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "Ed25519": "EdDSA"}
_MEMBERS: Final = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n"), "OKP": ("crv", "kty", "x")}
_LARGEST: Final = 128 * 1024


class WeakKey(DecodeError):
    """A key of a kind or size that is not accepted (RFC 8555 badPublicKey)."""


class WrongSignature(Exception):
    """It is not by that key."""


@dataclass(frozen=True, slots=True)
class PublicJwk:
    """A public key. `members`: what RFC 7638 hashes, nothing else."""

    members: Mapping[str, str]
    algorithm: str  # that it signs with
    _key: ECKey | RSAKey | OKPKey = field(repr=False, compare=False)

    @property
    def thumbprint(self) -> str:
        return self._key.thumbprint()

    @property
    def json(self) -> bytes:
        return msgspec.json.encode(self.members, order="sorted")

    @property
    def spki(self) -> bytes:
        """SubjectPublicKeyInfo DER."""
        return self._key.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def parse_jwk(value: object) -> PublicJwk:
    """A public key that signs. Raises WeakKey for a kind or size that is not accepted, DecodeError."""
    if not isinstance(value, dict):
        raise DecodeError("not a JSON object", field="jwk")
    names = _MEMBERS.get(value.get("kty", ""))
    if names is None:
        raise WeakKey("kty must be EC, RSA or OKP", field="jwk")
    if "d" in value:
        raise DecodeError("holds a private key", field="jwk")
    members = {name: value.get(name) for name in names}
    if not all(isinstance(member, str) and len(member) < 4096 for member in members.values()):
        raise DecodeError("lacks a member", field="jwk")
    if value["kty"] != "RSA" and value["crv"] not in _OF_CURVE:
        raise WeakKey(f"crv must be one of {', '.join(_OF_CURVE)}", field="jwk")
    for name in set(names) - {"crv", "kty"}:
        base64url.decode(members[name], f"jwk.{name}")
    try:
        key = import_key(members)  # type: ignore[arg-type]
        public = key.public_key
    except (JoseError, ValueError, TypeError, OverflowError):
        raise WeakKey("not a point of its curve, or no RSA key", field="jwk") from None
    assert isinstance(key, ECKey | RSAKey | OKPKey)
    if isinstance(public, RSAPublicKey) and not (
        2048 <= public.key_size <= 8192 and public.public_numbers().e in range(3, 1 << 32, 2)
    ):
        raise WeakKey("RSA keys have 2048 to 8192 bits and a small odd exponent", field="jwk")
    algorithm = "RS256" if value["kty"] == "RSA" else _OF_CURVE[value["crv"]]
    return PublicJwk({name: str(member) for name, member in members.items()}, algorithm, key)


def jwk_of_spki(spki: bytes) -> PublicJwk:
    """Of a P-256, P-384, P-521 or RSA key. Raises DecodeError."""
    try:
        public = load_der_public_key(spki)
    except (ValueError, TypeError) as error:
        raise DecodeError("not a public key", field="spki") from error
    key: ECKey | RSAKey
    if isinstance(public, EllipticCurvePublicKey):
        key = ECKey.import_key(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    elif isinstance(public, RSAPublicKey):
        key = RSAKey.import_key(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    else:
        raise DecodeError("of a kind that JOSE does not know", field="spki")
    return parse_jwk(key.as_dict(private=False))


@dataclass(frozen=True, slots=True)
class Jws:
    """A flattened JWS as read, nothing verified yet."""

    header: Mapping[str, Any]
    payload: bytes = field(repr=False)
    protected: str = field(repr=False)
    encoded_payload: str = field(repr=False)
    signature: str = field(repr=False)

    @property
    def algorithm(self) -> str:
        return str(self.header["alg"])

    def verify(self, key: PublicJwk) -> None:
        """Raises WrongSignature."""
        self._verify(key._key, key.algorithm)

    def verify_mac(self, key: bytes) -> None:
        """HS256 (RFC 8555 7.3.4). Raises WrongSignature."""
        self._verify(OctKey.import_key(key), "HS256")

    def _verify(self, key: ECKey | RSAKey | OKPKey | OctKey, algorithm: str) -> None:
        if self.algorithm != algorithm:
            raise WrongSignature
        parts: FlattenedJSONSerialization = {
            "protected": self.protected,
            "payload": self.encoded_payload,
            "signature": self.signature,
        }
        try:
            deserialize_json(parts, key, algorithms=[algorithm], registry=_registry(algorithm))
        except (JoseError, ValueError, TypeError):
            raise WrongSignature from None


class _Flattened(msgspec.Struct, forbid_unknown_fields=True):
    protected: str
    payload: str
    signature: str


def parse_jws(body: bytes | Mapping[str, Any]) -> Jws:
    """The flattened form with a protected header and no other (RFC 8555 6.2). Raises DecodeError."""
    try:
        if isinstance(body, bytes):
            if len(body) > _LARGEST:
                raise DecodeError("too large", field="JWS")
            parts = msgspec.json.decode(body, type=_Flattened)
        else:
            parts = msgspec.convert(body, _Flattened)
        header = msgspec.json.decode(base64url.decode(parts.protected, "protected"), type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise DecodeError("not a flattened JWS with protected header, payload and signature", field="JWS") from None
    if not isinstance(header.get("alg"), str):
        raise DecodeError("lacks alg", field="protected")
    if "crit" in header or "b64" in header:
        raise DecodeError("holds an extension that is not understood", field="protected")
    payload = base64url.decode(parts.payload, "payload")
    base64url.decode(parts.signature, "signature")
    return Jws(header, payload, parts.protected, parts.payload, parts.signature)


def to_be_signed(header: Mapping[str, Any], payload: bytes) -> bytes:
    return f"{base64url.encode(msgspec.json.encode(header))}.{base64url.encode(payload)}".encode()


def flattened(signing_input: bytes, signature: bytes) -> bytes:
    """The JWS of `to_be_signed` and its signature (r‖s for ECDSA)."""
    protected, _, payload = signing_input.decode().partition(".")
    return msgspec.json.encode({"protected": protected, "payload": payload, "signature": base64url.encode(signature)})


def sign(header: Mapping[str, Any], payload: bytes, signer: Callable[[bytes], bytes]) -> bytes:
    """Where a synchronous signer is at hand."""
    signing_input = to_be_signed(header, payload)
    return flattened(signing_input, signer(signing_input))


def hs256(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def raw_signature(der: bytes, size: int = 32) -> bytes:
    """r‖s of a DER ECDSA signature."""
    r, s = decode_dss_signature(der)
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def _registry(algorithm: str) -> JWSRegistry:
    registry = JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    registry.max_header_length = registry.max_payload_length = _LARGEST
    registry.max_signature_length = 4096
    return registry
