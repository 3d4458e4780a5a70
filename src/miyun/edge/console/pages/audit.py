"""The ledger with its proofs."""

from __future__ import annotations

import base64
import json

from markupsafe import Markup

from miyun.core.ledger.chain import leaf_hash
from miyun.core.ledger.merkle import verify_inclusion
from miyun.edge.console.page import Page
from miyun.edge.console.pages.listing import (
    Answer,
    Choice,
    Row,
    asked,
    names_of,
    people_of,
    shown,
    table,
    tag_of,
    word,
)


async def ledger(page: Page) -> Answer:
    return await _records(page, "audit.records", "/console/ledger", page.text("账本", "Ledger"))


async def platform_ledger(page: Page) -> Answer:
    return await _records(
        page, "audit.all_records", "/console/platform-ledger", page.text("平台账本", "Platform ledger")
    )


async def _records(page: Page, operation: str, path: str, heading: str) -> Answer:
    listed = await page.run(operation, **asked(page, operation))
    t = page.text
    people = await people_of(page, (r.principal for r in listed.items))
    instances = await page.offered("contract.instance.list")
    services = names_of(page)
    rows = [
        Row(
            (
                r.seq,
                shown(r.at),
                Markup('{}<br><code class="muted">{}</code>').format(page.summary(r.operation), r.operation),
                word(page, r.outcome),
                r.code,
                people.get(r.principal, r.principal),
                r.units or "",
            ),
            f"{path}/{r.seq}",
            tag_of(r.outcome),
            3,
        )
        for r in listed.items
    ]
    operations = sorted((page.summary(name), name) for name in page.registry.operations)
    return table(
        page,
        heading,
        caption=t(
            "只追加、哈希链、默克尔锚定；点击序号查看证明",
            "Append-only, chained, anchored; follow a number to its proof",
        ),
        columns=(
            t("序号", "No."),
            t("时间", "Time"),
            t("操作", "Operation"),
            t("结果", "Outcome"),
            t("错误码", "Code"),
            t("主体", "Principal"),
            t("计量", "Units"),
        ),
        rows=rows,
        empty=t("尚无记录", "No records yet"),
        cursor=listed.next_cursor,
        filters=(
            Choice("operation", t("操作", "Operation"), [(name, said) for said, name in operations]),
            *(
                (
                    Choice(
                        "instance",
                        t("服务", "Service"),
                        [(item.instance, services(item.offering)) for item in instances.items],
                    ),
                )
                if instances is not None and instances.items
                else ()
            ),
        ),
    )


async def proof(page: Page, seq: str) -> Answer:
    return await _proof(page, "audit.proof", seq)


async def platform_proof(page: Page, seq: str) -> Answer:
    return await _proof(page, "audit.any_proof", seq)


async def _proof(page: Page, operation: str, seq: str) -> Answer:
    found = await page.run(operation, seq=seq)
    raw = found.record if isinstance(found.record, bytes) else base64.b64decode(found.record)
    leaf = leaf_hash(raw)
    path = [bytes.fromhex(step) for step in found.path]
    holds = verify_inclusion(leaf, found.seq, found.size, path, bytes.fromhex(found.root))
    text = json.dumps(json.loads(raw), ensure_ascii=False, indent=1)
    return page.render("proof.html", proof=found, holds=holds, record=text, leaf=leaf.hex())
