"""What ACME clients and servers send: signatures, keys, payloads, names and addresses."""

from __future__ import annotations

import json
from functools import cache

from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry, serialize_json
from tests.fuzz.target import Target
from tests.outside_ca import OutsideAuthority, new_key

from miyun.core.i18n import Text
from miyun.core.outbound import OutboundFailed, parse_url
from miyun.offerings.ssl_certificate.acme.account import authentication
from miyun.offerings.ssl_certificate.errors import AcmeRefused, CertificateDoesNotFit
from miyun.offerings.ssl_certificate.outside.checks import read_chain
from miyun.wire import acme, jose
from miyun.wire.errors import DecodeError


@cache
def _keys() -> list[ECKey | RSAKey]:
    return [ECKey.generate_key("P-256"), RSAKey.generate_key(2048)]


def _jwks() -> list[bytes]:
    return [json.dumps(key.as_dict(private=False)).encode() for key in _keys()]


@cache
def _jws() -> tuple[bytes, ...]:
    header = {"protected": {"alg": "ES256", "nonce": "x", "url": "https://a.example/", "jwk": {}}}
    registry = JWSRegistry(algorithms=["ES256"], strict_check_header=False)
    return (json.dumps(serialize_json(header, b"{}", _keys()[0], registry=registry)).encode(),)


def _verify(data: bytes) -> None:
    authentication.read(data).verify(jose.parse_jwk(_keys()[0].as_dict(private=False)))


def _json(data: bytes) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _read_key(data: bytes) -> None:
    authentication.read_key(_json(data))


def _payloads() -> list[bytes]:
    order = {"identifiers": [{"type": "dns", "value": "*.a.example"}, {"type": "ip", "value": "10.0.0.1"}]}
    return [json.dumps({**order, "profile": "sm2-dual"}).encode()]


def _read_order(data: bytes) -> None:
    for identifier in acme.read_payload(data, acme.NewOrder).identifiers:
        acme.read_identifier(identifier)


@cache
def _chain() -> str:
    return OutsideAuthority().issue(new_key(), "www.example.cn")


_REFUSED = (DecodeError, AcmeRefused, jose.WrongSignature)

TARGETS = [
    Target("JWS", _verify, lambda: list(_jws()), _REFUSED),
    Target("JWK", _read_key, _jwks, _REFUSED),
    Target("ACME order", _read_order, _payloads),
    Target(
        "uploaded chain",
        lambda data: read_chain(data.decode("latin-1"), Text("证书", "the certificate")),
        lambda: [_chain().encode()],
        (CertificateDoesNotFit,),
        prefixes_refused=False,  # a shorter chain is one
    ),
    Target(
        "certificate identifier",
        lambda data: acme.parse_certificate_id(data.decode("latin-1")),
        lambda: [b"aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"],
        prefixes_refused=False,  # the serial number may be shorter
    ),
    Target(
        "address",
        lambda data: parse_url(data.decode("latin-1")),
        lambda: [b"https://[2606:4700::1]:443/a?b#c", b"http://a.example"],
        (OutboundFailed,),
        prefixes_refused=False,
    ),
]
