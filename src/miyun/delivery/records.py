"""What was done of a contract, each step on a written paper (书面), by the party that owes it.

A paper is a sealed or signed one or its scan, with the way it was delivered and when it arrived; a click is none. Where
money is concerned (an invoice, a payment) the other party confirms, so that two people of two parties stand behind it.
Nothing is erased: a record is withdrawn by a further one, and all of them stay to be seen.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from miyun.core.contracts.model import Item
from miyun.core.i18n import Text
from miyun.core.operation import Role
from miyun.delivery.contract.model import Side

PAYMENT: Final = "payment"  # the kind of an instalment
TERM: Final = "term"


class Step(StrEnum):
    DONE = "done"  # what the item asks for
    INVOICE = "invoice"  # before an instalment, by the supplier
    CONFIRMATION = "confirmation"  # of the performance so far, by the client, before an instalment


class State(StrEnum):
    PENDING = "pending"  # waits for the other party's confirmation
    STANDS = "stands"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Act:
    """A confirmation or a withdrawal. `reason` of a withdrawal."""

    side: str
    principal: str
    name: str
    at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """`delivered_by`: a key of DELIVERY. `digest`: hex, of the scan. Days are those that are lived: in a rehearsal the
    shifted ones."""

    id: str
    tenant: str
    contract: str
    item: str
    step: Step
    side: str
    done_on: date
    paper: str
    delivered_by: str
    arrived_at: datetime
    amount: Decimal | None
    note: str
    media_type: str
    size: int
    digest: str
    principal: str
    name: str
    at: datetime
    money: bool
    confirmed: Act | None = None
    withdrawn: Act | None = None

    @property
    def state(self) -> State:
        if self.withdrawn is not None:
            return State.WITHDRAWN
        return State.PENDING if self.money and self.confirmed is None else State.STANDS


DELIVERY: Final[Mapping[str, Text]] = {
    "hand": Text("当面送达", "by hand"),
    "post": Text("邮寄", "by post"),
    "email": Text("电子邮件", "by e-mail"),
    "fax": Text("传真", "by fax"),
    "signing_platform": Text("电子签章平台", "by an electronic signing platform"),
}
STEPS: Final[Mapping[Step, Text]] = {
    Step.DONE: Text("完成", "done"),
    Step.INVOICE: Text("开具发票", "invoice"),
    Step.CONFIRMATION: Text("甲方确认", "client's confirmation"),
}
STATES: Final[Mapping[State, Text]] = {
    State.PENDING: Text("待对方确认", "waits for the other party"),
    State.STANDS: Text("有效", "stands"),
    State.WITHDRAWN: Text("已撤回", "withdrawn"),
}
SIDES: Final[Mapping[str, Text]] = {Side.CLIENT: Text("甲方", "client"), Side.SUPPLIER: Text("乙方", "supplier")}
EXTENSIONS: Final[Mapping[str, str]] = {
    "application/pdf": "pdf",
    "application/ofd": "ofd",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/tiff": "tif",
}


def side_of(role: Role) -> Side:
    """For whom a person acts."""
    return Side.CLIENT if role is Role.TENANT_SYSTEM else Side.SUPPLIER


def owed_by(item: Item, step: Step) -> Sequence[Side]:
    """Who may record the step; nobody when the item has no such step."""
    if item.kind == TERM or (step is not Step.DONE and item.kind != PAYMENT):
        return ()
    if step is Step.INVOICE:
        return (Side.SUPPLIER,)
    if step is Step.CONFIRMATION:
        return (Side.CLIENT,)
    who = Side(item.data["who"])
    return (Side.CLIENT, Side.SUPPLIER) if who is Side.BOTH else (who,)


def concerns_money(item: Item, step: Step) -> bool:
    return item.kind == PAYMENT and step is not Step.CONFIRMATION


def repeats(item: Item) -> bool:
    """Owed throughout the term: each time is a record of its own, and none of them ends the duty."""
    return bool(item.data.get("standing"))


def media_type_of(scan: bytes) -> str | None:
    """By its first octets; None for what is no picture of a paper. OFD is GB/T 33190."""
    for start, kind in (
        (b"%PDF-", "application/pdf"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"II*\x00", "image/tiff"),
        (b"MM\x00*", "image/tiff"),
    ):
        if scan.startswith(start):
            return kind
    if scan.startswith(b"PK\x03\x04"):
        try:
            with zipfile.ZipFile(io.BytesIO(scan)) as package:
                return "application/ofd" if "OFD.xml" in package.namelist() else None
        except zipfile.BadZipFile:
            return None
    return None
