"""What the contract makes due, and the papers that show what was done of it."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any, Final

from litestar.response import Response

from miyun.core.clock import SHANGHAI
from miyun.core.errors import InvalidArgument
from miyun.core.i18n import Text
from miyun.delivery.records import DELIVERY, PAYMENT, SIDES, STATES, STEPS, State, Step, owed_by, side_of
from miyun.edge.console.page import Page
from miyun.edge.console.pages.listing import Answer

_HERE: Final = "/console/performance"
_TAGS: Final = {State.STANDS: "ok", State.PENDING: "warn", State.WITHDRAWN: "plain"}
_OWED_BY: Final = {**SIDES, "both": Text("双方", "both")}


async def performance(page: Page) -> Answer:
    contracts = []
    for contract in (await page.run("contract.list")).items:
        items = (await page.run("contract.item.list", contract=contract.contract)).items
        records = (await page.run("performance.list", contract=contract.contract)).items
        contracts.append(
            {
                "contract": contract,
                "items": sorted(items, key=lambda item: (item.due is None, item.due, item.data.get("clause", ""))),
                "records": records,
                "steps": _own_steps(page, items),
            }
        )
    assert page.me is not None
    return page.render(
        "performance.html",
        contracts=contracts,
        delivery=DELIVERY,
        step_names=STEPS,
        sides=_OWED_BY,
        tags=_TAGS,
        states=STATES,
        own=side_of(page.me.role),
    )


async def record(page: Page) -> Answer:
    item, _, step = page.form.get("what", "").partition(" ")
    name, scan = page.files.get("scan", ("", b""))
    arrived = page.form.get("arrived_at", "")
    try:
        arrived_at = datetime.fromisoformat(arrived).replace(tzinfo=SHANGHAI)
    except ValueError as error:
        raise InvalidArgument("arrived_at", Text("日期时间无效", "it is not a date and time")) from error
    values: dict[str, Any] = {"amount": amount} if (amount := page.form.get("amount", "").strip()) else {}
    await page.run(
        "performance.record",
        contract=page.form.get("contract", ""),
        item=item,
        step=step,
        done_on=page.form.get("done_on", ""),
        paper=page.form.get("paper", "") or name,
        delivered_by=page.form.get("delivered_by", ""),
        arrived_at=arrived_at,
        scan=base64.b64encode(scan).decode(),
        **values,
    )
    return page.go(_HERE)


async def confirm(page: Page) -> Answer:
    await page.run("performance.confirm", **_named(page))
    return page.go(_HERE)


async def withdraw(page: Page) -> Answer:
    await page.run("performance.withdraw", **_named(page), reason=page.form.get("reason", ""))
    return page.go(_HERE)


async def scan(page: Page, contract: str, record: str) -> Answer:
    reply = await page.run("performance.scan", contract=contract, record=record)
    return Response(reply.body, media_type=reply.content_type, headers=dict(reply.headers))


def _named(page: Page) -> dict[str, str]:
    return {name: page.form.get(name, "") for name in ("contract", "record")}


def _own_steps(page: Page, items: list[Any]) -> list[tuple[Any, Step]]:
    """What the reader's own party may record."""
    if not page.may("performance.record"):
        return []
    assert page.me is not None
    side = side_of(page.me.role)
    return [
        (item, step)
        for item in items
        for step in (Step if item.kind == PAYMENT else (Step.DONE,))
        if side in owed_by(item, step) and item.state == "open"
    ]
