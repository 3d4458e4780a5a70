"""From a contract that was read and confirmed to what `core.contracts` activates.

A rehearsal moves the term so that today lies in it; the document keeps the contractual dates, and everything that is
shown says which is which. Nothing is guessed: a line without offering or quantity stops the import and is named.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from miyun.core.catalogue import Offering
from miyun.core.contracts.model import ContractSpec, EntitlementSpec, ItemSpec, Overuse, Party, Term
from miyun.core.errors import MiyunError
from miyun.core.i18n import Text
from miyun.delivery.contract.model import Contract, ServiceLine, Side
from miyun.delivery.obligations import PASSING, Item, Rehearsal, Schedule, schedule


class ContractNotImportable(MiyunError):
    status = 409
    text = Text("合同不能导入：{what_zh}", "The contract cannot be imported: {what_en}")
    remedy = Text(
        "请补充附件或签订补充协议后再导入；平台不作猜测。",
        "Add the annex or a supplement and import again; nothing is guessed.",
    )

    def __init__(self, field: str, what: Text) -> None:
        super().__init__(field=field, what_zh=what.zh, what_en=what.en)


@dataclass(frozen=True, slots=True)
class Import:
    """`not_opened`: lines whose offering is not built yet; they are shown, and no instance is opened for them."""

    spec: ContractSpec
    schedule: Schedule
    not_opened: tuple[ServiceLine, ...]


def prepare(
    contract: Contract,
    checked: Mapping[str, Any],
    source: str,
    *,
    offerings: Mapping[str, Offering],
    today: date,
    rehearsal: bool,
    overuse: Overuse = Overuse.REFUSE,
) -> Import:
    """`checked`: the reader's JSON, kept as the document together with the text. Raises ContractNotImportable."""
    term = _term(contract)
    length = term.last - term.first
    effective = Term(today, today + length) if rehearsal else term
    moved = Rehearsal((effective.first - term.first).days) if rehearsal else None
    plan_of = schedule(contract, today, rehearsal=moved)
    entitlements: list[EntitlementSpec] = []
    not_opened: list[ServiceLine] = []
    for line in contract.services:
        offering = offerings.get(line.offering or "")
        if offering is None:
            raise ContractNotImportable(
                line.clause, Text(f"看不出“{line.name}”是哪项服务", f"'{line.name}' names no service that is known")
            )
        if offering.state != "available":
            not_opened.append(line)
            continue
        entitlements.append(_entitlement(line, offering, overuse))
    if not entitlements:
        raise ContractNotImportable(
            "services", Text("没有可以开通的服务", "none of its services can be opened on this platform")
        )
    client = contract.party(Side.CLIENT)
    if client is None:
        raise ContractNotImportable("parties", Text("没有写明甲方", "it names no client"))
    document = {**checked, "source": source}
    spec = ContractSpec(
        number="",
        title=contract.title.value if contract.title else client.name.value,
        document=json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode(),
        parties=[
            Party(p.side.value, p.name.value, {name: cited.value for name, cited in p.fields.items()})
            for p in contract.parties
        ],
        tenant_name=client.name.value,
        term=term,
        effective=effective,
        entitlements=entitlements,
        items=[_item(entry) for entry in plan_of.items],
        rehearsal=rehearsal,
    )
    return Import(spec, plan_of, tuple(not_opened))


def _term(contract: Contract) -> Term:
    start = contract.term.start or contract.signed_on
    if start is None or contract.term.end is None:
        raise ContractNotImportable("term", Text("服务期的起止不明", "its term has no beginning or no end"))
    if contract.term.end.value < start.value:
        raise ContractNotImportable("term", Text("服务期止早于起", "its term ends before it begins"))
    return Term(start.value, contract.term.end.value)


def _entitlement(line: ServiceLine, offering: Offering, overuse: Overuse) -> EntitlementSpec:
    if line.quantity is None or line.quantity != int(line.quantity) or line.quantity < 1:
        raise ContractNotImportable(
            line.clause, Text(f"“{line.name}”的数量不明", f"the quantity of '{line.name}' is not a whole number")
        )
    plan = offering.plans[0]
    capacity = dict(plan.hourly_capacity)
    if line.capacity is not None:
        capacity = dict.fromkeys(capacity, line.capacity.per_licence)
    return EntitlementSpec(
        offering=offering.slug,
        plan=plan.slug,
        quantity=int(line.quantity),
        hourly_capacity=capacity,
        overuse=overuse,
        counts_bindings=offering.slug == "onboarding",
        clause=line.clause,
    )


def _item(entry: Item) -> ItemSpec:
    data = {
        "key": entry.key,
        "who": entry.who.value,
        "what": entry.title.zh,
        "what_en": entry.title.en,
        "clause": entry.clause,
        "quote": entry.quote,
        "contractual_date": entry.contractual_date.isoformat() if entry.contractual_date else None,
        "provisional": entry.provisional,
        "amount": str(entry.amount) if entry.amount is not None else None,
        "gates": list(entry.gates),
        "standing": entry.standing,
        "passes": entry.kind in PASSING,
    }
    return ItemSpec(kind=entry.kind, data=data, due=entry.rehearsal_date or entry.contractual_date)
