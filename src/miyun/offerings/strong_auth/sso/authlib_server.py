"""The OAuth 2.0 and OpenID Connect rules are Authlib's; this module gives them our clients, grants and tokens.

Authlib is synchronous and writes as it goes. So one `Server` is made for each request, over what was looked up before,
and what it would write is gathered in `Exchange`: the service then signs in the machine and commits all of it at once.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from authlib.oauth2 import AuthorizationServer, OAuth2Request, ResourceProtector
from authlib.oauth2.rfc6749 import ClientMixin, InvalidRequestError, TokenMixin
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, RefreshTokenGrant
from authlib.oauth2.rfc6750 import BearerTokenGenerator, BearerTokenValidator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oauth2.rfc9207 import IssuerParameter
from authlib.oidc.core import OpenIDCode
from authlib.oidc.rpinitiated import EndSessionEndpoint

from miyun.core.ports import Custody
from miyun.offerings.strong_auth.model import Account
from miyun.offerings.strong_auth.sessions import new_token, stored
from miyun.offerings.strong_auth.sso import connection, jws
from miyun.offerings.strong_auth.sso.exchange import Answer, Exchange
from miyun.offerings.strong_auth.sso.model import (
    ACCESS_LIFETIME,
    ACR,
    BY_CERTIFICATE,
    ID_TOKEN_LIFETIME,
    SCOPES,
    SECRETS,
    Client,
    ClientAuth,
    ClientState,
    Grant,
    Protocol,
    Token,
    TokenKind,
)
from miyun.wire import base64url


class RegisteredClient(ClientMixin):
    def __init__(self, client: Client) -> None:
        self.client = client
        self.id_token_signed_response_alg = client.algorithm
        self.client_metadata = {"post_logout_redirect_uris": list(client.logout_redirects)}

    def get_client_id(self) -> str:
        return self.client.id

    def get_default_redirect_uri(self) -> None:
        return None  # which one is meant is said with every request

    def get_allowed_scope(self, scope: str | None) -> str:
        return " ".join(dict.fromkeys(item for item in (scope or "").split() if item in SCOPES))

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri in self.client.redirects

    def check_client_secret(self, client_secret: str) -> bool:
        return bool(self.client.secret) and hmac.compare_digest(self.client.secret, stored(client_secret))

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == self.client.auth

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in ("authorization_code", "refresh_token")


class Code:
    """`authlib.oidc.core.AuthorizationCodeMixin` over a grant."""

    def __init__(self, grant: Grant, custody: Custody | None = None) -> None:
        self.grant = grant
        self.custody = custody
        self.code_challenge = grant.challenge
        self.code_challenge_method = "S256"

    def get_redirect_uri(self) -> str:
        return self.grant.redirect

    def get_scope(self) -> str:
        return self.grant.scope

    def get_nonce(self) -> str:
        return self.grant.nonce

    def get_auth_time(self) -> int:
        return int(self.grant.auth_time.timestamp())

    def get_acr(self) -> str:
        return ACR

    def get_amr(self) -> list[str]:
        """RFC 8176: proof of possession of a key, and where it is kept if a register of keys says so."""
        return ["pop"] if self.custody is None else ["pop", self.custody.value]


class IssuedToken(TokenMixin):
    def __init__(self, exchange: Exchange, token: Token) -> None:
        self.exchange, self.token = exchange, token

    def check_client(self, client: RegisteredClient) -> bool:
        return self.token.client == client.client.id

    def get_scope(self) -> str:
        return self.token.scope

    def get_expires_in(self) -> int:
        return int((self.token.expires_at - self.exchange.now).total_seconds())

    def is_expired(self) -> bool:
        return self.token.expires_at <= self.exchange.now

    def is_revoked(self) -> bool:
        """With its grant, its session, its account or its certificate; a refresh token when it was exchanged."""
        grant = self.exchange.grant
        return grant is None or grant.revoked_at is not None or not self.exchange.account or bool(self.token.used_at)


class Server(AuthorizationServer):
    """Authlib's rules over one exchange."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(scopes_supported=None)  # what is not known is left out, as RFC 6749 3.3 allows
        self.exchange = exchange
        self.register_token_generator(
            "default",
            BearerTokenGenerator(
                lambda **_: new_token(), lambda **_: new_token(), int(ACCESS_LIFETIME.total_seconds())
            ),
        )
        self.register_grant(_CodeGrant, [_Pkce(required=True), _IdToken()])
        self.register_grant(_RefreshGrant, [_IdToken()])
        self.register_endpoint(_Revocation)
        self.register_endpoint(_Introspection)
        self.register_endpoint(_EndSession)
        self.register_extension(_issuer_parameter)
        for method in BY_CERTIFICATE:
            self.register_client_auth_method(method.value, self._by_certificate)

    def query_client(self, client_id: str) -> RegisteredClient | None:
        client = self.exchange.find_client(client_id)
        if client is None or client.protocol is not Protocol.OIDC or client.state is not ClientState.ACTIVE:
            return None
        return RegisteredClient(client)

    def _by_certificate(self, _: Any, request: OAuth2Request) -> RegisteredClient | None:
        """Raises InvalidClientError."""
        client = self.query_client(request.payload.client_id or "")
        if client is None or client.client.auth not in BY_CERTIFICATE:
            return None
        connection.authenticate(self.exchange.connection, client.client)
        return client

    def save_token(self, token: dict[str, Any], request: OAuth2Request) -> None:
        """Raises InvalidRequestError."""
        client = request.client.client
        self.exchange.thumbprint = connection.thumbprint_for(client, self.exchange.connection)
        self.exchange.issued, self.exchange.client = token, client

    def create_oauth2_request(self, request: OAuth2Request) -> OAuth2Request:
        return request

    def handle_response(self, status: int, body: Any, headers: list[tuple[str, str]]) -> Answer:
        return _Mutable(status, body, headers)  # type: ignore[return-value]

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        pass


@dataclass(slots=True)
class _Mutable:
    """As extensions want to change it."""

    status: int
    body: Any
    headers: list[tuple[str, str]]

    @property
    def location(self) -> str:
        return next((value for name, value in self.headers if name == "Location"), "")

    @location.setter
    def location(self, value: str) -> None:
        self.headers = [(name, value if name == "Location" else old) for name, old in self.headers]


def final(answer: Any) -> Answer:
    return Answer(answer.status, answer.body, tuple(answer.headers))


def _issuer_parameter(server: Server) -> None:
    extension = IssuerParameter()
    extension.get_issuer = lambda: server.exchange.issuer
    extension(server)


class _CodeGrant(AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = [method.value for method in ClientAuth]  # noqa: RUF012

    def save_authorization_code(self, code: str, request: OAuth2Request) -> None:
        self.server.exchange.code = code

    def query_authorization_code(self, code: str, client: RegisteredClient) -> Code | None:
        """Raises nothing for one that was used: the service answers for it, since all its tokens have to go."""
        grant, exchange = self.server.exchange.grant, self.server.exchange
        if grant is None or grant.client != client.client.id or grant.code != stored(code):
            return None
        if grant.redeemed_at is not None:
            exchange.reused = True
            return None
        if grant.revoked_at is not None or grant.expires_at <= exchange.now:
            return None
        return Code(grant)

    def delete_authorization_code(self, authorization_code: Code) -> None:
        pass  # taken in the transaction that writes the tokens

    def authenticate_user(self, authorization_code: Code) -> Account | None:
        return self.server.exchange.account


class _RefreshGrant(RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = [method.value for method in ClientAuth]  # noqa: RUF012
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> IssuedToken | None:
        exchange = self.server.exchange
        token = exchange.token
        if token is None or token.kind is not TokenKind.REFRESH or token.id != stored(refresh_token):
            return None
        if token.used_at is not None and token.client == self.request.client.client.id:
            exchange.reused = True
            return None
        issued = IssuedToken(exchange, token)
        fits = connection.fits(token, exchange.connection)
        return None if issued.is_expired() or issued.is_revoked() or not fits else issued

    def authenticate_user(self, refresh_token: IssuedToken) -> Account | None:
        return self.server.exchange.account

    def revoke_old_credential(self, refresh_token: IssuedToken) -> None:
        pass  # used up in the transaction that writes the new ones


class _Pkce(CodeChallenge):
    """Only S256, and a public client cannot go without."""

    DEFAULT_CODE_CHALLENGE_METHOD = "S256"
    SUPPORTED_CODE_CHALLENGE_METHOD = ["S256"]  # noqa: RUF012

    def validate_code_challenge(self, grant: _CodeGrant, redirect_uri: str) -> None:
        super().validate_code_challenge(grant, redirect_uri)
        data = grant.request.payload.data
        if data.get("code_challenge") and not data.get("code_challenge_method"):
            raise InvalidRequestError("'code_challenge_method' must be S256")  # RFC 7636: left out, it is plain
        if not data.get("code_challenge") and grant.request.client.client.auth is ClientAuth.NONE:
            raise InvalidRequestError("Missing 'code_challenge': a public client needs PKCE with S256")


class _IdToken(OpenIDCode):
    def exists_nonce(self, nonce: str, request: OAuth2Request) -> bool:
        return False  # a code is good once and for one client: the client compares the nonce

    def encode_id_token(self, token: dict[str, Any], request: OAuth2Request) -> str:
        """Gathered here, signed by the service: the key is in the machine."""
        exchange = request.exchange
        assert exchange.grant and exchange.account and exchange.session, "checked before a token is issued"
        claims = {
            "iss": exchange.issuer,
            "aud": request.client.get_client_id(),
            "iat": int(exchange.now.timestamp()),
            "exp": int((exchange.now + ID_TOKEN_LIFETIME).timestamp()),
            **self.get_authorization_code_claims(Code(exchange.grant, exchange.custody)),
            "at_hash": jws.half_hash(request.client.client.algorithm, token["access_token"]),
            "sid": exchange.session.id,
            **person(exchange.account, token["scope"]),
        }
        if request.refresh_token:
            claims.pop("nonce", None)  # OpenID Connect Core 12.2
        exchange.claims = claims
        return ""

    def process_token(self, grant: Any, response: Any) -> Any:
        grant.request.exchange = grant.server.exchange
        return super().process_token(grant, response)


class _Revocation(RevocationEndpoint):
    CLIENT_AUTH_METHODS = [method.value for method in ClientAuth]  # noqa: RUF012

    def query_token(self, token_string: str, token_type_hint: str | None) -> IssuedToken | None:
        token = self.server.exchange.token
        return IssuedToken(self.server.exchange, token) if token and token.id == stored(token_string) else None

    def revoke_token(self, token: IssuedToken, request: OAuth2Request) -> None:
        self.server.exchange.revoke = True


class _Introspection(IntrospectionEndpoint):
    CLIENT_AUTH_METHODS = [method.value for method in (*SECRETS, *BY_CERTIFICATE)]  # noqa: RUF012

    def query_token(self, token_string: str, token_type_hint: str | None) -> IssuedToken | None:
        token = self.server.exchange.token
        return IssuedToken(self.server.exchange, token) if token and token.id == stored(token_string) else None

    def check_permission(self, token: IssuedToken, client: RegisteredClient, request: OAuth2Request) -> bool:
        """Tokens of the same application: its back ends check what its front ends bring."""
        grant = self.server.exchange.grant
        return grant is not None and grant.application == client.client.application

    def introspect_token(self, token: IssuedToken) -> dict[str, Any]:
        exchange = self.server.exchange
        return {
            "iss": exchange.issuer,
            "client_id": token.token.client,
            "token_type": "Bearer" if token.token.kind is TokenKind.ACCESS else "refresh_token",
            "scope": token.token.scope,
            "iat": int(token.token.issued_at.timestamp()),
            "exp": int(token.token.expires_at.timestamp()),
            "acr": ACR,
            **({"cnf": {"x5t#S256": token.token.thumbprint}} if token.token.thumbprint else {}),
            **person(exchange.account, "profile"),
        }


class _EndSession(EndSessionEndpoint):
    def _validate_id_token_hint(self, id_token_hint: str) -> dict[str, Any]:
        """Also of one that has expired; by our own keys, SM2 among them."""
        claims = jws.read(id_token_hint, self.server.exchange.keys)
        if claims is None or claims.get("iss") != self.server.exchange.issuer:
            raise InvalidRequestError("Invalid 'id_token_hint'")
        return claims

    def end_session(self, end_session_request: Any) -> None:
        self.server.exchange.revoke = True


class _Bearer(BearerTokenValidator):
    def __init__(self, exchange: Exchange) -> None:
        super().__init__(realm="miyun")
        self._exchange = exchange

    def authenticate_token(self, token_string: str) -> IssuedToken | None:
        token = self._exchange.token
        if token is None or token.kind is not TokenKind.ACCESS or token.id != stored(token_string):
            return None
        return IssuedToken(self._exchange, token) if connection.fits(token, self._exchange.connection) else None


def protect(exchange: Exchange, request: OAuth2Request) -> Token:
    """The access token of a request for `userinfo`. Raises OAuth2Error."""
    protector = ResourceProtector()
    protector.register_token_validator(_Bearer(exchange))
    issued: IssuedToken = protector.validate_request(["openid"], request)
    return issued.token


def person(account: Account | None, scope: str) -> dict[str, Any]:
    """Claims of who it is. `sub` is the name that the application itself gave when it bound the certificate: it is
    known to that application's clients only (pairwise)."""
    assert account is not None, "checked before"
    claims: dict[str, Any] = {"sub": account.account}
    if "profile" in scope.split():
        claims["preferred_username"] = account.account
        claims["certificate"] = {
            "subject": account.subject,
            "issuer": account.issuer,
            "serial": account.serial,
            "x5t#SM3": base64url.encode(bytes.fromhex(account.fingerprint)),
        }
    return claims


def with_parameters(url: str, **parameters: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(parameters)}"
