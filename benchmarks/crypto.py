"""SM2, SM3 and SM4 of every provider beside other libraries, on one core, in one run.

    python benchmarks/crypto.py [--seconds 0.2] [--rounds 3]

Each figure is the best of several rounds that alternate between the competitors, by CPU time. The ratio is that of our
best provider to the best other library.
"""

import argparse
import importlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import ModuleType

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from miyun.gm import sm2, sm3, sm4
from miyun.gm.providers import providers, using

BATCH = 256
MEBIBYTE = 1 << 20
Work = Callable[[], object]


@dataclass(frozen=True)
class Race:
    """One operation: our call, run on every provider, and the calls of other libraries."""

    name: str
    unit: str
    units: float
    """units of work a call does"""
    ours: Work
    others: dict[str, Work] = field(default_factory=dict)


def peer(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def repeat(call: Work, times: int = BATCH) -> Work:
    return lambda: [call() for _ in range(times)]


def encryptor(mode: modes.Mode, key: bytes, data: bytes) -> Work:
    def run() -> object:
        context = Cipher(algorithms.SM4(key), mode).encryptor()
        return context.update(data) + context.finalize()

    return run


def digest_of(data: bytes) -> Work:
    def run() -> object:
        context = hashes.Hash(hashes.SM3())
        context.update(data)
        return context.finalize()

    return run


def races() -> Iterator[Race]:
    gmssl, gmalg = peer("gmssl_pyx"), peer("gmalglib.sm2")
    d, public = sm2.generate_many(1)[0]
    messages = [os.urandom(32) for _ in range(BATCH)]
    signed = [(public, *pair) for pair in zip(messages, sm2.sign_many(d, messages, public=public), strict=True)]
    digests = [(public, e, sm2.sign_digest(d, e)) for e in messages]
    e, signature = digests[0][1:]
    raw = b"".join(value.to_bytes(32, "big") for value in sm2.decode_signature(signature))
    ciphertext = sm2.encrypt(public, messages[0])
    key, iv, big = os.urandom(16), os.urandom(16), os.urandom(MEBIBYTE)
    small = [(iv[:12], big[64 * index : 64 * index + 64], b"") for index in range(BATCH)]

    def others(**calls: Callable[[], Work | None]) -> dict[str, Work]:
        made = {name: make() for name, make in calls.items()}
        return {name: call for name, call in made.items() if call}

    sign_others = others(
        gmssl_pyx=lambda: gmssl and repeat(lambda: gmssl.sm2_sign_sm3_digest(d, e), 16),
        gmalglib=lambda: gmalg and repeat(lambda: gmalg.SM2(sk=d).sign_digest(e), 16),
    )
    verify_others = others(
        gmssl_pyx=lambda: gmssl and repeat(lambda: gmssl.sm2_verify_sm3_digest(public[1:], e, signature), 16),
        gmalglib=lambda: gmalg and repeat(lambda: gmalg.SM2(pk=public).verify_digest(e, raw), 16),
    )
    decrypt_others = others(gmssl_pyx=lambda: gmssl and repeat(lambda: gmssl.sm2_decrypt(d, ciphertext), 16))
    yield Race("SM2 key pairs, batch", "1/s", BATCH, lambda: sm2.generate_many(BATCH))
    # Competitors work one by one: their 16 calls count as 16 signatures, as ours count as 256 (see `scaled`).
    yield Race("SM2 sign, batch", "1/s", BATCH, lambda: sm2.sign_many(d, messages, public=public), scaled(sign_others))
    yield Race("SM2 sign digest, one by one", "1/s", 16, repeat(lambda: sm2.sign_digest(d, e), 16), sign_others)
    yield Race("SM2 verify messages, batch", "1/s", BATCH, lambda: sm2.verify_many(signed), scaled(verify_others))
    yield Race(
        "SM2 verify digests, batch", "1/s", BATCH, lambda: sm2.verify_digest_many(digests), scaled(verify_others)
    )
    yield Race("SM2 verify, one by one", "1/s", 16, repeat(lambda: sm2.verify(*signed[0]), 16), verify_others)
    yield Race("SM2 decrypt 32 B", "1/s", 16, lambda: sm2.decrypt_many(d, [ciphertext] * 16), decrypt_others)
    yield Race(
        "SM4-GCM 1 MiB",
        "MB/s",
        MEBIBYTE / 1e6,
        lambda: sm4.encrypt_gcm(key, iv[:12], big),
        {"cryptography": encryptor(modes.GCM(iv[:12]), key, big)},
    )
    yield Race(
        "SM4-GCM 64 B, batch",
        "1/s",
        BATCH,
        lambda: sm4.gcm_encrypt_many(key, small),
        {"cryptography": repeat(encryptor(modes.GCM(iv[:12]), key, big[:64]))},
    )
    yield Race(
        "SM4-CTR 1 MiB",
        "MB/s",
        MEBIBYTE / 1e6,
        lambda: sm4.ctr(key, iv, big),
        {"cryptography": encryptor(modes.CTR(iv), key, big)},
    )
    yield Race(
        "SM4-CBC encrypt 1 MiB",
        "MB/s",
        MEBIBYTE / 1e6,
        lambda: sm4.encrypt_cbc(key, iv, big),
        {"cryptography": encryptor(modes.CBC(iv), key, big)},
    )
    yield Race("SM3 1 MiB", "MB/s", MEBIBYTE / 1e6, lambda: sm3.digest(big), {"cryptography": digest_of(big)})
    yield Race(
        "SM3 32 B, batch",
        "1/s",
        BATCH,
        lambda: sm3.digest_many(messages),
        {"cryptography": repeat(digest_of(messages[0]))},
    )


def scaled(others: dict[str, Work]) -> dict[str, Work]:
    """Calls that do 16 operations, repeated to as many as a batch holds."""
    return {name: repeat(call, BATCH // 16) for name, call in others.items()}


def speed(work: Work, units: float, seconds: float) -> float:
    """Units per CPU second, over at least `seconds`."""
    count, start = 0, time.process_time()
    while True:
        work()
        count += 1
        spent = time.process_time() - start
        if spent >= seconds:
            return units * count / spent


def run(race: Race, seconds: float, rounds: int) -> tuple[dict[str, float], dict[str, float]]:
    ours: dict[str, float] = {}
    others: dict[str, float] = {}
    for _ in range(rounds):
        for entry in providers():
            with using(entry):
                ours[entry.name] = max(ours.get(entry.name, 0), speed(race.ours, race.units, seconds))
        for name, work in race.others.items():
            others[name] = max(others.get(name, 0), speed(work, race.units, seconds))
    return ours, others


def main() -> None:
    parser = argparse.ArgumentParser(description="GM algorithms beside other libraries, one core")
    parser.add_argument("--seconds", type=float, default=0.2, help="CPU seconds per measurement")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    for race in races():
        ours, others = run(race, arguments.seconds, arguments.rounds)
        figures = "  ".join(f"{name} {value:,.0f}" for name, value in (ours | others).items())
        ratio = f"  ratio {max(ours.values()) / max(others.values()):.1f}" if others else ""
        print(f"{race.name} [{race.unit}]: {figures}{ratio}", flush=True)


if __name__ == "__main__":
    main()
