"""Lists as files: what the page shows under the same search and filters, however long, and in the page's words."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

from litestar.response import Stream

from miyun.core.errors import NotFound
from miyun.core.listing import csv_table
from miyun.core.operation import Role
from miyun.edge.console.page import HEADERS, Page
from miyun.edge.console.pages import (
    access,
    acme,
    certificates,
    filing_batches,
    filings,
    logins,
    server_certificates,
    signers,
    usbkeys,
    verification,
)
from miyun.edge.console.pages.listing import WORDS, applications_of, asked, names_of

EXPORTS: Final = {
    "people": "account.person.export",
    "applications": "tenant.application.export",
    "bindings": "tenant.binding.export",
    "access-keys": "tenant.access_key.export",
    "credentials": "tenant.credential.export",
    "grants": "tenant.grant.export",
    "endpoints": "ssl_certificate.endpoint.export",
    "expiring": "certificate.expiring.export",
    "filings": "certificate.application.export",
    "filing-batches": "certificate.application.batch.export",
    "recoveries": "certificate.recovery.export",
    "evidence": "signature.evidence.list_export",
    "logins": "strong_auth.report.export",
    "accounts": "strong_auth.account.export",
    "usbkeys": "usbkey.key.export",
    "usbkey-approvals": "usbkey.approval.export",
    "compatibility": "usbkey.compatibility.export",
    "sessions": "strong_auth.session.export",
    "clients": "strong_auth.client.export",
    "signers": "signature.signer.export",
    "trust-lists": "certificate.trust.list.export",
    "trust-authorities": "certificate.trust.authority.export",
    "escrow": "certificate.escrow.export",
    "orders": "ssl_certificate.order.export",
    "external-keys": "ssl_certificate.external_key.export",
    "acme-accounts": "ssl_certificate.account.export",
    "acme-orders": "ssl_certificate.account.orders_export",
    "acme-authorizations": "ssl_certificate.account.authorizations_export",
}
Word = Callable[[str, Mapping[str, str]], str]  # of a cell, given the names of people and applications
CERTIFICATES: Final = "certificates"  # has a page of its own for it

_PERSON: Final = re.compile(r"usr_[0-9a-z]{26}")
_APPLICATION: Final = re.compile(r"app_[0-9a-z]{26}")
_AS_THEY_ARE: Final = frozenset(("编号", "Identifier", "Id"))
_STATE: Final = "状态"
_YES_OR_NO: Final = {"True": ("是", "yes"), "False": ("否", "no")}
_METHODS: Final = {name: (said, said) for name, said in logins.METHODS.items()} | {
    "mutual_tls": ("双向 TLS", "mutual TLS")
}
# list → heading of a column, in Chinese → what the page calls its values
_CALLED: Final[Mapping[str, Mapping[str, Mapping[str, tuple[str, ...]]]]] = {
    CERTIFICATES: {
        _STATE: WORDS,
        "用途": WORDS,
        "吊销原因": certificates.REASON_WORDS,
    },
    "people": {_STATE: WORDS},
    "applications": {_STATE: {"active": ("启用", "active"), "disabled": ("停用", "disabled")}},
    "access-keys": {_STATE: access.STATES},
    "credentials": {_STATE: access.STATES},
    "endpoints": {_STATE: server_certificates.OUTCOMES},
    "filings": {_STATE: filings.STATES, "类型": filings.KINDS},
    "filing-batches": {_STATE: filing_batches.STATES},
    "recoveries": {
        _STATE: filings.STATES | {"approved": filings.APPROVED_RECOVERY},
        "类型": {"user": ("用户恢复", "for its holder"), "judicial": ("司法恢复", "judicial")},
    },
    "evidence": {_STATE: verification.STATES, "格式": {kind: (kind.upper(),) * 2 for kind in ("cms", "pdf", "xml")}},
    "logins": {"结果": logins.OUTCOMES, "方式": _METHODS, "吊销检查": logins.KNOWN},
    "accounts": {_STATE: WORDS},
    "usbkeys": {_STATE: usbkeys.STATES},
    "usbkey-approvals": {_STATE: usbkeys.REQUESTS, "事项": usbkeys.KINDS},
    "sessions": {"方式": _METHODS},
    "clients": {_STATE: {**WORDS, "disabled": ("停用", "disabled")}, "协议": _METHODS},
    "signers": {_STATE: signers.STATES},
    "orders": {
        _STATE: server_certificates.STATES,
        "方式": {"acme": ("ACME", "ACME"), "paper": ("人工提交", "by hand")},
    },
    "acme-accounts": {_STATE: acme.STATES},
    "acme-orders": {_STATE: acme.STATES, "类型": acme.PROFILES},
    "acme-authorizations": {_STATE: acme.STATES},
}
# the same headings in English, as the rooms' columns have them
_HEADINGS: Final = {
    "State": _STATE,
    "Kind": "类型",
    "Format": "格式",
    "Profile": "类型",
    "What": "事项",
    "Way": "方式",
    "Usage": "用途",
    "Reason": "吊销原因",
    "Outcome": "结果",
    "Revocation": "吊销检查",
    "Protocol": "协议",
    "Application": "应用",
    "Service": "服务",
    "Template": "模板",
    "Roles": "角色",
    "May call": "可调用",
}


async def export(page: Page, listing: str) -> Any:
    if listing not in EXPORTS:
        raise NotFound("page", listing)
    operation = EXPORTS[listing]
    made = await page.run(operation, **asked(page, operation, format="csv"))
    return _sent(page, listing, made)


async def certificates_export(page: Page) -> Any:
    """As it is read from the register."""
    return _sent(page, CERTIFICATES, await page.run("certificate.export", format="csv", **certificates.asked_of(page)))


def _sent(page: Page, listing: str, made: Any) -> Any:
    chunks = _in_words(page, listing, made.chunks)
    return Stream(chunks, media_type=made.content_type, headers=HEADERS | dict(made.headers))


async def _in_words(page: Page, listing: str, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The file with states, services, templates, applications and people named as the page names them. A chunk is made
    of whole lines."""
    words: list[Word] = []
    async for chunk in chunks:
        rows = list(csv.reader(io.StringIO(chunk.decode("utf-8-sig"), newline="")))
        head = None
        if not words:
            head, rows = rows[0], rows[1:]
            words = await _words(page, listing, head)
        named = await _names(page, rows)
        yield csv_table(head, [[word(cell, named) for word, cell in zip(words, row, strict=True)] for row in rows])


async def _words(page: Page, listing: str, head: list[str]) -> list[Word]:
    """For each column: what its values are called. What is in none of the vocabularies stays as it is."""
    templates = await filings.templates_of(page) if {"模板", "Template"} & set(head) else []
    services = names_of(page)

    def of(title: str) -> Word:
        heading = _HEADINGS.get(title, title)
        known = _YES_OR_NO | dict(_CALLED.get(listing, {}).get(heading, {}))
        match heading:
            case _ if title in _AS_THEY_ARE:
                return lambda cell, named: cell
            case "服务":
                return lambda cell, named: services(cell)
            case "模板":
                return lambda cell, named: filings.template_name(page, templates, cell)
            case "可调用":
                return lambda cell, named: page.text("、", ", ").join(map(page.summary, cell.split()))
            case "角色":
                return lambda cell, named: page.text("、", ", ").join(page.role_name(Role(one)) for one in cell.split())
        return lambda cell, named: page.text(*known[cell][:2]) if cell in known else named.get(cell, cell)

    return [of(title) for title in head]


async def _names(page: Page, rows: list[list[str]]) -> dict[str, str]:
    """Of the people and applications whose identifiers are in these rows, as far as the reader may know them."""
    people = sorted({cell for row in rows for cell in row if _PERSON.fullmatch(cell)})
    found: dict[str, str] = {}
    for begin in range(0, len(people), 500):
        listed = await page.offered("account.person.list", people=people[begin : begin + 500], limit=500)
        for item in listed.items if listed is not None else ():
            found[item.person] = page.text(f"{item.name}（{item.login}）", f"{item.name} ({item.login})")
    if any(_APPLICATION.fullmatch(cell) for row in rows for cell in row):
        found |= await applications_of(page)
    return found
