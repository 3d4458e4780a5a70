"""Certificate login of applications: clients, accounts, open sessions, the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from miyun.edge.console.page import Page
from miyun.edge.console.pages.listing import Answer, cursor_of, shown, tag_of, word

_HERE: Final = "/console/logins"
_REGISTERED: Final = ("application", "name", "protocol", "auth", "algorithm", "backchannel")
_METHODS: Final = {"api": "API", "oidc": "OpenID Connect", "cas": "CAS", "mutual_tls": "TLS"}
_OUTCOMES: Final = {
    "ok": ("成功", "ok"),
    "LoginFailed": ("签名不符", "wrong signature"),
    "CertificateRefused": ("证书被拒", "certificate refused"),
    "NotBound": ("未绑定账号", "no account"),
    "AccountNotActive": ("账号停用", "account suspended"),
    "ChallengeInvalid": ("挑战无效", "challenge not valid"),
}
_KNOWN: Final = {
    "good": ("有效", "good"),
    "stale": ("信息过期，在容许期内", "stale, tolerated"),
    "unchecked": ("未检查", "unchecked"),
}


@dataclass(frozen=True, slots=True)
class Line:
    cells: tuple[Any, ...]
    tag: str = ""
    tag_at: int = -1
    acts: Sequence[tuple[str, str, bool]] = ()  # label, address, whether to ask first


async def clients(page: Page) -> Answer:
    return await _clients(page, None)


async def register(page: Page) -> Answer:
    form = page.form
    plain = ("application", "name", "protocol", "auth", "algorithm", "backchannel")
    certificate = ("tls_client_auth_field", "tls_client_auth_value")
    made = await page.run(
        "strong_auth.client.register",
        redirects=form.get("redirects", "").split(),
        logout_redirects=form.get("logout_redirects", "").split(),
        tls_client_certificate_bound_access_tokens=form.get("bound") == "yes",
        **{name: form.get(name, "").strip() for name in (*plain, *certificate)},
    )
    return await _clients(page, made)


async def client_verb(page: Page, client: str, verb: str) -> Answer:
    if verb == "secret":
        return await _clients(page, await page.run("strong_auth.client.renew_secret", client=client))
    await page.run(f"strong_auth.client.{'disable' if verb == 'disable' else 'enable'}", client=client)
    return page.go(f"{_HERE}/clients")


async def _clients(page: Page, made: Any) -> Answer:
    t = page.text
    listed = await page.run("strong_auth.client.list", **cursor_of(page))
    names = await _applications(page)
    rows = []
    for item in listed.items:
        at = f"{_HERE}/clients/{item.client}"
        acts = []
        if page.may("strong_auth.client.disable"):
            active = item.state == "active"
            acts.append(
                (t("停用", "Disable"), f"{at}/disable", True)
                if active
                else (t("启用", "Enable"), f"{at}/enable", False)
            )
            if item.auth in ("client_secret_basic", "client_secret_post"):
                acts.append((t("更换口令", "New secret"), f"{at}/secret", True))
        cells = (
            item.name,
            names.get(item.application, item.application),
            _METHODS.get(item.protocol, item.protocol),
            item.client,
            " ".join(item.redirects),
            _authentication(page, item),
            item.algorithm if item.protocol == "oidc" else "—",
            word(page, item.state if item.state == "active" else "disabled"),
        )
        rows.append(Line(cells, tag_of(item.state), 7, acts))
    return _page(
        page,
        t("登录客户端", "Login clients"),
        caption=t("应用凭此让其用户以证书登录", "What applications log their people in with"),
        columns=(
            t("名称", "Name"),
            t("应用", "Application"),
            t("协议", "Protocol"),
            "client_id",
            t("回调或服务地址", "Redirect URIs or services"),
            t("客户端认证", "Authenticates by"),
            t("令牌签名", "Tokens signed by"),
            t("状态", "State"),
        ),
        rows=rows,
        acts=True,
        empty=t("尚无客户端。请在下方登记，或使用 API。", "No clients yet. Register one below, or by the API."),
        cursor=listed.next_cursor,
        registers=True,
        mutual=bool(page.addresses.mutual_url),
        applications=await page.offered("tenant.application.list") if page.may("tenant.application.list") else None,
        secret=(made.client.client, made.secret, made.client.issuer) if made else None,
    )


def _authentication(page: Page, item: Any) -> str:
    if item.protocol != "oidc":
        return "—"
    name = f" {item.tls_client_auth_field}={item.tls_client_auth_value}" if item.tls_client_auth_field else ""
    bound = item.tls_client_certificate_bound_access_tokens
    return f"{item.auth}{name}{page.text('；令牌绑定证书', '; tokens bound to the certificate') if bound else ''}"


async def accounts(page: Page) -> Answer:
    t = page.text
    sort, text = page.query.get("sort", ""), page.query.get("text", "")
    listed = await page.run("strong_auth.account.list", sort=sort, text=text, **cursor_of(page))
    names = await _applications(page)
    rows = []
    for item in listed.items:
        at = f"{_HERE}/accounts/{item.id}"
        acts = []
        if page.may("strong_auth.account.suspend"):
            active = item.state == "active"
            acts.append(
                (t("停用", "Suspend"), f"{at}/suspend", True)
                if active
                else (t("恢复", "Resume"), f"{at}/resume", False)
            )
        cells = (
            item.account,
            names.get(item.application, item.application),
            item.subject,
            item.serial,
            shown(item.not_after),
            word(page, item.state),
            shown(item.created_at),
        )
        rows.append(Line(cells, tag_of(item.state), 5, acts))
    return _page(
        page,
        t("登录账号", "Login accounts"),
        caption=t("账号与证书的绑定", "Accounts and the certificates bound to them"),
        columns=(
            t("账号", "Account"),
            t("应用", "Application"),
            t("证书主题", "Subject"),
            t("序列号", "Serial number"),
            t("有效期至", "Valid until"),
            t("状态", "State"),
            t("绑定时间", "Bound"),
        ),
        rows=rows,
        acts=page.may("strong_auth.account.suspend"),
        empty=t(
            "尚无账号。由应用绑定，或首次登录时按策略建立。",
            "No accounts yet. Applications bind them, or a login makes them.",
        ),
        cursor=listed.next_cursor,
        sorts=(
            ("created", t("绑定时间", "bound")),
            ("account", t("账号", "account")),
            ("not_after", t("到期", "expiry")),
        ),
        sort=sort,
        searchable=True,
        text=text,
        export="accounts",
    )


async def account_verb(page: Page, account: str, verb: str) -> Answer:
    await page.run(f"strong_auth.account.{'suspend' if verb == 'suspend' else 'resume'}", account_id=account)
    return page.go(f"{_HERE}/accounts")


async def sessions(page: Page) -> Answer:
    t = page.text
    sort = page.query.get("sort", "")
    listed = await page.run("strong_auth.session.list", sort=sort, **cursor_of(page))
    names = await _applications(page)
    ends = page.may("strong_auth.session.terminate")
    rows = [
        Line(
            (
                item.account,
                names.get(item.application, item.application),
                _METHODS.get(item.method, item.method),
                item.serial,
                shown(item.opened_at),
                shown(item.last_seen_at),
                shown(item.expires_at),
            ),
            acts=((t("结束", "End"), f"{_HERE}/sessions/{item.session_id}/end", True),) if ends else (),
        )
        for item in listed.items
    ]
    return _page(
        page,
        t("在线会话", "Open sessions"),
        caption=t("会话与证书绑定，证书吊销即结束", "Bound to their certificates: they end when those are revoked"),
        columns=(
            t("账号", "Account"),
            t("应用", "Application"),
            t("方式", "Way"),
            t("证书序列号", "Serial number"),
            t("登录时间", "Since"),
            t("最近活动", "Last seen"),
            t("最迟结束", "Ends by"),
        ),
        rows=rows,
        acts=ends,
        empty=t("当前没有在线会话", "Nobody is logged in now"),
        cursor=listed.next_cursor,
        sorts=(("-opened", t("登录时间（新在前）", "newest first")), ("account", t("账号", "account"))),
        sort=sort,
    )


async def session_end(page: Page, session: str) -> Answer:
    await page.run("strong_auth.session.terminate", session_id=session)
    return page.go(f"{_HERE}/sessions")


async def report(page: Page) -> Answer:
    t = page.text
    sort, outcome = page.query.get("sort", ""), page.query.get("outcome", "")
    outcome = outcome if outcome in ("ok", "refused") else ""
    listed = await page.run("strong_auth.report", sort=sort, outcome=outcome, limit=50, **cursor_of(page))
    names = await _applications(page)
    rows = [
        Line(
            (
                shown(item.at),
                item.account or "—",
                names.get(item.application, item.application),
                _METHODS.get(item.method, item.method),
                item.subject or "—",
                item.serial,
                t(*_OUTCOMES.get(item.outcome, (item.outcome, item.outcome))),
                t(*_KNOWN.get(item.revocation, ("—", "—"))),
                t("签名", "signed") if item.signed else t("单点登录", "single sign-on"),
                item.peer or "—",
            ),
            "ok" if item.outcome == "ok" else "risk",
            6,
        )
        for item in listed.items
    ]
    return _page(
        page,
        t("登录报告", "Login report"),
        caption=t(
            "何人、何时、以何证书、如何核验；失败也在内", "Who, when, with which certificate, how it was checked"
        ),
        columns=(
            t("时间", "Time"),
            t("账号", "Account"),
            t("应用", "Application"),
            t("方式", "Way"),
            t("证书主题", "Subject"),
            t("序列号", "Serial number"),
            t("结果", "Outcome"),
            t("吊销检查", "Revocation"),
            t("凭据", "By"),
            t("来源", "From"),
        ),
        rows=rows,
        empty=t("尚无登录记录", "No logins yet"),
        cursor=listed.next_cursor,
        sorts=(
            ("-at", t("时间（新在前）", "newest first")),
            ("at", t("时间（旧在前）", "oldest first")),
            ("account", t("账号", "account")),
            ("outcome", t("结果", "outcome")),
        ),
        sort=sort,
        filters=(("", t("全部", "all")), ("ok", t("成功", "ok")), ("refused", t("失败", "failures"))),
        outcome=outcome,
        export="logins",
    )


async def _applications(page: Page) -> dict[str, str]:
    listed = await page.offered("tenant.application.list", limit=500)
    return {item.application: item.name for item in listed.items} if listed else {}


def _page(page: Page, heading: str, *, cursor: str | None, applications: Any = None, **values: Any) -> Answer:
    t = page.text
    asked = {name: value for name, value in page.query.items() if name in ("sort", "text", "outcome") and value}
    defaults: dict[str, Any] = {
        "sorts": (),
        "sort": "",
        "searchable": False,
        "text": "",
        "filters": (),
        "outcome": "",
        "export": "",
        "acts": False,
        "registers": False,
        "mutual": False,
        "secret": None,
    }
    return page.render(
        "logins.html",
        heading=heading,
        tabs=(
            (f"{_HERE}/report", t("登录报告", "Login report"), "strong_auth.report"),
            (f"{_HERE}/sessions", t("在线会话", "Open sessions"), "strong_auth.session.list"),
            (f"{_HERE}/accounts", t("登录账号", "Accounts"), "strong_auth.account.list"),
            (f"{_HERE}/clients", t("登录客户端", "Clients"), "strong_auth.client.list"),
        ),
        next=f"{page.path}?{urlencode({**asked, 'cursor': cursor})}" if cursor else "",
        applications=applications.items if applications else [],
        **(defaults | values),
    )
