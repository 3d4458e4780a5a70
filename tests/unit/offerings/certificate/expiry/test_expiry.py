"""What ends soon is listed until another follows it, and its people are reminded in steps."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.applicants import Holder, Office
from tests.rooms import Rooms

from miyun.core.operation import Role
from miyun.offerings.certificate.expiry import operations


class Calendar(Office):
    async def expiring(self, *, tenant: str = "ten_a", **request: Any) -> Any:
        found = operations.OPERATIONS[0]
        return await found.handler(self.rooms.certificate, self.call("sec", tenant=tenant), found.request(**request))

    async def granted(self, name: str, days: int) -> str:
        applied = await self.apply(Holder(name).csr(), days=days, pair="escrow")
        return str((await self.approve(applied.application)).certificate)

    def reminders(self) -> list[tuple[str, int]]:
        found = [entry for entry in self.rooms.ledger.entries if entry.operation == "certificate.expiry.reminder"]
        return [(entry.resource["certificate"], entry.detail["days"]) for entry in found]


@pytest.fixture
def calendar(rooms: Rooms) -> Calendar:
    return Calendar(rooms)


def test_a_certificate_is_listed_until_another_follows(calendar: Calendar) -> None:
    async def scene() -> None:
        soon, later = await calendar.granted("甲", 20), await calendar.granted("乙", 60)
        [item] = (await calendar.expiring()).items
        assert (item.serial, item.days_left, item.renewable) == (soon, 20, True)
        assert [item.serial for item in (await calendar.expiring(days=90)).items] == [soon, later]
        assert [item.serial for item in (await calendar.expiring(days=90, text="乙")).items] == [later]
        assert (await calendar.expiring(tenant="ten_b")).items == []
        renewed = await calendar.ask("renew", calendar.call("dev", Role.TENANT_DEVELOPER), serial=soon)
        await calendar.approve(renewed.application)
        assert (await calendar.expiring()).items == []

    asyncio.run(scene())


@pytest.mark.parametrize("sort", ["not_after", "-not_after", "subject", "-subject"])
def test_the_list_pages_in_every_order(calendar: Calendar, sort: str) -> None:
    async def scene() -> None:
        for name, days in (("丙", 3), ("甲", 9), ("乙", 6)):
            await calendar.granted(name, days)
        first = await calendar.expiring(sort=sort, limit=2)
        second = await calendar.expiring(sort=sort, limit=2, cursor=first.next_cursor)
        values = [getattr(item, sort.lstrip("-")) for item in [*first.items, *second.items]]
        assert values == sorted(values, reverse=sort.startswith("-")) and len(values) == 3
        assert second.next_cursor is None

    asyncio.run(scene())


def test_each_step_reminds_once(calendar: Calendar) -> None:
    async def scene() -> None:
        serial = await calendar.granted("甲", 40)
        remind = calendar.rooms.certificate.expiry.remind
        told: list[int] = []
        for days in (0, 9, 1, 1, 10, 10, 7, 1, 0.7, 0.9):
            calendar.rooms.clock.advance(days=days)
            await remind()
            assert await remind() == 0
        told = [days for name, days in calendar.reminders() if name == serial]
        assert told == [30, 14, 7, 1]

    asyncio.run(scene())


def test_who_comes_late_is_told_the_nearest_step_only(calendar: Calendar) -> None:
    async def scene() -> None:
        serial = await calendar.granted("甲", 5)
        assert await calendar.rooms.certificate.expiry.remind() == 1
        assert calendar.reminders() == [(serial, 7)]

    asyncio.run(scene())
