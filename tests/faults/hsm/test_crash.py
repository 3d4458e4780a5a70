"""kill -9 of the VSM under load: no wrong answer, no lost key, and clients that carry on by themselves."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import pytest
from tests.vsm import Vsm

from miyun.gm import sm2
from miyun.hsm.errors import MachineUnavailable
from miyun.hsm.port import CipherItem, CipherMode, KeyAlgorithm, KeyBinding, SignScheme, WrappedKey
from miyun.hsm.soft import SoftMachine
from miyun.wire.spki import parse_spki

KILLS = 20
BINDING = KeyBinding("ten_a", "key_1", 1, "enabled")


def point(key: WrappedKey) -> bytes:
    assert key.public is not None
    value = parse_spki(key.public).point
    assert value is not None
    return value


def test_kill_under_load_gives_no_wrong_answer_and_loses_no_key() -> None:
    signed = [0] * 8

    async def sign(machine: SoftMachine, key: WrappedKey, stop: asyncio.Event, worker: int) -> None:
        while not stop.is_set():
            message = f"{worker} {signed[worker]}".encode()
            (signature,) = await machine.sign(key, SignScheme.SM2_SM3, [message])
            sm2.verify(point(key), message, signature)
            signed[worker] += 1

    async def encipher(machine: SoftMachine, key: WrappedKey, stop: asyncio.Event) -> int:
        count = 0
        while not stop.is_set():
            data = os.urandom(100_000 if count % 5 == 0 else 100)
            (e,) = await machine.encrypt(key, CipherMode.SM4_GCM, [CipherItem(data, aad=b"a")])
            assert await machine.decrypt(key, CipherMode.SM4_GCM, [CipherItem(e.data, e.iv, b"a")]) == [data]
            count += 1
        return count

    async def generate(machine: SoftMachine, stop: asyncio.Event, made: list[WrappedKey]) -> int:
        lost = 0
        while not stop.is_set():
            try:
                made.append(await machine.generate(KeyAlgorithm.SM2, BINDING))
            except MachineUnavailable:
                lost += 1
            await asyncio.sleep(0.01)
        return lost

    async def scene(vsm: Vsm) -> Any:
        machines = [vsm.machine(patience=30) for _ in range(2)]
        signing = await machines[0].generate(KeyAlgorithm.SM2, BINDING)
        cipher = await machines[0].generate(KeyAlgorithm.SM4, BINDING)
        stop = asyncio.Event()
        made: list[WrappedKey] = []
        work = [
            *(asyncio.create_task(sign(machines[n % 2], signing, stop, n)) for n in range(8)),
            asyncio.create_task(encipher(machines[0], cipher, stop)),
            asyncio.create_task(generate(machines[1], stop, made)),
        ]
        for _ in range(KILLS):
            before = list(signed)
            while not all(now > then + 1 for now, then in zip(signed, before, strict=True)):  # all are at work
                await asyncio.sleep(0.02)
            await asyncio.to_thread(vsm.kill)
            await asyncio.to_thread(vsm.start)
            await machines[0].status()
        stop.set()
        await asyncio.gather(*work)
        for key in made:
            (signature,) = await machines[0].sign(key, SignScheme.SM2_SM3, [b"still there"])
            sm2.verify(point(key), b"still there", signature)
        for machine in machines:
            await machine.aclose()
        return len(made)

    with Vsm() as vsm:
        made = asyncio.run(scene(vsm))
    assert all(count > KILLS for count in signed), signed
    assert made > 0


def test_a_generation_that_was_interrupted_is_reported_lost() -> None:
    async def scene(vsm: Vsm) -> None:
        machine = vsm.machine()
        await machine.status()
        assert vsm.process is not None
        vsm.process.send_signal(signal.SIGSTOP)  # it will not have answered before it dies
        asked = asyncio.create_task(machine.generate(KeyAlgorithm.RSA_3072, BINDING))
        await asyncio.sleep(0.01)
        vsm.kill()
        with pytest.raises(MachineUnavailable):
            await asked
        await machine.aclose()

    with Vsm() as vsm:
        asyncio.run(scene(vsm))


def test_without_a_machine_the_answer_comes_in_time_and_says_so() -> None:
    async def scene(vsm: Vsm) -> None:
        machine = vsm.machine(patience=0.4)
        with pytest.raises(MachineUnavailable):
            await machine.random(8)
        await machine.aclose()
        with pytest.raises(MachineUnavailable):
            await machine.random(8)

    asyncio.run(scene(Vsm()))


def test_a_cancelled_request_disturbs_no_other() -> None:
    async def scene(vsm: Vsm) -> None:
        machine = vsm.machine()
        key = await machine.generate(KeyAlgorithm.SM2, BINDING)
        for _ in range(20):
            tasks = [asyncio.create_task(machine.sign(key, SignScheme.SM2_SM3, [bytes((n,))])) for n in range(10)]
            await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            answers = await asyncio.gather(*tasks, return_exceptions=True)
            for n in range(1, 10, 2):
                sm2.verify(point(key), bytes((n,)), answers[n][0])  # type: ignore[index]
        await machine.aclose()

    with Vsm() as vsm:
        asyncio.run(scene(vsm))
