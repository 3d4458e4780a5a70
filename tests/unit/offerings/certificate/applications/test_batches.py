"""Many applications handed in together: one review, a verdict and a certificate for each row."""

from __future__ import annotations

import asyncio
import base64
import csv
import io
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.applicants import Holder, Office
from tests.rooms import Rooms

from miyun.core.errors import InvalidArgument, NotFound
from miyun.core.operation import Call, Role
from miyun.offerings.certificate.applications.batches import operations
from miyun.offerings.certificate.applications.batches.messages import ApplyRow, Rejection
from miyun.offerings.certificate.applications.batches.store import BatchStore
from miyun.offerings.certificate.applications.batches.table import rows_of
from miyun.offerings.certificate.applications.errors import (
    ApplicationStateConflict,
    BatchChanged,
    SecondPersonNeeded,
)
from miyun.offerings.certificate.applications.fulfilment import Fulfilment
from miyun.offerings.certificate.applications.model import LEASE
from miyun.wire.x509 import parse_certificate

pytestmark = pytest.mark.anyio
EVER = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
BAD = "-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n"


class Killed(BaseException):
    """As by SIGKILL: nobody cleans up."""


class Desk(Office):
    async def batch(self, operation: str, call: Call, **request: Any) -> Any:
        found = next(item for item in operations.OPERATIONS if item.id == f"certificate.application.batch.{operation}")
        return await found.handler(self.rooms.certificate, call, found.request(**request))

    async def hand_in(self, holders: list[Holder], **more: Any) -> Any:
        rows = [ApplyRow(csr=holder.csr(), reference=holder.name) for holder in holders]
        values = {"template": "person", "rows": rows, "pair": "escrow", **more}
        return await self.batch("apply", self.call("dev", Role.TENANT_DEVELOPER), **values)

    async def review(self, batch: str, approve: int, *, who: str = "sec", **more: Any) -> Any:
        return await self.batch("review", self.call(who), batch=batch, approve=approve, **more)

    async def results(self, batch: str) -> list[dict[str, str]]:
        made = await self.batch("results", self.call("dev", Role.TENANT_DEVELOPER), batch=batch, format="csv")
        text = b"".join([chunk async for chunk in made.chunks]).decode("utf-8-sig")
        return list(csv.DictReader(io.StringIO(text)))

    def certificates(self) -> list[Any]:
        return self.rooms.certificate.issued_between("ten_a", *EVER)


@pytest.fixture
def desk(rooms: Rooms) -> Desk:
    return Desk(rooms)


def people(count: int) -> list[Holder]:
    return [Holder(f"某人{number:02}") for number in range(count)]


async def test_a_batch_is_reviewed_by_row_and_issued(desk: Desk) -> None:
    holders = people(5)
    handed = await desk.hand_in(holders)
    assert handed.batch.rows == 5 and [row.reference for row in handed.rows] == [one.name for one in holders]
    out = Rejection(handed.rows[2].application, "已离职")
    answer = await desk.review(handed.batch.batch, 4, reject=[out], note="核对名册")
    assert [row.state for row in answer.rows] == ["issued", "issued", "rejected", "issued", "issued"]
    assert answer.batch.state == "done" and answer.batch.counts == {"issued": 4, "rejected": 1}
    assert answer.batch.reviewer == "sec" and len(desk.certificates()) == 8
    rows = await desk.results(handed.batch.batch)
    assert [row["编号"] for row in rows] == [one.name for one in holders]
    assert rows[2]["审核意见"] == "已离职" and not rows[2]["证书序列号"]
    signing = parse_certificate(base64.b64decode(rows[0]["签名证书（DER，Base64）"]))
    assert signing.subject.get("CN") == "某人00" and signing.spki_der == holders[0].spki
    assert holders[0].open(base64.b64decode(rows[0]["加密密钥信封（Base64）"])), "only its holder opens it"
    recorded = list(desk.rooms.ledger.operations())
    assert recorded.count("certificate.issue") == 4


async def test_a_row_that_is_wrong_is_named_and_keeps_no_other(desk: Desk) -> None:
    first, *_ = holders = people(3)
    rows = [ApplyRow(csr=one.csr(), reference=one.name) for one in holders]
    rows += [ApplyRow(csr=BAD, reference="bad"), ApplyRow(csr=first.csr(), reference="twice")]
    rows.append(ApplyRow(csr=Holder("x").csr(), reference="dns", names=["a.example.cn"]))
    await desk.apply(holders[1].csr())  # for whom an application is open already
    handed = await desk.hand_in([], rows=rows)
    errors = {row.reference: row.error.code for row in handed.rows if row.error}
    assert errors == {
        "某人01": "ApplicationAlreadyOpen",
        "bad": "InvalidArgument",
        "twice": "ApplicationAlreadyOpen",
        "dns": "InvalidArgument",
    }
    assert (handed.batch.rows, handed.batch.refused) == (2, 4)
    listed = await desk.ask("list", desk.call("sec"), batch=handed.batch.batch)
    assert {item.reference for item in listed.items} == {"某人00", "某人02"}


async def test_where_no_row_is_right_there_is_no_batch(desk: Desk) -> None:
    handed = await desk.hand_in([], rows=[ApplyRow(csr=BAD)])
    assert handed.batch is None and handed.rows[0].error.field == "csr"
    assert not (await desk.batch("list", desk.call("sec"))).items


async def test_who_handed_it_in_does_not_review_it(desk: Desk) -> None:
    handed = await desk.hand_in(people(2))
    with pytest.raises(SecondPersonNeeded):
        await desk.review(handed.batch.batch, 2, who="dev")
    assert not desk.certificates()


async def test_nobody_approves_rows_that_they_did_not_see(desk: Desk) -> None:
    handed = await desk.hand_in(people(2))
    for approve, reject in ((1, []), (2, [Rejection(handed.rows[0].application, "x")])):
        with pytest.raises(BatchChanged):
            await desk.review(handed.batch.batch, approve, reject=reject)
    with pytest.raises(NotFound):
        await desk.review(handed.batch.batch, 2, reject=[Rejection("apl_other", "x")])
    assert not desk.certificates()
    await desk.review(handed.batch.batch, 2)
    with pytest.raises(ApplicationStateConflict):
        await desk.review(handed.batch.batch, 2)
    assert len(desk.certificates()) == 4


async def test_a_row_against_which_something_speaks_by_now_goes_on_waiting(desk: Desk) -> None:
    """Between its application and its review its key was certified for somebody else."""
    one, other = people(2)
    handed = await desk.hand_in([one, other])
    application = handed.rows[0].application
    await desk.ask("reject", desk.call("sec"), application=application, reason="x")
    again = await desk.hand_in([one])
    stranger = Holder("别人", secret=one.secret)
    await desk.rooms.issuer.issue(
        "ten_a", template="device", subject={"CN": "别人"}, spki=stranger.spki, at=desk.rooms.clock.now()
    )
    answer = await desk.review(again.batch.batch, 1)
    assert answer.rows[0].state == "pending" and answer.rows[0].error.code == "KeyRefused"
    assert answer.batch.state == "pending"


async def test_a_batch_is_withdrawn_by_whoever_handed_it_in(desk: Desk) -> None:
    handed = await desk.hand_in(people(2))
    with pytest.raises(NotFound):
        await desk.batch("withdraw", desk.call("sec"), batch=handed.batch.batch)
    view = await desk.batch("withdraw", desk.call("dev", Role.TENANT_DEVELOPER), batch=handed.batch.batch)
    assert view.state == "done" and view.counts == {"withdrawn": 2}
    with pytest.raises(ApplicationStateConflict):
        await desk.review(handed.batch.batch, 2)


async def test_another_tenants_batch_is_not_found(desk: Desk) -> None:
    handed = await desk.hand_in(people(1))
    foreign = desk.call("sec", tenant="ten_b")
    for operation, more in (("get", {}), ("results", {}), ("withdraw", {}), ("review", {"approve": 1})):
        with pytest.raises(NotFound):
            await desk.batch(operation, foreign, batch=handed.batch.batch, **more)
    assert not (await desk.batch("list", foreign)).items


async def test_batches_page_and_those_that_wait_are_found(desk: Desk) -> None:
    made = [(await desk.hand_in(people(1))).batch.batch for _ in range(3)]
    await desk.review(made[1], 1)
    waiting = await desk.batch("list", desk.call("sec"), waiting=True)
    assert {item.batch for item in waiting.items} == {made[0], made[2]}
    first = await desk.batch("list", desk.call("sec"), limit=2)
    second = await desk.batch("list", desk.call("sec"), limit=2, cursor=first.next_cursor)
    assert {item.batch for item in [*first.items, *second.items]} == set(made)


@pytest.mark.parametrize(
    "where",
    [
        "miyun.offerings.certificate.escrow.centre.KeyCentre.key_for",
        "miyun.offerings.certificate.authority.Authorities.sign_many",
        "miyun.offerings.certificate.store.CertificateStore.complete",
        "miyun.offerings.certificate.applications.fulfilment.Fulfilment._record_issue",
        "miyun.offerings.certificate.applications.fulfilment.Fulfilment._note",
    ],
)
def test_a_review_survives_the_death_of_its_process(desk: Desk, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """The verdicts stand, every row is issued once, and recorded once."""

    def die(*_: Any, **__: Any) -> Any:
        raise Killed

    async def scene() -> str:
        handed = await desk.hand_in(people(7))
        with monkeypatch.context() as patch:
            patch.setattr(where, die)
            await desk.review(handed.batch.batch, 6, reject=[Rejection(handed.rows[0].application, "x")])
        return ""

    with pytest.raises(Killed):
        asyncio.run(scene())

    async def afterwards() -> None:
        desk.rooms.clock.advance(seconds=LEASE.total_seconds() + 1)
        await desk.rooms.certificate.applications.fulfilment.resume()
        [batch] = (await desk.batch("list", desk.call("sec"))).items
        assert batch.counts == {"issued": 6, "rejected": 1} and batch.state == "done"
        serials = [item.serial for item in desk.certificates()]
        assert len(serials) == 12 == len(set(serials))
        assert list(desk.rooms.ledger.operations()).count("certificate.issue") == 6

    asyncio.run(afterwards())


def test_a_batch_that_nobody_reviews_survives_the_death_of_its_process(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its rows and their certificates: none of them waits for a reviewer."""

    def die(*_: Any, **__: Any) -> Any:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Fulfilment, "finish_batch", die)
        patch.setattr(BatchStore, "decide", die)
        asyncio.run(desk.hand_in(people(3), template="device", pair="none"))

    async def afterwards() -> None:
        assert await desk.rooms.certificate.applications.fulfilment.resume() == 3
        [batch] = (await desk.batch("list", desk.call("sec"))).items
        assert batch.counts == {"issued": 3} and len(desk.certificates()) == 3

    asyncio.run(afterwards())


async def test_what_a_review_leaves_is_issued_by_the_task(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """More rows than an answer should wait for."""
    monkeypatch.setattr("miyun.offerings.certificate.applications.batches.service._AT_ONCE", 0)
    handed = await desk.hand_in(people(3))
    answer = await desk.review(handed.batch.batch, 3)
    assert answer.batch.state == "issuing" and not desk.certificates()
    assert await desk.rooms.certificate.applications.fulfilment.resume() == 3
    assert (await desk.batch("get", desk.call("sec"), batch=handed.batch.batch)).state == "done"


async def test_one_row_that_can_never_be_issued_is_rejected_alone(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    handed = await desk.hand_in(people(3), pair="none")
    checked = Fulfilment.check
    with monkeypatch.context() as patch:
        patch.setattr(Fulfilment, "check", lambda *_: None)  # the review sees nothing
        await asyncio.to_thread(_spoil, desk, handed.rows[1].application)
        answer = await desk.review(handed.batch.batch, 3)
    assert Fulfilment.check is checked
    assert [row.state for row in answer.rows] == ["issued", "rejected", "issued"]
    spoilt = await desk.ask("get", desk.call("sec"), application=handed.rows[1].application)
    assert "InvalidArgument" in spoilt.reason


def _spoil(desk: Desk, application: str) -> None:
    """Its days are more than the template allows by now."""
    with desk.rooms.database.write() as connection:
        connection.exec_driver_sql("UPDATE certificate_application SET days = 99999 WHERE id = ?", (application,))


# the table


def table(*lines: str) -> str:
    return "\ufeff" + "\r\n".join(lines)


def test_a_table_is_read_as_spreadsheets_write_it() -> None:
    pem = Holder().csr()
    rows = rows_of(
        table("编号,姓名,单位,证书请求,备用名称", f'7,张三,某局,"{pem}",a@b.cn; c@d.cn', ",,,,", "8,李四,,eA==,")
    )
    assert rows[0] == ApplyRow(
        reference="7", csr=pem.strip(), subject={"CN": "张三", "O": "某局"}, names=["a@b.cn", "c@d.cn"]
    )
    assert [row.reference for row in rows] == ["7", "8"] and rows[1].subject == {"CN": "李四"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "csr is missing"),
        ("CN,csr,wrong", "no column is called 'wrong'"),
        ("csr,CSR", "comes twice"),
        ("csr", "no row"),
        ("csr\na,b", "line 2: more cells"),
        ('csr\n"a', "line 2"),
        ("csr,reference\na," + "x" * 129, "line 2: reference is too long"),
        ("csr\n" + "a\n" * 1001, "more than 1000 rows"),
    ],
)
def test_what_is_wrong_with_a_table_is_named_with_its_line(text: str, said: str) -> None:
    with pytest.raises(InvalidArgument, match=said) as refused:
        rows_of(text)
    assert refused.value.field == "table"


@given(st.text(max_size=300))
def test_any_text_is_a_table_or_refused(text: str) -> None:
    for candidate in (text, "csr\n" + text):
        try:
            assert rows_of(candidate)
        except InvalidArgument as refused:
            assert refused.field == "table"
