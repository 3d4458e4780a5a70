"""Certificates of servers: watched endpoints, orders at outside CAs, and what opens ACME accounts."""

from __future__ import annotations

from typing import Any, Final

from miyun.core.errors import NotFound
from miyun.edge.console.page import Page
from miyun.edge.console.pages.listing import Answer, Choice, Row, asked, shown, table

_ENDPOINTS: Final = "/console/endpoints"
_ORDERS: Final = "/console/ssl-orders"
OUTCOMES: Final = {
    "unchecked": ("尚未检查", "not looked at yet", "plain"),
    "ok": ("正常", "in order", "ok"),
    "expiring": ("即将到期", "ends soon", "warn"),
    "expired": ("已过期", "expired", "risk"),
    "untrusted": ("不受信任", "not trusted", "risk"),
    "wrong_name": ("名称不符", "another name", "risk"),
    "unreachable": ("无法连接", "does not answer", "risk"),
    "no_tls": ("不是 TLS", "speaks no TLS", "risk"),
    "refused": ("地址不允许", "address not allowed", "warn"),
    "unsupported": ("暂不能检查", "cannot be checked yet", "plain"),
}
# what there is to do about it, before what the other side said
ADVICE: Final = {
    "expiring": (
        "证书即将到期，请更新并部署新证书。",
        "Its certificate ends soon: renew it and deploy the new one.",
    ),
    "expired": (
        "证书已过期，浏览器会拒绝访问。请立即更新并部署。",
        "Its certificate has ended and browsers refuse it: renew and deploy it now.",
    ),
    "untrusted": (
        "证书链不能核验到受信任的根：请检查是否缺少中间证书，或证书是否自签。",
        "Its chain does not lead to a trusted root: an intermediate may be missing, or it signed itself.",
    ),
    "wrong_name": (
        "证书中没有该主机名：请检查部署的证书与域名是否对应。",
        "Its certificate does not name this host: was the right one deployed?",
    ),
    "unreachable": (
        "连接不上：请检查域名解析、端口与防火墙，以及服务是否在运行。",
        "There was no connection: check the name, the port, firewalls, and whether the service runs.",
    ),
    "no_tls": (
        "端口有应答，但不能建立 TLS 连接：请检查端口号，以及协议版本与套件是否过旧。",
        "Something answers, but not in TLS as we speak it: check the port, and whether its versions are too old.",
    ),
    "refused": (
        "平台的地址策略不允许访问该地址：请由平台管理员放行，或改用可访问的地址。",
        "The platform's address policy keeps it from there: its administrators can allow the address.",
    ),
    "unsupported": (
        "平台尚不能以该协议（TLCP）握手，到期时间须人工核对。",
        "The platform does not speak this protocol (TLCP) yet: look after its end by hand.",
    ),
}
STATES: Final = {
    "ordered": ("已下单", "ordered", "warn"),
    "submitted": ("已提交", "submitted", "warn"),
    "issued": ("已签发", "issued", "ok"),
    "deployed": ("已部署", "deployed", "ok"),
    "expired": ("已过期", "expired", "risk"),
    "renewed": ("已续期", "renewed", "plain"),
    "failed": ("失败", "failed", "risk"),
    "cancelled": ("已取消", "cancelled", "plain"),
}
_ORDER_STATES: Final = ("ordered", "submitted", "issued", "deployed", "expired", "renewed", "failed", "cancelled")
_VERBS: Final = ("submit", "upload", "deployed", "cancel")


def state_word(page: Page, words: dict[str, tuple[str, str, str]], state: str) -> tuple[str, str]:
    """The state in the reader's language, and its colour."""
    zh, en, tag = words.get(state, (state, state, "plain"))
    return page.text(zh, en), tag


async def endpoints(page: Page) -> Answer:
    t = page.text
    listed = await page.run("ssl_certificate.endpoint.list", **asked(page, "ssl_certificate.endpoint.list"))
    rows = []
    for item in listed.items:
        word, tag = state_word(page, OUTCOMES, item.outcome)
        left = "—" if item.days_left is None else t(f"{item.days_left} 天", f"{item.days_left} days")
        cells = (f"{item.host}:{item.port}", word, shown(item.not_after), left, item.version or "—", item.note or "—")
        rows.append(Row(cells, f"{_ENDPOINTS}/{item.endpoint}", tag, 1))
    return table(
        page,
        t("证书端点监测", "Watched endpoints"),
        template="endpoints.html",
        filters=(Choice("outcome", t("状态", "State"), [(name, t(zh, en)) for name, (zh, en, _) in OUTCOMES.items()]),),
        sorts=(("-id", "登记时间，新的在前", "newest first"), ("host", "域名或地址", "name or address")),
        export="endpoints",
        columns=(
            t("端点", "Endpoint"),
            t("状态", "State"),
            t("证书到期", "Certificate ends"),
            t("剩余", "Left"),
            t("协议", "Protocol"),
            t("备注", "Note"),
        ),
        rows=rows,
        empty=t(
            "尚未登记端点。登记后每 6 小时检查一次，到期前 30、14、7、1 天告警。",
            "None yet. Each is looked at every 6 hours, with alarms 30, 14, 7 and 1 days before its certificate ends.",
        ),
        cursor=listed.next_cursor,
    )


async def endpoint_add(page: Page) -> Answer:
    made = await page.run(
        "ssl_certificate.endpoint.add",
        host=page.form.get("host", ""),
        port=page.form.get("port") or "443",
        protocol=page.form.get("protocol", "tls"),
        note=page.form.get("note", ""),
    )
    return page.go(f"{_ENDPOINTS}/{made.endpoint}")


async def endpoint(page: Page, endpoint: str) -> Answer:
    found = await page.run("ssl_certificate.endpoint.get", endpoint=endpoint)
    item, t = found.summary, page.text
    word, tag = state_word(page, OUTCOMES, item.outcome)
    facts = [
        (t("说明", "What to do"), t(*ADVICE.get(item.outcome, ("", "")))),
        (t("对方原话", "In the other side's words"), item.reason if item.outcome != "expiring" else ""),
        (t("证书主体", "Subject"), item.subject),
        (t("签发者", "Issuer"), item.issuer),
        (t("名称", "Names"), item.names or None),
        (t("序列号", "Serial number"), item.serial),
        (t("到期", "Ends"), item.not_after),
        (t("协议与套件", "Protocol and suite"), f"{item.version} {item.cipher}".strip()),
        (t("上次检查", "Looked at"), item.checked_at),
        (t("下次检查", "Next"), item.next_check_at),
    ]
    history = [
        (
            *state_word(page, OUTCOMES, check.outcome),
            shown(check.at),
            shown(check.not_after),
            check.serial or "—",
            check.reason,
        )
        for check in found.history
    ]
    cas = await page.offered("ssl_certificate.ca.list")
    return page.render(
        "endpoint.html",
        heading=f"{item.host}:{item.port}",
        word=word,
        tag=tag,
        facts=[(name, shown(value)) for name, value in facts],
        history=history,
        address=f"{_ENDPOINTS}/{item.endpoint}",
        rehearsed=f"{_ORDERS}/{item.rehearsal}" if item.rehearsal else "",
        cas=[ca.ca for ca in cas.items if ca.account] if cas is not None else [],
    )


async def endpoint_verb(page: Page, endpoint: str, verb: str) -> Answer:
    if verb == "remove":
        await page.run("ssl_certificate.endpoint.remove", endpoint=endpoint)
        return page.go(_ENDPOINTS)
    if verb == "rehearse":
        values = {"ca": page.form.get("ca", ""), "solver": page.form.get("solver", "http-01")}
        made = await page.run("ssl_certificate.endpoint.rehearse", endpoint=endpoint, **values)
        return page.go(f"{_ORDERS}/{made.order}")
    if verb != "check":
        raise NotFound("path", verb)
    await page.run("ssl_certificate.endpoint.check", endpoint=endpoint)
    return page.go(f"{_ENDPOINTS}/{endpoint}")


async def orders(page: Page) -> Answer:
    t = page.text
    listed = await page.run("ssl_certificate.order.list", **asked(page, "ssl_certificate.order.list"))
    cas = await page.run("ssl_certificate.ca.list")
    rows = []
    for item in listed.items:
        word, tag = state_word(page, STATES, item.state)
        if item.rehearsal:
            word = t(f"{word}（演练）", f"{word} (rehearsal)")
        cells = (
            ", ".join(item.names[:3]),
            word,
            item.ca,
            item.level.upper(),
            shown(item.not_after),
            shown(item.created_at),
        )
        rows.append(Row(cells, f"{_ORDERS}/{item.order}", tag, 1))
    return table(
        page,
        t("外部证书订单", "Orders at outside CAs"),
        template="ssl_orders.html",
        filters=(Choice("state", t("状态", "State"), [(name, t(*STATES[name][:2])) for name in _ORDER_STATES]),),
        sorts=(("-id", "下单时间，新的在前", "newest first"), ("ca", "CA", "CA"), ("state", "状态", "state")),
        export="orders",
        columns=(
            t("名称", "Names"),
            t("状态", "State"),
            "CA",
            t("级别", "Level"),
            t("到期", "Ends"),
            t("下单", "Ordered"),
        ),
        rows=rows,
        empty=t(
            "尚无订单。在服务器上用 miyun ssl request 生成密钥与请求，再在此提交请求。",
            "None yet. Make a key and a request on the server with miyun ssl request, then hand the request in here.",
        ),
        cursor=listed.next_cursor,
        cas=cas.items,
    )


async def order_create(page: Page) -> Answer:
    way = page.form.get("way", "paper")
    made = await page.run(
        "ssl_certificate.order.create",
        csr=page.form.get("csr", ""),
        ca=page.form.get("ca" if way == "acme" else "paper_ca", ""),
        way=way,
        level=page.form.get("level", "dv"),
        solver=page.form.get("solver", "http-01"),
    )
    return page.go(f"{_ORDERS}/{made.order}")


async def order_account(page: Page) -> Answer:
    """An account at a configured CA."""
    given: dict[str, Any] = {name: page.form[name] for name in ("kid", "mac_key") if page.form.get(name)}
    contact = [page.form["contact"]] if page.form.get("contact") else []
    await page.run("ssl_certificate.ca.open_account", ca=page.form.get("ca", ""), contact=contact, **given)
    return page.go(_ORDERS)


async def order(page: Page, order: str) -> Answer:
    found = await page.run("ssl_certificate.order.get", order=order)
    item, t = found.summary, page.text
    word, tag = state_word(page, STATES, item.state)
    facts = [
        ("CA", item.ca),
        (t("方式", "Way"), "ACME" if item.way == "acme" else t("人工提交", "by hand")),
        (t("级别", "Level"), item.level.upper()),
        (t("名称", "Names"), item.names),
        (t("密钥算法", "Key algorithm"), item.algorithm),
        (t("CA 编号", "The CA's number"), item.reference),
        (t("说明", "What to do"), _about(page, item)),
        (t("CA 原话", "In the CA's words"), item.error),
        (t("序列号", "Serial number"), item.serial),
        (t("到期", "Ends"), item.not_after),
        (t("部署于", "Deployed to"), item.deployed_to),
        (t("演练", "Rehearsal"), t("是，不部署", "yes, not to be deployed") if item.rehearsal else ""),
    ]
    by_hand = item.way == "paper"
    verbs = {
        "submit": by_hand and item.state == "ordered",
        "upload": by_hand and item.state in ("ordered", "submitted"),
        "deployed": item.state in ("issued", "deployed") and not item.rehearsal,
        "cancel": item.state in ("ordered", "submitted"),
    }
    return page.render(
        "ssl_order.html",
        heading=", ".join(item.names[:3]),
        word=word,
        tag=tag,
        facts=[(name, shown(value)) for name, value in facts if value],
        csr=found.csr,
        certificates=found.certificates,
        address=f"{_ORDERS}/{item.order}",
        verbs={verb: allowed and page.may(f"ssl_certificate.order.{verb}") for verb, allowed in verbs.items()},
    )


def _about(page: Page, item: Any) -> str:
    """What an order's error is, before what the CA said of it."""
    if not item.error:
        return ""
    if item.state == "failed":
        return page.text(
            "CA 未签发，订单已终止。请按其原话更正后重新下单。",
            "The CA did not issue it, and the order is over. Mend what it names and order again.",
        )
    return page.text(
        "CA 尚未签发，平台会再试。若其原话指出须更正之处，请取消后重新下单。",
        "The CA has not issued it yet, and the platform tries again. If it names a mistake, cancel and order again.",
    )


async def order_verb(page: Page, order: str, verb: str) -> Answer:
    if verb not in _VERBS:
        raise NotFound("path", verb)
    fields = {"submit": ("reference",), "upload": ("certificates",), "deployed": ("place",), "cancel": ()}[verb]
    values = {name: page.form.get(name, "") for name in fields}
    if verb == "upload":  # of a pair
        pair = ("encryption_certificates", "enveloped_key")
        values |= {name: page.form[name].strip() for name in pair if page.form.get(name, "").strip()}
    await page.run(f"ssl_certificate.order.{verb}", order=order, **values)
    return page.go(f"{_ORDERS}/{order}")
