"""The queries of core behave alike on SQLite and PostgreSQL, also when two come at once."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from tests.unit.core.neighbours import START, Platform, error_of, platform_on, signed, spec

from miyun.core.access import Anonymous, BasicCredential
from miyun.core.storage import Database, schema
from miyun.core.tenancy.store import TenancyStore

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def house(database: Database) -> Platform:
    schema.upgrade(database)
    return platform_on(database)


async def test_a_contract_is_performed(house: Platform) -> None:
    one = await house.tenant(1)
    by = one.people["system"]
    application = (await house.run("tenant.application.create", by, name="办件系统")).application
    binding = await house.run("tenant.binding.create", by, application=application, instance=one.instances["stamps"])
    key = await house.run("tenant.access_key.create", by, application=application)
    assert await house.run("stamps.stamp", signed(key.access_key, key.secret_key, house.clock.now()))
    basic = await house.run("tenant.credential.create", by, binding=binding.binding, operations=["stamps.stamp"])
    credential = BasicCredential(basic.username, basic.password)
    assert await house.run("stamps.stamp", credential)
    overview = await house.run("contract.overview", by, contract=one.contract)
    assert overview.onboarding.done == 1 and len(overview.due_next) == 2
    await house.run("tenant.binding.delete", by, binding=binding.binding)
    assert (await error_of(house.run("stamps.stamp", credential))).code == "CredentialExpired"
    assert (await error_of(house.run("tenant.application.create", by, name="办件系统"))).code == "AlreadyExists"


async def test_one_document_activated_by_many_at_once_opens_once(house: Platform) -> None:
    answers = await asyncio.gather(*(house.cloud.contracts.activate(spec()) for _ in range(4)))
    assert [a.created for a in answers].count(True) == 1
    assert len({a.contract for a in answers}) == 1
    logins = [login for a in answers for login in a.first_logins]
    assert sorted(logins) == ["audit@t1", "security@t1", "system@t1"], "each one-time password is shown once"


async def test_attempts_counted_at_once_are_all_counted(house: Platform) -> None:
    store = TenancyStore(house.database)
    window = timedelta(minutes=15)
    counted = await asyncio.gather(
        *(asyncio.to_thread(store.count_attempt, "s", START, limit=5, window=window) for _ in range(12))
    )
    assert counted.count(True) == 5


async def test_the_last_two_administrators_cannot_remove_each_other(house: Platform) -> None:
    """The rule is judged inside the transaction."""
    logins = await house.cloud.accounts.open_platform()
    by = {name: await house.sign_in(name, password) for name, password in logins.items()}
    created = await house.run("account.person.create", by["system"], login="second", name="第二")
    assigned = await house.run(
        "account.person.assign_roles", by["security"], person=created.person.person, roles=["platform.audit"]
    )
    await house.sign_in("second", f"{created.password_half}-{assigned.password_half}")
    store = TenancyStore(house.database)
    auditors = [p for p in store.list_people(None, limit=50) if "platform.audit" in p.roles]
    assert len(auditors) == 2
    answers = await asyncio.gather(
        *(asyncio.to_thread(store.disable, person) for person in auditors), return_exceptions=True
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["LastAdministrator", "NoneType"]


def test_an_error_of_the_database_does_not_tell_the_values_that_went_in(database: Database) -> None:
    """Such errors end in the log; the values may be a password's hash or half of a first password."""
    with pytest.raises(DBAPIError) as caught, database.write() as connection:
        connection.execute(text("INSERT INTO no_such_table VALUES (:secret)"), {"secret": "half-of-a-password"})
    assert "half-of-a-password" not in str(caught.value)


async def test_what_the_database_cannot_keep_is_the_callers_mistake(house: Platform) -> None:
    """PostgreSQL takes no NUL in text: no internal error, and no traceback for who only tries to sign in."""
    error = await error_of(house.run("account.login", Anonymous(), login="zhang\0", password="x"))
    assert error.code in ("Unauthenticated", "InvalidArgument")
