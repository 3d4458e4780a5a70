"""Signed files: verified with every reason, and kept as evidence."""

from __future__ import annotations

import base64
from typing import Any, Final

from litestar.response import Response

from miyun.core.errors import InvalidArgument
from miyun.core.i18n import Text
from miyun.edge.console.page import Page
from miyun.edge.console.pages.listing import Answer, Row, asked, shown, table, word

_EVIDENCE: Final = "/console/evidence"
LEVELS: Final = (
    ("revocation", "证书链与吊销状态", "Chain and revocation"),
    ("ocsp", "证书链与在线状态（OCSP）", "Chain and online status (OCSP)"),
    ("chain", "仅证书链", "Chain only"),
    ("time", "仅有效期", "Validity only"),
)
_COVERS: Final = {
    "file": ("整个文件", "the whole file"),
    "revision": ("其时的版本", "the revision of its time"),
    "none": ("不完整", "not the file"),
}
STATES: Final = {"waiting": ("待盖时间戳", "waiting", "warn"), "sealed": ("已固定", "sealed", "ok")}


async def verification(page: Page) -> Answer:
    return page.render("verification.html", **await _choices(page), result=None)


async def verify(page: Page) -> Answer:
    name, signed = page.files.get("signed", ("", b""))
    _, content = page.files.get("content", ("", b""))
    if not signed:
        raise InvalidArgument("signed", Text("请选择文件", "choose a file"))
    chosen = page.form.get("list", "")
    common: dict[str, Any] = {"level": page.form.get("level", "revocation"), "lists": [chosen] if chosen else []}
    kind = _kind(signed)
    data = base64.b64encode(signed).decode()
    apart = {"content": base64.b64encode(content).decode()} if content else {}
    if kind == "pdf":
        answer = await page.run("signature.pdf.verify", pdf=data, **common)
        parts = [_pdf_part(page, item) for item in answer.signatures]
    elif kind == "xml":
        answer = await page.run("signature.xml.verify", xml=data, **apart, **common)
        parts = [_xml_part(page, answer)] if answer.subject else []
    else:
        answer = await page.run("signature.cms.verify", cms=data, **apart, **common)
        parts = [_signer_part(page, item, item.valid, item.reasons, ()) for item in answer.signers]
    reasons = [] if parts and kind == "xml" else answer.reasons
    result = {"name": name, "valid": answer.valid, "reasons": reasons, "parts": parts}
    return page.render("verification.html", **await _choices(page), result=result)


async def _choices(page: Page) -> dict[str, Any]:
    lists = await page.offered("certificate.trust.list.list", limit=100)
    names = [item.name for item in lists.items if not item.own] if lists is not None else []
    return {"levels": LEVELS, "lists": names}


def _kind(octets: bytes) -> str:
    """By its first octets: what a browser says of a file is what its name says."""
    start = octets.lstrip(b"\xef\xbb\xbf \t\r\n")[:5]
    if b"%PDF" in octets[:1024]:
        return "pdf"
    return "xml" if start[:1] == b"<" or octets[:2] in (b"\xff\xfe", b"\xfe\xff") else "cms"


def _signer_part(page: Page, signer: Any, valid: bool, reasons: Any, before: tuple[Any, ...]) -> dict[str, Any]:
    t = page.text
    facts = [*before]
    if signer is not None:
        facts += [
            (t("签名者", "Signer"), signer.subject),
            (t("序列号", "Serial"), signer.serial),
            (t("算法", "Algorithm"), signer.algorithm),
            (t("声称的签名时间", "Claimed signing time"), shown(signer.signing_time)),
            (t("证书判定时间", "Certificate judged at"), shown(signer.judged_at)),
            (t("证书链", "Chain"), " ← ".join(signer.chain) or "—"),
            (t("吊销状态", "Revocation"), _status(page, signer.revocation)),
        ]
        if signer.timestamp is not None:
            facts += _timestamp(page, signer.timestamp)
    return {"valid": valid, "reasons": reasons, "facts": facts}


def _pdf_part(page: Page, item: Any) -> dict[str, Any]:
    t = page.text
    before = (
        (t("签名域", "Field"), item.field),
        (t("格式", "Format"), item.format or "—"),
        (t("覆盖范围", "Covers"), t(*_COVERS[item.covers])),
        *(_timestamp(page, item.timestamp) if item.timestamp is not None else ()),
    )
    return _signer_part(page, item.signer, item.valid, item.reasons, before)


def _xml_part(page: Page, answer: Any) -> dict[str, Any]:
    t = page.text
    facts = [
        (t("签名者", "Signer"), answer.subject),
        (t("序列号", "Serial"), answer.serial),
        (t("算法", "Algorithm"), answer.method),
        (t("证书判定时间", "Certificate judged at"), shown(answer.judged_at)),
        (t("证书链", "Chain"), " ← ".join(answer.chain) or "—"),
        (t("吊销状态", "Revocation"), _status(page, answer.revocation)),
    ]
    return {"valid": answer.valid, "reasons": answer.reasons, "facts": facts}


def _timestamp(page: Page, stamp: Any) -> list[tuple[str, str]]:
    t = page.text
    said = t("有效", "valid") if stamp.valid else t("无效", "not valid")
    return [(t("时间戳", "Time-stamp"), f"{shown(stamp.time)} · {stamp.authority} · {said}")]


def _status(page: Page, status: str) -> str:
    words = {
        "good": ("未吊销", "not revoked"),
        "revoked": ("已吊销", "revoked"),
        "unknown": ("未知", "unknown"),
        "stale": ("信息已过期", "out of date"),
        "unchecked": ("未查", "not asked"),
    }
    return page.text(*words[status])


async def evidence(page: Page) -> Answer:
    listed = await page.run("signature.evidence.list", **asked(page, "signature.evidence.list"))
    t = page.text
    rows = []
    for item in listed.items:
        zh, en, tag = STATES[item.state]
        cells = (item.name, item.kind.upper(), item.signers, t(zh, en), shown(item.kept_at), shown(item.sealed_at))
        rows.append(Row(cells, f"{_EVIDENCE}/{item.evidence}", tag, 3))
    return table(
        page,
        t("签名证据", "Signature evidence"),
        template="evidence.html",
        search=t("名称或签名者", "Name or signer"),
        sorts=(
            ("-kept_at", "留存时间，新的在前", "kept, newest first"),
            ("kept_at", "留存时间，旧的在前", "kept, oldest first"),
            ("name", "名称", "name"),
        ),
        export="evidence",
        caption=t("连同验证资料留存，时间戳到期前续盖", "Kept with what verifies it; time-stamps are renewed"),
        columns=(
            t("名称", "Name"),
            t("格式", "Format"),
            t("签名者", "Signers"),
            t("状态", "State"),
            t("留存", "Kept"),
            t("固定", "Sealed"),
        ),
        rows=rows,
        empty=t(
            "尚无证据。应用以 signature.evidence.keep 留存已签名的文件，也可在上方上传。",
            "No evidence yet. Applications keep signed files by signature.evidence.keep; you may upload one above.",
        ),
        cursor=listed.next_cursor,
    )


async def keep(page: Page) -> Answer:
    name, signed = page.files.get("signed", ("", b""))
    _, content = page.files.get("content", ("", b""))
    apart = {"content": base64.b64encode(content).decode()} if content else {}
    kept = await page.run(
        "signature.evidence.keep",
        name=page.form.get("name", "") or name,
        signed=base64.b64encode(signed).decode(),
        kind=_kind(signed),
        **apart,
    )
    return page.go(f"{_EVIDENCE}/{kept.evidence}")


async def evidence_one(page: Page, evidence: str) -> Answer:
    detail = await page.run("signature.evidence.get", evidence=evidence)
    item, t = detail.evidence, page.text
    zh, en, _ = STATES[item.state]
    facts = [
        (t("标识", "Identifier"), item.evidence),
        (t("状态", "State"), t(zh, en)),
        (t("签名者", "Signers"), item.signers or "—"),
        (t("文件", "Files"), ", ".join(detail.files)),
        ("SM3", item.fingerprint_sm3),
        (t("签名时间（时间戳）", "Signed (time-stamp)"), shown(item.proven_at)),
        (t("留存", "Kept"), shown(item.kept_at)),
        (t("下次续盖", "Renewed next"), shown(detail.renew_at)),
    ]
    if detail.problem:
        facts.append((t("续盖失败原因", "Renewal failed"), detail.problem))
    stamps = [
        (stamp.chain, stamp.hash, shown(stamp.time), stamp.authority, shown(stamp.ends)) for stamp in detail.timestamps
    ]
    return page.render(
        "evidence_one.html",
        title=item.name,
        evidence=item.evidence,
        facts=facts,
        stamps=stamps,
        state=word(page, item.state),
    )


async def evidence_file(page: Page, evidence: str) -> Answer:
    reply = await page.run("signature.evidence.export", evidence=evidence)
    return Response(reply.body, media_type=reply.content_type, headers=dict(reply.headers))
