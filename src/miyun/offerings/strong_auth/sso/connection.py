"""Clients that prove who they are by the certificate of their connection, and tokens that are worth nothing over
another (RFC 8705). It is judged as those of the application's people are: by its policy and trust lists."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError
from cryptography.hazmat.primitives.serialization import load_der_public_key

from miyun.core.certificates import read_certificate
from miyun.core.errors import InvalidArgument
from miyun.core.i18n import Text
from miyun.core.operation import Call
from miyun.offerings.strong_auth.certificates import Certificates, of_connection
from miyun.offerings.strong_auth.errors import CertificateNotGiven, CertificateRefused
from miyun.offerings.strong_auth.sso.model import BY_CERTIFICATE, PINNED, Client, ClientAuth, Token
from miyun.wire import base64url
from miyun.wire.errors import DecodeError, EncodeError
from miyun.wire.name import Name
from miyun.wire.spki import KeyAlgorithm
from miyun.wire.x509 import Certificate, general_name

# the last part of the RFC's metadata tls_client_auth_…: the kind of alternative name that it speaks of
_ALTERNATIVE: Final = {
    "san_dns": general_name.DNS,
    "san_uri": general_name.URI,
    "san_ip": general_name.IP,
    "san_email": general_name.EMAIL,
}
_CERTIFICATES: Final = "tls_client_certificates"
_RSA_BITS: Final = 2048


@dataclass(frozen=True, slots=True)
class Connection:
    """A certificate whose key is at the other end, judged for one client. `refusal`: why it is not relied upon."""

    client: str
    certificate: Certificate
    refusal: str = ""

    @property
    def thumbprint(self) -> str:
        """`x5t#S256`."""
        return thumbprint_of(self.certificate)

    def is_of(self, client: Client) -> bool:
        return self.client == client.id and not self.refusal and _names(self.certificate, client)


async def connection_of(call: Call, client: Client | None, certificates: Certificates) -> Connection | None:
    """Judged when the client's registration has to do with certificates; None without one."""
    if client is None or not (client.auth in BY_CERTIFICATE or client.bound):
        return None
    try:
        certificate = of_connection(call)
    except (CertificateNotGiven, CertificateRefused):
        return None
    if client.auth is ClientAuth.SELF_SIGNED:  # registered by itself: nobody else has to vouch for it
        return Connection(client.id, certificate, "" if _is_in_term(certificate, call.now) else "expired")
    try:
        await certificates.accept(client.tenant, client.application, certificate, call.now)
        if client.auth is ClientAuth.TLS:
            await certificates.check_names(client.tenant, certificate)
    except CertificateRefused as error:
        return Connection(client.id, certificate, error.reason)
    return Connection(client.id, certificate)


def authenticate(connection: Connection | None, client: Client) -> None:
    """`tls_client_auth`, `self_signed_tls_client_auth`. Raises InvalidClientError."""
    if connection is None:
        raise _refused("a certificate is wanted, at the endpoints of mtls_endpoint_aliases")
    if connection.refusal:
        raise _refused(f"the certificate is refused: {connection.refusal}")
    if not connection.is_of(client):
        raise _refused("the certificate is not that of this client")


def thumbprint_for(client: Client, connection: Connection | None) -> str:
    """What tokens of the client are bound to; empty for one whose tokens are not. Raises InvalidRequestError."""
    if not client.bound:
        return ""
    if connection is None or connection.client != client.id:
        raise InvalidRequestError("tokens of this client are bound to a certificate: use mtls_endpoint_aliases")
    if connection.refusal:
        raise InvalidRequestError(f"the certificate is refused: {connection.refusal}")
    return connection.thumbprint


def fits(token: Token, connection: Connection | None) -> bool:
    """Whether the connection is one that the token may be used over."""
    if not token.thumbprint:
        return True
    if connection is None or connection.refusal:
        return False
    return hmac.compare_digest(token.thumbprint, connection.thumbprint)


def thumbprint_of(certificate: Certificate) -> str:
    return base64url.encode(hashlib.sha256(certificate.der).digest())


def pin(text: str, now: datetime) -> str:
    """The digest of a client's own certificate. Raises InvalidArgument."""
    try:
        certificate = read_certificate(text)
        key = certificate.public_key
    except (InvalidArgument, DecodeError) as error:
        text_ = Text("应为受支持密钥的 X.509 证书", "should be an X.509 certificate of a key that is supported")
        raise InvalidArgument(_CERTIFICATES, text_) from error
    if key.algorithm is KeyAlgorithm.RSA and load_der_public_key(key.der).key_size < _RSA_BITS:  # type: ignore[union-attr]
        reason = Text(f"RSA 密钥至少 {_RSA_BITS} 位", f"an RSA key has {_RSA_BITS} bits at least")
        raise InvalidArgument(_CERTIFICATES, reason)
    if not _is_in_term(certificate, now):
        raise InvalidArgument(_CERTIFICATES, Text("证书不在有效期内", "the certificate is not in its term"))
    return thumbprint_of(certificate)


def _is_in_term(certificate: Certificate, now: datetime) -> bool:
    return certificate.not_before <= now < certificate.not_after


def check_name(field: str, value: str) -> str:
    """As it is kept. Raises InvalidArgument."""
    try:
        if field == "subject_dn":
            return str(Name.parse(value))
        if field == "san_ip":
            return str(ipaddress.ip_address(value))
        general_name.encode_text(_ALTERNATIVE[field], value)
        return value.lower() if field == "san_dns" else value
    except (DecodeError, EncodeError, ValueError) as error:
        reason = Text("与 tls_client_auth_field 所指的名称不符", "is no such name as tls_client_auth_field says")
        raise InvalidArgument("tls_client_auth_value", reason) from error


def _names(certificate: Certificate, client: Client) -> bool:
    if client.tls_field == PINNED:
        return thumbprint_of(certificate) in client.tls_value.split()
    if client.tls_field == "subject_dn":
        return certificate.subject.matches(Name.parse(client.tls_value))
    kind = _ALTERNATIVE.get(client.tls_field)
    found = [str(item.value) for item in certificate.subject_alt_names if item.kind == kind]
    return client.tls_value in ([item.lower() for item in found] if kind == general_name.DNS else found)


def _refused(why: str) -> InvalidClientError:
    return InvalidClientError(status_code=401, description=why)
