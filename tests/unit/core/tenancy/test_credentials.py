"""Credentials of applications: signed requests and single-purpose credentials."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace
from tests.unit.core.neighbours import STAMP, Bought, Platform, error_of, signed

from miyun.core.access import BasicCredential, SignedRequest
from miyun.core.errors import StorageFull

pytestmark = pytest.mark.anyio


@pytest.fixture
async def one(house: Platform) -> Bought:
    return await house.tenant(1)


@pytest.fixture
async def application(house: Platform, one: Bought) -> str:
    by = one.people["system"]
    created = await house.run("tenant.application.create", by, name="办件系统")
    return created.application


@pytest.fixture
async def binding(house: Platform, one: Bought, application: str) -> str:
    request = {"application": application, "instance": one.instances["stamps"]}
    return (await house.run("tenant.binding.create", one.people["system"], **request)).binding


@pytest.fixture
async def key(house: Platform, one: Bought, application: str, binding: str) -> tuple[str, str]:
    created = await house.run("tenant.access_key.create", one.people["system"], application=application)
    return created.access_key, created.secret_key


async def who(house: Platform, request: SignedRequest | BasicCredential):
    return await house.cloud.authenticator.authenticate(request, STAMP, house.clock.now())


async def test_a_signed_request_is_the_application(
    house: Platform, one: Bought, application: str, key: tuple[str, str]
) -> None:
    found = await who(house, signed(*key, house.clock.now()))
    assert (found.principal.application, found.principal.tenant) == (application, one.tenant)
    assert found.nonce == f"{key[0]}:nonce-0001"
    # remembered for longer than the date would be accepted
    assert found.nonce_expires >= (house.clock.now() + timedelta(minutes=5)).timestamp()


async def test_the_secret_key_is_64_hex_digits_shown_once(house: Platform, one: Bought, key: tuple[str, str]) -> None:
    assert len(key[1]) == 64 and int(key[1], 16) >= 0
    application = (await house.run("tenant.application.list", one.people["system"])).items[0].application
    listed = await house.run("tenant.access_key.list", one.people["system"], application=application)
    assert key[0] in str(listed) and key[1] not in str(listed)
    assert key[1] not in str(house.ledger.entries)


async def test_a_wrong_signature_is_refused(house: Platform, key: tuple[str, str]) -> None:
    good = signed(*key, house.clock.now())
    for bad in (
        replace(good, signature="00" * 32),
        replace(good, signature=""),
        replace(good, signature="é" * 64),
        replace(good, string_to_sign=good.string_to_sign + b"x"),
        signed(key[0], "0" * 64, house.clock.now()),
        replace(good, access_key="ak_" + "0" * 26),
        replace(good, access_key="ak_' or 1=1"),
        replace(good, nonce="short"),
        replace(good, nonce="with spaces and\nlines"),
        replace(good, nonce="nonce-0002"),  # not the one that was signed
        replace(good, date=(house.clock.now() + timedelta(seconds=1)).strftime("%Y%m%dT%H%M%SZ")),
    ):
        assert (await error_of(who(house, bad))).code == "Unauthenticated"


@pytest.mark.parametrize(
    "date", ["", "2026", "20260302T013000", "20261302T013000Z", "２0260302T013000Z", "20260302 013000Z"]
)
async def test_a_malformed_date_is_refused(house: Platform, key: tuple[str, str], date: str) -> None:
    request = replace(signed(*key, house.clock.now()), date=date)
    assert (await error_of(who(house, request))).code == "Unauthenticated"


@pytest.mark.parametrize("minutes", [-5, 5])
async def test_five_minutes_of_skew_are_allowed_and_no_second_more(
    house: Platform, key: tuple[str, str], minutes: int
) -> None:
    sign = 1 if minutes > 0 else -1
    assert await who(house, signed(*key, house.clock.now() + timedelta(minutes=minutes)))
    late = signed(*key, house.clock.now() + timedelta(minutes=minutes, seconds=sign))
    assert (await error_of(who(house, late))).code == "ClockSkew"


async def test_the_day_changes_at_midnight_utc(house: Platform, key: tuple[str, str]) -> None:
    house.clock.at = house.clock.at.replace(hour=23, minute=59, second=59)
    before = signed(*key, house.clock.now())
    house.clock.advance(seconds=2)
    assert await who(house, before)
    assert await who(house, signed(*key, house.clock.now()))


async def test_machine_and_database_are_asked_once(house: Platform, key: tuple[str, str]) -> None:
    await who(house, signed(*key, house.clock.now()))
    asked = house.machine.asked
    for _ in range(10):
        await who(house, signed(*key, house.clock.now()))
    assert house.machine.asked == asked


async def test_a_locked_machine_is_told_as_such(house: Platform, key: tuple[str, str]) -> None:
    house.machine.locked = True
    assert (await error_of(who(house, signed(*key, house.clock.now())))).code == "MachineLocked"


async def test_a_revoked_key_is_refused_at_once_and_others_go_on(
    house: Platform, one: Bought, application: str, key: tuple[str, str]
) -> None:
    second = await house.run("tenant.access_key.create", one.people["system"], application=application)
    await who(house, signed(*key, house.clock.now()))
    await house.run("tenant.access_key.revoke", one.people["security"], access_key=key[0])
    assert (await error_of(who(house, signed(*key, house.clock.now())))).code == "CredentialExpired"
    assert await who(house, signed(second.access_key, second.secret_key, house.clock.now()))


async def test_an_expired_key_is_refused(house: Platform, one: Bought, application: str) -> None:
    until = house.clock.now() + timedelta(minutes=1)
    created = await house.run(
        "tenant.access_key.create", one.people["system"], application=application, expires_at=until
    )
    pair = created.access_key, created.secret_key
    assert await who(house, signed(*pair, house.clock.now()))
    house.clock.at = until
    assert (await error_of(who(house, signed(*pair, house.clock.now())))).code == "CredentialExpired"


async def test_a_key_that_would_be_expired_is_not_issued(house: Platform, one: Bought, application: str) -> None:
    for until in (house.clock.now(), house.clock.now().replace(tzinfo=None) + timedelta(days=1)):
        error = await error_of(
            house.run("tenant.access_key.create", one.people["system"], application=application, expires_at=until)
        )
        assert error.field == "expires_at"


async def test_disabling_the_application_stops_all_its_credentials(
    house: Platform, one: Bought, application: str, binding: str, key: tuple[str, str]
) -> None:
    issued = await house.run(
        "tenant.credential.create", one.people["system"], binding=binding, operations=["stamps.stamp"]
    )
    basic = BasicCredential(issued.username, issued.password)
    assert await who(house, signed(*key, house.clock.now())) and await who(house, basic)
    await house.run("tenant.application.disable", one.people["security"], application=application)
    assert (await error_of(who(house, signed(*key, house.clock.now())))).code == "CredentialExpired"
    assert (await error_of(who(house, basic))).code == "CredentialExpired"
    await house.run("tenant.application.enable", one.people["security"], application=application)
    assert await who(house, signed(*key, house.clock.now()))


@pytest.fixture
async def basic(house: Platform, one: Bought, binding: str) -> BasicCredential:
    issued = await house.run(
        "tenant.credential.create", one.people["system"], binding=binding, operations=["stamps.stamp"]
    )
    return BasicCredential(issued.username, issued.password)


async def test_a_single_purpose_credential_has_one_purpose(house: Platform, basic: BasicCredential) -> None:
    assert await house.run("stamps.stamp", basic)
    for other in ("stamps.verify", "keys.use", "account.me", "tenant.application.list"):
        assert (await error_of(house.run(other, basic))).code == "Unauthenticated"


async def test_a_wrong_password_is_refused(house: Platform, basic: BasicCredential) -> None:
    for username, password in (
        (basic.username, basic.password.swapcase()),
        (basic.username, ""),
        ("bc_" + "0" * 26, basic.password),
        ("system@t1", basic.password),
    ):
        assert (await error_of(who(house, BasicCredential(username, password)))).code == "Unauthenticated"


async def test_a_revoked_credential_is_refused_at_once(house: Platform, one: Bought, basic: BasicCredential) -> None:
    await house.run("stamps.stamp", basic)
    await house.run("tenant.credential.revoke", one.people["security"], username=basic.username)
    assert (await error_of(house.run("stamps.stamp", basic))).code == "CredentialExpired"


async def test_a_credential_ends_with_its_binding(
    house: Platform, one: Bought, binding: str, basic: BasicCredential
) -> None:
    await house.run("stamps.stamp", basic)
    await house.run("tenant.binding.delete", one.people["system"], binding=binding)
    assert (await error_of(house.run("stamps.stamp", basic))).code == "CredentialExpired"


@pytest.mark.parametrize("operation", ["keys.make", "account.login", "contract.list", "no.such"])
async def test_no_credential_for_what_an_application_of_the_binding_may_not_do(
    house: Platform, one: Bought, binding: str, operation: str
) -> None:
    error = await error_of(
        house.run("tenant.credential.create", one.people["system"], binding=binding, operations=[operation])
    )
    assert error.field == "operations"


async def test_no_secret_is_in_the_database(house: Platform, key: tuple[str, str], basic: BasicCredential) -> None:
    with house.database.read() as connection:
        tables = [r[0] for r in connection.exec_driver_sql("select name from sqlite_master where type='table'")]
        everything = "".join(str(row) for t in tables for row in connection.exec_driver_sql(f"select * from {t}"))
    assert key[0] in everything and basic.username in everything
    assert key[1] not in everything and basic.password not in everything


async def test_a_tenant_cannot_touch_anothers_applications(
    house: Platform, one: Bought, application: str, binding: str, key: tuple[str, str], basic: BasicCredential
) -> None:
    other = await house.tenant(2)
    mine = (await house.run("tenant.application.create", other.people["system"], name="另一系统")).application
    for operation, request in (
        ("tenant.application.get", {"application": application}),
        ("tenant.application.disable", {"application": application}),
        ("tenant.access_key.create", {"application": application}),
        ("tenant.access_key.list", {"application": application}),
        ("tenant.access_key.revoke", {"access_key": key[0]}),
        ("tenant.binding.create", {"application": application, "instance": other.instances["stamps"]}),
        ("tenant.binding.create", {"application": mine, "instance": one.instances["stamps"]}),
        ("tenant.binding.delete", {"binding": binding}),
        ("tenant.credential.create", {"binding": binding, "operations": ["stamps.stamp"]}),
        ("tenant.credential.list", {"binding": binding}),
        ("tenant.credential.list", {"application": application}),
        ("tenant.credential.revoke", {"username": basic.username}),
    ):
        error = await error_of(house.run(operation, other.people["system"], **request))
        assert error.code == "NotFound", operation
    assert await who(house, signed(*key, house.clock.now())) and await house.run("stamps.stamp", basic)
    by = other.people["system"]
    assert (await house.run("tenant.binding.list", by, application=application)).items == []
    assert [item.application for item in (await house.run("tenant.application.list", by)).items] == [mine]
    for listing in ("tenant.binding.list", "tenant.access_key.list", "tenant.credential.list"):
        assert (await house.run(listing, by)).items == [], listing


async def test_a_name_is_taken_once_a_tenant(house: Platform, one: Bought, application: str) -> None:
    error = await error_of(house.run("tenant.application.create", one.people["system"], name="办件系统"))
    assert error.code == "AlreadyExists"
    other = await house.tenant(2)
    assert await house.run("tenant.application.create", other.people["system"], name="办件系统")


async def test_an_application_binds_once_and_may_bind_again_after_unbinding(
    house: Platform, one: Bought, application: str, binding: str
) -> None:
    request = {"application": application, "instance": one.instances["stamps"]}
    by = one.people["system"]
    assert (await error_of(house.run("tenant.binding.create", by, **request))).code == "AlreadyExists"
    await house.run("tenant.binding.delete", by, binding=binding)
    assert (await error_of(house.run("tenant.binding.delete", by, binding=binding))).code == "NotFound"
    assert await house.run("tenant.binding.create", by, **request)
    assert len(house.cloud.applications.of_application(application)) == 1


async def test_nothing_new_is_bound_to_a_contract_that_is_over(house: Platform, one: Bought, application: str) -> None:
    await house.cloud.contracts.terminate(one.contract, paper="解除通知 2026-03-02", by="usr_x")
    request = {"application": application, "instance": one.instances["sealing"]}
    assert (await error_of(house.run("tenant.binding.create", one.people["system"], **request))).code == "NotEntitled"


async def test_lists_page_through_everything_once(house: Platform, one: Bought, application: str, binding: str) -> None:
    by = one.people["system"]
    names = {"tenant.access_key": "access_key", "tenant.credential": "username", "tenant.application": "application"}
    made: dict[str, list[str]] = {room: [] for room in names} | {"tenant.application": [application]}
    for number in range(5):
        house.clock.advance(seconds=1)
        for room, request in (
            ("tenant.access_key", {"application": application}),
            ("tenant.credential", {"binding": binding, "operations": ["stamps.stamp"]}),
            ("tenant.application", {"name": f"系统 {number}"}),
        ):
            made[room].append(getattr(await house.run(f"{room}.create", by, **request), names[room]))
    for room, name in names.items():
        for sort in ("created_at", "-created_at"):
            seen: list[str] = []
            cursor = None
            while True:
                page = await house.run(f"{room}.list", by, sort=sort, limit=2, cursor=cursor)
                seen += [getattr(item, name) for item in page.items]
                cursor = page.next_cursor
                if cursor is None:
                    break
            assert seen == (made[room] if sort == "created_at" else made[room][::-1]), (room, sort)


async def test_lists_tell_the_states_apart(house: Platform, one: Bought, application: str, binding: str) -> None:
    by, soon = one.people["system"], house.clock.now() + timedelta(minutes=20)
    for room, name, request in (
        ("tenant.access_key", "access_key", {"application": application}),
        ("tenant.credential", "username", {"binding": binding, "operations": ["stamps.stamp"]}),
    ):
        made = {}
        for state, more in (("active", {}), ("expired", {"expires_at": soon}), ("revoked", {"expires_at": soon})):
            made[state] = getattr(await house.run(f"{room}.create", by, **request, **more), name)
        await house.run(f"{room}.revoke", by, **{name: made["revoked"]})
        listed = await house.run(f"{room}.list", by)
        assert {getattr(item, name): item.state for item in listed.items} == {
            made["active"]: "active",
            made["expired"]: "active",  # still
            made["revoked"]: "revoked",
        }
        house.clock.advance(minutes=20)  # the very moment in which it expires
        for state in made:
            found = (await house.run(f"{room}.list", by, state=state)).items
            assert [(getattr(item, name), item.state) for item in found] == [(made[state], state)]
        soon = house.clock.now() + timedelta(minutes=20)


async def test_the_last_use_of_a_credential_is_known(
    house: Platform, one: Bought, key: tuple[str, str], basic: BasicCredential
) -> None:
    async def used() -> list[object]:
        keys = await house.run("tenant.access_key.list", one.people["system"])
        credentials = await house.run("tenant.credential.list", one.people["system"])
        return [keys.items[0].used_at, credentials.items[0].used_at]

    assert await used() == [None, None]
    assert (await error_of(who(house, signed(key[0], "0" * 64, house.clock.now())))).code == "Unauthenticated"
    assert await used() == [None, None], "a wrong signature is no use"
    first = house.clock.now()
    await who(house, signed(*key, first))
    await who(house, basic)
    house.clock.advance(minutes=14)
    await who(house, signed(*key, house.clock.now()))
    assert await used() == [first, first], "to a quarter of an hour"
    house.clock.advance(minutes=1)
    await who(house, signed(*key, house.clock.now()))
    await who(house, basic)
    assert await used() == [house.clock.now()] * 2


@pytest.mark.parametrize("why", [StorageFull(), RuntimeError("the database is read-only")])
async def test_no_call_fails_because_its_use_is_not_noted(
    house: Platform, key: tuple[str, str], monkeypatch: pytest.MonkeyPatch, why: Exception
) -> None:
    def fail(credential: str, now: object) -> None:
        raise why

    monkeypatch.setattr(house.cloud.tenants.applications.store, "note_use", fail)
    assert await who(house, signed(*key, house.clock.now()))


@pytest.mark.parametrize("ends", ["9999-12-31T23:59:59-08:00", "9999-12-31T23:59:59.999999-00:01"])
async def test_a_time_beyond_the_calendar_is_the_callers_mistake(
    house: Platform, one: Bought, application: str, ends: str
) -> None:
    by = one.people["system"]
    request = {"application": application, "expires_at": datetime.fromisoformat(ends)}
    assert (await error_of(house.run("tenant.access_key.create", by, **request))).code == "InvalidArgument"
    assert (await house.run("tenant.access_key.list", by)).items == []
