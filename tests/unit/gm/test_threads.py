"""Threads: the GIL is released around work, and concurrent calls do not disturb one another."""

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from miyun.gm import sm2, sm3, sm4
from miyun.gm.providers import Provider, using


def test_concurrent_calls_give_right_answers(provider: Provider) -> None:
    pairs = sm2.generate_many(4)
    key = os.urandom(16)

    def work(index: int) -> None:
        with using(provider):
            d, public = pairs[index % 4]
            message = os.urandom(3000)
            sm2.verify(public, message, sm2.sign(d, message, public=public))
            assert sm2.decrypt(d, sm2.encrypt(public, message)) == message
            sealed = sm4.encrypt_gcm(key, bytes(12), message)
            assert sm4.decrypt_gcm(key, bytes(12), sealed) == message
            digests = [sm2.message_digest(public, message)] * 9
            signatures = sm2.sign_digest_many([(d, e) for e in digests])
            triples = [(public, e, signature) for e, signature in zip(digests, signatures, strict=True)]
            assert sm2.verify_digest_many(triples) == [True] * 9

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(16)))


def test_one_hash_fed_by_several_threads_stays_whole(provider: Provider) -> None:
    hasher = sm3.new()
    data = os.urandom(100_000)

    def feed() -> None:
        for _ in range(5):
            hasher.update(data)

    threads = [threading.Thread(target=feed) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(hasher.digest()) == 32


def test_other_threads_run_during_a_long_call(provider: Provider) -> None:
    data = bytes(200_000_000) if "ipp" in provider.name else bytes(40_000_000)
    # a loaded machine may leave the other thread waiting for once; behind a lock that is held it would wait every time
    assert any(beats_during(lambda: sm4.ctr(bytes(16), bytes(16), data)) > 5 for _ in range(5)), "no other thread ran"


def beats_during(call: Callable[[], object]) -> int:
    """How often another thread ran meanwhile."""
    done = threading.Event()
    beats: list[float] = []

    def beat() -> None:
        while not done.is_set():
            beats.append(time.monotonic())
            time.sleep(0.001)

    thread = threading.Thread(target=beat)
    thread.start()
    start = time.monotonic()
    call()
    end = time.monotonic()
    done.set()
    thread.join()
    return len([moment for moment in beats if start < moment < end])
