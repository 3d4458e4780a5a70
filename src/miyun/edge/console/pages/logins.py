"""Certificate login of applications: clients, accounts, open sessions, the report."""

from __future__ import annotations

import re
from typing import Any, Final

from miyun.core.errors import NotFound
from miyun.edge.console.page import Page
from miyun.edge.console.pages.listing import (
    Act,
    Answer,
    Choice,
    Row,
    applications_of,
    asked,
    shown,
    table,
    tag_of,
    word,
)

_HERE: Final = "/console/logins"
_REGISTERED: Final = (
    "application",
    "name",
    "protocol",
    "auth",
    "algorithm",
    "backchannel",
    "tls_client_auth_field",
    "tls_client_auth_value",
)
_PEM: Final = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
METHODS: Final = {"api": "API", "oidc": "OpenID Connect", "cas": "CAS"}
OUTCOMES: Final = {
    "ok": ("成功", "ok"),
    "LoginFailed": ("签名不符", "wrong signature"),
    "CertificateRefused": ("证书被拒", "certificate refused"),
    "NotBound": ("未绑定账号", "no account"),
    "AccountNotActive": ("账号停用", "account suspended"),
    "ChallengeInvalid": ("挑战无效", "challenge not valid"),
}
KNOWN: Final = {
    "good": ("有效", "good"),
    "stale": ("信息过期，在容许期内", "stale, tolerated"),
    "unchecked": ("未检查", "unchecked"),
}


async def clients(page: Page) -> Answer:
    return await _clients(page, None)


async def register(page: Page) -> Answer:
    form = page.form
    made = await page.run(
        "strong_auth.client.register",
        redirects=form.get("redirects", "").split(),
        logout_redirects=form.get("logout_redirects", "").split(),
        tls_client_certificates=_PEM.findall(form.get("tls_client_certificates", "")),
        tls_client_certificate_bound_access_tokens=form.get("bound") == "yes",
        **{name: form.get(name, "").strip() for name in _REGISTERED},
    )
    return await _clients(page, made)


async def client_verb(page: Page, client: str, verb: str) -> Answer:
    if verb == "secret":
        return await _clients(page, await page.run("strong_auth.client.renew_secret", client=client))
    await page.run(f"strong_auth.client.{'disable' if verb == 'disable' else 'enable'}", client=client)
    return page.go(f"{_HERE}/clients")


async def _clients(page: Page, made: Any) -> Answer:
    t = page.text
    listed = await page.run("strong_auth.client.list", **asked(page, "strong_auth.client.list"))
    names = await applications_of(page)
    rows = []
    for item in listed.items:
        at = f"{_HERE}/clients/{item.client}"
        acts = []
        if page.may("strong_auth.client.disable"):
            active = item.state == "active"
            acts.append(
                Act(
                    t("停用", "Disable"),
                    f"{at}/disable",
                    t("停用后，用户不能再登录该客户端。", "Nobody logs in to it then."),
                )
                if active
                else Act(t("启用", "Enable"), f"{at}/enable")
            )
            if item.auth in ("client_secret_basic", "client_secret_post"):
                question = t("原口令立即失效，确定更换吗？", "The present secret ends at once. Make a new one?")
                acts.append(Act(t("更换口令", "New secret"), f"{at}/secret", question))
        cells = (
            item.name,
            names.get(item.application, item.application),
            METHODS.get(item.protocol, item.protocol),
            item.client,
            " ".join(item.redirects),
            _authentication(page, item),
            item.algorithm if item.protocol == "oidc" else "—",
            word(page, item.state if item.state == "active" else "disabled"),
        )
        rows.append(Row(cells, "", tag_of(item.state), 7, acts))
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
        empty=t("尚无客户端。由安全管理员登记。", "No clients yet. Security administrators register them."),
        cursor=listed.next_cursor,
        template="login_clients.html",
        sorts=(
            ("id", "登记时间，旧的在前", "oldest first"),
            ("-id", "登记时间，新的在前", "newest first"),
            ("name", "名称", "name"),
        ),
        export="clients",
        mutual=bool(page.addresses.mutual_url),
        applications=list(names.items()),
        secret=(made.client.client, made.secret, made.client.issuer) if made else None,
    )


def _way(page: Page, method: str) -> str:
    return page.text("双向 TLS", "mutual TLS") if method == "mutual_tls" else METHODS.get(method, method)


def _authentication(page: Page, item: Any) -> str:
    if item.protocol != "oidc":
        return "—"
    name = f" {item.tls_client_auth_field}={item.tls_client_auth_value}" if item.tls_client_auth_field else ""
    bound = item.tls_client_certificate_bound_access_tokens
    return f"{item.auth}{name}{page.text('；令牌绑定证书', '; tokens bound to the certificate') if bound else ''}"


async def accounts(page: Page) -> Answer:
    t = page.text
    listed = await page.run("strong_auth.account.list", **asked(page, "strong_auth.account.list"))
    names = await applications_of(page)
    rows = []
    for item in listed.items:
        at = f"{_HERE}/accounts/{item.id}"
        acts = []
        if page.may("strong_auth.account.suspend"):
            active = item.state == "active"
            acts.append(
                Act(t("停用", "Suspend"), f"{at}/suspend", t("停用后立即结束其会话。", "Its sessions end at once."))
                if active
                else Act(t("恢复", "Resume"), f"{at}/resume")
            )
            question = t("解除后该证书不能再登录此账号。", "The certificate then opens this account no more.")
            acts.append(Act(t("解除绑定", "Unbind"), f"{at}/unbind", question))
        cells = (
            item.account,
            names.get(item.application, item.application),
            item.subject,
            item.serial,
            shown(item.not_after),
            word(page, item.state),
            shown(item.created_at),
        )
        rows.append(Row(cells, "", tag_of(item.state), 5, acts))
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
        template="login_accounts.html",
        applications=list(names.items()),
        empty=t(
            "尚无账号。由应用绑定，或首次登录时按策略建立。",
            "No accounts yet. Applications bind them, or a login makes them.",
        ),
        cursor=listed.next_cursor,
        sorts=(
            ("created", "绑定时间", "bound"),
            ("account", "账号", "account"),
            ("not_after", "到期", "expiry"),
        ),
        search=t("账号、主题或序列号", "Account, subject or serial number"),
        filters=_by_application(page, names),
        export="accounts",
    )


async def account_verb(page: Page, account: str, verb: str) -> Answer:
    if verb not in ("suspend", "resume", "unbind"):
        raise NotFound("page", verb)
    await page.run(f"strong_auth.account.{verb}", account_id=account)
    return page.go(f"{_HERE}/accounts")


async def account_bind(page: Page) -> Answer:
    names = ("account", "certificate", "application")
    await page.run("strong_auth.account.bind", **{name: page.form.get(name, "") for name in names})
    return page.go(f"{_HERE}/accounts")


async def sessions(page: Page) -> Answer:
    t = page.text
    listed = await page.run("strong_auth.session.list", **asked(page, "strong_auth.session.list"))
    names = await applications_of(page)
    ends = page.may("strong_auth.session.terminate")
    question = t("该用户须重新登录，确定结束吗？", "Its holder has to log in again. End it?")
    rows = [
        Row(
            (
                item.account,
                names.get(item.application, item.application),
                _way(page, item.method),
                item.serial,
                shown(item.opened_at),
                shown(item.last_seen_at),
                shown(item.expires_at),
            ),
            acts=(Act(t("结束", "End"), f"{_HERE}/sessions/{item.session_id}/end", question),) if ends else (),
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
        empty=t("当前没有在线会话", "Nobody is logged in now"),
        cursor=listed.next_cursor,
        sorts=(("-opened", "登录时间，新的在前", "newest first"), ("account", "账号", "account")),
        filters=_by_application(page, names),
        export="sessions",
    )


async def session_end(page: Page, session: str) -> Answer:
    await page.run("strong_auth.session.terminate", session_id=session)
    return page.go(f"{_HERE}/sessions")


async def report(page: Page) -> Answer:
    t = page.text
    listed = await page.run("strong_auth.report", **asked(page, "strong_auth.report", limit=50))
    names = await applications_of(page)
    rows = [
        Row(
            (
                shown(item.at),
                item.account or "—",
                names.get(item.application, item.application),
                _way(page, item.method),
                item.subject or "—",
                item.serial,
                t(*OUTCOMES.get(item.outcome, (item.outcome, item.outcome))),
                t(*KNOWN.get(item.revocation, ("—", "—"))),
                t("签名", "signed") if item.signed else t("单点登录", "single sign-on"),
                item.peer or "—",
            ),
            "",
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
            ("-at", "时间，新的在前", "newest first"),
            ("at", "时间，旧的在前", "oldest first"),
            ("account", "账号", "account"),
            ("outcome", "结果", "outcome"),
        ),
        filters=(
            Choice("outcome", t("结果", "Outcome"), (("ok", t("成功", "ok")), ("refused", t("失败", "failures")))),
            *_by_application(page, names),
        ),
        export="logins",
    )


def _by_application(page: Page, names: dict[str, str]) -> tuple[Choice, ...]:
    return (Choice("application", page.text("应用", "Application"), list(names.items())),) if len(names) > 1 else ()


def _page(page: Page, heading: str, *, template: str = "logins.html", **values: Any) -> Answer:
    return table(page, heading, template=template, tabs=tabs(page), **values)


def tabs(page: Page) -> tuple[tuple[str, str, str], ...]:
    t = page.text
    return (
        (f"{_HERE}/report", t("登录报告", "Login report"), "strong_auth.report"),
        (f"{_HERE}/sessions", t("在线会话", "Open sessions"), "strong_auth.session.list"),
        (f"{_HERE}/accounts", t("登录账号", "Accounts"), "strong_auth.account.list"),
        (f"{_HERE}/clients", t("登录客户端", "Clients"), "strong_auth.client.list"),
        (f"{_HERE}/policies", t("登录策略", "Policies"), "strong_auth.policy.get"),
    )
