"""What people's browsers and relying parties hand in: certificates as text, challenges, tokens, addresses of files."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from tests.fuzz.target import Target
from tests.unit.wire.authority import pki

from miyun.core.certificates import read_certificate
from miyun.core.errors import InvalidArgument, NotFound
from miyun.gm import sm2
from miyun.offerings.certificate.protocol import decode_list, decode_published
from miyun.offerings.strong_auth.sso import jws
from miyun.offerings.strong_auth.sso.model import SigningKey
from miyun.wire import base64url
from miyun.wire.errors import DecodeError
from miyun.wire.spki import sm2_spki

_KEYS = [SigningKey("ten_a", "SM2SM3", "k", "key_k", sm2_spki(sm2.public_key(bytes(31) + b"\7")), datetime.now(UTC))]


def _tokens() -> list[bytes]:
    head = base64url.encode(msgspec.json.encode({"alg": "SM2SM3", "kid": "k"}))
    return [f"{head}.{base64url.encode(b'{}')}.{base64url.encode(bytes(64))}".encode()]


def _text(data: bytes) -> str:
    return data.decode("latin-1")


TARGETS = [
    Target(
        "certificate as text",
        lambda data: read_certificate(_text(data)),
        lambda: [pki().leaf.certificate.to_pem().encode()],
        (InvalidArgument,),
        prefixes_refused=False,  # the last line feed may be missing
    ),
    Target(
        "base64url",
        lambda data: base64url.decode(_text(data)),
        lambda: [base64url.encode(bytes(range(64))).encode()],
        (DecodeError,),
        prefixes_refused=False,
    ),
    Target("ID token", lambda data: jws.read(_text(data), _KEYS), _tokens, (), prefixes_refused=False),
    Target(
        "address of a revocation list",
        lambda data: decode_list(b"", {"ca": _text(data)}),
        lambda: [b"sm2-issuing-3.delta"],
        (NotFound,),
        prefixes_refused=False,
    ),
    Target(
        "address of a certificate",
        lambda data: decode_published(b"", {"certificate": _text(data)}),
        lambda: [b"4f0b1c2d3e4f5a6b7c8d9e0f1a2b3c4d"],
        (NotFound,),
        prefixes_refused=False,
    ),
]
