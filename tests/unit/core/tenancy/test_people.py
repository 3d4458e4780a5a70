"""Three administrators a side, none of whom can act for another."""

from __future__ import annotations

import itertools

import pytest
from tests.unit.core.neighbours import OWN_PASSWORD, Platform, error_of

from miyun.core.access import Anonymous, SessionCredential
from miyun.core.errors import FailedPrecondition
from miyun.core.operation import Duty, Role
from miyun.core.tenancy.model import ADMINISTRATORS, PLATFORM_ROLES, TENANT_ROLES, combinations, conflict

pytestmark = pytest.mark.anyio


async def administrators(house: Platform) -> dict[str, SessionCredential]:
    passwords = await house.cloud.accounts.open_platform()
    return {login: await house.sign_in(login, password) for login, password in passwords.items()}


async def new_person(house: Platform, by: dict[str, SessionCredential], login: str, *roles: Role) -> str:
    """Created and empowered; answers the joined one-time password."""
    created = await house.run("account.person.create", by["system"], login=login, name="新人")
    assigned = await house.run(
        "account.person.assign_roles", by["security"], person=created.person.person, roles=list(roles)
    )
    return f"{created.password_half}-{assigned.password_half}"


def test_only_developer_and_system_administrator_of_a_tenant_go_together() -> None:
    allowed = [
        {one, other}
        for one, other in itertools.combinations(sorted(PLATFORM_ROLES | TENANT_ROLES), 2)
        if conflict((one, other)) is None
    ]
    assert allowed == [{Role.TENANT_DEVELOPER, Role.TENANT_SYSTEM}]


async def test_a_new_platform_has_three_administrators_who_must_change_their_passwords(house: Platform) -> None:
    passwords = await house.cloud.accounts.open_platform()
    assert sorted(passwords) == ["audit", "security", "system"]
    answer = await house.run("account.login", Anonymous(), login="audit", password=passwords["audit"])
    session = SessionCredential(answer.token, cookie=False)
    assert (await house.run("account.me", session)).must_change_password
    refused = await error_of(house.run("account.person.list", session))
    assert refused.code == "PasswordUnchanged" and refused.field == "password"
    await house.run("account.change_password", session, current=passwords["audit"], new=OWN_PASSWORD)
    assert (await house.run("account.me", session)).roles == [Role.PLATFORM_AUDIT]


async def test_opening_the_platform_again_changes_nothing(house: Platform) -> None:
    await house.cloud.accounts.open_platform()
    assert await house.cloud.accounts.open_platform() == {}


async def test_a_first_password_needs_both_halves(house: Platform) -> None:
    by = await administrators(house)
    created = await house.run("account.person.create", by["system"], login="li", name="李四")
    half = created.password_half
    for guess in (half, half + "-", half + "-" + half):
        assert (await error_of(house.run("account.login", Anonymous(), login="li", password=guess))).status == 401
    assigned = await house.run(
        "account.person.assign_roles", by["security"], person=created.person.person, roles=[Role.SUPPLIER_STAFF]
    )
    assert await house.sign_in("li", f"{half}-{assigned.password_half}")


async def test_the_second_half_is_handed_over_once(house: Platform) -> None:
    by = await administrators(house)
    await new_person(house, by, "li", Role.SUPPLIER_STAFF)
    person = next(p for p in (await house.run("account.person.list", by["security"])).items if p.login == "li")
    again = await house.run(
        "account.person.assign_roles", by["security"], person=person.person, roles=[Role.SUPPLIER_STAFF]
    )
    assert again.password_half is None


@pytest.mark.parametrize(
    "roles",
    [
        [Role.PLATFORM_SYSTEM, Role.PLATFORM_SECURITY],
        [Role.PLATFORM_SECURITY, Role.PLATFORM_AUDIT],
        [Role.PLATFORM_AUDIT, Role.SUPPLIER_STAFF],
    ],
)
async def test_roles_that_exclude_each_other_are_refused(house: Platform, roles: list[Role]) -> None:
    by = await administrators(house)
    created = await house.run("account.person.create", by["system"], login="li", name="李四")
    error = await error_of(
        house.run("account.person.assign_roles", by["security"], person=created.person.person, roles=roles)
    )
    assert error.code == "RoleConflict"


@pytest.mark.parametrize("role", [Role.TENANT_SYSTEM, Role.SYSTEM, Role.APPLICATION, Role.PUBLIC])
async def test_platform_people_get_no_role_of_another_kind(house: Platform, role: Role) -> None:
    by = await administrators(house)
    created = await house.run("account.person.create", by["system"], login="li", name="李四")
    error = await error_of(
        house.run("account.person.assign_roles", by["security"], person=created.person.person, roles=[role])
    )
    assert error.code == "InvalidArgument" and error.field == "roles"


async def test_nobody_changes_their_own_account(house: Platform) -> None:
    by = await administrators(house)
    own = (await house.run("account.me", by["security"])).id
    error = await error_of(
        house.run("account.person.assign_roles", by["security"], person=own, roles=[Role.PLATFORM_AUDIT])
    )
    assert error.code == "OwnAccount"
    own = (await house.run("account.me", by["system"])).id
    assert (await error_of(house.run("account.person.disable", by["system"], person=own))).code == "OwnAccount"


async def test_the_system_administrator_assigns_no_roles_and_the_security_administrator_makes_no_accounts(
    house: Platform,
) -> None:
    by = await administrators(house)
    person = (await house.run("account.me", by["audit"])).id
    for operation, who, request in (
        ("account.person.assign_roles", "system", {"person": person, "roles": [Role.SUPPLIER_STAFF]}),
        ("account.person.create", "security", {"login": "li", "name": "李四"}),
        ("account.person.confirm_reset", "system", {"person": person}),
        ("account.person.disable", "audit", {"person": person}),
    ):
        assert (await error_of(house.run(operation, by[who], **request))).code == "PermissionDenied"


async def test_the_last_administrator_stays(house: Platform) -> None:
    by = await administrators(house)
    audit = (await house.run("account.me", by["audit"])).id
    for operation in ("account.person.disable", "account.person.reset_password"):
        assert (await error_of(house.run(operation, by["system"], person=audit))).code == "LastAdministrator"
    error = await error_of(
        house.run("account.person.assign_roles", by["security"], person=audit, roles=[Role.SUPPLIER_STAFF])
    )
    assert error.code == "LastAdministrator"
    await new_person(house, by, "second", Role.PLATFORM_AUDIT)
    assert (await house.run("account.person.disable", by["system"], person=audit)).state == "disabled"


async def test_disabling_ends_the_sessions_at_once_and_enabling_needs_the_security_administrator(
    house: Platform,
) -> None:
    by = await administrators(house)
    session = await house.sign_in("li", await new_person(house, by, "li", Role.SUPPLIER_STAFF))
    person = (await house.run("account.me", session)).id
    await house.run("account.person.disable", by["system"], person=person)
    assert (await error_of(house.run("account.me", session))).code == "SessionExpired"
    assert (await error_of(house.run("account.login", Anonymous(), login="li", password=OWN_PASSWORD))).status == 401
    assert (await error_of(house.run("account.person.enable", by["system"], person=person))).status == 403
    await house.run("account.person.enable", by["security"], person=person)
    assert await house.sign_in("li", OWN_PASSWORD)


async def test_a_reset_needs_two_administrators(house: Platform) -> None:
    by = await administrators(house)
    await house.sign_in("li", await new_person(house, by, "li", Role.SUPPLIER_STAFF))
    person = next(p for p in (await house.run("account.person.list", by["system"])).items if p.login == "li").person
    first = (await house.run("account.person.reset_password", by["system"], person=person)).password_half
    assert (await error_of(house.run("account.login", Anonymous(), login="li", password=OWN_PASSWORD))).status == 401
    second = (await house.run("account.person.confirm_reset", by["security"], person=person)).password_half
    assert (await error_of(house.run("account.login", Anonymous(), login="li", password=OWN_PASSWORD))).status == 401
    assert await house.sign_in("li", f"{first}-{second}")


async def test_a_role_taken_away_is_gone_with_the_next_request(house: Platform) -> None:
    by = await administrators(house)
    session = await house.sign_in("second", await new_person(house, by, "second", Role.PLATFORM_AUDIT))
    assert (await house.run("audit.all_records", session)).items
    person = (await house.run("account.me", session)).id
    await house.run("account.person.assign_roles", by["security"], person=person, roles=[Role.SUPPLIER_STAFF])
    assert (await error_of(house.run("audit.all_records", session))).code == "PermissionDenied"


async def test_a_tenant_sees_and_touches_only_its_own_people(house: Platform) -> None:
    one, other = await house.tenant(1), await house.tenant(2)
    foreign = (await house.run("account.me", other.people["audit"])).id
    for operation, who, extra in (
        ("account.person.get", "system", {}),
        ("account.person.disable", "system", {}),
        ("account.person.reset_password", "system", {}),
        ("account.person.assign_roles", "security", {"roles": [Role.TENANT_DEVELOPER]}),
        ("account.person.enable", "security", {}),
    ):
        error = await error_of(house.run(operation, one.people[who], person=foreign, **extra))
        assert error.code == "NotFound"
    logins = {person.login for person in (await house.run("account.person.list", one.people["system"])).items}
    assert logins == {"system@t1", "security@t1", "audit@t1"}


async def test_a_lost_password_is_recovered_on_the_machine_and_recorded(house: Platform) -> None:
    await administrators(house)
    password = await house.cloud.accounts.recover("security")
    assert house.ledger.entries[-1].operation == "account.person.recover"
    assert password not in str(house.ledger.entries)
    assert await house.sign_in("security", password)


async def test_every_change_is_in_the_ledger_without_secrets(house: Platform) -> None:
    by = await administrators(house)
    password = await new_person(house, by, "li", Role.SUPPLIER_STAFF)
    text = str(house.ledger.entries)
    assert not any(half in text for half in password.split("-"))
    entry = next(e for e in house.ledger.entries if e.operation == "account.person.assign_roles")
    assert entry.outcome == "ok" and entry.detail["roles"] == ["platform.staff"] and entry.resource["person"]


def test_no_single_administrator_holds_keys_policy_and_trail(house: Platform) -> None:
    for role in ADMINISTRATORS:
        held = {op.duty for op in house.registry.operations.values() if role in op.roles}
        assert not {Duty.KEYS, Duty.POLICY, Duty.TRAIL} <= held


async def test_recovery_does_not_bring_back_who_was_disabled(house: Platform) -> None:
    """Enabling is the security administrator's decision, also when the machine's operator makes a new password."""
    bought = await house.tenant()
    made = await house.run("account.person.create", bought.people["system"], login="zhang", name="张三")
    by = {"person": made.person.person}
    await house.run("account.person.assign_roles", bought.people["security"], roles=["tenant.developer"], **by)
    await house.run("account.person.disable", bought.people["system"], **by)
    with pytest.raises(FailedPrecondition):
        await house.cloud.accounts.recover(made.person.login)
    assert (await house.run("account.person.get", bought.people["audit"], **by)).state == "disabled"


async def test_half_of_a_password_waits_while_the_person_is_disabled(house: Platform) -> None:
    by = await administrators(house)
    created = await house.run("account.person.create", by["system"], login="li", name="李四")
    person = created.person.person

    async def off_and_on() -> str:
        await house.run("account.person.disable", by["system"], person=person)
        return str((await house.run("account.person.enable", by["security"], person=person)).state)

    assert await off_and_on() == "created"
    roles = [Role.SUPPLIER_STAFF]
    second = (await house.run("account.person.assign_roles", by["security"], person=person, roles=roles)).password_half
    await house.sign_in("li", f"{created.password_half}-{second}")
    assert await off_and_on() == "active"
    first = (await house.run("account.person.reset_password", by["system"], person=person)).password_half
    assert await off_and_on() == "resetting"
    second = (await house.run("account.person.confirm_reset", by["security"], person=person)).password_half
    await house.sign_in("li", f"{first}-{second}")


async def test_the_list_is_narrowed_sorted_and_paged(house: Platform) -> None:
    by = await administrators(house)
    for login, name in (("li", "李四"), ("zhang", "张三"), ("wang_", "王五")):
        await house.run("account.person.create", by["system"], login=login, name=name)
    await house.run("account.person.create", by["system"], login="ops", name="O_o")

    async def logins(**asked: object) -> list[str]:
        return [one.login for one in (await house.run("account.person.list", by["audit"], **asked)).items]

    assert await logins() == ["audit", "li", "ops", "security", "system", "wang_", "zhang"]
    assert await logins(sort="-created_at", state="created") == ["ops", "wang_", "zhang", "li"]
    assert await logins(text="三") == ["zhang"] and await logins(text="_") == ["ops", "wang_"]
    assert await logins(role="platform.audit") == ["audit"] and await logins(role="tenant.audit") == []
    page = await house.run("account.person.list", by["audit"], sort="-login", limit=3)
    assert [one.login for one in page.items] == ["zhang", "wang_", "system"]
    assert await logins(sort="-login", cursor=page.next_cursor) == ["security", "ops", "li", "audit"]
    refused = await error_of(house.run("account.person.list", by["audit"], sort="login", cursor=page.next_cursor))
    assert refused.field == "cursor"
    file = await house.run("account.person.export", by["audit"], state="created")
    text = b"".join([chunk async for chunk in file.chunks]).decode()
    assert text.startswith("\ufeff登录名") and text.count("created") == 4 and "@" not in text


def test_what_one_person_may_be_is_what_does_not_conflict() -> None:
    offered = combinations(TENANT_ROLES)
    assert {frozenset(one) for one in offered} == {
        frozenset(some)
        for count in range(1, 5)
        for some in itertools.combinations(TENANT_ROLES, count)
        if conflict(some) is None
    }
    assert len(combinations(PLATFORM_ROLES)) == len(PLATFORM_ROLES)


async def test_people_are_found_by_their_identifiers_within_the_tenant(house: Platform) -> None:
    one, other = await house.tenant(1), await house.tenant(2)
    mine = (await house.run("account.person.list", one.people["system"])).items
    theirs = (await house.run("account.person.list", other.people["system"])).items
    asked = [mine[0].person, mine[1].person, theirs[0].person, "usr_nobody"]
    found = (await house.run("account.person.list", one.people["system"], people=asked)).items
    assert {item.person for item in found} == {mine[0].person, mine[1].person}
