"""An escrowed key comes back by three people, once, to whom it belongs."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from tests.applicants import Holder, Office
from tests.rooms import Rooms

from miyun.core.errors import InvalidArgument, NotFound
from miyun.core.operation import Role
from miyun.gm import sm2
from miyun.offerings.certificate.evidence import evidence
from miyun.offerings.certificate.recovery import operations
from miyun.offerings.certificate.recovery.errors import AnotherPersonNeeded, RecoveryStateConflict, UnfitReceiver
from miyun.offerings.certificate.recovery.service import Recoveries
from miyun.wire.x509 import load_certificates, parse_certificate


class Archive(Office):
    """The office, with a holder whose key is escrowed and who has a new signing key."""

    async def recovery(self, verb: str, who: str, role: Role = Role.TENANT_SECURITY, **request: Any) -> Any:
        name = "certificate.escrow.list" if verb == "escrowed" else f"certificate.recovery.{verb}"
        found = next(item for item in operations.OPERATIONS if item.id == name)
        tenant = request.pop("tenant", "ten_a")
        call = self.call(who, role, tenant=tenant)
        return await found.handler(self.rooms.certificate, call, found.request(**request))

    async def settle(self) -> tuple[str, str, Holder, bytes]:
        """The escrowed key's id and the new certificate of its holder, the holder, and the key as first delivered."""
        old, new = Holder(), Holder()
        first = await self.approve((await self.apply(old.csr(), pair="escrow")).application)
        key = old.open(await self.file(first.application, "enveloped_key"))
        second = await self.approve((await self.apply(new.csr())).application)
        receiver = (await self.file(second.application, "pem")).decode()
        [kept] = (await self.recovery("escrowed", "sec", text="张三")).items
        assert kept.certificates == [first.encryption_certificate]
        return kept.escrow, receiver, new, key

    async def agreed(self, recovery: str) -> Any:
        await self.recovery("authorise", "sys", Role.TENANT_SYSTEM, recovery=recovery)
        return await self.recovery("approve", "sec2", recovery=recovery)


@pytest.fixture
def archive(rooms: Rooms) -> Archive:
    return Archive(rooms)


def test_two_agree_and_the_holder_has_the_key_again_once(archive: Archive) -> None:
    async def scene() -> None:
        escrow, receiver, holder, key = await archive.settle()
        asked = await archive.recovery("request", "sec", escrow=escrow, receiver=receiver, reason="钥匙损坏")
        with pytest.raises(RecoveryStateConflict):
            await archive.recovery("collect", "sec", recovery=asked.recovery)
        assert (await archive.agreed(asked.recovery)).state == "approved"
        with pytest.raises(NotFound):
            await archive.recovery("collect", "sec2", recovery=asked.recovery)
        delivered = await archive.recovery("collect", "sec", recovery=asked.recovery)
        assert holder.open(delivered.enveloped_key) == key
        [certificate] = load_certificates(delivered.certificates_pem)
        assert certificate.public_key.point == sm2.public_key(key)
        with pytest.raises(RecoveryStateConflict):
            await archive.recovery("collect", "sec", recovery=asked.recovery)

    asyncio.run(scene())


@pytest.mark.parametrize("first", ["authorise", "approve"])
def test_nobody_has_two_parts_in_it(archive: Archive, first: str) -> None:
    async def scene() -> None:
        escrow, receiver, _, _ = await archive.settle()
        asked = await archive.recovery("request", "sec", escrow=escrow, receiver=receiver, reason="钥匙损坏")
        roles = {"authorise": Role.TENANT_SYSTEM, "approve": Role.TENANT_SECURITY}
        second = "approve" if first == "authorise" else "authorise"
        for verb, role in roles.items():
            with pytest.raises(AnotherPersonNeeded):
                await archive.recovery(verb, "sec", role, recovery=asked.recovery)
        await archive.recovery(first, "other", roles[first], recovery=asked.recovery)
        with pytest.raises(AnotherPersonNeeded):
            await archive.recovery(second, "other", roles[second], recovery=asked.recovery)
        with pytest.raises(RecoveryStateConflict):
            await archive.recovery(first, "third", roles[first], recovery=asked.recovery)
        assert (await archive.recovery("get", "sec", recovery=asked.recovery)).state == "requested"

    asyncio.run(scene())


def test_one_person_at_both_desks_at_once_is_still_one(archive: Archive) -> None:
    async def scene() -> None:
        escrow, receiver, _, _ = await archive.settle()
        asked = await archive.recovery("request", "sec", escrow=escrow, receiver=receiver, reason="钥匙损坏")
        await asyncio.gather(
            archive.recovery("authorise", "other", Role.TENANT_SYSTEM, recovery=asked.recovery),
            archive.recovery("approve", "other", recovery=asked.recovery),
            return_exceptions=True,
        )
        assert (await archive.recovery("get", "sec", recovery=asked.recovery)).state == "requested"

    asyncio.run(scene())


def test_a_users_recovery_goes_to_nobody_of_the_same_name_in_another_tenant(archive: Archive) -> None:
    """Applicants of every tenant choose names of their own."""

    async def scene() -> None:
        escrow, _, _, _ = await archive.settle()
        applied = await archive.apply(
            Holder().csr(), call=archive.call("dev_b", Role.TENANT_DEVELOPER, tenant="ten_b"), template="person"
        )
        approving = archive.call("sec_b", tenant="ten_b")
        await archive.ask("approve", approving, application=applied.application)
        file = await archive.ask("file", approving, application=applied.application, format="pem")
        with pytest.raises(UnfitReceiver) as refused:
            await archive.recovery("request", "sec", escrow=escrow, receiver=bytes(file.body).decode(), reason="损坏")
        assert "this tenant" in refused.value.message.en

    asyncio.run(scene())


def test_the_second_consent_and_the_approval_are_one(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that a crash could come between: there would be nobody left to agree."""

    async def scene() -> None:
        escrow, receiver, _, _ = await archive.settle()
        asked = await archive.recovery("request", "sec", escrow=escrow, receiver=receiver, reason="钥匙损坏")
        await archive.recovery("authorise", "sys", Role.TENANT_SYSTEM, recovery=asked.recovery)

        def killed(*_: Any) -> Any:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Recoveries, "_told", killed)
            with pytest.raises(KeyboardInterrupt):
                await archive.recovery("approve", "sec2", recovery=asked.recovery)
        assert (await archive.recovery("get", "sec", recovery=asked.recovery)).state == "approved"

    asyncio.run(scene())


def test_a_users_recovery_goes_to_the_same_subject_only(archive: Archive) -> None:
    async def scene() -> None:
        escrow, receiver, _, _ = await archive.settle()
        stranger = await archive.approve((await archive.apply(Holder("李四").csr())).application)
        theirs = (await archive.file(stranger.application, "pem")).decode()
        request = {"escrow": escrow, "reason": "钥匙损坏"}
        with pytest.raises(UnfitReceiver):
            await archive.recovery("request", "sec", receiver=theirs, **request)
        asked = await archive.recovery("request", "sec", receiver=receiver, **request)
        await archive.agreed(asked.recovery)
        serial = parse_certificate(load_certificates(receiver)[0].der).serial
        await archive.rooms.issuer.revoke(serial, "key_compromise", archive.rooms.clock.now())
        with pytest.raises(UnfitReceiver):
            await archive.recovery("collect", "sec", recovery=asked.recovery)
        with pytest.raises(InvalidArgument):
            await archive.recovery("request", "sec", receiver=theirs, kind="judicial", **request)
        judicial = await archive.recovery(
            "request", "sec", receiver=theirs, kind="judicial", reference="(2026)某检调证1号", **request
        )
        assert judicial.state == "requested"

    asyncio.run(scene())


def test_what_is_not_decided_or_not_collected_in_time_expires(archive: Archive) -> None:
    async def scene() -> None:
        escrow, receiver, _, _ = await archive.settle()
        request = {"escrow": escrow, "receiver": receiver, "reason": "钥匙损坏"}
        idle = await archive.recovery("request", "sec", **request)
        granted = await archive.recovery("request", "sec", **request)
        await archive.agreed(granted.recovery)
        archive.rooms.clock.advance(days=3, seconds=1)
        with pytest.raises(RecoveryStateConflict):
            await archive.recovery("collect", "sec", recovery=granted.recovery)
        archive.rooms.clock.advance(days=4)
        assert await archive.rooms.certificate.recoveries.expire() == 1
        for item in (idle, granted):
            assert (await archive.recovery("get", "sec", recovery=item.recovery)).state == "expired"

    asyncio.run(scene())


def test_a_rejected_one_stays_rejected_and_lists_tell(archive: Archive) -> None:
    async def scene() -> None:
        escrow, receiver, _, _ = await archive.settle()
        asked = await archive.recovery("request", "sec", escrow=escrow, receiver=receiver, reason="钥匙损坏")
        await archive.recovery("reject", "sys", Role.TENANT_SYSTEM, recovery=asked.recovery, reason="未见本人")
        with pytest.raises(RecoveryStateConflict):
            await archive.agreed(asked.recovery)
        [item] = (await archive.recovery("list", "aud", Role.TENANT_AUDIT, state="rejected")).items
        assert item.note == "未见本人" and item.closed_by == "sys"
        sent = await archive.recovery("export", "aud", Role.TENANT_AUDIT)
        assert asked.recovery in b"".join([chunk async for chunk in sent.chunks]).decode()
        with pytest.raises(NotFound):
            await archive.recovery("get", "sec", tenant="ten_b", recovery=asked.recovery)
        assert (await archive.recovery("escrowed", "sec", tenant="ten_b")).items == []

    asyncio.run(scene())


def test_the_dossier_tells_who_applied_who_reviewed_and_who_agreed(archive: Archive) -> None:
    async def scene() -> None:
        escrow, receiver, _, _ = await archive.settle()
        asked = await archive.recovery("request", "sec", escrow=escrow, receiver=receiver, reason="钥匙损坏")
        await archive.agreed(asked.recovery)
        now = archive.rooms.clock.now()
        files = {
            item.path: item.content.decode("utf-8-sig")
            for item in await evidence(
                archive.rooms.certificate,
                tenant="ten_a",
                instance="ins_1",
                start=now - timedelta(days=1),
                end=now + timedelta(days=1),
            )
            if item.path.endswith(".csv")
        }
        _, first, second = files["applications.csv"].splitlines()
        assert all("dev" in line and "sec" in line and "issued" in line for line in (first, second))
        [_, line] = files["recoveries.csv"].splitlines()
        assert all(word in line for word in (asked.recovery, "钥匙损坏", "sys", "sec2", "approved"))

    asyncio.run(scene())
