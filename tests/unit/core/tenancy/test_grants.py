"""Supplier staff reach a tenant only under its time-limited authorisation."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.core.neighbours import Bought, Platform, error_of

from miyun.core.access import SessionCredential
from miyun.core.operation import Role

pytestmark = pytest.mark.anyio


@pytest.fixture
async def one(house: Platform) -> Bought:
    return await house.tenant(1)


@pytest.fixture
async def staff(house: Platform) -> SessionCredential:
    passwords = await house.cloud.accounts.open_platform()
    system, security = [await house.sign_in(name, passwords[name]) for name in ("system", "security")]
    created = await house.run("account.person.create", system, login="li", name="李四")
    assigned = await house.run(
        "account.person.assign_roles", security, person=created.person.person, roles=[Role.SUPPLIER_STAFF]
    )
    return await house.sign_in("li", f"{created.password_half}-{assigned.password_half}")


async def grant(house: Platform, one: Bought, *, hours: float = 2, **changes):
    request = {"staff": "li", "purpose": "检查时间戳服务告警", "ends_at": house.clock.now() + timedelta(hours=hours)}
    return await house.run("tenant.grant.create", one.people["security"], **(request | changes))


def entering(session: SessionCredential, tenant: str) -> SessionCredential:
    return replace(session, tenant=tenant)


async def test_without_authorisation_staff_stay_outside(house: Platform, one: Bought, staff: SessionCredential) -> None:
    assert (await error_of(house.run("tenant.application.list", staff))).code == "GrantRequired"
    error = await error_of(house.run("tenant.application.list", entering(staff, one.tenant)))
    assert error.code == "GrantRequired" and error.status == 403


async def test_under_authorisation_every_use_names_it(house: Platform, one: Bought, staff: SessionCredential) -> None:
    given = await grant(house, one)
    await house.run("tenant.application.list", entering(staff, one.tenant))
    entry = house.ledger.entries[-1]
    assert (entry.tenant, entry.role, entry.detail["grant"]) == (one.tenant, "platform.staff", given.grant)
    assert [g.tenant for g in (await house.run("account.me", staff)).grants] == [one.tenant]


async def test_an_authorisation_opens_one_tenant_only(house: Platform, one: Bought, staff: SessionCredential) -> None:
    other = await house.tenant(2)
    await grant(house, one)
    assert (await error_of(house.run("tenant.application.list", entering(staff, other.tenant)))).status == 403


async def test_staff_do_only_what_is_open_to_staff(house: Platform, one: Bought, staff: SessionCredential) -> None:
    await grant(house, one)
    for operation, request in (
        ("tenant.application.create", {"name": "x"}),
        ("audit.records", {}),
        ("account.person.list", {}),
        ("tenant.grant.list", {}),
    ):
        error = await error_of(house.run(operation, entering(staff, one.tenant), **request))
        assert error.code == "PermissionDenied", operation


async def test_it_ends_with_its_window_in_the_middle_of_a_session(
    house: Platform, one: Bought, staff: SessionCredential
) -> None:
    await grant(house, one, hours=0.25)
    inside = entering(staff, one.tenant)
    await house.run("tenant.application.list", inside)
    house.clock.advance(minutes=15)
    assert (await error_of(house.run("tenant.application.list", inside))).code == "GrantRequired"


async def test_it_opens_only_when_its_window_begins(house: Platform, one: Bought, staff: SessionCredential) -> None:
    now = house.clock.now()
    await grant(house, one, starts_at=now + timedelta(minutes=10))
    inside = entering(staff, one.tenant)
    assert (await error_of(house.run("tenant.application.list", inside))).code == "GrantRequired"
    house.clock.advance(minutes=10)
    assert await house.run("tenant.application.list", inside)


async def test_revocation_holds_at_once(house: Platform, one: Bought, staff: SessionCredential) -> None:
    given = await grant(house, one)
    inside = entering(staff, one.tenant)
    await house.run("tenant.application.list", inside)
    revoked = await house.run("tenant.grant.revoke", one.people["security"], grant=given.grant)
    assert not revoked.in_force
    assert (await error_of(house.run("tenant.application.list", inside))).code == "GrantRequired"


@pytest.mark.parametrize("hours", [-1, 0, 72.01])
async def test_a_window_is_in_the_future_and_72_hours_at_most(
    house: Platform, one: Bought, staff: SessionCredential, hours: float
) -> None:
    assert (await error_of(grant(house, one, hours=hours))).field == "ends_at"


@pytest.mark.parametrize("name", ["security", "nobody", "system@t1"])
async def test_only_supplier_staff_can_be_authorised(
    house: Platform, one: Bought, staff: SessionCredential, name: str
) -> None:
    assert (await error_of(grant(house, one, staff=name))).code == "NotFound"


async def test_only_the_security_administrator_authorises(
    house: Platform, one: Bought, staff: SessionCredential
) -> None:
    request = {"staff": "li", "purpose": "检查告警", "ends_at": house.clock.now() + timedelta(hours=1)}
    for who in (one.people["system"], one.people["audit"], staff):
        error = await error_of(house.run("tenant.grant.create", who, **request))
        assert error.code in ("PermissionDenied", "GrantRequired")


async def test_a_tenant_cannot_revoke_anothers_authorisation(
    house: Platform, one: Bought, staff: SessionCredential
) -> None:
    other = await house.tenant(2)
    given = await grant(house, one)
    error = await error_of(house.run("tenant.grant.revoke", other.people["security"], grant=given.grant))
    assert error.code == "NotFound"
    assert await house.run("tenant.application.list", entering(staff, one.tenant))


async def test_tenant_people_do_not_enter_other_tenants(house: Platform, one: Bought) -> None:
    other = await house.tenant(2)
    error = await error_of(house.run("tenant.application.list", entering(one.people["system"], other.tenant)))
    assert error.code == "GrantRequired"


async def test_the_list_tells_what_is_over_from_what_is_not(
    house: Platform, one: Bought, staff: SessionCredential
) -> None:
    by, now = one.people["security"], house.clock.now()
    ended = (await grant(house, one, hours=0.25)).grant
    withdrawn = (await grant(house, one)).grant
    await house.run("tenant.grant.revoke", by, grant=withdrawn)
    house.clock.advance(minutes=15)
    held = (await grant(house, one)).grant
    to_come = await grant(
        house, one, starts_at=house.clock.now() + timedelta(hours=1), ends_at=now + timedelta(hours=5)
    )
    assert to_come.upcoming and not to_come.in_force
    for state, expected in (("open", {held, to_come.grant}), ("over", {ended, withdrawn}), (None, None)):
        listed = (await house.run("tenant.grant.list", by, state=state, sort="ends_at")).items
        assert expected is None or {item.grant for item in listed} == expected
        assert [item.ends_at for item in listed] == sorted(item.ends_at for item in listed)
    assert len(listed) == 4
    other = await house.tenant(2)
    assert (await house.run("tenant.grant.list", other.people["security"])).items == []
