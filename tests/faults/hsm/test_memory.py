"""A client process that uses a key never holds it: its whole memory is searched."""

from __future__ import annotations

import subprocess
import sys

from tests.vsm import Vsm

# Runs in a process of its own, so that the client never sees the key: makes one, imports it, prints
# the wrapped key and, for the searcher only, the key in the clear.
IMPORTER = """
import asyncio, sys
from miyun.gm import sm2
from miyun.hsm.port import KeyAlgorithm, KeyBinding
from miyun.hsm.soft import SoftMachine
from miyun.wire.spki import parse_spki

async def main():
    machine = SoftMachine(sys.argv[1])
    d = sm2.generate_private_key()
    enveloped = sm2.encrypt(parse_spki(await machine.transport_key()).point, d)
    key = await machine.import_key(KeyAlgorithm.SM2, KeyBinding("t", "k", 1, "enabled"), enveloped)
    print(key.blob.hex(), key.public.hex(), d.hex())

asyncio.run(main())
"""

CLIENT = """
import asyncio, sys
from miyun.gm import sm2
from miyun.hsm.port import KeyAlgorithm, KeyBinding, SignScheme, WrappedKey
from miyun.hsm.soft import SoftMachine
from miyun.wire.spki import parse_spki

async def main():
    machine = SoftMachine(sys.argv[1])
    blob, public = bytes.fromhex(sys.argv[2]), bytes.fromhex(sys.argv[3])
    key = WrappedKey(KeyAlgorithm.SM2, KeyBinding("t", "k", 1, "enabled"), blob, public)
    point = parse_spki(public).point
    for n in range(50):
        (signature,) = await machine.sign(key, SignScheme.SM2_SM3, [b"%d" % n])
        sm2.verify(point, b"%d" % n, signature)
        assert await machine.public_decrypt(key, [sm2.encrypt(point, b"x")]) == [b"x"]
    print("used", flush=True)
    sys.stdin.read()

asyncio.run(main())
"""


def search(pid: int, *needles: bytes) -> list[int]:
    """How often each needle occurs in the readable memory of a process."""
    counts = [0] * len(needles)
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, rights = line.split()[:2]
            if "r" not in rights or "[v" in line:
                continue
            start, end = (int(part, 16) for part in span.split("-"))
            try:
                memory.seek(start)
                content = memory.read(end - start)
            except (OSError, ValueError, OverflowError):
                continue
            for number, needle in enumerate(needles):
                counts[number] += content.count(needle)
    return counts


def test_no_private_key_is_in_the_memory_of_a_client() -> None:
    with Vsm() as vsm:
        imported = subprocess.run(
            [sys.executable, "-c", IMPORTER, str(vsm.socket)], capture_output=True, text=True, check=True, timeout=60
        )
        blob, public, secret = imported.stdout.split()
        client = subprocess.Popen(
            [sys.executable, "-c", CLIENT, str(vsm.socket), blob, public],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert client.stdout is not None and client.stdin is not None
        try:
            assert client.stdout.readline() == "used\n"
            d = bytes.fromhex(secret)
            found_blob, found_d, found_reversed, found_hex = search(
                client.pid, bytes.fromhex(blob), d, d[::-1], secret.encode()
            )
        finally:
            client.stdin.close()
            client.wait(60)
            client.stdout.close()
    assert found_blob > 0, "the search finds what is there"
    assert (found_d, found_reversed, found_hex) == (0, 0, 0)
