"""Clients of the sign-on protocols, what was granted to them, the browser's session, and the life of signing keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

CODE_LIFETIME: Final = timedelta(seconds=60)
TICKET_LIFETIME: Final = timedelta(seconds=60)
ACCESS_LIFETIME: Final = timedelta(minutes=10)
ID_TOKEN_LIFETIME: Final = timedelta(minutes=10)
KEY_LIFETIME: Final = timedelta(days=90)
KEY_OVERLAP: Final = timedelta(hours=24)  # published so long before it signs, and after it signed last
ACR: Final = "urn:miyun:acr:certificate"
SCOPES: Final = ("openid", "profile")
MAX_NONCE: Final = 512


class Protocol(StrEnum):
    OIDC = "oidc"
    CAS = "cas"


class ClientState(StrEnum):
    ACTIVE = "active"
    DISABLED = "disabled"


class ClientAuth(StrEnum):
    """How a client authenticates itself at the token endpoint; `none` is a public client (a browser or desktop)."""

    NONE = "none"
    BASIC = "client_secret_basic"
    POST = "client_secret_post"
    TLS = "tls_client_auth"
    SELF_SIGNED = "self_signed_tls_client_auth"


BY_CERTIFICATE: Final = (ClientAuth.TLS, ClientAuth.SELF_SIGNED)
PINNED: Final = "x5t#S256"  # tls_field of a client whose very certificates are registered
SECRETS: Final = (ClientAuth.BASIC, ClientAuth.POST)


@dataclass(frozen=True, slots=True)
class SigningAlgorithm:
    """`name` is the `alg` of the token's header."""

    name: str
    key: str  # hsm.port.KeyAlgorithm
    scheme: str  # hsm.port.SignScheme


# SM2SM3: SM2 with SM3 (GB/T 32918.2) over the JWS signing input, user id 1234567812345678, the value r‖s in 64 octets
# as with ES256. Published apart (jwks_sm2), since libraries that do not know the curve refuse a whole key set.
ALGORITHMS: Final[Mapping[str, SigningAlgorithm]] = {
    item.name: item
    for item in (
        SigningAlgorithm("ES256", "EC-P256", "ECDSA-SHA256"),
        SigningAlgorithm("RS256", "RSA-2048", "RSA-SHA256"),
        SigningAlgorithm("SM2SM3", "SM2", "SM2-SM3"),
    )
}


@dataclass(frozen=True, slots=True)
class Client:
    """A program of an application that people log in to. `redirects` are compared as they are, octet by octet: of a
    CAS client they are its service addresses."""

    id: str
    tenant: str
    application: str
    name: str
    protocol: Protocol
    state: ClientState
    redirects: tuple[str, ...]
    logout_redirects: tuple[str, ...]
    auth: ClientAuth
    secret: str = field(repr=False)  # digest; empty for a client without one
    algorithm: str  # of its ID tokens
    backchannel: str  # where it is told that a session ended; empty: nowhere
    created_at: datetime
    # RFC 8705: which name of its certificate is the client's, or the digests of its certificates (PINNED); whether its
    # tokens are bound to the certificate
    tls_field: str = ""
    tls_value: str = ""
    bound: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """One login of one client: its code or ticket, and all tokens that came from it."""

    id: str
    tenant: str
    client: str
    application: str
    session: str
    sso: str
    code: str  # digest
    redirect: str
    scope: str
    nonce: str
    challenge: str  # PKCE, S256
    auth_time: datetime
    created_at: datetime
    expires_at: datetime  # of the code
    renewed: bool = True  # whether the person signed for this very login (CAS renew)
    redeemed_at: datetime | None = None
    revoked_at: datetime | None = None


class TokenKind(StrEnum):
    ACCESS = "access"
    REFRESH = "refresh"


@dataclass(frozen=True, slots=True)
class Token:
    id: str  # digest
    kind: TokenKind
    grant: str
    tenant: str
    client: str
    scope: str
    issued_at: datetime
    expires_at: datetime
    used_at: datetime | None = None  # a refresh token, exchanged for the next
    thumbprint: str = ""  # x5t#S256 of the certificate that it is bound to


@dataclass(frozen=True, slots=True)
class BrowserSession:
    """That a browser's user has proved to hold a certificate's key. Each application is asked about it anew."""

    id: str  # digest
    tenant: str
    certificate: bytes
    opened_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SigningKey:
    """`key` is in the key directory, `public` its SubjectPublicKeyInfo."""

    tenant: str
    algorithm: str
    kid: str
    key: str
    public: bytes
    created_at: datetime


def signing(keys: Sequence[SigningKey], now: datetime) -> SigningKey:
    """Of one algorithm's keys, oldest first, the one that signs: the newest that was published long enough."""
    usable = [key for key in keys[1:] if key.created_at + KEY_OVERLAP <= now]
    return usable[-1] if usable else keys[0]


def published(keys: Sequence[SigningKey], now: datetime) -> list[SigningKey]:
    """Those that sign, are to sign, or signed what may still be valid."""
    return [
        key
        for index, key in enumerate(keys)
        if index + 1 == len(keys) or now < keys[index + 1].created_at + 2 * KEY_OVERLAP
    ]
