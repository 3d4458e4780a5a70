"""What the extension hides: SM9 without the CPU's faster instructions, and whether a wrong table entry is noticed."""

import ctypes
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from miyun.gm.providers import composed_sm9 as plain

NATIVE = Path(__file__).resolve().parents[3] / "native"
ENTRIES = 52 * 16
pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(not (shutil.which("gcc") and shutil.which("nm")), reason="gcc and nm are not installed"),
]


class Kernel(ctypes.CDLL):
    """The C files of SM9 as a library, with their internal data by name."""

    def data(self, name: str, size: int) -> ctypes.Array[ctypes.c_uint8]:
        listing = subprocess.run(["nm", self._name], capture_output=True, text=True, check=True).stdout
        places = {line.split()[2]: int(line.split()[0], 16) for line in listing.splitlines() if len(line.split()) == 3}
        loaded_at = ctypes.cast(self.sm9_setup, ctypes.c_void_p).value or 0
        return (ctypes.c_uint8 * size).from_address(loaded_at - places["sm9_setup"] + places[name])


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Kernel:
    library = tmp_path_factory.mktemp("sm9") / "sm9.so"
    sources = [*NATIVE.glob("sm9*.c"), *(NATIVE / name for name in ("sm3.c", "memory.c", "cpu.c"))]
    options = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", "-shared", "-fPIC", "-pthread"]
    subprocess.run(["gcc", *options, "-o", library, *sources], check=True, timeout=120)
    # Lazily: what is not reached here, such as the random generator, stays unresolved.
    loaded = Kernel(str(library), mode=os.RTLD_LAZY)
    loaded.sm9_setup()
    return loaded


@pytest.mark.parametrize("adx", [0, 1], ids=["portable", "with ADX"])
def test_both_ways_of_multiplying_give_the_pairing(kernel: Kernel, adx: int) -> None:
    if kernel.sm9_use_adx(adx) != adx:
        pytest.skip("this CPU has no ADX")
    try:
        element, out = ctypes.create_string_buffer(6 * 64), ctypes.create_string_buffer(384)
        kernel.sm9_pairing(element, kernel.data("g1_base", 64), kernel.data("g2_base", 128))
        kernel.gt_encode(out, element)
    finally:
        kernel.sm9_use_adx(1)
    assert out.raw == plain.encode(plain.pairing(plain.P1, plain.P2))


@pytest.mark.parametrize("adx", [0, 1], ids=["portable", "with ADX"])
def test_products_at_the_edges_of_the_field(kernel: Kernel, adx: int) -> None:
    """The sums of up to six products reach above 5p before they are reduced."""
    if kernel.sm9_use_adx(adx) != adx:
        pytest.skip("this CPU has no ADX")
    random.seed(9)
    edges = [0, 1, 2, plain.P - 1, plain.P - 2, plain.P >> 1, (1 << 255) - 1, (1 << 192) - 1]
    unscale = pow(1 << 256, -1, plain.P)
    try:
        for _ in range(300):
            a, b = ([random.choice([*edges, random.randrange(plain.P)]) for _ in range(12)] for _ in range(2))
            out = ctypes.create_string_buffer(6 * 64)
            kernel.fp12_mul(out, limbs(a), limbs(b))
            assert number(out.raw) == [value * unscale % plain.P for value in plain._mul(a, b)]
    finally:
        kernel.sm9_use_adx(1)


def limbs(element: list[int]) -> bytes:
    return b"".join(element[i + 6 * j].to_bytes(32, "little") for i in range(6) for j in (0, 1))


def number(octets: bytes) -> list[int]:
    values = [int.from_bytes(octets[i : i + 32], "little") for i in range(0, len(octets), 32)]
    return values[::2] + values[1::2]


@pytest.mark.parametrize(("table", "entry_size"), [("g1_table", 64), ("g2_table", 128)])
def test_one_flipped_bit_of_a_table_is_noticed(kernel: Kernel, table: str, entry_size: int) -> None:
    entries = kernel.data(table, ENTRIES * entry_size)
    random.seed(table)
    places = [0, len(entries) - 1, *(random.randrange(len(entries)) for _ in range(20))]
    for place in places:
        entries[place] ^= 1 << place % 8
        assert not kernel.sm9_tables_hold()
        entries[place] ^= 1 << place % 8
    assert kernel.sm9_tables_hold()
