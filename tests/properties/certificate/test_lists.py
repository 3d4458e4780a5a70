"""Whatever is issued and revoked in whatever order, the lists say exactly that, and numbers only grow."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rooms import rooms_in
from tests.standin import call_of

from miyun.gm import sm2
from miyun.offerings.certificate.messages import CrlRequest
from miyun.offerings.certificate.tasks import publish_lists
from miyun.wire.crl import parse_crl
from miyun.wire.spki import sm2_spki

SPKI = sm2_spki(sm2.public_key(sm2.generate_private_key()))
STEPS = st.lists(
    st.one_of(
        st.just(("issue", 0)),
        st.tuples(st.just("revoke"), st.integers(0, 20)),
        st.tuples(st.just("wait"), st.sampled_from([1, 6, 50_000])),
        st.just(("task", 0)),
    ),
    max_size=25,
)


@given(STEPS)
@settings(max_examples=25)
def test_lists_name_exactly_what_is_revoked(steps: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rooms = rooms_in(Path(folder))
        issued: list[int] = []
        revoked: set[int] = set()
        numbers: list[int] = []

        async def act(kind: str, value: int) -> None:
            if kind == "issue":
                done = await rooms.issuer.issue(
                    "ten_a", template="application", subject={"CN": "x"}, spki=SPKI, at=rooms.clock.now()
                )
                assert done.serial not in issued
                issued.append(done.serial)
            elif kind == "revoke" and issued:
                serial = issued[value % len(issued)]
                await rooms.issuer.revoke(serial, "superseded", rooms.clock.now())
                revoked.add(serial)
            elif kind == "wait":
                rooms.clock.advance(seconds=value)
            elif kind == "task":
                await publish_lists(rooms.certificate)
            reply = await rooms.certificate.crl(call_of(None, rooms.clock), CrlRequest(ca="sm2-issuing"))
            crl = parse_crl(reply.body)
            assert set(crl.entries) <= revoked
            assert crl.crl_number is not None
            numbers.append(crl.crl_number)

        async def run() -> None:
            for kind, value in steps:
                await act(kind, value)
            await act("wait", 6)
            await act("task", 0)
            reply = await rooms.certificate.crl(call_of(None, rooms.clock), CrlRequest(ca="sm2-issuing"))
            assert set(parse_crl(reply.body).entries) == revoked

        asyncio.run(run())
        assert numbers == sorted(numbers)
        rooms.database.close()
