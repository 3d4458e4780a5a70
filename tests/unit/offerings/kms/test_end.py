"""Scheduled deletion, destruction, automatic rotation, and what the dossier gets."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from miyun.core.errors import Conflict, InvalidArgument, NotFound, StorageFull
from miyun.core.ledger.port import Entry
from miyun.core.ports import KeyRef
from miyun.gm import sm3
from miyun.offerings.kms import messages as m
from miyun.offerings.kms.errors import KeyNotEnabled, KeyStateConflict
from miyun.offerings.kms.evidence import evidence
from miyun.offerings.kms.service import KmsService
from miyun.offerings.kms.tasks import TASKS

SM4 = m.CreateKeyRequest(algorithm="SM4", usage="encrypt", label="人事", alias="hr")


async def run_tasks(kms: KmsService) -> None:
    for task in TASKS:
        await task.run(kms)


def test_deletion_waits_can_be_cancelled_and_erases_when_due(room: Any) -> None:
    async def scene(kms: KmsService) -> None:
        call = room.call()
        key = (await kms.create(call, SM4)).key
        for days in (6, 31):
            with pytest.raises(InvalidArgument):
                await kms.schedule_deletion(call, m.ScheduleDeletionRequest(key=key, days=days))
        planned = await kms.schedule_deletion(call, m.ScheduleDeletionRequest(key=key))
        assert planned.deletion_at == room.clock.now() + timedelta(days=30)
        with pytest.raises(KeyNotEnabled):
            await kms.data_key(call, m.DataKeyRequest(key=key))
        room.clock.advance(days=29)
        await run_tasks(kms)
        assert (await kms.cancel_deletion(call, m.KeyRequest(key=key))).state == "disabled"
        room.clock.advance(days=2)
        await run_tasks(kms)
        assert (await kms.get(call, m.KeyRequest(key=key))).state == "disabled"

        await kms.schedule_deletion(call, m.ScheduleDeletionRequest(key=key, days=7))
        with room.database.engine.begin() as connection:
            (blob,) = connection.exec_driver_sql("SELECT blob FROM kms_version").one()
        room.clock.advance(days=7)
        await run_tasks(kms)
        gone = await kms.get(call, m.KeyRequest(key=key))
        assert (gone.state, gone.destroyed_at, gone.aliases) == ("destroyed", room.clock.now(), [])
        with room.database.engine.begin() as connection:
            assert connection.exec_driver_sql("SELECT blob FROM kms_version").one() == (b"",)
        (entry,) = [e for e in room.ledger.entries if e.operation == "kms.key.destroyed"]
        assert entry.resource == {"key": key} and entry.tenant == "ten_a"
        assert entry.detail["wrapped_sm3"] == {"1": sm3.digest(blob).hex()}
        for request in (kms.enable, kms.cancel_deletion, kms.disable):
            with pytest.raises(KeyStateConflict):
                await request(call, m.KeyRequest(key=key))
        with pytest.raises(KeyStateConflict):
            await kms.update(call, m.UpdateKeyRequest(key=key, label="x"))
        with pytest.raises(NotFound):
            await kms.get(call, m.KeyRequest(key="alias:hr"))
        await run_tasks(kms)
        assert len([e for e in room.ledger.entries if e.operation == "kms.key.destroyed"]) == 1

    room.play(scene)


def test_a_destroyed_key_is_gone_from_the_database_files(room: Any) -> None:
    async def scene(kms: KmsService) -> None:
        call = room.call()
        key = (await kms.create(call, SM4)).key
        await kms.rotate(call, m.KeyRequest(key=key))
        with room.database.engine.begin() as connection:
            blobs = [row[0] for row in connection.exec_driver_sql("SELECT blob FROM kms_version")]

        def found() -> list[bool]:
            content = b"".join(path.read_bytes() for path in room.folder.glob("test.db*"))
            return [blob in content for blob in blobs]

        assert found() == [True, True]
        await kms.directory.destroy(KeyRef("ten_a", key))
        assert found() == [False, False]

    room.play(scene)


def test_an_erasure_that_the_ledger_missed_is_told_later(room: Any) -> None:
    async def scene(kms: KmsService) -> None:
        call = room.call()
        key = (await kms.create(call, SM4)).key
        await kms.schedule_deletion(call, m.ScheduleDeletionRequest(key=key, days=7))
        room.clock.advance(days=7)
        working = room.ledger.append

        async def full(entry: Entry, *args: Any, **options: Any) -> Any:
            raise StorageFull

        room.ledger.append = full
        with pytest.raises(StorageFull):
            await kms.lifecycle.destroy_due()
        room.ledger.append = working
        assert (await kms.get(call, m.KeyRequest(key=key))).state == "destroyed"
        await kms.lifecycle.destroy_due()
        assert list(room.ledger.operations()) == ["kms.key.destroyed"]

    room.play(scene)


def test_automatic_rotation_happens_when_its_period_is_over(room: Any) -> None:
    async def scene(kms: KmsService) -> None:
        call = room.call()
        request = m.CreateKeyRequest(algorithm="SM4", usage="encrypt", label="x", rotation_days=30)
        key = (await kms.create(call, request)).key
        await run_tasks(kms)
        assert (await kms.get(call, m.KeyRequest(key=key))).version == 1
        room.clock.advance(days=30)
        await run_tasks(kms)
        await run_tasks(kms)
        rotated = await kms.get(call, m.KeyRequest(key=key))
        assert rotated.version == 2
        assert rotated.next_rotation_at == room.clock.now() + timedelta(days=30)
        assert list(room.ledger.operations()) == ["kms.key.rotate"]
        await kms.update(call, m.UpdateKeyRequest(key=key, rotation_days=0))
        room.clock.advance(days=60)
        await run_tasks(kms)
        assert (await kms.get(call, m.KeyRequest(key=key))).version == 2
        for algorithm, usage, days in (("SM2", "sign", 30), ("SM4", "encrypt", 1), ("SM4", "encrypt", 99999)):
            with pytest.raises(InvalidArgument) as refusal:
                await kms.create(
                    call,
                    m.CreateKeyRequest(algorithm=algorithm, usage=usage, label="x", rotation_days=days),  # type: ignore[arg-type]
                )
            assert refusal.value.field == "rotation_days"

    room.play(scene)


def test_two_changes_at_the_same_time_do_not_both_happen(room: Any) -> None:
    async def scene(kms: KmsService) -> None:
        call = room.call()
        key = (await kms.create(call, SM4)).key
        stale = await kms._records.fresh("ten_a", key)
        await kms.rotate(call, m.KeyRequest(key=key))
        with pytest.raises(Conflict):
            await kms.lifecycle.update(stale, stale.key)
        assert (await kms.get(call, m.KeyRequest(key=key))).version == 2

    room.play(scene)


def test_other_rooms_use_keys_through_the_directory(room: Any) -> None:
    async def scene(kms: KmsService) -> None:
        directory = kms.directory
        info = await directory.create("ten_a", "SM4", "encrypt", label="x", owner="encryption")
        ref = KeyRef("ten_a", info.key)
        (one,) = await directory.encrypt(ref, "SM4-GCM", [(b"data", b"", b"aad")])
        answers = await directory.decrypt(ref, "SM4-GCM", [(one, b"aad"), (one, b"no"), (b"short", b"")])
        assert answers == [b"data", None, None]
        with pytest.raises(InvalidArgument):
            await directory.encrypt(ref, "AES-256-GCM", [(b"data", b"", b"")])
        with pytest.raises(NotFound):
            await directory.decrypt(KeyRef("ten_a", info.key, 9), "SM4-GCM", [(one, b"aad")])
        with pytest.raises(NotFound):
            await directory.info(KeyRef("ten_b", info.key))
        sign = await directory.create("ten_a", "SM2", "sign", label="x", owner="signature")
        assert len(await directory.sign(KeyRef("ten_a", sign.key), [b"a", b"b"], scheme="SM2-SM3")) == 2
        for scheme in ("ECDSA-SHA256", "nonsense"):
            with pytest.raises(InvalidArgument):
                await directory.sign(KeyRef("ten_a", sign.key), [b"a"], scheme=scheme)
        await directory.destroy(ref)
        with pytest.raises(KeyNotEnabled):
            await directory.decrypt(ref, "SM4-GCM", [(one, b"aad")])

    room.play(scene)


def test_the_dossier_gets_usage_inventory_and_erasures_without_secrets(room: Any) -> None:
    async def scene(kms: KmsService) -> None:
        call = room.call()
        start = room.clock.now()
        key = (await kms.create(call, SM4)).key
        await kms.create(room.call("ten_b"), SM4)
        await kms.rotate(call, m.KeyRequest(key=key))
        await kms.directory.destroy(KeyRef("ten_a", key))
        await room.ledger.append(
            Entry("kms.mac.generate", "ok", room.clock.now(), instance="ins_1", meter="kms.calls", units=7)
        )
        files = await evidence(kms, tenant="ten_a", instance="ins_1", start=start, end=start + timedelta(days=1))
        content = {file.path: json.loads(file.content) for file in files}
        assert content["usage.json"][0]["units"] == 7
        (inventory,) = content["keys.json"]
        assert (inventory["key"], inventory["state"], len(inventory["versions"])) == (key, "destroyed", 2)
        assert content["erasures.json"][0]["key"] == key
        assert not any(b"blob" in file.content for file in files)

    room.play(scene)


def test_the_machine_puts_away_a_key_that_is_destroyed_at_once(room: Any) -> None:
    """The erased row alone would leave the key in the machine's memory, open for who remembers its wrapping."""

    async def scene(kms: KmsService) -> None:
        call = room.call()
        key = (await kms.create(call, SM4)).key
        await kms.data_key(call, m.DataKeyRequest(key=key))
        before = (await kms._machine.counters())["open_keys"]  # type: ignore[attr-defined]
        await kms.directory.destroy(KeyRef("ten_a", key))
        assert (await kms._machine.counters())["open_keys"] == before - 1  # type: ignore[attr-defined]

    room.play(scene)
