"""What ACME clients and servers send (RFC 8555, RFC 9773, the profiles draft): payloads, names, problem types.

Fields that are not known are passed over, as RFC 8555 6.1 asks of both sides.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec

from miyun.wire import base64url, der
from miyun.wire.errors import DecodeError
from miyun.wire.x509 import Certificate
from miyun.wire.x509.general_name import is_label

T = TypeVar("T")

JOSE_TYPE: Final = "application/jose+json"
CHAIN_TYPE: Final = "application/pem-certificate-chain"
PROBLEM_TYPE: Final = "application/problem+json"
ENVELOPED_KEY_TYPE: Final = "application/vnd.miyun.sm2-enveloped-key"
CHALLENGE_PATH: Final = "/.well-known/acme-challenge/"
ERROR_PREFIX: Final = "urn:ietf:params:acme:error:"
HTTP_01: Final = "http-01"
DNS_01: Final = "dns-01"

TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{22,128}")


class Identifier(msgspec.Struct, frozen=True):
    type: str
    value: str


class NewAccount(msgspec.Struct, rename="camel"):
    contact: list[str] = []
    terms_of_service_agreed: bool = False
    only_return_existing: bool = False
    external_account_binding: dict[str, Any] | None = None
    status: str | None = None


class NewOrder(msgspec.Struct, rename="camel"):
    identifiers: list[Identifier]
    not_before: str | None = None
    not_after: str | None = None
    profile: str | None = None
    replaces: str | None = None


class Finalize(msgspec.Struct):
    csr: str


class Revocation(msgspec.Struct):
    certificate: str
    reason: int | None = None


class KeyChange(msgspec.Struct, rename="camel"):
    account: str
    old_key: dict[str, Any]


class Change(msgspec.Struct):
    """Of an account or an authorisation."""

    status: str | None = None
    contact: list[str] | None = None


class Challenge(msgspec.Struct, rename="camel"):
    type: str
    url: str
    status: str
    token: str = ""
    error: dict[str, Any] | None = None


class Authorization(msgspec.Struct):
    identifier: Identifier
    status: str
    challenges: list[Challenge] = []
    wildcard: bool = False


class Order(msgspec.Struct, rename="camel"):
    status: str
    authorizations: list[str] = []
    finalize: str = ""
    certificate: str | None = None
    error: dict[str, Any] | None = None


class Directory(msgspec.Struct, rename="camel"):
    new_nonce: str
    new_account: str
    new_order: str
    revoke_cert: str | None = None
    meta: dict[str, Any] = {}


def read_payload(payload: bytes, kind: type[T]) -> T:
    """Raises DecodeError naming the field."""
    try:
        return msgspec.json.decode(payload, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(str(error)[:200], field="payload") from None


def read_identifier(identifier: Identifier) -> tuple[str, bool]:
    """The name in its usual form and whether it stands for a wildcard. Raises DecodeError, with field "type" for a kind
    of name that is not known."""
    value = identifier.value
    if identifier.type == "ip":
        try:
            address = ipaddress.ip_address(value)
        except ValueError:
            raise DecodeError("not an IP address", field="value") from None
        if isinstance(address, ipaddress.IPv6Address) and (address.scope_id or address.ipv4_mapped):
            raise DecodeError("an address with a zone, or an IPv4 address in IPv6's form", field="value")
        return str(address), False
    if identifier.type != "dns":
        raise DecodeError("only dns and ip are known", field="type")
    name = value.lower()
    wildcard = name.startswith("*.")
    labels = name.removeprefix("*.").split(".")
    if len(name) > 253 or len(labels) < 2 or not all(is_label(label) for label in labels):
        raise DecodeError("not a fully qualified DNS name", field="value")
    if labels[-1].isdigit():
        raise DecodeError("looks like an IP address", field="value")
    return ".".join(labels), wildcard


def key_authorization(token: str, thumbprint: str) -> str:
    return f"{token}.{thumbprint}"


def dns_value(authorization: str) -> str:
    """Of the TXT record for dns-01 (8.4)."""
    return base64url.encode(hashlib.sha256(authorization.encode()).digest())


@dataclass(frozen=True, slots=True)
class CertificateId:
    """RFC 9773 4.1: the authority's key identifier and the serial number."""

    authority: bytes
    serial: int

    def __str__(self) -> str:
        encoded = der.integer(self.serial)
        return f"{base64url.encode(self.authority)}.{base64url.encode(encoded[2:])}"

    @staticmethod
    def of(certificate: Certificate) -> CertificateId:
        """Raises DecodeError when it has no authority key identifier."""
        authority = certificate.authority_key_identifier
        if authority is None:
            raise DecodeError("lacks an authority key identifier", field="certificate")
        return CertificateId(authority, certificate.serial)


def parse_certificate_id(text: str) -> CertificateId:
    """Raises DecodeError."""
    authority, separator, serial = text.partition(".")
    content = base64url.decode(serial, "serial")
    if not separator or not authority or not 0 < len(content) <= 21 or content[0] >= 0x80:
        raise DecodeError("not two parts of base64url", field="certificate identifier")
    if len(content) > 1 and content[0] == 0 and content[1] < 0x80:
        raise DecodeError("the serial number has a needless zero", field="certificate identifier")
    return CertificateId(base64url.decode(authority, "authority"), int.from_bytes(content, "big"))


def problem(kind: str, detail: str, status: int, identifier: Mapping[str, str] | None = None) -> dict[str, Any]:
    """RFC 7807 document of an ACME error type, or of a subproblem when it names an identifier."""
    document: dict[str, Any] = {"type": ERROR_PREFIX + kind, "detail": detail, "status": status}
    if identifier is not None:
        document["identifier"] = dict(identifier)
    return document
