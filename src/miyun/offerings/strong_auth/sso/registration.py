"""Clients are registered by the tenant's security administrator, each for one application."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Protocol as Interface
from urllib.parse import urlsplit

from miyun.core.errors import FailedPrecondition, InvalidArgument, NotFound
from miyun.core.i18n import Text
from miyun.core.ids import new_id
from miyun.core.listing import Column, exporting
from miyun.core.operation import Call
from miyun.core.ports import ApplicationDirectory
from miyun.offerings.strong_auth.sessions import new_token, stored
from miyun.offerings.strong_auth.sso import messages as m
from miyun.offerings.strong_auth.sso.connection import check_name, pin
from miyun.offerings.strong_auth.sso.keys import SigningKeys
from miyun.offerings.strong_auth.sso.model import (
    BY_CERTIFICATE,
    PINNED,
    SECRETS,
    Client,
    ClientAuth,
    ClientState,
    Protocol,
)
from miyun.offerings.strong_auth.sso.store import CLIENTS, SsoStore

_COLUMNS: tuple[Column[m.ClientView], ...] = (
    Column("client", Text("客户端", "Client"), lambda item: item.client),
    Column("name", Text("名称", "Name"), lambda item: item.name),
    Column("application", Text("应用", "Application"), lambda item: item.application),
    Column("protocol", Text("协议", "Protocol"), lambda item: item.protocol),
    Column("state", Text("状态", "State"), lambda item: item.state),
    Column("redirects", Text("回调或服务地址", "Redirect URIs or services"), lambda item: item.redirects),
    Column("auth", Text("客户端认证", "Client authentication"), lambda item: item.auth),
    Column("algorithm", Text("令牌签名", "Tokens signed by"), lambda item: item.algorithm),
    Column("created_at", Text("登记时间", "Registered"), lambda item: item.created_at),
)
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


_FIELD = "tls_client_auth_field"


class Issuers(Interface):
    def of(self, tenant: str) -> str: ...


class Registration:
    """`mutual`: whether there is an address where clients can show certificates."""

    def __init__(
        self, *, store: SsoStore, keys: SigningKeys, applications: ApplicationDirectory, issuers: Issuers, mutual: bool
    ) -> None:
        self._mutual = mutual
        self._store = store
        self._keys = keys
        self._applications = applications
        self._issuers = issuers

    async def register(self, call: Call, request: m.RegisterClient) -> m.ClientRegistered:
        tenant = call.require_tenant()
        await self._applications.get(tenant, request.application)
        for name, urls in (
            ("redirects", request.redirects),
            ("logout_redirects", request.logout_redirects),
            ("backchannel", [request.backchannel] if request.backchannel else []),
        ):
            for url in urls:
                check_url(name, url)
        protocol = Protocol(request.protocol)
        auth = ClientAuth(request.auth) if protocol is Protocol.OIDC else ClientAuth.NONE
        self._check_certificate(request, protocol, auth)
        secret = new_token() if auth in SECRETS else None
        client = Client(
            id=new_id("cli"),
            tenant=tenant,
            application=request.application,
            name=request.name,
            protocol=protocol,
            state=ClientState.ACTIVE,
            redirects=tuple(dict.fromkeys(request.redirects)),
            logout_redirects=tuple(dict.fromkeys(request.logout_redirects)),
            auth=auth,
            secret=stored(secret) if secret else "",
            algorithm=request.algorithm,
            backchannel=request.backchannel,
            created_at=call.now,
            tls_field=PINNED if auth is ClientAuth.SELF_SIGNED else request.tls_client_auth_field,
            tls_value=_name_of(request, call.now),
            bound=request.tls_client_certificate_bound_access_tokens,
        )
        if protocol is Protocol.OIDC:
            await self._keys.ensure(tenant, client.algorithm)
        self._store.add_client(client)
        call.resource.update(client=client.id, application=client.application)
        call.detail.update(name=client.name, protocol=client.protocol, redirects=list(client.redirects))
        return m.ClientRegistered(client=self._view(client), secret=secret)

    async def list(self, call: Call, request: m.ListClients) -> m.ClientList:
        sort = CLIENTS.sort(request.sort)
        place = CLIENTS.place(sort, request.cursor)
        found = self._store.clients(
            call.require_tenant(), application=request.application, sort=sort, place=place, limit=request.limit
        )
        page = CLIENTS.page(sort, found, request.limit)
        return m.ClientList(items=[self._view(client) for client in page.items], next_cursor=page.next_cursor)

    export = exporting(list, m.ListClients, _COLUMNS, name="clients")

    async def get(self, call: Call, request: m.ClientRef) -> m.ClientView:
        return self._view(self._client(call, request.client))

    async def disable(self, call: Call, request: m.ClientRef) -> m.ClientView:
        return self._move(call, request.client, ClientState.ACTIVE, ClientState.DISABLED)

    async def enable(self, call: Call, request: m.ClientRef) -> m.ClientView:
        return self._move(call, request.client, ClientState.DISABLED, ClientState.ACTIVE)

    async def renew_secret(self, call: Call, request: m.ClientRef) -> m.ClientRegistered:
        """The old one is worth nothing from now on."""
        client = self._client(call, request.client)
        if client.auth not in SECRETS:
            raise FailedPrecondition(state=client.auth, field="client")
        secret = new_token()
        self._store.change_client(client.tenant, client.id, secret=stored(secret))
        return m.ClientRegistered(client=self._view(client), secret=secret)

    def _check_certificate(self, request: m.RegisterClient, protocol: Protocol, auth: ClientAuth) -> None:
        """Raises InvalidArgument."""
        if (auth is ClientAuth.SELF_SIGNED) is not bool(request.tls_client_certificates):
            text = Text(
                "须且仅须与 self_signed_tls_client_auth 同时给出",
                "goes with self_signed_tls_client_auth, and only with it",
            )
            raise InvalidArgument("tls_client_certificates", text)
        wanted = auth is ClientAuth.TLS
        if wanted is not bool(request.tls_client_auth_field) or wanted is not bool(request.tls_client_auth_value):
            text = Text("须且仅须与 tls_client_auth 同时给出", "goes with tls_client_auth, and only with it")
            raise InvalidArgument("tls_client_auth_value" if request.tls_client_auth_field else _FIELD, text)
        bound = request.tls_client_certificate_bound_access_tokens
        if bound and protocol is not Protocol.OIDC:
            text = Text("仅用于 oidc", "is for oidc only")
            raise InvalidArgument("tls_client_certificate_bound_access_tokens", text)
        by_certificate = auth in BY_CERTIFICATE
        if (by_certificate or bound) and not self._mutual:
            text = Text("本平台未开启双向 TLS 地址", "this platform has no address for mutual TLS")
            raise InvalidArgument("auth" if by_certificate else "tls_client_certificate_bound_access_tokens", text)

    def _client(self, call: Call, client_id: str) -> Client:
        call.resource["client"] = client_id
        client = self._store.client(call.require_tenant(), client_id)
        if client is None:
            raise NotFound("client", client_id)
        return client

    def _move(self, call: Call, client_id: str, old: ClientState, new: ClientState) -> m.ClientView:
        client = self._client(call, client_id)
        if client.state is not old:
            raise FailedPrecondition(state=client.state, field="client")
        self._store.change_client(client.tenant, client.id, state=new)
        return self._view(replace(client, state=new))

    def _view(self, client: Client) -> m.ClientView:
        return m.ClientView.of(client, self._issuers.of(client.tenant))


def _name_of(request: m.RegisterClient, now: datetime) -> str:
    """Raises InvalidArgument."""
    if request.tls_client_certificates:
        return " ".join(pin(text, now) for text in request.tls_client_certificates)
    value = request.tls_client_auth_value
    return check_name(request.tls_client_auth_field, value) if request.tls_client_auth_field else value


def check_url(field: str, url: str) -> None:
    """Raises InvalidArgument unless it is a plain https address; http is for programs on the person's own machine."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    plain = url.isascii() and url.isprintable() and not any(character in url for character in " \\\"'<>")
    secure = parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)
    if not plain or not secure or not host or "#" in url or "*" in url or parts.username is not None:
        raise InvalidArgument(
            field,
            Text(
                f"“{url}”应为完整的 https 地址（本机可为 http），不含片段、通配符或用户名",
                f"'{url}' should be a whole https address (http: same machine only) without fragment, wildcard or user",
            ),
        )
