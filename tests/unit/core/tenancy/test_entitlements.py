"""What a caller may use: bindings, included operations, terms, capacity."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from tests.unit.core.neighbours import KEY_MAKE, KEY_USE, STAMP, VERIFY, Bought, Platform, error_of

from miyun.core.contracts.model import EntitlementSpec, Overuse, Term
from miyun.core.operation import Operation, Principal, Role

pytestmark = pytest.mark.anyio


@pytest.fixture
async def one(house: Platform) -> Bought:
    return await house.tenant(1)


async def application(house: Platform, one: Bought, *services: str) -> Principal:
    created = await house.cloud.applications.create(one.tenant, f"应用{services}", house.clock.now())
    for service in services:
        await house.cloud.applications.bind(one.tenant, created.id, one.instances[service], house.clock.now())
    return Principal("ak_1", Role.APPLICATION, created.name, tenant=one.tenant, application=created.id)


def developer(tenant: str | None) -> Principal:
    return Principal("usr_1", Role.TENANT_DEVELOPER, "开发", tenant=tenant)


async def resolve(house: Platform, principal: Principal, operation: Operation, instance: str | None = None):
    return await house.cloud.entitlements.resolve(principal, operation, instance=instance, now=house.clock.now())


async def test_an_application_uses_what_it_is_bound_to(house: Platform, one: Bought) -> None:
    principal = await application(house, one, "stamps")
    entitled = await resolve(house, principal, STAMP)
    assert entitled.instance == one.instances["stamps"] and entitled.binding
    assert entitled.hourly_limit == 20_000 and entitled.refuse


async def test_an_application_does_not_use_what_it_is_not_bound_to(house: Platform, one: Bought) -> None:
    principal = await application(house, one, "sealing")
    assert (await error_of(resolve(house, principal, STAMP))).code == "NotEntitled"
    error = await error_of(resolve(house, principal, STAMP, one.instances["stamps"]))
    assert error.code == "NotFound"


async def test_an_unbound_application_loses_its_entitlement_at_once(house: Platform, one: Bought) -> None:
    principal = await application(house, one, "stamps")
    binding = (await resolve(house, principal, STAMP)).binding
    await house.cloud.applications.unbind(one.tenant, binding, house.clock.now())
    assert (await error_of(resolve(house, principal, STAMP))).code == "NotEntitled"


async def test_a_newly_bound_service_is_usable_at_once(house: Platform, one: Bought) -> None:
    principal = await application(house, one, "sealing")
    assert (await error_of(resolve(house, principal, STAMP))).code == "NotEntitled"
    await house.cloud.applications.bind(one.tenant, principal.application, one.instances["stamps"], house.clock.now())
    assert (await resolve(house, principal, STAMP)).instance == one.instances["stamps"]


async def test_an_instance_carries_the_operations_its_offering_includes(house: Platform, one: Bought) -> None:
    principal = await application(house, one, "stamps")
    assert (await resolve(house, principal, KEY_USE)).instance == one.instances["stamps"]
    assert (await error_of(resolve(house, principal, KEY_MAKE))).code == "NotEntitled"  # only keys.use is included
    both = await application(house, one, "stamps", "sealing")
    assert (await resolve(house, both, KEY_MAKE)).instance == one.instances["sealing"]  # by keys.*
    assert (await resolve(house, both, KEY_USE)).instance == one.instances["stamps"]  # the oldest serves
    named = await resolve(house, both, KEY_USE, one.instances["sealing"])
    assert named.instance == one.instances["sealing"]


async def test_tenant_people_use_any_instance_of_their_tenant_and_no_other(house: Platform, one: Bought) -> None:
    other = await house.tenant(2)
    assert (await resolve(house, developer(one.tenant), STAMP)).instance == one.instances["stamps"]
    for operation in (STAMP, house.registry.operation("tenant.application.list")):
        error = await error_of(resolve(house, developer(one.tenant), operation, other.instances["stamps"]))
        assert error.code == "NotFound"


async def test_core_operations_need_no_instance(house: Platform, one: Bought) -> None:
    entitled = await resolve(house, developer(one.tenant), house.registry.operation("tenant.application.list"))
    assert (entitled.tenant, entitled.instance) == (one.tenant, None)


async def test_who_is_in_no_tenant_uses_nothing_of_one(house: Platform, one: Bought) -> None:
    staff = Principal("usr_2", Role.SUPPLIER_STAFF, "乙方")
    assert (await error_of(resolve(house, staff, STAMP))).code == "GrantRequired"


async def test_several_instances_of_one_offering_have_to_be_named(house: Platform, one: Bought) -> None:
    again = await house.tenant(3, tenant=one.tenant, tenant_code=None)
    error = await error_of(resolve(house, developer(one.tenant), STAMP))
    assert error.code == "SeveralInstances" and again.instances["stamps"] in error.message.en
    named = await resolve(house, developer(one.tenant), STAMP, again.instances["stamps"])
    assert named.instance == again.instances["stamps"]


async def test_use_ends_with_the_last_day_in_shanghai_and_leaving_stays_open(house: Platform, one: Bought) -> None:
    principal = await application(house, one, "stamps")
    end = datetime(2026, 12, 31, 16, tzinfo=UTC)  # midnight in Shanghai
    house.clock.at = end - timedelta(microseconds=1)
    assert await resolve(house, principal, STAMP)
    house.clock.at = end
    assert (await error_of(resolve(house, principal, STAMP))).code == "NotEntitled"
    house.clock.at = end + timedelta(days=400)
    assert await resolve(house, principal, VERIFY)


async def test_nothing_is_open_before_the_term(house: Platform) -> None:
    term = Term(date(2026, 4, 1), date(2026, 12, 31))
    one = await house.tenant(1, term=term, effective=term)
    for operation in (STAMP, VERIFY):
        assert (await error_of(resolve(house, developer(one.tenant), operation))).code == "NotEntitled"


async def test_after_a_closed_exit_nothing_is_open(house: Platform, one: Bought) -> None:
    house.clock.at = datetime(2027, 1, 1, tzinfo=UTC)
    assert await resolve(house, developer(one.tenant), VERIFY)
    passwords = await house.cloud.accounts.open_platform()
    by = await house.sign_in("system", passwords["system"])
    await house.run("contract.exit.close", by, contract=one.contract, paper="退出确认函 2027-01-01")
    assert (await error_of(resolve(house, developer(one.tenant), VERIFY))).code == "NotEntitled"


async def test_a_contract_ended_early_leaves_only_the_way_out(house: Platform, one: Bought) -> None:
    await resolve(house, developer(one.tenant), STAMP)
    await house.cloud.contracts.terminate(one.contract, paper="解除通知 2026-03-02", by="usr_x")
    assert (await error_of(resolve(house, developer(one.tenant), STAMP))).code == "NotEntitled"
    assert await resolve(house, developer(one.tenant), VERIFY)


async def test_the_contract_in_term_is_meant_before_one_that_is_over(house: Platform, one: Bought) -> None:
    house.clock.at = datetime(2027, 2, 1, tzinfo=UTC)
    term = Term(date(2027, 1, 1), date(2027, 12, 31))
    renewed = await house.tenant(4, tenant=one.tenant, tenant_code=None, term=term, effective=term)
    for operation in (STAMP, VERIFY):
        assert (await resolve(house, developer(one.tenant), operation)).instance == renewed.instances["stamps"]


async def test_policy_and_capacity_come_from_the_contract(house: Platform) -> None:
    line = EntitlementSpec("stamps", "year", 3, {"stamps.tokens": 7}, Overuse.ALLOW)
    one = await house.tenant(1, entitlements=(line,))
    entitled = await resolve(house, developer(one.tenant), STAMP)
    assert (entitled.hourly_limit, entitled.refuse) == (21, False)
    assert (await resolve(house, developer(one.tenant), VERIFY)).hourly_limit is None
