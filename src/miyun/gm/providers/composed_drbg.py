"""CTR_DRBG of NIST SP 800-90A with a derivation function over any 128-bit block cipher, and the health tests of
SP 800-90B: the generator where the extension is missing, and the second implementation its own is compared with."""

import os
import threading
import time
from collections.abc import Callable

from miyun.gm.errors import SelfTestFailed

Ecb = Callable[[bytes, bytes], bytes]
"""(key, blocks) -> blocks"""
_SEED = 32
_MOST = 1 << 16
_INTERVAL, _SECONDS = 1024, 60
_REPEATS, _WINDOW, _OCCURRENCES = 11, 512, 78  # for 4 bits of entropy a byte, a false alarm in 2^40


def _xor(a: bytes, b: bytes) -> bytes:
    return (int.from_bytes(a, "big") ^ int.from_bytes(b, "big")).to_bytes(len(a), "big")


class CtrDrbg:
    """With keys of 128 bits; entropy, nonce and strings as the caller has them."""

    def __init__(self, ecb: Ecb, entropy: bytes, nonce: bytes, personal: bytes) -> None:
        self._ecb = ecb
        self._key, self._v = bytes(16), 0
        self._update(self._derive(entropy + nonce + personal))

    def _blocks(self, count: int) -> bytes:
        start = self._v
        self._v = (start + count) % (1 << 128)
        counters = b"".join(((start + i) % (1 << 128)).to_bytes(16, "big") for i in range(1, count + 1))
        return self._ecb(self._key, counters)

    def _update(self, provided: bytes) -> None:
        temp = _xor(self._blocks(2), provided)
        self._key, self._v = temp[:16], int.from_bytes(temp[16:], "big")

    def _derive(self, material: bytes) -> bytes:
        text = len(material).to_bytes(4, "big") + _SEED.to_bytes(4, "big") + material + b"\x80"
        text = text.ljust(-(-len(text) // 16) * 16, b"\0")
        temp = b""
        for number in range(2):
            chain = bytes(16)
            whole = number.to_bytes(4, "big").ljust(16, b"\0") + text
            for start in range(0, len(whole), 16):
                chain = self._ecb(bytes(range(16)), _xor(chain, whole[start : start + 16]))
            temp += chain
        first = self._ecb(temp[:16], temp[16:])
        return first + self._ecb(temp[:16], first)

    def reseed(self, entropy: bytes, additional: bytes) -> None:
        self._update(self._derive(entropy + additional))

    def generate(self, size: int, additional: bytes) -> bytes:
        """At most 2^16 bytes."""
        extra = bytes(_SEED)
        if additional:
            extra = self._derive(additional)
            self._update(extra)
        out = self._blocks(-(-size // 16))[:size] if size else b""
        self._update(extra)
        return out


class Health:
    """Repetition count and adaptive proportion (SP 800-90B, 4.4) over bytes of the source."""

    def __init__(self) -> None:
        self._last, self._repeats = -1, 0
        self._first, self._seen, self._occurrences = -1, 0, 0
        self.failed = False

    def passes(self, samples: bytes) -> bool:
        for sample in samples:
            self._repeats = self._repeats + 1 if sample == self._last else 1
            self._last = sample
            if self._seen == 0:
                self._first, self._occurrences = sample, 0
            self._occurrences += sample == self._first
            self._seen = (self._seen + 1) % _WINDOW
            self.failed |= self._repeats >= _REPEATS or self._occurrences >= _OCCURRENCES
        return not self.failed


class Generator:
    """Random bytes over the operating system's source; SelfTestFailed once that did not pass its tests."""

    def __init__(self, ecb: Ecb) -> None:
        self._ecb = ecb
        self._lock = threading.Lock()
        self._health = Health()
        self._probe = b""
        self._drbg: CtrDrbg | None = None
        self._generations, self._seeded = 0, 0.0
        os.register_at_fork(after_in_child=self._in_child)

    def _in_child(self) -> None:
        """The child must not repeat what its parent will say, nor wait for a lock that nobody holds there."""
        self._lock = threading.Lock()
        self._drbg = None

    def _fresh(self, size: int) -> bytes:
        drawn = os.urandom(16 + size)
        probe, entropy = drawn[:16], drawn[16:]
        stuck = probe == self._probe or entropy[:16] in (probe, entropy[16:32])
        self._probe = probe
        if not self._health.passes(drawn) or stuck:
            self._health.failed = True
            raise SelfTestFailed("random source")
        return entropy

    def _ready(self) -> CtrDrbg:
        if self._health.failed:
            raise SelfTestFailed("random source")
        if self._drbg is None:
            self._fresh(1024)
            entropy = self._fresh(48)
            self._drbg = CtrDrbg(self._ecb, entropy[:32], entropy[32:], time.time_ns().to_bytes(8, "big"))
            self._generations, self._seeded = 0, time.monotonic()
        elif self._generations >= _INTERVAL or time.monotonic() - self._seeded >= _SECONDS:
            self._drbg.reseed(self._fresh(48), b"")
            self._generations, self._seeded = 0, time.monotonic()
        return self._drbg

    def __call__(self, size: int) -> bytes:
        with self._lock:
            pieces = []
            for start in range(0, size, _MOST):
                pieces.append(self._ready().generate(min(_MOST, size - start), b""))
                self._generations += 1
            return b"".join(pieces)
