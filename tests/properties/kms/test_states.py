"""Whatever is asked of a key in whatever order: it follows the table, and what it once wrapped stays readable or not
exactly as its state says."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from tests.standin import AnyApplications, HandClock, StandInLedger, call_of, database_in
from tests.vsm import Vsm

from miyun.core.errors import FailedPrecondition, InvalidArgument
from miyun.offerings.kms import messages as m
from miyun.offerings.kms.model import TRANSITIONS, KeyState, KeyVerb
from miyun.offerings.kms.service import KmsService
from miyun.offerings.kms.store import KmsStore


def lives(vsm: Vsm) -> type[RuleBasedStateMachine]:
    class LifeOfAKey(RuleBasedStateMachine):
        @initialize()
        def begin(self) -> None:
            self.loop = asyncio.new_event_loop()
            self.folder = tempfile.TemporaryDirectory()
            self.database = database_in(Path(self.folder.name))
            self.clock = HandClock()

            async def make() -> Any:
                self.machine = vsm.machine()
                return KmsService(
                    store=KmsStore(self.database),
                    machine=self.machine,
                    clock=self.clock,
                    ledger=StandInLedger(),  # type: ignore[arg-type]
                    applications=AnyApplications(),
                )

            self.kms: KmsService = self.do(make())
            request = m.CreateKeyRequest(algorithm="SM4", usage="encrypt", label="x", rotation_days=7)
            self.key = self.do(self.kms.create(self.call(), request)).key
            self.state, self.version, self.lowest = KeyState.ENABLED, 1, 1
            self.wrapped: list[m.DataKeyView] = []
            self.wrap()

        def do(self, what: Awaitable[Any]) -> Any:
            return self.loop.run_until_complete(what)  # type: ignore[arg-type]

        def call(self) -> Any:
            return call_of("ten_a", self.clock)

        def move(self, verb: KeyVerb, request: Awaitable[Any]) -> None:
            expected = TRANSITIONS.get((self.state, verb))
            if expected is None:
                with pytest.raises(FailedPrecondition):
                    self.do(request)
            else:
                self.state = expected
                assert self.do(request).state == expected.value

        @rule()
        def enable(self) -> None:
            self.move(KeyVerb.ENABLE, self.kms.enable(self.call(), m.KeyRequest(key=self.key)))

        @rule()
        def disable(self) -> None:
            self.move(KeyVerb.DISABLE, self.kms.disable(self.call(), m.KeyRequest(key=self.key)))

        @rule()
        def schedule(self) -> None:
            request = m.ScheduleDeletionRequest(key=self.key, days=7)
            self.move(KeyVerb.SCHEDULE_DELETION, self.kms.schedule_deletion(self.call(), request))

        @rule()
        def cancel(self) -> None:
            self.move(KeyVerb.CANCEL_DELETION, self.kms.cancel_deletion(self.call(), m.KeyRequest(key=self.key)))

        @rule()
        def rotate(self) -> None:
            request = self.kms.rotate(self.call(), m.KeyRequest(key=self.key))
            if self.state is KeyState.ENABLED:
                self.version += 1
                assert self.do(request).version == self.version
            else:
                with pytest.raises(FailedPrecondition):
                    self.do(request)

        @rule()
        def raise_lowest(self) -> None:
            request = m.UpdateKeyRequest(key=self.key, min_decryption_version=self.lowest + 1)
            if self.state is KeyState.DESTROYED or self.lowest == self.version:
                with pytest.raises((FailedPrecondition, InvalidArgument)):
                    self.do(self.kms.update(self.call(), request))
            else:
                self.lowest += 1
                self.do(self.kms.update(self.call(), request))

        @rule()
        def wrap(self) -> None:
            if self.state is KeyState.ENABLED:
                self.wrapped.append(self.do(self.kms.data_key(self.call(), m.DataKeyRequest(key=self.key))))

        @rule()
        def a_week_passes(self) -> None:
            self.clock.advance(days=7)
            destroyed = self.state is KeyState.PENDING_DELETION
            rotated = self.state is KeyState.ENABLED
            self.do(self.kms.lifecycle.destroy_due())
            self.do(self.kms.lifecycle.rotate_due())
            if destroyed:
                self.state = KeyState.DESTROYED
            if rotated:
                self.version += 1

        @invariant()
        def the_record_says_so(self) -> None:
            if hasattr(self, "kms"):
                seen = self.do(self.kms.get(self.call(), m.KeyRequest(key=self.key)))
                assert (seen.state, seen.version) == (self.state.value, self.version)
                assert seen.min_decryption_version == self.lowest

        @invariant()
        def what_was_wrapped_opens_exactly_when_it_should(self) -> None:
            for made in getattr(self, "wrapped", [])[-3:]:
                request = self.kms.unwrap(self.call(), m.UnwrapRequest(key=self.key, wrapped=made.wrapped))
                if self.state is KeyState.ENABLED and made.version >= self.lowest:
                    assert self.do(request).plaintext == made.plaintext
                else:
                    with pytest.raises(FailedPrecondition):
                        self.do(request)

        def teardown(self) -> None:
            if hasattr(self, "kms"):
                self.do(self.machine.aclose())
                self.database.close()
                self.loop.close()
                self.folder.cleanup()

    return LifeOfAKey


def test_a_key_follows_its_table_of_states() -> None:
    with Vsm() as vsm:
        run_state_machine_as_test(lives(vsm), settings=settings(max_examples=25, stateful_step_count=25))
