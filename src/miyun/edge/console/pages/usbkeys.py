"""USB keys: stock and holders, the life of one, what two people decide, what works with what."""

from __future__ import annotations

import base64
import binascii
import csv
from typing import Final

from miyun.core.errors import InvalidArgument, NotFound
from miyun.core.i18n import Text
from miyun.edge.console.page import Page
from miyun.edge.console.pages.listing import (
    Answer,
    Choice,
    Row,
    applications_of,
    asked,
    found_people,
    people_of,
    shown,
    table,
    word,
)

_HERE: Final = "/console/usbkeys"
_APPROVALS: Final = "/console/usbkey-approvals"
STATES: Final = {
    "stock": ("在库", "in stock", "plain"),
    "initialised": ("已初始化", "initialised", "plain"),
    "personalised": ("已写证书", "personalised", "ok"),
    "issued": ("已发放", "handed out", "ok"),
    "lost": ("已挂失", "reported lost", "risk"),
    "returned": ("已收回", "returned", "warn"),
    "scrapped": ("已报废", "scrapped", "plain"),
}
_EVENTS: Final = {
    "register": ("入库", "registered"),
    "initialise": ("初始化", "initialised"),
    "apply": ("申请证书", "certificates applied for"),
    "apply_alone": ("证书仅经一人签发", "certificates issued by one person alone"),
    "renew": ("申请更新证书", "renewal applied for"),
    "renew_alone": ("证书仅经一人更新", "certificates renewed by one person alone"),
    "personalise": ("写入证书", "certificates written"),
    "written": ("写入更新的证书", "renewed certificates written"),
    "hand_out": ("发放", "handed out"),
    "lose": ("挂失", "reported lost"),
    "take_back": ("收回", "taken back"),
    "scrap": ("报废", "scrapped"),
    "unlock": ("解锁 PIN", "PIN unlocked"),
}
REQUESTS: Final = {
    "pending": ("待批准", "waiting for approval", "warn"),
    "approved": ("已批准，待领取", "approved and not collected yet", "ok"),
    "done": ("已办结", "done", "plain"),
    "rejected": ("已驳回", "rejected", "risk"),
    "expired": ("已过期", "expired", "plain"),
}
KINDS: Final = {"unlock": ("解锁 PIN", "unlock the PIN"), "scrap": ("报废", "scrap")}
_SORTS: Final = (
    ("-registered_at", "入库时间，新的在前", "Registered, newest first"),
    ("serial", "序列号", "Serial number"),
    ("label", "标签", "Label"),
    ("expires_at", "证书到期，近的在前", "Certificates end, soonest first"),
    ("-changed_at", "状态变化，新的在前", "Changed, newest first"),
)
_VERBS: Final = {
    "issued": ("renew", "lose", "take_back"),
    "personalised": ("hand_out", "renew", "lose", "take_back"),
    "lost": ("take_back",),
}
_WRITABLE: Final = ("initialised", "personalised", "issued")
_UNLOCKABLE: Final = ("initialised", "personalised", "issued")
_SCRAPPABLE: Final = ("stock", "initialised", "returned", "lost")


async def usbkeys(page: Page) -> Answer:
    t = page.text
    listed = await page.run("usbkey.key.list", **asked(page, "usbkey.key.list"))
    rows = [
        Row(
            (
                item.serial,
                shown(item.label),
                t(*STATES[item.state][:2]),
                shown(item.holder),
                shown(item.subject),
                shown(item.expires_at),
            ),
            f"{_HERE}/{item.usbkey}",
            STATES[item.state][2],
            2,
        )
        for item in listed.items
    ]
    return table(
        page,
        t("智能密码钥匙", "USB keys"),
        template="usbkeys.html",
        columns=(
            t("序列号", "Serial"),
            t("标签", "Label"),
            t("状态", "State"),
            t("持有人", "Holder"),
            t("证书主体", "Subject"),
            t("证书到期", "Certificates end"),
        ),
        rows=rows,
        empty=t(
            "尚无钥匙。请先批量入库，再用 miyun usbkey personalise 写证书。",
            "No keys yet. Register them below, then set them up with miyun usbkey personalise.",
        ),
        cursor=listed.next_cursor,
        search=t("序列号、标签、持有人或主体", "Serial, label, holder or subject"),
        filters=(
            Choice("state", t("状态", "State"), [(name, t(zh, en)) for name, (zh, en, _) in STATES.items()]),
            Choice("expiring_days", t("到期", "Expiry"), [("30", t("30 天内到期", "within 30 days"))]),
        ),
        sorts=_SORTS,
        export="usbkeys",
    )


async def register(page: Page) -> Answer:
    """A line each: serial number, label, maker, model."""
    names = ("serial", "label", "maker", "model")
    lines = csv.reader(page.form.get("keys", "").replace("，", ",").splitlines())
    items = [
        dict(zip(names, (cell.strip() for cell in line), strict=False)) for line in lines if any(map(str.strip, line))
    ]
    answer = await page.run("usbkey.key.register", items=items)
    failed = [outcome for outcome in answer.items if outcome.error]
    if failed:
        listed = ", ".join(outcome.serial for outcome in failed)
        count = len(answer.items) - len(failed)
        zh, en = (
            f"已入库 {count} 把；序列号已存在：{listed}",
            f"{count} registered; these serials exist already: {listed}",
        )
        raise InvalidArgument("keys", Text(zh, en))
    return page.go(_HERE)


async def usbkey(page: Page, usbkey: str) -> Answer:
    t = page.text
    detail = await page.run("usbkey.key.get", usbkey=usbkey)
    affected = await page.run("usbkey.key.affected", usbkey=usbkey)
    item, names, applications = (
        detail.key,
        await people_of(page, (one.person for one in detail.events)),
        await applications_of(page),
    )
    zh, en, tag = STATES[item.state]
    facts = [
        (t("标签", "Label"), item.label),
        (t("厂商与型号", "Maker and model"), f"{item.maker} {item.model}".strip()),
        (t("持有人", "Holder"), item.holder),
        (t("证书主体", "Subject"), item.subject),
        (t("签名证书", "Signing certificate"), item.certificate),
        (t("加密证书", "Encryption certificate"), item.encryption_certificate),
        (t("证书到期", "Certificates end"), item.expires_at),
        (t("入库时间", "Registered"), item.registered_at),
    ]
    verbs = [verb for verb in _VERBS.get(item.state, ()) if page.may(f"usbkey.key.{verb}")]
    asks = page.may("usbkey.approval.ask")
    return page.render(
        "usbkey.html",
        item=item,
        here_is=f"{_HERE}/{usbkey}",
        state=t(zh, en),
        tag=tag,
        facts=[(name, shown(value)) for name, value in facts if value],
        events=[
            (
                shown(one.at),
                t(*_EVENTS.get(one.what, (one.what, one.what))),
                names.get(one.person, one.person),
                one.note,
            )
            for one in detail.events
        ],
        writes=item.application is not None and item.state in _WRITABLE,
        uses=[
            (use.kind, applications.get(use.application, use.application), use.name, word(page, use.state))
            for use in affected.uses
        ],
        revoked=affected.revoked,
        verbs=verbs,
        find=page.query.get("find", ""),
        found=await found_people(page) if "hand_out" in verbs else None,
        sets_up=item.state in ("stock", "returned", "initialised") and page.may("usbkey.key.initialise"),
        unlocks=asks and item.state in _UNLOCKABLE,
        scraps=asks and item.state in _SCRAPPABLE,
    )


async def act(page: Page, usbkey: str, verb: str) -> Answer:
    note = page.form.get("note", "")
    match verb:
        case "hand_out":
            await page.run("usbkey.key.hand_out", usbkey=usbkey, holder=page.form.get("holder", ""), note=note)
        case "lose" | "take_back":
            await page.run(f"usbkey.key.{verb}", usbkey=usbkey, note=note)
        case "renew":
            await page.run("usbkey.key.renew", usbkey=usbkey)
        case "unlock" | "scrap":
            reason, challenge = page.form.get("reason", ""), _octets(page.form.get("challenge", ""))
            await page.run("usbkey.approval.ask", usbkey=usbkey, kind=verb, reason=reason, token_challenge=challenge)
            return page.go(_APPROVALS)
        case _:
            raise NotFound("page", verb)
    return page.go(f"{_HERE}/{usbkey}")


async def approvals(page: Page) -> Answer:
    return await _approvals(page)


async def decide(page: Page, approval: str, verb: str) -> Answer:
    match verb:
        case "approve":
            await page.run("usbkey.approval.approve", approval=approval, note=page.form.get("note", ""))
        case "reject":
            await page.run("usbkey.approval.reject", approval=approval, note=page.form.get("note", ""))
        case "collect":
            collected = await page.run("usbkey.approval.collect", approval=approval)
            response = base64.b64encode(collected.response).decode()
            return await _approvals(page, response=response, admin_pin=collected.admin_pin)
        case _:
            raise NotFound("page", verb)
    return page.go(_APPROVALS)


async def compatibility(page: Page) -> Answer:
    t = page.text
    listed = await page.run("usbkey.compatibility.list", **asked(page, "usbkey.compatibility.list"))
    works = (t("可用", "works"), "ok"), (t("不可用", "does not work"), "risk")
    rows = [
        Row(
            (
                f"{item.maker} {item.model}".strip(),
                item.system,
                shown(item.library),
                works[not item.works][0],
                shown(item.note),
                shown(item.at),
            ),
            "",
            works[not item.works][1],
            3,
        )
        for item in listed.items
    ]
    return table(
        page,
        t("密码钥匙兼容性", "Compatibility of USB keys"),
        sorts=(("-at", "时间，新的在前", "newest first"), ("maker", "厂商", "maker"), ("system", "系统", "system")),
        export="compatibility",
        caption=t("由写证书时的结果自动登记", "Reported whenever a key is set up"),
        columns=(
            t("厂商与型号", "Maker and model"),
            t("系统", "System"),
            t("库", "Library"),
            t("结果", "Result"),
            t("说明", "Note"),
            t("时间", "When"),
        ),
        rows=rows,
        empty=t("尚无结果。用 miyun usbkey personalise 写证书后自动登记。", "None yet: setting a key up reports it."),
        cursor=listed.next_cursor,
    )


async def _approvals(page: Page, *, response: str = "", admin_pin: str = "") -> Answer:
    listed = await page.run("usbkey.approval.list", **asked(page, "usbkey.approval.list"))
    names = await people_of(page, (who for item in listed.items for who in (item.asked_by, item.decided_by)))
    assert page.me is not None
    me, t = page.me.id, page.text
    decides = page.may("usbkey.approval.approve")
    items = []
    for item in listed.items:
        zh, en, tag = REQUESTS[item.state]
        mine = item.asked_by == me
        items.append(
            {
                "item": item,
                "kind": t(*KINDS[item.kind]),
                "state": t(zh, en),
                "tag": tag,
                "asked_by": names.get(item.asked_by, item.asked_by),
                "asked_at": shown(item.asked_at),
                "decided_by": names.get(item.decided_by or "", item.decided_by or ""),
                "decides": item.state == "pending" and not mine and decides,
                "waits": item.state == "pending" and mine,
                "collects": item.state == "approved" and mine,
            }
        )
    return table(
        page,
        t("解锁与报废审批", "Unlocking and scrapping"),
        template="usbkey_approvals.html",
        columns=(
            t("钥匙", "Key"),
            t("事项", "What"),
            t("原因", "Why"),
            t("提出", "Asked"),
            t("状态", "State"),
            t("办理", "Decide"),
        ),
        rows=(),
        empty=t(
            "没有待办。解锁与报废在钥匙的页面上提出，由另一人批准。",
            "Nothing. Unlocking and scrapping are asked for on the page of a key, and somebody else decides.",
        ),
        cursor=listed.next_cursor,
        filters=(Choice("state", t("状态", "State"), [(name, t(zh, en)) for name, (zh, en, _) in REQUESTS.items()]),),
        sorts=(
            ("-asked_at", "提出时间，新的在前", "newest first"),
            ("expires_at", "期限，近的在前", "soonest to expire"),
        ),
        export="usbkey-approvals",
        items=items,
        response=response,
        admin_pin=admin_pin,
    )


def _octets(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error:
        raise InvalidArgument("token_challenge", Text("应为 Base64", "Base64 is expected")) from None
