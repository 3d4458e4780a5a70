"""Envelopes and streams: any size, constant memory, and nothing altered goes unnoticed."""

from __future__ import annotations

import errno
import os
import tempfile
import tracemalloc
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from miyun.core.errors import DecryptionFailed, InvalidArgument, MiyunError, NotFound, StorageFull
from miyun.offerings.encryption import messages as m
from miyun.offerings.encryption.segments import SEGMENT, TAG, parse_header

PIECE = SEGMENT + TAG


async def joined(stream: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in stream])


async def encrypted(room: Any, s: Any, key: str, data: bytes, aad: bytes = b"", chunk: int = 10_000) -> bytes:
    request = m.StreamEncryptRequest(key=key, associated_data=aad)
    return await joined(await s.service.stream_encrypt(room.call(body=data, chunk=chunk), request))


async def decrypted(
    room: Any, s: Any, data: bytes, aad: bytes = b"", key: str | None = None, chunk: int = 7001
) -> bytes:
    request = m.StreamDecryptRequest(key=key, associated_data=aad)
    return await joined(await s.service.stream_decrypt(room.call(body=data, chunk=chunk), request))


@pytest.mark.parametrize("size", [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 3 * SEGMENT, 2_500_003])
def test_a_file_of_any_size_comes_back(room: Any, size: int) -> None:
    async def scene(s: Any) -> None:
        key, data = await s.key(), os.urandom(size)
        container = await encrypted(room, s, key, data, b"file 1")
        header, start = parse_header(container)
        segments = max(1, -(-size // SEGMENT))
        assert (header.key, header.version, len(container) - start) == (key, 1, size + segments * TAG)
        assert await decrypted(room, s, container, b"file 1") == data
        await s.kms.lifecycle.rotate("ten_a", key)
        assert await decrypted(room, s, container, b"file 1", key=key, chunk=1_000_000) == data

    room.play(scene)


def damage(name: str) -> Callable[[bytes, int], bytes]:
    def cut(data: bytes, start: int, *order: int) -> bytes:
        pieces = [data[position : position + PIECE] for position in range(start, len(data), PIECE)]
        return data[:start] + b"".join(pieces[index] for index in order)

    return {
        "last segment missing": lambda data, start: cut(data, start, 0, 1, 2),
        "all segments missing": lambda data, start: data[:start],
        "last octet missing": lambda data, start: data[:-1],
        "segments exchanged": lambda data, start: cut(data, start, 1, 0, 2, 3),
        "segment repeated": lambda data, start: cut(data, start, 0, 1, 1, 2, 3),
        "segment missing in the middle": lambda data, start: cut(data, start, 0, 2, 3),
        "octets added": lambda data, start: data + b"x",
        "whole segment added": lambda data, start: cut(data, start, 0, 1, 2, 3, 3),
        "octet changed": lambda data, start: data[: start + 70_000] + b"\0\1" + data[start + 70_002 :],
        "prefix changed": lambda data, start: data[: start - 6] + b"\xff\xff" + data[start - 4 :],
        "segment size changed": lambda data, start: data[: start - 4] + (32768).to_bytes(4, "big") + data[start:],
        "wrapped key changed": lambda data, start: data[: start - 20] + b"\0\0\0" + data[start - 17 :],
    }[name]


@pytest.mark.parametrize(
    "name",
    [
        "last segment missing",
        "all segments missing",
        "last octet missing",
        "segments exchanged",
        "segment repeated",
        "segment missing in the middle",
        "octets added",
        "whole segment added",
        "octet changed",
        "prefix changed",
        "segment size changed",
        "wrapped key changed",
    ],
)
def test_a_damaged_container_fails(room: Any, name: str) -> None:
    async def scene(s: Any) -> None:
        key = await s.key()
        container = await encrypted(room, s, key, os.urandom(3 * SEGMENT + 500))
        _, start = parse_header(container)
        broken = damage(name)(container, start)
        assert broken != container
        with pytest.raises(DecryptionFailed):
            await decrypted(room, s, broken)
        with pytest.raises(DecryptionFailed):
            await s.service.envelope_decrypt(room.call(), m.EnvelopeDecryptRequest(envelope=broken))

    room.play(scene)


def test_wrong_associated_data_key_or_format_is_refused_before_any_plaintext(room: Any) -> None:
    async def scene(s: Any) -> None:
        key, other, theirs = await s.key(), await s.key(), await s.key(tenant="ten_b")
        container = await encrypted(room, s, key, b"data", b"a")
        call = room.call
        for request, error in (
            (s.service.stream_decrypt(call(body=container), m.StreamDecryptRequest()), DecryptionFailed),
            (
                s.service.stream_decrypt(call(body=container), m.StreamDecryptRequest(key=other, associated_data=b"a")),
                DecryptionFailed,
            ),
            (
                s.service.stream_decrypt(call("ten_b", container), m.StreamDecryptRequest(associated_data=b"a")),
                NotFound,
            ),
            (
                s.service.stream_decrypt(
                    call("ten_b", container), m.StreamDecryptRequest(key=theirs, associated_data=b"a")
                ),
                DecryptionFailed,
            ),
            (s.service.stream_decrypt(call(body=b"PK\x03\x04"), m.StreamDecryptRequest()), InvalidArgument),
            (s.service.stream_decrypt(call(body=b""), m.StreamDecryptRequest()), InvalidArgument),
            (s.service.stream_decrypt(call(body=container[:20]), m.StreamDecryptRequest()), InvalidArgument),
            (s.service.envelope_decrypt(call(), m.EnvelopeDecryptRequest(envelope=b"MYSEG")), InvalidArgument),
        ):
            with pytest.raises(error):
                await request

    room.play(scene)


def test_an_envelope_and_a_stream_are_the_same_container(room: Any) -> None:
    async def scene(s: Any) -> None:
        key, data = await s.key("AES-256", "wrap"), os.urandom(200_000)
        made = await s.service.envelope_encrypt(
            room.call(), m.EnvelopeEncryptRequest(key=key, plaintext=data, associated_data=b"a")
        )
        assert data[:64] not in made.envelope
        assert await decrypted(room, s, made.envelope, b"a") == data
        container = await encrypted(room, s, key, data, b"a")
        opened = await s.service.envelope_decrypt(
            room.call(), m.EnvelopeDecryptRequest(envelope=container, associated_data=b"a")
        )
        assert opened.plaintext == data
        empty = await s.service.envelope_encrypt(room.call(), m.EnvelopeEncryptRequest(key=key, plaintext=b""))
        opened = await s.service.envelope_decrypt(room.call(), m.EnvelopeDecryptRequest(envelope=empty.envelope))
        assert opened.plaintext == b""

    room.play(scene)


def test_a_restored_key_opens_old_containers_under_its_new_name(room: Any) -> None:
    async def scene(s: Any) -> None:
        from tests.standin import call_of

        from miyun.offerings.kms import messages as kms_messages

        key = await s.key()
        container = await encrypted(room, s, key, b"data")
        manager = call_of("ten_a", room.clock)
        backup = (await s.kms.backup(manager, kms_messages.KeyRequest(key=key))).backup
        restored = await s.kms.restore(manager, kms_messages.RestoreKeyRequest(backup=backup, conflict="new_key"))
        await s.kms.enable(manager, kms_messages.KeyRequest(key=restored.key))
        assert await decrypted(room, s, container, key=restored.key) == b"data"

    room.play(scene)


def test_a_full_disk_is_told_and_leaves_nothing_behind(room: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        closed = False

        def write(self, data: bytes) -> int:
            raise OSError(errno.ENOSPC, "no space left on device")

        def close(self) -> None:
            Full.closed = True

    async def scene(s: Any) -> None:
        key = await s.key()
        container = await encrypted(room, s, key, b"data")
        monkeypatch.setattr(tempfile, "SpooledTemporaryFile", lambda *_, **__: Full())
        for request in (
            s.service.stream_encrypt(room.call(body=b"data"), m.StreamEncryptRequest(key=key)),
            s.service.stream_decrypt(room.call(body=container), m.StreamDecryptRequest()),
        ):
            Full.closed = False
            with pytest.raises(StorageFull):
                await request
            assert Full.closed

    room.play(scene)


def test_memory_stays_constant(room: Any) -> None:
    async def zeros(total: int) -> AsyncIterator[bytes]:
        chunk = bytes(256 * 1024)
        for _ in range(total // len(chunk)):
            yield chunk

    async def scene(s: Any) -> None:
        key = await s.key()
        total = 24 * 1024 * 1024
        call = room.call()
        call.body = zeros(total)
        tracemalloc.start()
        try:
            stream = await s.service.stream_encrypt(call, m.StreamEncryptRequest(key=key))
            back = room.call()
            back.body = stream
            seen = 0
            async for chunk in await s.service.stream_decrypt(back, m.StreamDecryptRequest()):
                seen += len(chunk)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert seen == total
        assert peak < 12 * 1024 * 1024, peak

    room.play(scene)


def test_a_key_that_is_disabled_in_between_fails_the_next_stream_only(room: Any) -> None:
    async def scene(s: Any) -> None:
        key = await s.key()
        container = await encrypted(room, s, key, b"data")
        running = await s.service.stream_decrypt(room.call(body=container), m.StreamDecryptRequest())
        from tests.standin import call_of

        from miyun.offerings.kms import messages as kms_messages

        await s.kms.disable(call_of("ten_a", room.clock), kms_messages.KeyRequest(key=key))
        assert await joined(running) == b"data"
        with pytest.raises(MiyunError) as refusal:
            await decrypted(room, s, container)
        assert refusal.value.code == "KeyNotEnabled"

    room.play(scene)


def test_a_stream_leaves_the_ledger_room_on_the_disk(room: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One application's file must not stop the platform of all."""
    monkeypatch.setattr("miyun.offerings.encryption.spool.RESERVE", 1 << 60)

    async def scene(s: Any) -> None:
        key = await s.key()
        assert await encrypted(room, s, key, bytes(1000))  # that stays in memory
        with pytest.raises(StorageFull):
            await encrypted(room, s, key, bytes(3_000_000), chunk=100_000)

    room.play(scene)
