"""Whatever applicants, reviewers, time, dying processes and a locking machine do: an application moves as its table
says, two people stand behind every certificate, and each that is issued has its certificates once."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.applicants import Holder, Office
from tests.rooms import rooms_in

from miyun.core.errors import MiyunError
from miyun.offerings.certificate.applications.fulfilment import Fulfilment
from miyun.offerings.certificate.applications.model import TRANSITIONS, State

PEOPLE = st.sampled_from(["a", "b", "c"])
NUMBER = st.integers(0, 50)


class Killed(BaseException):
    pass


def die(*_: Any, **__: Any) -> Any:
    raise Killed


class Registration(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="my"))
        self.office = Office(rooms_in(self.folder))
        self.known: dict[str, State] = {}
        self.keys = [Holder(f"某人{number}") for number in range(3)]

    def teardown(self) -> None:
        self.office.rooms.database.close()
        shutil.rmtree(self.folder)

    def do(self, verb: str, who: str, **request: Any) -> None:
        try:
            asyncio.run(self.office.ask(verb, self.office.call(who), **request))
        except (MiyunError, Killed) as error:
            assert isinstance(error, Killed) or error.status < 500

    def pick(self, number: int) -> str:
        known = sorted(self.known)
        return known[number % len(known)]

    @rule(who=PEOPLE, key=st.integers(0, 2), pair=st.sampled_from(["none", "escrow"]), reviewed=st.booleans())
    def apply(self, who: str, key: int, pair: str, reviewed: bool) -> None:
        template = "person" if reviewed else "device"
        self.do("apply", who, template=template, csr=self.keys[key].csr(), pair=pair)

    @precondition(lambda self: self.known)
    @rule(who=PEOPLE, number=NUMBER, verb=st.sampled_from(["approve", "reject", "withdraw"]))
    def decide(self, who: str, number: int, verb: str) -> None:
        more = {"reason": "不符"} if verb == "reject" else {}
        self.do(verb, who, application=self.pick(number), **more)

    @precondition(lambda self: self.known)
    @rule(who=PEOPLE, number=NUMBER, late=st.booleans())
    def approve_and_die(self, who: str, number: int, late: bool) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Fulfilment, "_record_issue" if late else "_certificates", die)
            self.do("approve", who, application=self.pick(number))

    @rule(locked=st.booleans())
    def lock(self, locked: bool) -> None:
        self.office.rooms.machine.locked = locked

    @rule(days=st.sampled_from([0.01, 16]))
    def time_passes(self, days: float) -> None:
        self.office.rooms.clock.advance(days=days)
        finish = self.office.rooms.certificate.applications.fulfilment
        asyncio.run(finish.resume())
        asyncio.run(finish.expire())

    @invariant()
    def moves_follow_the_table(self) -> None:
        items = asyncio.run(self.office.ask("list", self.office.call("a"), limit=500)).items
        store = self.office.rooms.certificate.applications._store
        for item in items:
            now = State(item.state)
            before = self.known.get(item.application, State.PENDING)
            assert now is before or now in _reachable(before)
            self.known[item.application] = now
            found = store.find("ten_a", item.application)
            assert found is not None
            made = Counter(certificate.usage for certificate in store.certificates_of(found))
            assert set(made.values()) <= {1}
            if now is State.ISSUED:
                assert len(made) == (2 if item.pair == "escrow" else 1)
                assert item.template == "device" or item.reviewer not in (None, item.applicant)
            elif now is not State.APPROVED:
                assert not made
        opened = [item.key_sm3 for item in items if TRANSITIONS[State(item.state)]]
        assert len(opened) == len(set(opened))


def _reachable(state: State) -> set[State]:
    found: set[State] = set()
    waiting = [state]
    while waiting:
        for after in TRANSITIONS[waiting.pop()]:
            if after not in found:
                found.add(after)
                waiting.append(after)
    return found


Registration.TestCase.settings = settings(
    max_examples=12, stateful_step_count=15, suppress_health_check=list(HealthCheck)
)
TestRegistration = Registration.TestCase
