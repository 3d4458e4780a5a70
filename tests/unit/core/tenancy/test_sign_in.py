"""Passwords, sessions and the lock."""

from __future__ import annotations

import asyncio
import time

import pytest
from tests.unit.core.neighbours import OWN_PASSWORD, Platform, error_of

from miyun.core.access import Anonymous, SessionCredential
from miyun.core.errors import Unauthenticated
from miyun.core.pipeline import Arrival
from miyun.core.tenancy.account import network_of
from miyun.core.tenancy.errors import WeakPassword
from miyun.core.tenancy.model import ADDRESS_LOCK_AFTER
from miyun.core.tenancy.passwords import NOBODY, Guard, check_policy, hash_password, verify_password
from miyun.core.tenancy.sessions import csrf_token, session_id

pytestmark = pytest.mark.anyio
LOGIN = "audit"


@pytest.fixture
async def token(house: Platform) -> str:
    passwords = await house.cloud.accounts.open_platform()
    return (await house.sign_in(LOGIN, passwords[LOGIN])).token


@pytest.mark.parametrize("password", ["a-long-enough-one", "Short-10x!", "密码服务平台管理员的口令很长"])
def test_a_good_password_passes(password: str) -> None:
    check_policy(password, "zhang", field="new")


@pytest.mark.parametrize(
    "password", ["short1A!", "onlysmall10", "abcabcabcabcabc", "xx-zhang-2026-yy", "S3cret!" * 19, ""]
)
def test_a_weak_password_is_refused(password: str) -> None:
    with pytest.raises(WeakPassword) as caught:
        check_policy(password, "zhang@bureau", field="new")
    assert (caught.value.field == "new" and password[:8] not in caught.value.message.zh) or not password


def test_a_password_is_stored_salted_and_slow() -> None:
    one, other = hash_password(OWN_PASSWORD), hash_password(OWN_PASSWORD)
    assert one != other and OWN_PASSWORD not in one
    assert verify_password(OWN_PASSWORD, one) and not verify_password(OWN_PASSWORD + "x", one)
    begun = time.perf_counter()
    verify_password(OWN_PASSWORD, NOBODY)
    assert time.perf_counter() - begun > 0.01


async def try_password(house: Platform, password: str, login: str = LOGIN) -> str:
    try:
        await house.run("account.login", Anonymous(), login=login, password=password)
    except Exception as error:
        return f"{type(error).__name__}:{error}"
    return "in"


async def test_five_failures_lock_for_a_quarter_of_an_hour_and_all_answers_are_alike(
    house: Platform, token: str
) -> None:
    answers = [await try_password(house, "wrong-password-1") for _ in range(5)]
    answers.append(await try_password(house, OWN_PASSWORD))
    answers.append(await try_password(house, OWN_PASSWORD, login="nobody"))
    assert len(set(answers)) == 1 and answers[0].startswith("Unauthenticated")
    house.clock.advance(minutes=14, seconds=59)
    assert await try_password(house, OWN_PASSWORD) != "in"
    house.clock.advance(seconds=1)
    assert await try_password(house, OWN_PASSWORD) == "in"


async def test_success_forgets_failures(house: Platform, token: str) -> None:
    for _ in range(3):
        for _ in range(4):
            await try_password(house, "wrong-password-1")
        assert await try_password(house, OWN_PASSWORD) == "in"


async def test_parallel_guesses_do_not_outrun_the_lock(house: Platform, token: str) -> None:
    # in which order they are checked is nobody's promise: what counts is that none of them went uncounted
    answers = await asyncio.gather(*(try_password(house, "wrong-password-1") for _ in range(7)))
    assert "in" not in answers
    assert await try_password(house, OWN_PASSWORD) != "in"


async def test_a_crowd_at_the_door_is_turned_away_not_queued() -> None:
    guard = Guard(waiting=2)
    answers = await asyncio.gather(*(guard.run(lambda: time.sleep(0.05)) for _ in range(5)), return_exceptions=True)
    assert [type(a).__name__ for a in answers] == ["NoneType"] * 2 + ["Overloaded"] * 3
    assert await guard.run(lambda: 1) == 1
    guard.close()


async def test_a_session_idles_out_after_half_an_hour(house: Platform, token: str) -> None:
    session = SessionCredential(token, cookie=False)
    for _ in range(3):
        house.clock.advance(minutes=29)
        await house.run("account.me", session)
    house.clock.advance(minutes=30, seconds=1)
    assert (await error_of(house.run("account.me", session))).code == "SessionExpired"


async def test_a_session_ends_after_twelve_hours_however_busy(house: Platform, token: str) -> None:
    session = SessionCredential(token, cookie=False)
    for _ in range(12 * 3 - 1):
        house.clock.advance(minutes=20)
        await house.run("account.me", session)
    house.clock.advance(minutes=20)
    assert (await error_of(house.run("account.me", session))).code == "SessionExpired"


async def test_signing_out_ends_this_session_only(house: Platform, token: str) -> None:
    other = await house.sign_in(LOGIN, OWN_PASSWORD)
    await house.run("account.logout", SessionCredential(token, cookie=False))
    assert (await error_of(house.run("account.me", SessionCredential(token, cookie=False)))).status == 401
    assert await house.run("account.me", other)


async def test_ending_all_sessions_reaches_every_one(house: Platform, token: str) -> None:
    other = await house.sign_in(LOGIN, OWN_PASSWORD)
    assert len((await house.run("account.session.list", other)).items) == 2
    await house.run("account.session.end_all", other)
    for each in (other, SessionCredential(token, cookie=False)):
        assert (await error_of(house.run("account.me", each))).status == 401


async def test_changing_the_password_ends_the_other_sessions(house: Platform, token: str) -> None:
    other = await house.sign_in(LOGIN, OWN_PASSWORD)
    await house.run("account.change_password", other, current=OWN_PASSWORD, new="Another-one-2026")
    assert (await error_of(house.run("account.me", SessionCredential(token, cookie=False)))).status == 401
    assert await house.run("account.me", other)


async def test_changing_the_password_needs_the_current_one(house: Platform, token: str) -> None:
    session = SessionCredential(token, cookie=False)
    error = await error_of(
        house.run("account.change_password", session, current="Not-the-one-1", new="Another-one-2026")
    )
    assert error.code == "Unauthenticated"
    assert await try_password(house, OWN_PASSWORD) == "in"


async def test_a_cookie_session_changes_nothing_without_the_page_token(house: Platform, token: str) -> None:
    for csrf in (None, "", "0" * 64, csrf_token("another")):
        wrong = SessionCredential(token, csrf=csrf, cookie=True, unsafe=True)
        assert (await error_of(house.run("account.session.end_all", wrong))).code == "CsrfMismatch"
    right = SessionCredential(token, csrf=csrf_token(token), cookie=True, unsafe=True)
    assert (await house.run("account.session.end_all", right)).done


async def test_the_token_is_not_in_the_database(house: Platform, token: str) -> None:
    with house.database.read() as connection:
        rows = "".join(str(row) for row in connection.exec_driver_sql("select * from core_session"))
    assert token not in rows and session_id(token) in rows


async def test_a_session_costs_one_row_a_minute_not_one_a_request(house: Platform, token: str) -> None:
    session = SessionCredential(token, cookie=False)
    await house.run("account.me", session)
    with house.database.write() as connection:  # were the row asked for again, the session would be gone
        connection.exec_driver_sql("delete from core_session")
    assert await house.run("account.me", session)
    house.clock.advance(seconds=61)
    assert (await error_of(house.run("account.me", session))).code == "SessionExpired"


async def test_an_anonymous_caller_is_asked_who_they_are(house: Platform) -> None:
    assert (await error_of(house.run("account.me", Anonymous()))).code == "Unauthenticated"


async def test_a_failed_sign_in_is_recorded_with_the_name_if_somebody_has_it(house: Platform, token: str) -> None:
    await try_password(house, "wrong-password-1")
    entry = house.ledger.entries[-1]
    assert (entry.operation, entry.outcome, entry.detail["login"]) == ("account.login", "refused", LOGIN)
    await try_password(house, "wrong-password-1", login=OWN_PASSWORD)
    assert OWN_PASSWORD.lower() not in str(house.ledger.entries).lower()
    assert "wrong-password-1" not in str(house.ledger.entries)


async def from_address(house: Platform, address: str, password: str, login: str = LOGIN) -> bool:
    operation = house.registry.operation("account.login")
    arrival = Arrival(Anonymous(), "req", lambda: operation.request(login=login, password=password), peer=address)
    try:
        await house.pipeline.execute(operation, arrival)
    except Unauthenticated:
        return False
    return True


async def test_guesses_at_many_names_lock_the_address_and_nobody_else(house: Platform, token: str) -> None:
    for number in range(ADDRESS_LOCK_AFTER):
        assert not await from_address(house, "203.0.113.7", "wrong-password-1", f"nobody{number}")
    assert not await from_address(house, "203.0.113.7", OWN_PASSWORD)
    assert not await from_address(house, "::ffff:203.0.113.7", OWN_PASSWORD)
    assert await from_address(house, "203.0.113.8", OWN_PASSWORD)
    house.clock.advance(minutes=15, seconds=1)
    assert await from_address(house, "203.0.113.7", OWN_PASSWORD)


async def test_people_who_sign_in_do_not_lock_their_offices_address(house: Platform, token: str) -> None:
    for _ in range(ADDRESS_LOCK_AFTER + 5):
        assert await from_address(house, "203.0.113.7", OWN_PASSWORD)


def test_an_address_is_what_one_client_has() -> None:
    assert network_of("203.0.113.7") == "203.0.113.7"
    assert network_of("2001:db8:1:2:3::4") == network_of("2001:db8:1:2:ffff::1") == "2001:db8:1:2::/64"
    assert network_of("2001:db8:1:3::1") != network_of("2001:db8:1:2::1")
