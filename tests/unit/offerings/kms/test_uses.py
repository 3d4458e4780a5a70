"""Encryptions under one key are counted durably, never too few, and end before the nonces may repeat."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import select, update

from miyun.core.ports import KeyRef
from miyun.offerings.kms import messages as m
from miyun.offerings.kms.errors import KeyWornOut
from miyun.offerings.kms.service import KmsService
from miyun.offerings.kms.store import version_table
from miyun.offerings.kms.uses import BLOCK, LIMIT, ROTATE_AT, Uses

SM4 = m.CreateKeyRequest(algorithm="SM4", usage="encrypt", label="人事")


def counted(room: Any, key: str, version: int = 1) -> int:
    with room.database.read() as connection:
        query = select(version_table.c.uses).where(version_table.c.key == key, version_table.c.version == version)
        return int(connection.execute(query).scalar_one())


def worn(room: Any, key: str, uses: int) -> None:
    with room.database.write() as connection:
        connection.execute(update(version_table).where(version_table.c.key == key).values(uses=uses))


def test_every_way_to_encrypt_is_counted_and_cbc_is_not(room: Any) -> None:
    async def scene(kms: KmsService) -> None:
        key = (await kms.create(room.call(), SM4)).key
        ref = KeyRef("ten_a", key)
        await kms.directory.encrypt(ref, "SM4-CBC", [(b"x", b"", b"")])
        assert counted(room, key) == 0
        wrapped = (await kms.data_key(room.call(), m.DataKeyRequest(key=key))).wrapped
        await kms.directory.encrypt(ref, "SM4-GCM", [(b"x", b"", b"")] * 10)
        await kms.rewrap(room.call(), m.RewrapRequest(key=key, items=[m.RewrapItem(wrapped=wrapped)]))
        assert counted(room, key) == BLOCK  # one block holds all of them
        worn(room, key, LIMIT)
        kms.directory._uses = Uses(store=room.store)  # another worker
        with pytest.raises(KeyWornOut):
            await kms.data_key(room.call(), m.DataKeyRequest(key=key))
        with pytest.raises(KeyWornOut):
            await kms.directory.encrypt(ref, "SM4-GCM", [(b"x", b"", b"")])
        await kms.unwrap(room.call(), m.UnwrapRequest(key=key, wrapped=wrapped))  # reading goes on
        await kms.rotate(room.call(), m.KeyRequest(key=key))
        await kms.data_key(room.call(), m.DataKeyRequest(key=key))

    room.play(scene)


def test_workers_side_by_side_never_pass_the_limit(room: Any) -> None:
    async def scene(kms: KmsService) -> None:
        key = (await kms.create(room.call(), SM4)).key
        workers = [Uses(store=room.store, limit=100, block=10) for _ in range(3)]
        taken = 0

        async def work(uses: Uses, count: int) -> None:
            nonlocal taken
            for _ in range(60):
                try:
                    await uses.take(key, 1, count)
                except KeyWornOut:
                    return
                taken += count

        await asyncio.gather(*(work(uses, count) for uses, count in zip(workers * 2, (1, 2, 3, 1, 25, 7), strict=True)))
        assert 60 <= taken <= counted(room, key) <= 100
        await asyncio.gather(*(work(uses, 1) for uses in workers))  # whatever is left can be used to the last
        assert taken == counted(room, key) == 100

    room.play(scene)


def test_a_key_half_worn_rotates_by_itself_unless_it_must_not(room: Any) -> None:
    async def scene(kms: KmsService) -> None:
        key = (await kms.create(room.call(), SM4)).key
        fresh = (await kms.create(room.call(), SM4)).key
        disabled = (await kms.create(room.call(), SM4)).key
        await kms.disable(room.call(), m.KeyRequest(key=disabled))
        for name in (key, disabled):
            worn(room, name, ROTATE_AT)
        assert await kms.lifecycle.rotate_due() == 1
        assert (await kms.get(room.call(), m.KeyRequest(key=key))).version == 2
        assert (await kms.get(room.call(), m.KeyRequest(key=fresh))).version == 1
        assert await kms.lifecycle.rotate_due() == 0

    room.play(scene)


def test_a_restored_key_begins_at_what_its_backup_says(room: Any) -> None:
    async def scene(kms: KmsService) -> None:
        key = (await kms.create(room.call(), SM4)).key
        await kms.get(room.call(), m.KeyRequest(key=key))  # cached before it was used
        worn(room, key, 12_345)
        backup = (await kms.backup(room.call(), m.KeyRequest(key=key))).backup
        restored = await kms.restore(room.call(), m.RestoreKeyRequest(backup=backup, conflict="new_key"))
        assert counted(room, restored.key) == 12_345

    room.play(scene)
