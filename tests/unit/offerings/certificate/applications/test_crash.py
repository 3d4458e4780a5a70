"""What is approved is issued once, wherever the process dies in between."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.applicants import Holder, Office
from tests.rooms import Rooms

from miyun.core.errors import InvalidArgument, Overloaded
from miyun.core.i18n import Text
from miyun.offerings.certificate.applications import fulfilment
from miyun.offerings.certificate.applications.model import LEASE
from miyun.offerings.certificate.applications.store import ApplicationStore

EVER = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


class Killed(BaseException):
    """As by SIGKILL: nobody cleans up."""


def die(*_: Any, **__: Any) -> Any:
    raise Killed


async def withdrawn(*_: Any) -> Any:
    raise InvalidArgument("template", Text("模板已停用", "the template was withdrawn"))


@pytest.fixture
def office(rooms: Rooms) -> Office:
    return Office(rooms)


def certificates(office: Office) -> int:
    return len(office.rooms.certificate.issued_between("ten_a", *EVER))


@pytest.mark.parametrize(
    ("where", "made"),
    [
        ("miyun.offerings.certificate.escrow.centre.KeyCentre.key_for", 0),
        ("miyun.offerings.certificate.authority.Authorities.sign_many", 0),
        ("miyun.offerings.certificate.store.CertificateStore.complete", 0),
        ("miyun.offerings.certificate.applications.fulfilment.Fulfilment._record_issue", 2),
        ("miyun.offerings.certificate.applications.fulfilment.Fulfilment._note", 2),
    ],
)
def test_an_approval_survives_the_death_of_its_process(
    office: Office, monkeypatch: pytest.MonkeyPatch, where: str, made: int
) -> None:
    async def approve() -> str:
        applied = await office.apply(Holder().csr(), pair="escrow")
        await office.approve(applied.application)
        return str(applied.application)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(where, die)
        asyncio.run(approve())
    assert certificates(office) == made

    async def afterwards() -> None:
        finish = office.rooms.certificate.applications.fulfilment
        [item] = (await office.ask("list", office.call("sec"))).items
        assert item.state == "approved"
        assert await finish.resume() == 0, "its process may still be at it"
        office.rooms.clock.advance(seconds=LEASE.total_seconds() + 1)
        assert await finish.resume() == 1
        assert await finish.resume() == 0
        found = await office.ask("get", office.call("sec"), application=item.application)
        assert found.state == "issued" and certificates(office) == 2
        assert list(office.rooms.ledger.operations()).count("certificate.issue") == 1, "recorded once, counted once"
        assert await office.file(item.application, "enveloped_key")

    asyncio.run(afterwards())


def test_an_approval_waits_for_a_locked_machine(office: Office) -> None:
    async def scene() -> None:
        applied = await office.apply(Holder().csr(), pair="escrow")
        office.rooms.machine.locked = True
        approved = await office.approve(applied.application)
        assert approved.state == "approved"
        await office.rooms.certificate.applications.fulfilment.resume()
        office.rooms.machine.locked = False
        await office.rooms.certificate.applications.fulfilment.resume()
        assert (await office.ask("get", office.call("sec"), application=applied.application)).state == "issued"

    asyncio.run(scene())


def test_what_can_never_be_issued_is_rejected_with_the_reason(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        csr = Holder().csr()
        applied = await office.apply(csr)
        with monkeypatch.context() as patch:
            patch.setattr(fulfilment.Fulfilment, "_certificates", withdrawn)
            assert (await office.approve(applied.application)).state == "rejected"
        found = await office.ask("get", office.call("sec"), application=applied.application)
        assert "InvalidArgument" in found.reason
        assert (await office.apply(csr)).state == "pending"

    asyncio.run(scene())


def test_two_reviewers_at_once_issue_once(office: Office) -> None:
    async def scene() -> None:
        applied = await office.apply(Holder().csr())
        outcomes = await asyncio.gather(
            *(office.approve(applied.application, who=f"sec{number}") for number in range(4)), return_exceptions=True
        )
        assert sum(not isinstance(outcome, Exception) for outcome in outcomes) == 1
        assert certificates(office) == 1

    asyncio.run(scene())


def test_a_full_database_leaves_the_approval_to_be_finished_later(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the certificates are there already: they are found again."""

    def full(*_: Any) -> Any:
        raise Overloaded(retry_after=1)

    async def scene() -> None:
        applied = await office.apply(Holder().csr())
        with monkeypatch.context() as patch:
            patch.setattr(ApplicationStore, "issued", full)
            assert (await office.approve(applied.application)).state == "approved"
        await office.rooms.certificate.applications.fulfilment.resume()
        assert (await office.ask("get", office.call("sec"), application=applied.application)).state == "issued"
        assert certificates(office) == 1

    asyncio.run(scene())
