"""The rooms over the real VSM process, and through its death: no serial number twice, every token verifies."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.rooms import Rooms
from tests.standin import call_of, database_in
from tests.vsm import Vsm

from miyun.core.errors import MiyunError
from miyun.core.operation import Role
from miyun.gm import sm3
from miyun.offerings.timestamp import messages as m
from miyun.wire.cms import verify_signed_data
from miyun.wire.tsp import verify_token
from miyun.wire.x509 import parse_certificate


def test_tokens_and_evidence_by_the_real_machine_through_a_kill(tmp_path: Path) -> None:
    async def run(vsm: Vsm) -> list[m.TokenView]:
        machine = vsm.machine()
        rooms = Rooms(tmp_path, database_in(tmp_path), machine, machine)  # type: ignore[arg-type]
        try:
            await rooms.certificate.bootstrap()
            await rooms.timestamp.bootstrap()
            await rooms.evidence_signer.bootstrap()
            call = call_of("ten_a", rooms.clock, role=Role.APPLICATION)
            digest = sm3.digest(b"data")
            views = [
                await rooms.timestamp.issue(call, m.IssueRequest(digest=digest)),
                await rooms.timestamp.issue(
                    call, m.IssueRequest(digest=digest, hash_algorithm="SHA-256", policy="ecdsa")
                ),
                await rooms.timestamp.issue(
                    call, m.IssueRequest(digest=digest, hash_algorithm="SHA-256", policy="rsa")
                ),
            ]

            async def stamp() -> m.TokenView | None:
                try:
                    return await rooms.timestamp.issue(call, m.IssueRequest(digest=digest))
                except MiyunError:
                    return None  # refused while the machine was away: the caller knows that there is no token

            under_way = [asyncio.create_task(stamp()) for _ in range(40)]
            await asyncio.sleep(0.005)
            vsm.kill()
            vsm.start()
            views += [view for view in await asyncio.gather(*under_way) if view is not None]
            views.append(await rooms.timestamp.issue(call, m.IssueRequest(digest=digest)))
            anchors = [parse_certificate(der) for der in await rooms.issuer.trust_anchors()]
            for view in views:
                verify_token(view.token, anchors=anchors, digest=digest)
            verify_signed_data(await rooms.evidence_signer.sign_detached(b"head"), content=b"head")
        finally:
            await machine.aclose()
            rooms.database.close()
        return views

    with Vsm() as vsm:
        views = asyncio.run(run(vsm))
    assert len({view.serial for view in views}) == len(views)
