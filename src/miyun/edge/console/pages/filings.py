"""Applications for certificates, their review, and the recovery of escrowed keys."""

from __future__ import annotations

from typing import Any, Final

from litestar.response import Response

from miyun.core.errors import NotFound
from miyun.edge.console.page import HEADERS, Page
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
)

_HERE: Final = "/console/filings"
_RECOVERIES: Final = "/console/recoveries"
STATES: Final = {
    "pending": ("待审核", "waiting for review", "warn"),
    "approved": ("已通过，签发中", "approved, being issued", "warn"),
    "forwarded": ("已送外部机构", "with the outside CA", "warn"),
    "issued": ("已签发", "issued", "ok"),
    "rejected": ("已驳回", "rejected", "risk"),
    "withdrawn": ("已撤回", "withdrawn", "plain"),
    "expired": ("已过期", "expired", "plain"),
    "requested": ("待批准", "waiting for approval", "warn"),
    "delivered": ("已领取", "delivered", "ok"),
}
_APPLICATION_STATES: Final = ("pending", "approved", "forwarded", "issued", "rejected", "withdrawn", "expired")
_RECOVERY_STATES: Final = ("requested", "approved", "delivered", "rejected", "expired")
APPROVED_RECOVERY: Final = ("已批准，待领取", "approved and not collected yet", "ok")
KINDS: Final = {"new": ("新申请", "new"), "renewal": ("更新", "renewal"), "rekey": ("换密钥", "new key")}
_PAIRS: Final = {
    "none": ("单证书", "one certificate"),
    "escrow": ("双证书（密钥管理中心生成加密密钥）", "a pair; the key-management centre makes the encryption key"),
    "own": ("双证书（自备加密密钥）", "a pair with an encryption key of the applicant's"),
}
_FILES: Final = (
    ("pem", "证书（PEM）", "Certificate (PEM)"),
    ("der", "证书（DER）", "Certificate (DER)"),
    ("chain", "证书链（PEM）", "Chain (PEM)"),
    ("p7b", "证书包（P7B）", "Bundle (P7B)"),
)
_PAIR_FILES: Final = (
    ("encryption_pem", "加密证书（PEM）", "Encryption certificate (PEM)"),
    ("encryption_der", "加密证书（DER）", "Encryption certificate (DER)"),
)
_FACTS: Final = {
    "subject": ("主体", "Subject"),
    "names": ("备用名称", "Alternative names"),
    "days": ("有效天数", "Days"),
    "key_algorithm": ("密钥算法", "Key algorithm"),
    "key_sm3": ("公钥 SM3", "SM3 of the public key"),
    "on_behalf_of": ("代为申请", "On behalf of"),
    "note": ("说明", "Note"),
    "applicant": ("申请人", "Applicant"),
    "applied_at": ("申请时间", "Applied"),
    "expires_at": ("审核期限", "To be reviewed by"),
    "reviewer": ("审核人", "Reviewer"),
    "reviewed_at": ("审核时间", "Reviewed"),
    "reason": ("审核意见", "Reviewer's words"),
    "outside": ("外部机构", "Outside CA"),
    "previous": ("原证书", "Previous certificate"),
    "certificate": ("证书序列号", "Certificate"),
    "encryption_certificate": ("加密证书序列号", "Encryption certificate"),
}


async def filings(page: Page) -> Answer:
    t = page.text
    listed = await page.run("certificate.application.list", **asked(page, "certificate.application.list"))
    templates = await templates_of(page)
    rows = [
        Row(
            (
                item.subject,
                t(*KINDS[item.kind]),
                template_name(page, templates, item.template),
                t(*STATES[item.state][:2]),
                shown(item.applied_at),
            ),
            f"{_HERE}/{item.application}",
            STATES[item.state][2],
            3,
        )
        for item in listed.items
    ]
    return table(
        page,
        t("证书申请", "Applications for certificates"),
        template="filings.html",
        search=t("主体", "Subject"),
        filters=(
            Choice("state", t("状态", "State"), [(name, t(*STATES[name][:2])) for name in _APPLICATION_STATES]),
            Choice("template", t("模板", "Template"), [(i.template, t(i.name_zh, i.name_en)) for i in templates]),
        ),
        sorts=(
            ("-applied_at", "申请时间，新的在前", "applied, newest first"),
            ("applied_at", "申请时间，旧的在前", "applied, oldest first"),
            ("expires_at", "审核期限，近的在前", "to be reviewed soonest first"),
            ("subject", "主体", "subject"),
        ),
        export="filings",
        columns=(
            t("主体", "Subject"),
            t("类型", "Kind"),
            t("模板", "Template"),
            t("状态", "State"),
            t("申请时间", "Applied"),
        ),
        rows=rows,
        empty=t(
            "尚无申请。申请人提交证书请求（PKCS#10）后在此审核。", "None yet. What applicants hand in is reviewed here."
        ),
        cursor=listed.next_cursor,
        templates=templates,
        expiring=await _expiring(page),
        outside=await _outside(page),
        pairs=[(name, t(*_PAIRS[name])) for name in ("none", "escrow")],
        find=page.query.get("find", ""),
        found=await found_people(page),
        on_behalf_of=page.query.get("on_behalf_of", ""),
    )


async def renew(page: Page) -> Answer:
    made = await page.run("certificate.application.renew", serial=page.form.get("serial", ""))
    return page.go(f"{_HERE}/{made.application}")


async def apply(page: Page) -> Answer:
    names = [name for name in page.form.get("names", "").replace(",", " ").split() if name]
    made = await page.run(
        "certificate.application.apply",
        template=page.form.get("template", ""),
        csr=page.form.get("csr", ""),
        names=names,
        pair=page.form.get("pair", "none"),
        on_behalf_of=page.form.get("on_behalf_of", ""),
        note=page.form.get("note", ""),
        outside=page.form.get("outside", ""),
    )
    return page.go(f"{_HERE}/{made.application}")


async def filing(page: Page, filing: str) -> Answer:
    item = await page.run("certificate.application.get", application=filing)
    t = page.text
    known = {name: getattr(item, name) for name in _FACTS}
    named = await people_of(page, (item.applicant, item.reviewer)) | await applications_of(page)
    named |= {ca.outside: ca.name for ca in await _outside(page)}
    known |= {name: named.get(known[name], known[name]) for name in ("applicant", "reviewer", "outside")}
    facts = [
        (t("类型", "Kind"), t(*KINDS[item.kind])),
        (t("模板", "Template"), template_name(page, await templates_of(page), item.template)),
        (t("证书", "Certificates"), t(*_PAIRS[item.pair])),
        (t("请求格式", "Form of the request"), "CFCA" if item.cfca else "PKCS#10 (GM/T 0092)"),
        *((t(*_FACTS[name]), shown(value)) for name, value in known.items() if value not in (None, "", [])),
    ]
    files: list[tuple[str, str, str]] = []
    if item.state == "forwarded" and page.may("certificate.application.file"):
        files = [("csr", "证书请求（送外部机构）", "Request (for the CA outside)")]
    if item.state == "issued" and page.may("certificate.application.file"):
        files = [*_FILES, *(_PAIR_FILES if item.encryption_certificate else ())]
        if item.pair == "escrow":
            files.append(("enveloped_key", "加密密钥信封（GB/T 35276）", "Enveloped encryption key (GB/T 35276)"))
    zh, en, tag = STATES[item.state]
    assert page.me is not None
    mine = item.applicant == page.me.id
    return page.render(
        "filing.html",
        item=item,
        here_is=f"{_HERE}/{filing}",
        facts=facts,
        state=t(zh, en),
        tag=tag,
        files=[(name, t(zh, en)) for name, zh, en in files],
        delivers=item.state == "forwarded" and page.may("certificate.application.deliver"),
        reviews=item.state == "pending" and not mine and page.may("certificate.application.approve"),
        withdraws=item.state in ("pending", "forwarded") and mine,
        own_review=item.state == "pending" and mine and page.may("certificate.application.approve"),
    )


async def decide(page: Page, filing: str, verb: str) -> Answer:
    match verb:
        case "approve":
            await page.run("certificate.application.approve", application=filing, note=page.form.get("note", ""))
        case "reject":
            await page.run("certificate.application.reject", application=filing, reason=page.form.get("reason", ""))
        case "withdraw":
            await page.run("certificate.application.withdraw", application=filing)
        case "deliver":
            await page.run(
                "certificate.application.deliver",
                application=filing,
                certificate=page.form.get("certificate", ""),
                encryption_certificate=page.form.get("encryption_certificate", ""),
                enveloped_key=page.files.get("enveloped_key", ("", b""))[1],
            )
        case _:
            raise NotFound("page", verb)
    return page.go(f"{_HERE}/{filing}")


async def filing_file(page: Page, filing: str, form: str) -> Answer:
    reply = await page.run("certificate.application.file", application=filing, format=form)
    return sent(reply.body, reply.content_type, reply.headers)


# recovery


async def escrow(page: Page) -> Answer:
    t = page.text
    listed = await page.run("certificate.escrow.list", **asked(page, "certificate.escrow.list"))
    rows = [
        Row((item.subject, shown(item.created_at), " ".join(item.certificates) or "—", item.key_sm3))
        for item in listed.items
    ]
    return table(
        page,
        t("托管的加密密钥", "Escrowed encryption keys"),
        columns=(
            t("主体", "Subject"),
            t("托管时间", "Since"),
            t("加密证书", "Encryption certificates"),
            t("公钥 SM3", "SM3 of the public key"),
        ),
        rows=rows,
        empty=t(
            "尚无托管的密钥；申请双证书后由密钥管理中心托管。",
            "No escrowed keys: they come with pairs of certificates.",
        ),
        cursor=listed.next_cursor,
        search=t("主体", "Subject"),
        sorts=(("-created_at", "托管时间，新的在前", "newest first"), ("subject", "主体", "subject")),
        export="escrow",
    )


async def recoveries(page: Page) -> Answer:
    t = page.text
    listed = await page.run("certificate.recovery.list", **asked(page, "certificate.recovery.list"))
    kept = await page.run("certificate.escrow.list", text=page.query.get("of", ""), limit=20)
    assert page.me is not None
    me = page.me.id
    items = []
    for item in listed.items:
        zh, en, tag = APPROVED_RECOVERY if item.state == "approved" else STATES[item.state]
        part = me in (item.requester, item.system_consent, item.security_consent)
        waits = item.state == "requested" and not part
        items.append(
            {
                "item": item,
                "state": t(zh, en),
                "tag": tag,
                "authorises": waits and not item.system_consent and page.may("certificate.recovery.authorise"),
                "approves": waits and not item.security_consent and page.may("certificate.recovery.approve"),
                "rejects": item.state in ("requested", "approved") and page.may("certificate.recovery.reject"),
                "collects": item.state == "approved" and item.requester == me,
            }
        )
    return table(
        page,
        t("密钥恢复", "Key recovery"),
        template="recoveries.html",
        columns=(
            t("主体", "Subject"),
            t("事由", "Reason"),
            t("接收证书", "Receiver"),
            t("同意", "Consents"),
            t("状态", "State"),
            t("办理", "Decide"),
        ),
        rows=(),
        empty=t("尚无恢复申请", "No recoveries yet"),
        cursor=listed.next_cursor,
        search=t("主体", "Subject"),
        filters=(Choice("state", t("状态", "State"), [(name, t(*STATES[name][:2])) for name in _RECOVERY_STATES]),),
        sorts=(("-requested_at", "申请时间，新的在前", "newest first"), ("subject", "主体", "subject")),
        export="recoveries",
        recoveries=items,
        kept=kept.items,
        of=page.query.get("of", ""),
    )


async def recover(page: Page) -> Answer:
    await page.run(
        "certificate.recovery.request",
        escrow=page.form.get("escrow", ""),
        receiver=page.form.get("receiver", ""),
        kind=page.form.get("kind", "user"),
        reason=page.form.get("reason", ""),
        reference=page.form.get("reference", ""),
    )
    return page.go(_RECOVERIES)


async def recovery_verb(page: Page, recovery: str, verb: str) -> Answer:
    match verb:
        case "authorise" | "approve":
            await page.run(f"certificate.recovery.{verb}", recovery=recovery)
        case "reject":
            await page.run("certificate.recovery.reject", recovery=recovery, reason=page.form.get("reason", ""))
        case "collect":
            given = await page.run("certificate.recovery.collect", recovery=recovery)
            name = {"Content-Disposition": f'attachment; filename="{recovery}.key.der"'}
            return sent(given.enveloped_key, "application/octet-stream", name)
        case _:
            raise NotFound("page", verb)
    return page.go(_RECOVERIES)


def states_of(page: Page) -> dict[str, tuple[str, str]]:
    """What applications' states are called, with the look of each."""
    return {name: (page.text(zh, en), tag) for name, (zh, en, tag) in STATES.items()}


async def _expiring(page: Page) -> list[Any]:
    listed = await page.offered("certificate.expiring.list", limit=10)
    return listed.items if listed is not None else []


async def _outside(page: Page) -> list[Any]:
    listed = await page.offered("certificate.outside.list")
    return listed.items if listed is not None else []


async def templates_of(page: Page) -> list[Any]:
    listed = await page.offered("certificate.template.list")
    return listed.items if listed is not None else []


def template_name(page: Page, templates: list[Any], slug: str) -> str:
    found = next((item for item in templates if item.template == slug), None)
    return page.text(found.name_zh, found.name_en) if found else slug


def sent(body: bytes, content_type: str, headers: Any) -> Response[bytes]:
    return Response(body, media_type=content_type, headers={**HEADERS, **headers})
