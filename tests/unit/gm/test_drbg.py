"""The random generator: its construction against NIST's values and a second implementation, its source's health tests,
forks, threads, and refusal once the source has failed."""

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from miyun.gm import rand, sm4
from miyun.gm.errors import InvalidInput, SelfTestFailed
from miyun.gm.providers import Provider, composed_drbg
from miyun.gm.providers.composed_drbg import CtrDrbg

_native = pytest.importorskip("miyun.gm._native")
h = bytes.fromhex


def aes(key: bytes, blocks: bytes) -> bytes:
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(blocks)


# CAVP, drbgvectors_pr_false, CTR_DRBG, AES-128 use df: entropy, nonce, personalisation, entropy and additional input
# of the reseeding, two additional inputs, the second output.
CAVP = [
    (
        "0f65da13dca407999d4773c2b4a11d85 5209e5b4ed82a234",
        "",
        "1dea0a12c52bf64339dd291c80d8ca89",
        "",
        "",
        "",
        "2859cc468a76b08661ffd23b28547ffd0997ad526a0f51261b99ed3a37bd407b"
        "f418dbe6c6c3e26ed0ddefcb7474d899bd99f3655427519fc5b4057bcaf306d4",
    ),
    (
        "070d59639873a5452738227b7685d1a9 74181f3c22f64920",
        "4e6179d4c272a14cf13df65ea3a6e50f",
        "4a47c2f38516b46f002e71daed169b5c",
        "",
        "",
        "",
        "31c99109f8c510133cd396f9bc2c12c07cc1615fa30999afd7f236fd401a8bf2"
        "3338ee1d035f83b7a253dcee18fca7f2ee96c6c2cd0cff02767069aa69d13be8",
    ),
    (
        "e14ed7064a97814dd326b9a05bc44543 876240c1f7de3dba",
        "26ccf56848a048721d0aad87d6fc65f0",
        "7ec4ac660fa0bbfa66ac3802e511901f",
        "8835d28e7f85a4e95087bdd1bb7ad57e",
        "2a9bd50bbb20fefe24649f5f80eede66",
        "f7ce3d5c6c381e56b25410c6909c1074",
        "d2f3130d309bed1da65545b9d793e035fd2564303d1fdcfb6c7fee019500d9f5"
        "d434fab2d3c8d15e39a25f965aaa804c7141407e90c4a86a6c8d303ce83bfb34",
    ),
]


@pytest.mark.parametrize(("seed", "personal", "more", "with_more", "first", "second", "expected"), CAVP)
def test_the_construction_gives_the_published_values(
    seed: str, personal: str, more: str, with_more: str, first: str, second: str, expected: str
) -> None:
    entropy, nonce = seed.split()
    drbg = CtrDrbg(aes, h(entropy), h(nonce), h(personal))
    drbg.reseed(h(more), h(with_more))
    drbg.generate(64, h(first))
    assert drbg.generate(64, h(second)) == h(expected)


def test_the_native_generator_is_the_same_construction_over_sm4() -> None:
    def ecb(key: bytes, blocks: bytes) -> bytes:
        return Cipher(algorithms.SM4(key), modes.ECB()).encryptor().update(blocks)

    for number in range(40):
        sizes = (16 + number, number % 17, 3 * number)
        entropy, nonce, personal = (os.urandom(size) for size in sizes)
        ours, theirs = _native.Drbg(entropy, nonce, personal), CtrDrbg(ecb, entropy, nonce, personal)
        for size, additional in ((0, b""), (1, b""), (number, nonce), (1000 + number, b"more"), (16, b"")):
            assert ours.generate(size, additional) == theirs.generate(size, additional)
        ours.reseed(nonce, personal)
        theirs.reseed(nonce, personal)
        assert ours.generate(65536 if number == 7 else 33, b"") == theirs.generate(65536 if number == 7 else 33, b"")


def test_a_generation_has_a_limit() -> None:
    for size in (-1, 65537):
        with pytest.raises(ValueError, match="65536"):
            _native.Drbg(bytes(32), b"", b"").generate(size, b"")


HEALTH: list[Callable[[bytes], bool]] = [_native.healthy, lambda samples: composed_drbg.Health().passes(samples)]


@pytest.mark.parametrize("healthy", HEALTH, ids=["native", "composed"])
def test_the_health_tests_stop_where_the_standard_says(healthy: Callable[[bytes], bool]) -> None:
    various = bytes(range(256)) * 4
    assert healthy(various)
    assert healthy(various + b"\x07" * 10)
    assert not healthy(various + b"\x07" * 11)
    # 512 samples a window: the first one's value may occur 77 times in it, not 78.
    spread = (b"\xaa" + bytes(range(5))) * 77
    window = spread + bytes(range(10, 10 + 512 - len(spread)))
    assert healthy(window)
    assert healthy(window * 2)
    assert not healthy(window[:-1] + b"\xaa")


def test_tokens(provider: Provider) -> None:
    for size in (0, 1, 15, 16, 17, 512, 513, 4096, 70_000):
        assert len(rand.token(size)) == size
    drawn = [rand.token(16) for _ in range(2000)]
    assert len(set(drawn)) == 2000
    long = rand.token(1 << 18)
    assert len({long[start : start + 16] for start in range(0, len(long), 16)}) == 1 << 14
    # Every bit is set in about half of 100 000 octets: within 8 standard deviations.
    sample = rand.token(100_000)
    for bit in range(8):
        assert abs(sum(octet >> bit & 1 for octet in sample) - 50_000) < 8 * 158
    with pytest.raises(InvalidInput):
        rand.token(-1)


def test_a_child_says_something_else_than_its_parent(provider: Provider) -> None:
    rand.token(16)
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.write(write, rand.token(48))
        os._exit(0)
    mine = rand.token(48)
    os.waitpid(child, 0)
    theirs = os.read(read, 48)
    os.close(read)
    os.close(write)
    assert len(theirs) == 48
    assert not {mine[i : i + 16] for i in (0, 16, 32)} & {theirs[i : i + 16] for i in (0, 16, 32)}


def test_threads_never_get_the_same(provider: Provider) -> None:
    with ThreadPoolExecutor(4) as pool:
        drawn = list(pool.map(lambda _: provider.random(24), range(4000)))
    assert len(set(drawn)) == 4000


# Python and its libraries ask for random bytes too: the generator is known by how much it draws.
SOURCE = """
#include <errno.h>
#include <string.h>
#include <sys/types.h>
static int calls;
ssize_t getrandom(void *out, size_t size, unsigned flags) {
    int ours = flags == 0 && (size == 1024 || size == 16 || size == 48);
    int after = %d, what = %d, wrong = ours && calls >= after;
    for (size_t i = 0; i < size; i++)
        ((unsigned char *)out)[i] = (unsigned char)(i * 167 + (i >> 8) * 31 + (wrong ? 0 : calls * 89 + 1));
    calls += ours;
    if (wrong && what == 0) { errno = EIO; return -1; }
    if (wrong && what == 1) memset(out, 0x5a, size);
    return (ssize_t)size; /* what 2: the same again and again */
}
"""
DRAW = """
from miyun.gm import rand, sm2
from miyun.gm.errors import SelfTestFailed
def refused(call):
    try:
        call()
    except (SelfTestFailed, OSError):
        return True
    return False
drawn = 0
while drawn < 3_000_000 and not refused(lambda: rand.token(600)):
    drawn += 600
print(drawn < 3_000_000, drawn > 0, refused(lambda: rand.token(1)), refused(sm2.generate_private_key))
"""


@pytest.mark.parametrize("what", [0, 1, 2], ids=["fails", "stuck on an octet", "stuck on a string"])
@pytest.mark.parametrize("after", [0, 3], ids=["from the start", "later"])
def test_a_failing_source_ends_the_service(what: int, after: int, tmp_path: Path) -> None:
    """In a process of its own, whose getrandom is ours. `later`: the first seed is good, a reseeding is not."""
    (tmp_path / "source.c").write_text(SOURCE % (after, what))
    library = tmp_path / "source.so"
    built = subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, tmp_path / "source.c"], check=False)
    if built.returncode:
        pytest.skip("there is no compiler here")
    preloaded = " ".join((*os.environ.get("LD_PRELOAD", "").split(), str(library)))  # sanitizers want to come first
    environment = os.environ | {"LD_PRELOAD": preloaded, "PYTHONHASHSEED": "0"}
    result = subprocess.run([sys.executable, "-c", DRAW], env=environment, capture_output=True, text=True, check=False)
    assert result.stdout.split() == ["True", str(after > 0), "True", "True"], result.stderr


def test_a_failing_source_ends_the_service_without_the_extension(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = composed_drbg.Generator(lambda key, data: sm4.encrypt_ecb(key, data))
    assert len(generator(100)) == 100
    generator._generations = 2000
    with monkeypatch.context() as patched:
        patched.setattr(composed_drbg.os, "urandom", lambda size: b"\xa5" * size)
        with pytest.raises(SelfTestFailed):
            generator(16)
    with pytest.raises(SelfTestFailed):
        generator(16)
