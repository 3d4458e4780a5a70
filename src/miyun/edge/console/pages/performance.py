"""Contract, use and dossier."""

from __future__ import annotations

import json
from typing import Any, Final

from litestar.response import Response

from miyun.edge.console.page import Page
from miyun.edge.console.pages.listing import Answer, names_of

_SEVERITIES: Final = (
    ("error", "错误", "errors", "risk"),
    ("warning", "警告", "warnings", "warn"),
    ("info", "提示", "notes", "plain"),
)


async def overview(page: Page) -> Answer:
    overviews, contracts = [], []
    listed = await page.offered("contract.list") if page.me and (page.me.tenant or page.entered) else None
    if listed is not None:
        overviews = [await page.run("contract.overview", contract=c.contract) for c in listed.items]
    every = await page.offered("contract.list_all")
    if every is not None:
        contracts = every.items
    states = {
        "active": page.text("履行中", "active"),
        "ended": page.text("服务期满", "ended"),
        "draft": page.text("草稿", "draft"),
        "exit_closed": page.text("已退出", "exit closed"),
    }
    return page.render("overview.html", overviews=overviews, contracts=contracts, states=states, name_of=names_of(page))


async def contract(page: Page) -> Answer:
    listed = await page.run("contract.list")
    if not listed.items:
        return page.render("contract.html", lines=[], findings=[], payments=[], severities=_SEVERITIES)
    first = listed.items[0]
    document = (await page.run("contract.document", contract=first.contract)).document
    if isinstance(document, (str, bytes)):
        document = json.loads(document)
    findings = document["findings"]
    return page.render(
        "contract.html",
        lines=_marked(document["source"], findings),
        findings=findings,
        payments=document["contract"].get("payments", []),
        severities=_SEVERITIES,
    )


def _marked(source: str, findings: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Lines of the text; those a finding quotes bear its severity, and the finding gets the line's number."""
    lines = [{"text": text, "mark": ""} for text in source.splitlines()]
    for finding in reversed(findings):  # the gravest come first in the list, and here last: their mark stays
        quote = "".join(str(finding.get("quote") or "").split())
        for number, line in enumerate(lines, 1):
            bare = "".join(line["text"].split())
            if len(quote) >= 4 and len(bare) >= 4 and (quote in bare or bare in quote):
                line["mark"] = "error" if finding["severity"] == "error" else "warning"
                finding.setdefault("line", number)
    return lines


async def dossier(page: Page) -> Answer:
    listed = await page.run("delivery.dossier.list")
    return page.render("dossier.html", dossiers=listed.items)


async def dossier_build(page: Page) -> Answer:
    await page.run("delivery.dossier.build", contract=page.form.get("contract", ""))
    return page.go("/console/dossier")


async def dossier_file(page: Page, contract: str, path: str) -> Answer:
    reply = await page.run("delivery.dossier.file", contract=contract, path=path.lstrip("/"))
    headers = {"content-disposition": "attachment", "x-content-type-options": "nosniff", **reply.headers}
    return Response(reply.body, media_type=reply.content_type, headers=headers)
