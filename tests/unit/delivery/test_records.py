"""Steps of a contract recorded on written papers: by whom, with what, confirmed, withdrawn, and what becomes due."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import zipfile
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.standin import HandClock, call_of, database_in
from tests.unit.core.neighbours import spec as contract_spec

from miyun.core.contracts.model import Contract, ContractState, Item, ItemSpec, ItemState
from miyun.core.contracts.store import ContractStore
from miyun.core.errors import Conflict, InvalidArgument, NotFound, PermissionDenied
from miyun.core.ids import new_id
from miyun.core.operation import Call, Role
from miyun.core.tenancy.model import Tenant
from miyun.delivery import messages as m
from miyun.delivery.recording import PerformanceService
from miyun.delivery.records import media_type_of
from miyun.delivery.store import RecordStore
from miyun.gm import sm3

PDF = b"%PDF-1.7\nscan of a sealed paper"
ITEMS = {
    "payment": ItemSpec("payment", {"who": "client", "amount": "37590.85", "what": "支付中期款"}, date(2026, 2, 1)),
    "request": ItemSpec("acceptance_request", {"who": "supplier", "what": "提交验收申请"}, date(2026, 6, 1)),
    "change": ItemSpec("change_written", {"who": "both", "what": "书面变更"}),
    "training": ItemSpec("training", {"who": "supplier", "what": "培训", "standing": True}),
    "term": ItemSpec("term", {"who": "both", "what": "服务期届满"}, date(2026, 12, 31)),
}


@dataclass
class Desk:
    service: PerformanceService
    contracts: ContractStore
    clock: HandClock
    contract: str
    items: dict[str, str]

    def call(self, role: Role, who: str = "") -> Call:
        call = call_of("ten_1", self.clock, role=role)
        return dataclasses.replace(call, principal=dataclasses.replace(call.principal, id=who or f"pri_{role}"))

    def record(self, role: Role, item: str, step: str = "done", **changes: Any) -> m.RecordView:
        values: dict[str, Any] = {
            "done_on": self.clock.now().date(),
            "paper": "验收申请〔2026〕3号（盖章）",
            "delivered_by": "post",
            "arrived_at": self.clock.now() - timedelta(hours=1),
            "scan": PDF,
        } | changes
        request = m.PaperRequest(contract=self.contract, item=self.items[item], step=step, **values)  # type: ignore[arg-type]
        return asyncio.run(self.service.record(self.call(role), request))

    def confirm(self, role: Role, record: str, who: str = "") -> m.RecordView:
        return asyncio.run(
            self.service.confirm(self.call(role, who), m.RecordName(contract=self.contract, record=record))
        )

    def withdraw(self, role: Role, record: str) -> m.RecordView:
        request = m.WithdrawRequest(contract=self.contract, record=record, reason="登记有误")
        return asyncio.run(self.service.withdraw(self.call(role), request))

    def listed(self) -> list[m.RecordView]:
        request = m.ContractName(contract=self.contract)
        return asyncio.run(self.service.list_records(self.call(CLIENT), request)).items

    def state(self, item: str) -> ItemState:
        return next(i.state for i in self.contracts.list_items(self.contract) if i.id == self.items[item])


CLIENT, SUPPLIER = Role.TENANT_SYSTEM, Role.SUPPLIER_STAFF


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    database = database_in(tmp_path)
    contracts, clock = ContractStore(database), HandClock()
    bought = contract_spec()
    contract = Contract(
        id="con_1",
        tenant="ten_1",
        number="1",
        title=bought.title,
        digest="00",
        document=b"{}",
        parties=tuple(bought.parties),
        term=bought.term,
        effective=bought.effective,
        rehearsal=False,
        state=ContractState.ACTIVE,
        created_at=clock.now(),
    )
    items = {
        name: Item(new_id("itm"), contract.id, item.kind, item.data, item.due, ItemState.OPEN, clock.now())
        for name, item in ITEMS.items()
    }
    tenant = Tenant("ten_1", "t1", "甲方", "active", clock.now())
    assert contracts.activate(tenant=tenant, contract=contract, opened=(), items_=list(items.values()))
    service = PerformanceService(contracts=contracts, store=RecordStore(database))
    return Desk(service, contracts, clock, contract.id, {name: item.id for name, item in items.items()})


def test_a_duty_done_on_a_paper_is_done(desk: Desk) -> None:
    made = desk.record(SUPPLIER, "request")
    assert (made.state, made.media_type, made.size) == ("stands", "application/pdf", len(PDF))
    assert made.digest == sm3.digest(PDF).hex()
    assert desk.state("request") is ItemState.DONE
    name = m.RecordName(contract=desk.contract, record=made.record)
    reply = asyncio.run(desk.service.scan(desk.call(CLIENT), name))
    assert reply.body == PDF and reply.content_type == "application/pdf"


def test_a_payment_is_done_when_the_payee_confirmed_it(desk: Desk) -> None:
    made = desk.record(CLIENT, "payment", amount="37590.85")
    assert made.state == "pending" and not made.differs and desk.state("payment") is ItemState.OPEN
    with pytest.raises(PermissionDenied):
        desk.confirm(CLIENT, made.record, "pri_another")  # the payer's own colleague
    confirmed = desk.confirm(SUPPLIER, made.record)
    assert confirmed.state == "stands" and confirmed.confirmed is not None and confirmed.confirmed.side == "supplier"
    assert desk.state("payment") is ItemState.DONE
    with pytest.raises(Conflict):
        desk.confirm(SUPPLIER, made.record)


def test_nobody_confirms_his_own_record_even_with_two_roles(desk: Desk) -> None:
    made = desk.record(CLIENT, "payment", amount="1")
    with pytest.raises(PermissionDenied):
        desk.confirm(SUPPLIER, made.record, f"pri_{CLIENT}")


def test_what_precedes_a_payment_does_not_make_it_paid(desk: Desk) -> None:
    invoice = desk.record(SUPPLIER, "payment", "invoice", amount="37590.85")
    desk.confirm(CLIENT, invoice.record)
    assert desk.record(CLIENT, "payment", "confirmation").state == "stands"
    assert desk.state("payment") is ItemState.OPEN


@pytest.mark.parametrize(
    ("role", "item", "step"),
    [
        (SUPPLIER, "payment", "done"),
        (CLIENT, "payment", "invoice"),
        (SUPPLIER, "payment", "confirmation"),
        (CLIENT, "request", "done"),
        (CLIENT, "training", "done"),
    ],
)
def test_only_the_party_that_owes_a_step_records_it(desk: Desk, role: Role, item: str, step: str) -> None:
    with pytest.raises(PermissionDenied):
        desk.record(role, item, step, amount="1" if item == "payment" and step != "confirmation" else None)
    assert desk.listed() == []


def test_either_party_records_what_both_owe(desk: Desk) -> None:
    assert desk.record(CLIENT, "change").side == "client"


def test_a_withdrawn_record_stays_and_the_item_is_open_again(desk: Desk) -> None:
    made = desk.record(SUPPLIER, "request")
    with pytest.raises(PermissionDenied):
        desk.withdraw(CLIENT, made.record)  # what stands is its own party's to withdraw
    gone = desk.withdraw(SUPPLIER, made.record)
    assert gone.state == "withdrawn" and gone.withdrawn is not None and gone.withdrawn.reason == "登记有误"
    assert desk.state("request") is ItemState.OPEN
    with pytest.raises(Conflict):
        desk.withdraw(SUPPLIER, made.record)
    again = desk.record(SUPPLIER, "request")
    assert [(r.record, r.state) for r in desk.listed()] == [(made.record, "withdrawn"), (again.record, "stands")]
    assert desk.state("request") is ItemState.DONE


def test_a_payment_withdrawn_after_its_confirmation_is_open(desk: Desk) -> None:
    made = desk.record(CLIENT, "payment", amount="5")
    desk.confirm(SUPPLIER, made.record)
    desk.withdraw(CLIENT, made.record)
    assert desk.state("payment") is ItemState.OPEN
    with pytest.raises(Conflict):
        desk.confirm(SUPPLIER, made.record)


def test_the_other_party_refuses_a_payment_it_does_not_see(desk: Desk) -> None:
    made = desk.record(CLIENT, "payment", amount="5")
    assert desk.withdraw(SUPPLIER, made.record).state == "withdrawn"


def test_a_step_is_recorded_once_while_it_stands(desk: Desk) -> None:
    desk.record(CLIENT, "payment", amount="5")
    with pytest.raises(Conflict):
        desk.record(CLIENT, "payment", amount="5")
    desk.record(SUPPLIER, "payment", "invoice", amount="5")


def test_a_standing_duty_is_recorded_each_time_and_never_ends(desk: Desk) -> None:
    desk.record(SUPPLIER, "training")
    desk.record(SUPPLIER, "training")
    assert len(desk.listed()) == 2 and desk.state("training") is ItemState.OPEN


def test_a_sum_other_than_the_clauses_is_recorded_and_shown(desk: Desk) -> None:
    made = desk.record(CLIENT, "payment", amount="37591.00")
    assert made.differs and made.contractual_amount == "37590.85"


@pytest.mark.parametrize(
    ("field", "item", "changes"),
    [
        ("scan", "request", {"scan": b"I clicked"}),
        ("scan", "request", {"scan": b"PK\x03\x04 is no OFD"}),
        ("done_on", "request", {"done_on": date(2030, 1, 1)}),
        ("arrived_at", "request", {"arrived_at": datetime(2030, 1, 1, tzinfo=UTC)}),
        ("amount", "request", {"amount": "5"}),
        ("amount", "payment", {}),
        ("step", "request", {"step": "invoice"}),
        ("step", "term", {}),
    ],
)
def test_what_is_no_written_proof_is_refused(desk: Desk, field: str, item: str, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument) as refused:
        desk.record(CLIENT if item == "payment" else SUPPLIER, item, **changes)
    assert refused.value.field == field and desk.listed() == []


def test_the_day_is_todays_in_shanghai(desk: Desk) -> None:
    desk.clock.at = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)  # 01:00 of the 3rd
    assert desk.record(SUPPLIER, "request", done_on=date(2026, 3, 3)).done_on == date(2026, 3, 3)


def test_records_of_another_contract_are_not_found(desk: Desk) -> None:
    made = desk.record(SUPPLIER, "request")
    for name in (m.RecordName(contract="con_2", record=made.record), m.RecordName(contract="con_1", record="rec_2")):
        with pytest.raises(NotFound):
            asyncio.run(desk.service.scan(desk.call(CLIENT), name))


def test_pictures_of_papers_are_known_by_their_octets() -> None:
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as written:
        written.writestr("OFD.xml", "<ofd:OFD/>")
    assert media_type_of(package.getvalue()) == "application/ofd"
    assert media_type_of(b"\xff\xd8\xff\xe0") == "image/jpeg"
    assert media_type_of(b"\x89PNG\r\n\x1a\n") == "image/png"
    assert media_type_of(b"II*\x00") == media_type_of(b"MM\x00*") == "image/tiff"
    assert media_type_of(b"<html>") is None
