"""Whatever the two administrators do, in any order, no person ever holds what must be apart, and no side ever loses
its last administrator of a kind."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.unit.core.neighbours import platform

from miyun.core.errors import MiyunError
from miyun.core.operation import Role
from miyun.core.tenancy import passwords
from miyun.core.tenancy.model import PLATFORM_ADMINISTRATORS, PersonState, conflict
from miyun.core.tenancy.store import TenancyStore

ROLES = st.sets(st.sampled_from(sorted(Role)), min_size=1, max_size=3)
PEOPLE = st.integers(0, 7)


class Administration(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(passwords, "_COST", 2)
        self.folder = Path(tempfile.mkdtemp(prefix="my"))
        self.house = platform(self.folder)
        self.store = TenancyStore(self.house.database)
        self.loop = asyncio.new_event_loop()

    def teardown(self) -> None:
        self.house.cloud.accounts.close()
        self.house.database.close()
        self.loop.close()
        self.patch.undo()
        shutil.rmtree(self.folder)

    def do(self, operation: str, who: str, **request: object) -> None:
        try:
            self.loop.run_until_complete(self.house.run(operation, self.by[who], **request))
        except MiyunError as error:
            assert error.status < 500

    def people(self):
        return self.store.list_people(None, limit=100)

    def pick(self, number: int) -> str:
        people = self.people()
        return people[number % len(people)].id

    @initialize()
    def open(self) -> None:
        async def sign_in() -> dict:
            logins = await self.house.cloud.accounts.open_platform()
            return {name: await self.house.sign_in(name, password) for name, password in logins.items()}

        self.by = self.loop.run_until_complete(sign_in())

    @rule(login=st.sampled_from(("li", "wang", "zhao")))
    def create(self, login: str) -> None:
        self.do("account.person.create", "system", login=login, name=login)

    @rule(who=st.sampled_from(("system", "security", "audit")), number=PEOPLE, roles=ROLES)
    def assign(self, who: str, number: int, roles: set[Role]) -> None:
        self.do("account.person.assign_roles", who, person=self.pick(number), roles=sorted(roles))

    @rule(
        who=st.sampled_from(("system", "security", "audit")),
        number=PEOPLE,
        verb=st.sampled_from(("disable", "enable", "reset_password", "confirm_reset")),
    )
    def change(self, who: str, number: int, verb: str) -> None:
        self.do(f"account.person.{verb}", who, person=self.pick(number))

    @invariant()
    def duties_stay_apart(self) -> None:
        for person in self.people():
            for pair in itertools.combinations(person.roles, 2):
                assert conflict(pair) is None
            assert all(role.startswith("platform.") for role in person.roles)

    @invariant()
    def every_duty_has_someone(self) -> None:
        if hasattr(self, "by"):
            active = [person for person in self.people() if person.state == PersonState.ACTIVE]
            for role in PLATFORM_ADMINISTRATORS:
                assert any(role in person.roles for person in active)


TestAdministration = Administration.TestCase
TestAdministration.settings = settings(max_examples=20, stateful_step_count=15)
