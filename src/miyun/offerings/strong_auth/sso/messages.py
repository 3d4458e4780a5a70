"""Requests and answers of single sign-on."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

from miyun.core.listing import Cursor, Format, SortText
from miyun.core.operation import Struct
from miyun.offerings.strong_auth.messages import Certificate, Limit
from miyun.offerings.strong_auth.model import MUTUAL_TLS
from miyun.offerings.strong_auth.sso.model import Client

Url = Annotated[str, Meta(min_length=8, max_length=2048)]
Urls = Annotated[tuple[Url, ...], Meta(max_length=32)]
TenantId = Annotated[str, Meta(max_length=64)]
Query = Annotated[str, Meta(max_length=16384)]
Secret = Annotated[str, Meta(max_length=128)]


class RegisterClient(Struct):
    """`redirects` are compared octet by octet: redirect URIs, or the service addresses of a CAS client. With
    `tls_client_auth` (RFC 8705) exactly one name of the certificate is the client's: `tls_client_auth_field` is the
    last part of the RFC's metadata name, `subject_dn` in the text of RFC 4514. With `self_signed_tls_client_auth` it
    is the certificates themselves, whoever issued them: several, so that the next one is known before it is used."""

    application: str
    name: Annotated[str, Meta(min_length=1, max_length=128)]
    redirects: Annotated[tuple[Url, ...], Meta(min_length=1, max_length=32)]
    protocol: Literal["oidc", "cas"] = "oidc"
    logout_redirects: Urls = ()
    auth: Literal[
        "none", "client_secret_basic", "client_secret_post", "tls_client_auth", "self_signed_tls_client_auth"
    ] = "client_secret_basic"
    algorithm: Literal["ES256", "RS256", "SM2SM3"] = "ES256"
    backchannel: Annotated[str, Meta(max_length=2048)] = ""
    tls_client_auth_field: Literal["", "subject_dn", "san_dns", "san_uri", "san_ip", "san_email"] = ""
    tls_client_auth_value: Annotated[str, Meta(max_length=1024)] = ""
    tls_client_certificates: Annotated[tuple[Certificate, ...], Meta(max_length=4)] = ()
    tls_client_certificate_bound_access_tokens: bool = False


class ClientRef(Struct):
    client: str


class ListClients(Struct):
    """`sort`: id (in order of registration as default) or name."""

    application: str | None = None
    sort: SortText = ""
    limit: Limit = 50
    cursor: Cursor | None = None


class ExportClients(Struct):
    application: str | None = None
    sort: SortText = ""
    format: Format = "csv"


class ClientView(Struct):
    client: str
    application: str
    name: str
    protocol: str
    state: str
    redirects: list[str]
    logout_redirects: list[str]
    auth: str
    algorithm: str
    backchannel: str
    created_at: datetime
    issuer: str
    tls_client_auth_field: str
    tls_client_auth_value: str
    tls_client_certificate_bound_access_tokens: bool

    @staticmethod
    def of(client: Client, issuer: str) -> ClientView:
        return ClientView(
            client=client.id,
            application=client.application,
            name=client.name,
            protocol=client.protocol,
            state=client.state,
            redirects=list(client.redirects),
            logout_redirects=list(client.logout_redirects),
            auth=client.auth,
            algorithm=client.algorithm,
            backchannel=client.backchannel,
            created_at=client.created_at,
            issuer=issuer,
            tls_client_auth_field=client.tls_field,
            tls_client_auth_value=client.tls_value,
            tls_client_certificate_bound_access_tokens=client.bound,
        )


class ClientList(Struct):
    items: list[ClientView]
    next_cursor: str | None = None


class ClientRegistered(Struct):
    """`secret` is shown this once."""

    client: ClientView
    secret: str | None = None


class BeginLogin(Struct):
    """A browser that arrives at the sign-in page. `query` is what the client sent it with."""

    protocol: Literal["oidc", "cas"]
    tenant: TenantId
    query: Query
    browser: Secret = ""
    sso: Secret = ""


class LoginPage(Struct):
    """What the page shows. `redirect`: nothing, the browser goes there at once. `known`: no signature is needed."""

    redirect: str = ""
    known: bool = False
    application: str = ""
    client: str = ""
    back: str = ""  # the origin that the form may lead to
    challenge: str = ""
    message: str = ""
    expires_at: datetime | None = None


class CompleteLogin(Struct):
    """Either the browser's session (`sso`), or a challenge with certificate and signature, or a challenge over a
    connection with the certificate (`mutual`)."""

    protocol: Literal["oidc", "cas"]
    tenant: TenantId
    query: Query
    browser: Secret = ""
    sso: Secret = ""
    challenge: Annotated[str, Meta(max_length=1024)] = ""
    certificate: Certificate | None = None
    signature: Annotated[bytes, Meta(max_length=1024)] = b""
    mutual: bool = False

    @property
    def proves(self) -> bool:
        return self.mutual or self.certificate is not None

    @property
    def method(self) -> str:
        """As sessions and the report name it."""
        return MUTUAL_TLS if self.mutual else self.protocol


class LoginDone(Struct):
    """`sso`: the browser's new session, for its cookie."""

    redirect: str
    sso: str = ""


class Logout(Struct):
    protocol: Literal["oidc", "cas"]
    tenant: TenantId
    query: Query
    sso: Secret = ""
    confirmed: bool = False


class LogoutDone(Struct):
    """`confirm`: nothing was ended yet, the person is asked first."""

    confirm: bool = False
    redirect: str = ""


class Exchanged(Struct):
    """A request of a client to one of the endpoints; `form` as it was sent, `authorization` its header."""

    tenant: TenantId
    form: Query = ""
    authorization: Annotated[str, Meta(max_length=8192)] = ""


class Published(Struct):
    tenant: TenantId


class ValidateTicket(Struct):
    tenant: TenantId
    query: Query
    version: Literal[1, 2, 3] = 3
