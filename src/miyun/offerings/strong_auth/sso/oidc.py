"""OpenID Connect: what a browser brings from a client, what it takes back, and the client's own requests."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from authlib.oauth2 import OAuth2Error

from miyun.core.errors import NotFound
from miyun.core.ids import new_id
from miyun.core.operation import Call, Reply
from miyun.core.ports import KeyCustody
from miyun.offerings.strong_auth.certificates import Certificates
from miyun.offerings.strong_auth.model import Session
from miyun.offerings.strong_auth.sessions import Sessions, stored
from miyun.offerings.strong_auth.sso import jws
from miyun.offerings.strong_auth.sso import messages as m
from miyun.offerings.strong_auth.sso.authlib_server import (
    RegisteredClient,
    Server,
    final,
    person,
    protect,
    with_parameters,
)
from miyun.offerings.strong_auth.sso.connection import connection_of
from miyun.offerings.strong_auth.sso.errors import ClientRefused, SignOnRefused
from miyun.offerings.strong_auth.sso.exchange import Answer, Exchange, HttpRequest, readable
from miyun.offerings.strong_auth.sso.keys import SigningKeys
from miyun.offerings.strong_auth.sso.model import (
    ACCESS_LIFETIME,
    ACR,
    BY_CERTIFICATE,
    CODE_LIFETIME,
    MAX_NONCE,
    SCOPES,
    Client,
    ClientAuth,
    Grant,
    Token,
    TokenKind,
)
from miyun.offerings.strong_auth.sso.store import SsoStore

_JSON = "application/json"
_NO_STORE = {"cache-control": "no-store"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A valid request for a login, of either protocol. `fresh`: the person has to sign for it; `silent`: may not be
    asked to."""

    client: Client
    redirect: str
    fresh: bool = False
    silent: bool = False
    max_age: int | None = None
    account: str = ""  # who it has to be, by an ID token that the client shows; empty: anybody
    state: Any = None  # of the protocol


@dataclass(frozen=True, slots=True)
class SentBack:
    """The browser goes back to the client at once, with the protocol's own error."""

    location: str


class OpenIdProvider:
    """`mutual_url`: where clients are asked for certificates; empty: nowhere."""

    def __init__(
        self,
        *,
        store: SsoStore,
        keys: SigningKeys,
        sessions: Sessions,
        certificates: Certificates,
        custody: KeyCustody,
        issuer: Callable[[str], str],
        mutual_url: str,
    ) -> None:
        self._certificates = certificates
        self._custody = custody
        self._mutual_url = mutual_url
        self._store = store
        self._keys = keys
        self._sessions = sessions
        self._issuer = issuer

    # the browser

    def read(self, tenant: str, query: str, now: datetime) -> Asked | SentBack:
        """Raises SignOnRefused when the client or its address is not known: then nobody is sent anywhere."""
        server = Server(self._exchange(tenant, now))
        try:
            with readable(SignOnRefused):
                request = HttpRequest("GET", f"{self._issuer(tenant)}/authorize", query, "", {})
                data = request.payload.data
                grant = server.get_consent_grant(request, end_user=True)
        except OAuth2Error as error:
            if not error.redirect_uri:
                raise SignOnRefused(f"{error.error}: {error.description or ''}".rstrip(": ")) from None
            return self._sent_back(server, request, error)
        client: RegisteredClient = grant.request.client
        unsupported = next((name for name in ("request", "request_uri") if name in data), None)
        if unsupported:
            return self._send_back(server, grant, f"{unsupported}_not_supported")
        try:
            max_age, account = _max_age(data), self._hinted(tenant, client.client, data)
            _check_nonce(data)
        except ValueError as error:
            return self._send_back(server, grant, "invalid_request", str(error))
        prompts = (data.get("prompt") or "").split()
        return Asked(
            client=client.client,
            redirect=grant.redirect_uri,
            fresh="login" in prompts or "select_account" in prompts,
            silent="none" in prompts,
            max_age=max_age,
            account=account,
            state=(server, grant),
        )

    def needs_login(self, asked: Asked) -> str:
        """Where a client that wants nobody asked (prompt=none) is answered."""
        server, grant = asked.state
        return self._send_back(server, grant, "login_required").location

    def answer(self, asked: Asked, session: Session, sso: str, auth_time: datetime, now: datetime) -> tuple[str, Grant]:
        """Where the browser goes, and the grant that has to be stored before."""
        server, grant = asked.state
        response = final(server.create_authorization_response(grant.request, grant_user=session, grant=grant))
        data = grant.request.payload.data
        made = Grant(
            id=new_id("gnt"),
            tenant=session.tenant,
            client=asked.client.id,
            application=session.application,
            session=session.id,
            sso=sso,
            code=stored(server.exchange.code),
            redirect=asked.redirect,
            scope=grant.request.scope,
            nonce=data.get("nonce", ""),
            challenge=data.get("code_challenge", ""),
            auth_time=auth_time,
            created_at=now,
            expires_at=now + CODE_LIFETIME,
        )
        return response.location, made

    def _send_back(self, server: Server, grant: Any, error: str, description: str | None = None) -> SentBack:
        state, where = grant.request.payload.state, grant.redirect_uri
        refusal = OAuth2Error(error=error, description=description, state=state, redirect_uri=where)
        return self._sent_back(server, grant.request, refusal)

    def _sent_back(self, server: Server, request: HttpRequest, refusal: OAuth2Error) -> SentBack:
        """With our name, as answers without error have it (RFC 9207): whose refusal it is has to be told too."""
        location = final(server.handle_error_response(request, refusal)).location
        return SentBack(with_parameters(location, iss=server.exchange.issuer))

    def _hinted(self, tenant: str, client: Client, data: dict[str, str]) -> str:
        """Whom the client's ID token names, expired or not (OpenID Connect Core 3.1.2.1). Raises ValueError."""
        if not data.get("id_token_hint"):
            return ""
        claims = jws.read(data["id_token_hint"], self._keys.published(tenant))
        if claims is None or (claims.get("iss"), claims.get("aud")) != (self._issuer(tenant), client.id):
            raise ValueError("'id_token_hint' is no ID token of this client")
        return str(claims["sub"])

    def read_logout(self, tenant: str, query: str, now: datetime) -> tuple[dict[str, Any] | None, str]:
        """The claims of the ID token that came with it, if any, and where the browser may go then."""
        exchange = self._exchange(tenant, now)
        exchange.keys = self._keys.published(tenant)
        server = Server(exchange)
        try:
            with readable(SignOnRefused):
                request = HttpRequest("GET", f"{exchange.issuer}/end_session", query, "", {})
                asked = server.validate_endpoint_request("end_session", request)
        except OAuth2Error as error:
            raise SignOnRefused(f"{error.error}: {error.description or ''}".rstrip(": ")) from None
        return asked.id_token_claims, asked.redirect_uri or ""

    # the client

    async def token(self, call: Call, request: m.Exchanged) -> Reply:
        exchange, http = await self._arrive(call, request, "token")
        server = Server(exchange)
        with readable(_unreadable):
            answer = final(server.create_token_response(http))
        if exchange.reused and exchange.grant is not None:
            raise self._reused(call, exchange, answer)
        if exchange.issued is None or exchange.grant is None or exchange.client is None:
            if exchange.grant is not None:
                self._note(call, exchange)
            raise ClientRefused(_error_of(answer), _reply(answer))
        body = dict(exchange.issued)
        if exchange.claims is not None:
            body["id_token"] = await self._keys.sign(exchange.tenant, exchange.client.algorithm, exchange.claims)
        tokens = self._tokens(exchange, body)
        if exchange.token is not None:
            done = self._store.rotate(exchange.token, tokens, call.now)
        else:
            done = self._store.redeem(exchange.grant, tokens, call.now)
        if not done:  # another request was faster
            raise self._reused(call, exchange, Answer(400, {"error": "invalid_grant"}, answer.headers))
        self._note(call, exchange)
        return _reply(Answer(200, body, answer.headers))

    async def revoke(self, call: Call, request: m.Exchanged) -> Reply:
        exchange, http = await self._arrive(call, request, "revoke")
        with readable(_unreadable):
            answer = final(Server(exchange).create_endpoint_response("revocation", http))
        if not exchange.revoke or exchange.token is None or exchange.grant is None:
            call.idle = True
            return _reply(answer)
        if exchange.token.kind is TokenKind.REFRESH:
            self._store.revoke_grant(exchange.tenant, exchange.grant.id, call.now)
        else:
            self._store.remove_token(exchange.tenant, exchange.token.id)
        self._note(call, exchange)
        return _reply(answer)

    async def introspect(self, call: Call, request: m.Exchanged) -> Reply:
        exchange, http = await self._arrive(call, request, "introspect")
        with readable(_unreadable):
            return _reply(final(Server(exchange).create_endpoint_response("introspection", http)))

    async def userinfo(self, call: Call, request: m.Exchanged) -> Reply:
        exchange, http = await self._arrive(call, request, "userinfo")
        try:
            token = protect(exchange, http)
        except OAuth2Error as error:
            status, body, headers = error()
            return _reply(Answer(status, body, tuple(headers)))
        self._note(call, exchange)
        return _reply(Answer(200, person(exchange.account, token.scope), ()))

    def metadata(self, tenant: str) -> Reply:
        """Raises NotFound for a tenant without keys: it has no clients."""
        issuer = self._issuer(tenant)
        algorithms = sorted({key.algorithm for key in self._keys.published(tenant)})
        if not algorithms:
            raise NotFound("issuer", tenant, field="tenant")
        methods = [method.value for method in ClientAuth if method not in BY_CERTIFICATE or self._mutual_url]
        document = {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "userinfo_endpoint": f"{issuer}/userinfo",
            "jwks_uri": f"{issuer}/jwks",
            "jwks_sm2_uri": f"{issuer}/jwks_sm2",
            "revocation_endpoint": f"{issuer}/revoke",
            "introspection_endpoint": f"{issuer}/introspect",
            "end_session_endpoint": f"{issuer}/end_session",
            "scopes_supported": list(SCOPES),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "acr_values_supported": [ACR],
            "subject_types_supported": ["pairwise"],
            # RS256 is named always, as the specification asks: a client gets it by registering for it
            "id_token_signing_alg_values_supported": sorted({*algorithms, "RS256"}),
            "token_endpoint_auth_methods_supported": methods,
            "revocation_endpoint_auth_methods_supported": methods,
            "introspection_endpoint_auth_methods_supported": [name for name in methods if name != ClientAuth.NONE],
            "code_challenge_methods_supported": ["S256"],
            "claims_supported": [
                "sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash", "sid",
                "preferred_username", "certificate",
            ],
            "claims_parameter_supported": False,
            "request_parameter_supported": False,
            "request_uri_parameter_supported": False,
            "authorization_response_iss_parameter_supported": True,
            "backchannel_logout_supported": True,
            "backchannel_logout_session_supported": True,
            "ui_locales_supported": ["zh-CN", "en"],
        }  # fmt: skip
        if self._mutual_url:
            there = f"{self._mutual_url}/oidc/{tenant}"
            named = {"token": "token", "revocation": "revoke", "introspection": "introspect", "userinfo": "userinfo"}
            document["tls_client_certificate_bound_access_tokens"] = True
            document["mtls_endpoint_aliases"] = {f"{name}_endpoint": f"{there}/{at}" for name, at in named.items()}
        return Reply(json.dumps(document).encode(), _JSON, headers={"cache-control": "max-age=300"})

    def key_set(self, tenant: str, *, sm2: bool) -> Reply:
        content = json.dumps(self._keys.document(tenant, sm2=sm2)).encode()
        return Reply(content, _JSON, headers={"cache-control": "max-age=300"})

    def _exchange(self, tenant: str, now: datetime) -> Exchange:
        return Exchange(
            tenant=tenant,
            issuer=self._issuer(tenant),
            now=now,
            find_client=lambda client_id: self._store.client(tenant, client_id),
        )

    async def _arrive(self, call: Call, request: m.Exchanged, endpoint: str) -> tuple[Exchange, HttpRequest]:
        """The request as Authlib reads it, with what it is about looked up."""
        exchange = self._exchange(request.tenant, call.now)
        headers = {"Authorization": request.authorization} if request.authorization else {}
        with readable(_unreadable):
            http = HttpRequest("POST", f"{exchange.issuer}/{endpoint}", "", request.form, headers)
        form = http.form
        bearer = request.authorization.partition(" ")[2].strip() if endpoint == "userinfo" else ""
        given = form.get("refresh_token") or form.get("token") or bearer
        if given:
            exchange.token = self._store.token(exchange.tenant, stored(given))
            if exchange.token is not None:
                exchange.grant = self._store.grant(exchange.tenant, exchange.token.grant)
        elif form.get("code"):
            exchange.grant = self._store.grant_by_code(exchange.tenant, stored(form["code"]))
        if exchange.grant is not None:
            exchange.session = self._store.session(exchange.tenant, exchange.grant.session)
            exchange.account = await self._sessions.alive(exchange.session, call.now)
        if exchange.account is not None and endpoint == "token":
            exchange.custody = await self._custody(exchange.tenant, exchange.account.fingerprint)
        named, granted = form.get("client_id", ""), exchange.grant.client if exchange.grant else ""
        # at `userinfo` the token says whose it is, and nothing else that is sent
        client = self._store.client(exchange.tenant, granted if endpoint == "userinfo" else named or granted)
        exchange.connection = await connection_of(call, client, self._certificates)
        return exchange, http

    def _tokens(self, exchange: Exchange, body: dict[str, Any]) -> list[Token]:
        assert exchange.grant and exchange.session and exchange.client, "checked before a token is issued"
        made: list[Token] = []
        ends = exchange.session.expires_at  # no token outlives the session
        body["expires_in"] = int((min(exchange.now + ACCESS_LIFETIME, ends) - exchange.now).total_seconds())
        for kind, until in ((TokenKind.ACCESS, exchange.now + ACCESS_LIFETIME), (TokenKind.REFRESH, ends)):
            made.append(
                Token(
                    id=stored(body[f"{kind}_token"]),
                    kind=kind,
                    grant=exchange.grant.id,
                    tenant=exchange.tenant,
                    client=exchange.client.id,
                    scope=body.get("scope", ""),
                    issued_at=exchange.now,
                    expires_at=min(until, ends),
                    thumbprint=exchange.thumbprint,
                )
            )
        return made

    def _reused(self, call: Call, exchange: Exchange, answer: Answer) -> ClientRefused:
        """Somebody else holds the code or token too: neither keeps anything that came from it (RFC 9700 4.14.2)."""
        assert exchange.grant is not None, "what is reused is known"
        self._store.revoke_grant(exchange.tenant, exchange.grant.id, call.now)
        self._note(call, exchange)
        call.detail["reused"] = exchange.token.kind if exchange.token else "code"
        return ClientRefused(_error_of(answer), _reply(answer), had_effect=True)

    def _note(self, call: Call, exchange: Exchange) -> None:
        """Who and what, for the record."""
        call.tenant = exchange.tenant
        grant = exchange.grant
        if grant is not None:
            call.resource.update(client=grant.client, application=grant.application, grant=grant.id)
        if exchange.account is not None:
            call.detail["account"] = exchange.account.account
        if exchange.connection is not None:
            call.detail["certificate"] = f"{exchange.connection.certificate.serial:X}"


def _max_age(data: dict[str, str]) -> int | None:
    """What cannot be read is not left out: the client would take an old login for a new one. Raises ValueError."""
    age = data.get("max_age")
    if age is None:
        return None
    if not (age.isascii() and age.isdigit() and len(age) < 10):
        raise ValueError("'max_age' is no number of seconds")
    return int(age)


def _check_nonce(data: dict[str, str]) -> None:
    """Raises ValueError."""
    nonce = data.get("nonce", "")
    if len(nonce) > MAX_NONCE or not nonce.isprintable():
        raise ValueError(f"'nonce' has {MAX_NONCE} printable characters at most")


def _unreadable(reason: str) -> ClientRefused:
    return ClientRefused(reason, _reply(Answer(400, {"error": "invalid_request"}, ())))


def _error_of(answer: Answer) -> str:
    return str(answer.body.get("error", "")) if isinstance(answer.body, dict) else ""


def _reply(answer: Answer) -> Reply:
    kept = {name: value for name, value in answer.headers if name.lower() not in ("content-type", "content-length")}
    return Reply(answer.content, _JSON, status=answer.status, headers=_NO_STORE | kept)
