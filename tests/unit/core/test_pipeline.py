"""The pipeline's order and its promises, with a ledger that only remembers."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from miyun.core.access import Anonymous, Authenticated, Credential, Entitled, Internal
from miyun.core.errors import (
    FailedPrecondition,
    InDoubt,
    InternalError,
    InvalidArgument,
    NotEntitled,
    Overloaded,
    PasswordUnchanged,
    PermissionDenied,
    QuotaExceeded,
    ReplayedRequest,
    StorageFull,
    Unauthenticated,
)
from miyun.core.i18n import Text
from miyun.core.ledger.port import Admission, Entry, Receipt, Settled, Ticket
from miyun.core.operation import Call, Duty, Meter, Operation, Principal, Role, Struct
from miyun.core.pipeline import Arrival, Pipeline
from miyun.core.registry import Registry
from miyun.core.turns import Turns
from miyun.offerings.onboarding.errors import OnboardingIncomplete

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


class Ask(Struct):
    units: int = 1


class Told(Struct):
    done: int


class Room:
    def __init__(self) -> None:
        self.calls: list[int] = []
        self.fails: Exception | None = None

    async def use(self, call: Call, request: Ask) -> Told:
        self.calls.append(request.units)
        call.resource["thing"] = "t1"
        if self.fails:
            raise self.fails
        return Told(done=request.units)

    def use_in_pool(self, call: Call, request: Ask) -> Told:
        return Told(done=request.units)


def operation(**changes: Any) -> Operation:
    values: dict[str, Any] = {
        "id": "room.use",
        "summary": Text("用", "use"),
        "method": "POST",
        "path": "/room/use",
        "request": Ask,
        "response": Told,
        "handler": Room.use,
        "roles": frozenset({Role.APPLICATION}),
        "duty": Duty.USE,
        "example": {},
        "meter": Meter("room.calls", Text("次", "calls"), lambda request, _: request.units, hourly_quota=True),
        "idempotent": True,
    }
    return Operation(**{**values, **changes})


class RememberingLedger:
    def __init__(self) -> None:
        self.entries: list[tuple[Entry, Ticket | None, bytes | None]] = []
        self.admissions: list[Admission] = []
        self.settled: list[Admission] = []
        self.released: list[tuple[Ticket, bool]] = []
        self.refusal: Exception | None = None
        self.append_fails: Exception | None = None
        self.replay: bytes | None = None

    async def admit(self, admission: Admission) -> Ticket:
        self.admissions.append(admission)
        if self.refusal:
            raise self.refusal
        return Ticket(number=len(self.admissions), replay=self.replay, used=5)

    async def append(self, entry: Entry, ticket: Ticket | None = None, *, answer: bytes | None = None) -> Receipt:
        if self.append_fails:
            raise self.append_fails
        self.entries.append((entry, ticket, answer))
        return Receipt(len(self.entries) - 1, b"", b"")

    async def settle(self, admission: Admission, entry: Entry) -> Settled:
        self.settled.append(admission)
        ticket = await self.admit(admission)
        return Settled(await self.append(entry), ticket.used)

    async def release(self, ticket: Ticket, *, in_doubt: bool = False) -> None:
        self.released.append((ticket, in_doubt))


class Gate:
    """Authenticator and entitlements in one."""

    def __init__(self) -> None:
        self.principal = Principal("ak_1", Role.APPLICATION, "app", tenant="ten_1", application="app_1")
        self.entitled: Entitled | Exception = Entitled("ten_1", "ins_1", "bnd_1", hourly_limit=10)
        self.must_change = False

    async def authenticate(self, credential: Credential, operation: Operation, now: datetime) -> Authenticated:
        if isinstance(credential, Internal):
            return Authenticated(Principal(credential.actor, Role.SYSTEM, "system"))
        return Authenticated(self.principal, nonce="ak_1:n", nonce_expires=1.0, must_change_password=self.must_change)

    async def resolve(
        self, principal: Principal, operation: Operation, *, instance: str | None, now: datetime
    ) -> Entitled:
        if isinstance(self.entitled, Exception):
            raise self.entitled
        return self.entitled


class StillClock:
    def now(self) -> datetime:
        return NOW


class Bench:
    def __init__(self, op: Operation) -> None:
        self.operation, self.room, self.ledger, self.gate = op, Room(), RememberingLedger(), Gate()
        self.pipeline = Pipeline(
            registry=Registry([], [op]),
            services={"room": self.room},
            authenticator=self.gate,
            entitlements=self.gate,
            ledger=self.ledger,  # type: ignore[arg-type]
            clock=StillClock(),
        )

    def run(self, decode: Any = lambda: Ask(units=3), **changes: Any) -> Any:
        arrival = Arrival(Anonymous(), "req_1", decode, **changes)
        return asyncio.run(self.pipeline.execute(self.operation, arrival, encode=lambda value: b"encoded"))


def test_a_good_call_is_recorded_with_its_units_before_it_is_answered() -> None:
    bench = Bench(operation())
    outcome = bench.run(idempotency_key="k1", fingerprint=b"f")
    assert outcome.value == Told(done=3)
    ((entry, ticket, answer),) = bench.ledger.entries
    assert (entry.operation, entry.outcome, entry.units, entry.resource) == ("room.use", "ok", 3, {"thing": "t1"})
    assert (entry.tenant, entry.instance, entry.binding) == ("ten_1", "ins_1", "bnd_1")
    assert ticket is not None and answer == b"encoded"
    (admission,) = bench.ledger.admissions
    assert admission.quota is not None and (admission.quota.units, admission.quota.limit) == (3, 10)
    assert admission.idempotency == "ak_1:room.use:k1"
    assert admission.nonce == "ak_1:n"


def test_a_pool_operation_runs_the_same_way() -> None:
    bench = Bench(operation(handler=Room.use_in_pool, run="pool"))
    assert bench.run().value == Told(done=3)


def test_a_role_that_is_not_listed_is_refused_before_entitlement_is_looked_at() -> None:
    bench = Bench(operation(roles=frozenset({Role.TENANT_SECURITY})))
    bench.gate.entitled = AssertionError("must not be asked")
    with pytest.raises(PermissionDenied) as refused:
        bench.run()
    assert "tenant security administrator" in refused.value.advice.en and "租户安全管理员" in refused.value.advice.zh
    assert not bench.room.calls
    entry = bench.ledger.entries[0][0]
    assert (entry.outcome, entry.tenant) == ("refused", "ten_1")  # the tenant sees who tried


def test_who_must_change_the_password_may_do_nothing_else() -> None:
    bench = Bench(operation())
    bench.gate.must_change = True
    with pytest.raises(PasswordUnchanged):
        bench.run()


def test_a_malformed_request_costs_no_quota() -> None:
    bench = Bench(operation())

    def decode() -> Ask:
        raise InvalidArgument("units", Text("坏", "bad"))

    with pytest.raises(InvalidArgument):
        bench.run(decode)
    assert not bench.ledger.admissions
    assert bench.ledger.entries[0][0].code == "InvalidArgument"


def test_without_entitlement_the_request_is_not_even_read() -> None:
    bench = Bench(operation())
    bench.gate.entitled = NotEntitled(service="room")
    with pytest.raises(NotEntitled):
        bench.run(lambda: pytest.fail("decoded"))


def test_an_exhausted_quota_is_visible_to_both_parties() -> None:
    bench = Bench(operation())
    bench.ledger.refusal = QuotaExceeded(used=10, limit=10, meter="room.calls", retry_after=60)
    with pytest.raises(QuotaExceeded):
        bench.run()
    assert not bench.room.calls
    entry = bench.ledger.entries[0][0]
    assert (entry.outcome, entry.code, entry.tenant, entry.meter, entry.units) == (
        "refused",
        "QuotaExceeded",
        "ten_1",
        "room.calls",
        0,
    )


def test_a_repeat_is_answered_from_what_was_stored_and_not_executed() -> None:
    bench = Bench(operation())
    bench.ledger.replay = b"stored"
    outcome = bench.run(idempotency_key="k1")
    assert outcome.replayed and outcome.answer == b"stored"
    assert not bench.room.calls


def test_a_secret_answer_is_never_stored_for_replay() -> None:
    bench = Bench(operation(secret_response=True))
    bench.run(idempotency_key="k1")
    assert bench.ledger.entries[0][2] is None


def test_a_declared_error_gives_quota_and_key_back() -> None:
    bench = Bench(operation())
    bench.room.fails = FailedPrecondition(state="disabled")
    with pytest.raises(FailedPrecondition):
        bench.run(idempotency_key="k1")
    assert [in_doubt for _, in_doubt in bench.ledger.released] == [False]


def test_an_unknown_failure_leaves_the_key_in_doubt_and_shows_no_cause() -> None:
    bench = Bench(operation())
    bench.room.fails = RuntimeError("secret detail")
    with pytest.raises(InternalError) as caught:
        bench.run(idempotency_key="k1")
    assert "secret" not in caught.value.message.en
    assert [in_doubt for _, in_doubt in bench.ledger.released] == [True]
    assert bench.ledger.entries[0][0].outcome == "failed"


def test_what_could_not_be_recorded_is_not_acknowledged() -> None:
    bench = Bench(operation())
    bench.ledger.append_fails = StorageFull()
    with pytest.raises(StorageFull):
        bench.run(idempotency_key="k1")
    assert bench.room.calls == [3]
    assert [in_doubt for _, in_doubt in bench.ledger.released] == [True]


def test_an_answer_in_doubt_is_passed_on() -> None:
    bench = Bench(operation())
    bench.ledger.refusal = InDoubt()
    with pytest.raises(InDoubt):
        bench.run(idempotency_key="k1")
    assert not bench.room.calls


def test_public_reads_are_counted_and_not_recorded() -> None:
    bench = Bench(operation(scope="public", method="GET", roles=frozenset({Role.PUBLIC}), meter=None))
    bench.run()
    assert not bench.ledger.entries
    assert bench.pipeline.counters["room.use", "ok"] == 1


def test_what_is_not_recorded_ends_its_ticket_all_the_same() -> None:
    bench = Bench(operation(recorded=False))
    bench.run()
    bench.room.fails = FailedPrecondition(state="closed")
    with pytest.raises(FailedPrecondition):
        bench.run()
    assert not bench.ledger.entries
    assert [ticket.number for ticket, _ in bench.ledger.released] == [1, 2]


def test_nobody_fills_the_ledger_with_malformed_requests_or_by_a_crowd() -> None:
    bench = Bench(operation(roles=frozenset({Role.PUBLIC}), scope="public", meter=None, idempotent=False))
    bench.gate.principal = Principal("anonymous", Role.PUBLIC, "")
    for error in (InvalidArgument("login", Text("坏", "bad")), Overloaded(retry_after=1)):
        bench.room.fails = error
        with pytest.raises(type(error)):
            bench.run()
    assert not bench.ledger.entries
    bench.room.fails = Unauthenticated(field="password")
    with pytest.raises(Unauthenticated):
        bench.run()
    assert [entry.code for entry, _, _ in bench.ledger.entries] == ["Unauthenticated"]


def test_an_answer_that_holds_the_callers_data_is_never_stored_for_replay() -> None:
    async def use(self: Room, call: Call, request: Ask) -> Told:
        call.private = True
        return Told(done=1)

    bench = Bench(operation(handler=use))
    bench.run(idempotency_key="k1")
    ((_, ticket, answer),) = bench.ledger.entries
    assert ticket is not None and answer is None


def test_a_declared_error_with_an_effect_leaves_the_key_in_doubt() -> None:
    bench = Bench(operation())
    bench.room.fails = OnboardingIncomplete("app_1", FailedPrecondition(state="locked"))
    with pytest.raises(OnboardingIncomplete):
        bench.run(idempotency_key="k1")
    assert [in_doubt for _, in_doubt in bench.ledger.released] == [True]


def test_what_has_no_effect_but_its_answer_is_admitted_and_recorded_at_once() -> None:
    bench = Bench(operation(pure=True))
    outcome = bench.run()
    (admission,) = bench.ledger.settled
    assert admission.nonce == "ak_1:n" and admission.quota is not None and admission.quota.units == 3
    assert (outcome.value, outcome.used, outcome.limit) == (Told(done=3), 5, 10)
    assert [entry.outcome for entry, _, _ in bench.ledger.entries] == ["ok"]


def test_with_an_idempotency_key_even_that_is_reserved_before_it_runs() -> None:
    bench = Bench(operation(pure=True))
    bench.run(idempotency_key="k1")
    assert not bench.ledger.settled


def test_a_refusal_at_the_end_gives_no_answer() -> None:
    bench = Bench(operation(pure=True))
    bench.ledger.refusal = ReplayedRequest()
    with pytest.raises(ReplayedRequest):
        bench.run()
    assert [entry.code for entry, _, _ in bench.ledger.entries] == ["ReplayedRequest"]


def test_a_quota_known_to_be_used_up_costs_no_execution() -> None:
    bench = Bench(operation(pure=True))
    bench.ledger.refusal = QuotaExceeded(used=10, limit=10, meter="room.calls", retry_after=60)
    for _ in range(3):
        with pytest.raises(QuotaExceeded):
            bench.run()
    assert bench.room.calls == [3]


def test_a_failure_uses_up_the_nonce_and_a_replay_is_not_told_of_it() -> None:
    bench = Bench(operation(pure=True))
    bench.room.fails = FailedPrecondition(state="disabled")
    with pytest.raises(FailedPrecondition):
        bench.run()
    assert [admission.nonce for admission in bench.ledger.admissions] == ["ak_1:n"]
    assert len(bench.ledger.released) == 1
    bench.ledger.refusal = ReplayedRequest()
    with pytest.raises(ReplayedRequest):
        bench.run()


def test_beside_others_a_call_keeps_its_turn_until_it_is_on_record() -> None:
    bench = Bench(operation(pure=True))
    bench.pipeline.turns = turns = Turns()
    held: list[int] = []
    settle = bench.ledger.settle

    async def watched(admission: Admission, entry: Entry) -> Settled:
        held.append(turns.running)
        return await settle(admission, entry)

    bench.ledger.settle = watched  # type: ignore[method-assign]
    bench.run()
    asyncio.run(turns.take("ten_2"))
    bench.run()
    assert held == [0, 2]
    assert turns.running == 1, "given back when it was on record"
