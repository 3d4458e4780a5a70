"""Clients that prove who they are by the certificate of their connection, and tokens that are worth nothing over
another (RFC 8705). It is judged as those of the application's people are: by its policy and trust lists."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from dataclasses import dataclass
from typing import Final

from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError

from miyun.core.errors import InvalidArgument
from miyun.core.i18n import Text
from miyun.core.operation import Call
from miyun.offerings.strong_auth.certificates import Certificates, of_connection
from miyun.offerings.strong_auth.errors import CertificateNotGiven, CertificateRefused
from miyun.offerings.strong_auth.sso.model import Client, ClientAuth, Token
from miyun.wire import base64url
from miyun.wire.errors import DecodeError, EncodeError
from miyun.wire.name import Name
from miyun.wire.x509 import Certificate, general_name

# the last part of the RFC's metadata tls_client_auth_…: the kind of alternative name that it speaks of
_ALTERNATIVE: Final = {
    "san_dns": general_name.DNS,
    "san_uri": general_name.URI,
    "san_ip": general_name.IP,
    "san_email": general_name.EMAIL,
}


@dataclass(frozen=True, slots=True)
class Connection:
    """A certificate whose key is at the other end, judged for one client. `refusal`: why it is not relied upon."""

    client: str
    certificate: Certificate
    refusal: str = ""

    @property
    def thumbprint(self) -> str:
        """`x5t#S256`."""
        return base64url.encode(hashlib.sha256(self.certificate.der).digest())

    def is_of(self, client: Client) -> bool:
        return self.client == client.id and not self.refusal and _names(self.certificate, client)


async def connection_of(call: Call, client: Client | None, certificates: Certificates) -> Connection | None:
    """Judged when the client's registration has to do with certificates; None without one."""
    if client is None or not (client.auth is ClientAuth.TLS or client.bound):
        return None
    try:
        certificate = of_connection(call)
    except (CertificateNotGiven, CertificateRefused):
        return None
    try:
        await certificates.accept(client.tenant, client.application, certificate, call.now)
        if client.auth is ClientAuth.TLS:
            await certificates.check_names(client.tenant, certificate)
    except CertificateRefused as error:
        return Connection(client.id, certificate, error.reason)
    return Connection(client.id, certificate)


def authenticate(connection: Connection | None, client: Client) -> None:
    """`tls_client_auth`. Raises InvalidClientError."""
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
    if client.tls_field == "subject_dn":
        return certificate.subject.matches(Name.parse(client.tls_value))
    kind = _ALTERNATIVE.get(client.tls_field)
    found = [str(item.value) for item in certificate.subject_alt_names if item.kind == kind]
    return client.tls_value in ([item.lower() for item in found] if kind == general_name.DNS else found)


def _refused(why: str) -> InvalidClientError:
    return InvalidClientError(status_code=401, description=why)
