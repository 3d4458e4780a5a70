"""Operations of single sign-on: registration of clients, what the sign-in page does, and the clients' endpoints."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from miyun.core.i18n import Text
from miyun.core.operation import Call, Download, Duty, Meter, Operation, Reply, Role
from miyun.offerings.strong_auth.sso import messages as m
from miyun.offerings.strong_auth.sso.service import SingleSignOn

if TYPE_CHECKING:
    from miyun.offerings.strong_auth.service import StrongAuthService

LOGINS = Meter("strong_auth.logins", Text("次", "logins"))

_SECURITY = frozenset({Role.TENANT_SECURITY})
_READERS = frozenset({Role.TENANT_SECURITY, Role.TENANT_SYSTEM, Role.TENANT_DEVELOPER, Role.TENANT_AUDIT})
_PUBLIC = frozenset({Role.PUBLIC})
_TENANT = {"tenant": "ten_…"}

Verb = Callable[[SingleSignOn, Call, Any], Awaitable[Any]]


def _by(verb: Verb) -> Callable[[StrongAuthService, Call, Any], Awaitable[Any]]:
    async def handler(room: StrongAuthService, call: Call, request: Any) -> Any:
        return await verb(room.sso, call, request)

    return handler


def _client(verb: str, method: Any, path: str, summary: Text, request: Any, response: Any, handler: Verb, **more: Any):
    return Operation(
        **{
            "id": f"strong_auth.client.{verb}",
            "summary": summary,
            "method": method,
            "path": f"/strong_auth/clients{path}",
            "request": request,
            "response": response,
            "handler": _by(handler),
            "roles": _SECURITY,
            "duty": Duty.POLICY,
            "example": {"client": "cli_…"} if path else {},
            "tenant_fields": ("client",) if path else (),
            **more,
        }
    )


def _endpoint(name: str, path: str, summary: Text, handler: Verb, **more: Any) -> Operation:
    """What the protocols' own programs call."""
    return Operation(
        **{
            "id": f"strong_auth.{name}",
            "summary": summary,
            "method": "POST",
            "path": f"/strong_auth/{path}",
            "request": m.Exchanged,
            "response": Reply,
            "handler": _by(handler),
            "roles": _PUBLIC,
            "duty": Duty.USE,
            "example": _TENANT,
            "scope": "public",
            "reply": "raw",
            **more,
        }
    )


OPERATIONS: tuple[Operation, ...] = (
    _client(
        "register", "POST", "", Text("登记可登录的客户端", "Register a client that people log in to"),
        m.RegisterClient, m.ClientRegistered, lambda s, c, r: s.clients.register(c, r),
        example={"application": "app_…", "name": "办件系统", "redirects": ["https://app.example.gov.cn/callback"]},
        tenant_fields=("application",), secret_response=True,
    ),
    _client(
        "list", "GET", "", Text("列出客户端", "List clients"),
        m.ListClients, m.ClientList, lambda s, c, r: s.clients.list(c, r),
        roles=_READERS, duty=Duty.READ, quota_free=True,
    ),
    _client(
        "export", "GET", "/file", Text("导出客户端", "Export clients"),
        m.ExportClients, Download, lambda s, c, r: s.clients.export(c, r),
        roles=_READERS, duty=Duty.READ, quota_free=True, reply="stream", example={"format": "csv"}, tenant_fields=(),
    ),
    _client(
        "get", "GET", "/{client}", Text("查看客户端", "Show a client"),
        m.ClientRef, m.ClientView, lambda s, c, r: s.clients.get(c, r),
        roles=_READERS, duty=Duty.READ, quota_free=True,
    ),
    _client(
        "disable", "POST", "/{client}/disable", Text("停用客户端", "Disable a client"),
        m.ClientRef, m.ClientView, lambda s, c, r: s.clients.disable(c, r),
    ),
    _client(
        "enable", "POST", "/{client}/enable", Text("启用客户端", "Enable a client"),
        m.ClientRef, m.ClientView, lambda s, c, r: s.clients.enable(c, r),
    ),
    _client(
        "renew_secret", "POST", "/{client}/secret", Text("更换客户端口令", "Replace a client's secret"),
        m.ClientRef, m.ClientRegistered, lambda s, c, r: s.clients.renew_secret(c, r), secret_response=True,
    ),
    _endpoint(
        "sign_on.begin", "sign_on/begin", Text("打开登录页", "Open the sign-in page"),
        lambda s, c, r: s.begin(c, r), request=m.BeginLogin, response=m.LoginPage, reply="json", recorded=False,
        example={"protocol": "oidc", "query": "response_type=code&client_id=cli_…", **_TENANT},
    ),
    _endpoint(
        "sign_on.complete", "sign_on/complete", Text("在登录页以证书登录", "Log in on the sign-in page"),
        lambda s, c, r: s.complete(c, r), request=m.CompleteLogin, response=m.LoginDone, reply="json",
        meter=LOGINS, secret_response=True,
        example={"protocol": "oidc", "query": "response_type=code&client_id=cli_…", **_TENANT},
    ),
    _endpoint(
        "sign_on.end", "sign_on/end", Text("退出单点登录", "Sign out everywhere"),
        lambda s, c, r: s.logout(c, r), request=m.Logout, response=m.LogoutDone, reply="json",
        example={"protocol": "oidc", "query": "", **_TENANT},
    ),
    _endpoint(
        "oidc.token", "oidc/token", Text("换取令牌", "Exchange a code or refresh token"),
        lambda s, c, r: s.oidc.token(c, r), secret_response=True,
    ),
    _endpoint(
        "oidc.revoke", "oidc/revoke", Text("撤销令牌", "Revoke a token"), lambda s, c, r: s.oidc.revoke(c, r)
    ),
    _endpoint(
        "oidc.introspect", "oidc/introspect", Text("查询令牌状态", "Introspect a token"),
        lambda s, c, r: s.oidc.introspect(c, r), recorded=False,
    ),
    _endpoint(
        "oidc.userinfo", "oidc/userinfo", Text("查询登录者", "Tell who logged in"),
        lambda s, c, r: s.oidc.userinfo(c, r), recorded=False,
    ),
    _endpoint(
        "oidc.metadata", "oidc/{tenant}/metadata", Text("OpenID 提供者元数据", "OpenID provider metadata"),
        lambda s, c, r: s.metadata(c, r), method="GET", request=m.Published, duty=Duty.READ,
    ),
    _endpoint(
        "oidc.key_set", "oidc/{tenant}/jwks", Text("令牌验签公钥", "Keys that verify ID tokens"),
        lambda s, c, r: s.key_set(c, r), method="GET", request=m.Published, duty=Duty.READ,
    ),
    _endpoint(
        "oidc.key_set_sm2", "oidc/{tenant}/jwks_sm2", Text("令牌验签公钥（SM2）", "SM2 keys that verify ID tokens"),
        lambda s, c, r: s.key_set_sm2(c, r), method="GET", request=m.Published, duty=Duty.READ,
    ),
    _endpoint(
        "cas.validate", "cas/validate", Text("校验 CAS 票据", "Validate a CAS ticket"),
        lambda s, c, r: s.cas.validate(c, r), request=m.ValidateTicket,
        example={"query": "service=https://app.example.gov.cn/&ticket=ST-…", **_TENANT},
    ),
)  # fmt: skip
