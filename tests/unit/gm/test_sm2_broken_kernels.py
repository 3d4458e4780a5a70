"""The start-up check of SM2 notices kernels that were broken on purpose: a lost carry, a wrong lane, a wrong entry."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from miyun.gm.providers import providers

NATIVE = Path(__file__).parents[3] / "native"
pytestmark = [
    pytest.mark.skipif(
        all(entry.name != "ipp-mb" for entry in providers()), reason="this CPU or this build has no lanes"
    ),
    pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc builds the broken kernels"),
]

# An engine of the kernels alone, and what the check says of it
PROGRAM = """
#include "gm.h"
#include <stdio.h>
const struct gm_engine gm_portable = {
    .name = "portable", .sm3_many = gm_portable_sm3_many, .base_many = gm_portable_base_many,
    .multiply_many = gm_portable_multiply_many, .verify_many = gm_portable_verify_many};
int main(void)
{
    const struct gm_engine lanes = {
        .name = "lanes", .lanes = 1, .sm3_many = gm_portable_sm3_many, .base_many = gm_ifma_base_many,
        .multiply_many = gm_ifma_multiply_many, .verify_many = gm_ifma_verify_many};
    gm_ifma_setup();
    const char *fault = gm_sm2_fault(&lanes);
    puts(fault ? fault : "good");
    return 0;
}
"""


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Everything as it is, compiled."""
    folder = tmp_path_factory.mktemp("objects")
    (folder / "main.c").write_text(PROGRAM)
    sources = [
        *NATIVE.glob("sm2*.c"),
        *NATIVE.glob("ifma*.c"),
        NATIVE / "sm3.c",
        NATIVE / "memory.c",
        folder / "main.c",
    ]
    return [compiled(source, folder) for source in sources]


def compiled(source: Path, folder: Path) -> Path:
    """With the headers of the source's folder, or ours."""
    target = folder / f"{source.stem}.o"
    command = ["gcc", "-std=gnu11", "-O1", "-D_GNU_SOURCE", f"-I{NATIVE}", "-c", source, "-o", target]
    subprocess.run(command, check=True, timeout=300)
    return target


def verdict(folder: Path, objects: list[Path]) -> str:
    """What the check says of the kernels, those in this folder in the place of ours."""
    own = [compiled(source, folder) for source in folder.glob("*.c")]
    others = [entry for entry in objects if entry.name not in {mine.name for mine in own}]
    subprocess.run(["gcc", *others, *own, "-pthread", "-o", folder / "check"], check=True, timeout=60)
    return subprocess.run([folder / "check"], check=False, capture_output=True, text=True, timeout=60).stdout.strip()


def test_whole_kernels_are_good(tmp_path: Path, objects: list[Path]) -> None:
    assert verdict(tmp_path, objects) == "good"


OVER52 = "0x0101010101010101ULL, all_lanes({}), value"
KEEPS_CARRY, LOSES_CARRY = "_mm512_srai_epi64(r->v[i], 52)", "(i < 3 ? _mm512_srai_epi64(r->v[i], 52) : all_lanes(0))"
BIT5 = "_mm512_test_epi64_mask(index, all_lanes({}))"
BREAKS = {
    "a table of a key": ("ifma_verify.c", "_mm512_slli_epi64(index, 6)); /*", "_mm512_slli_epi64(index, 5)); /*"),
    "a bit of the selection": ("ifma_base.c", BIT5.format(32), BIT5.format(16)),
    "the last entry of a window": ("ifma_multiply.c", "j < WINDOW_ENTRIES; j++", "j < WINDOW_ENTRIES - 1; j++"),
    "the sign in one lane": ("ifma_multiply.c", "&points[g], r->even[g])", "&points[g], r->even[g] & 0x7f)"),
    "a lane that failed": ("ifma_multiply.c", "if (failed[i / LANES] >> i % LANES & 1)", "if (0)"),
    "a carry shifted by one bit": ("ifma_field.h", OVER52.format(52), OVER52.format(51)),
    "the last term of a reduction": ("ifma_field.h", "    t[9] = _mm512_add_epi64(t[9], times16(w[6]));\n", ""),
    "a term of the quotient": ("ifma_field.h", "_mm512_slli_epi64(q, 12)", "_mm512_slli_epi64(q, 13)"),
    "the carry into the highest limb": ("ifma_field.h", KEEPS_CARRY, LOSES_CARRY),
    "a difference below zero": ("ifma_point.h", "difference8(&t, &v, &p->x, 3);", "difference8(&t, &v, &p->x, 0);"),
}


# `make assurance` builds them all; the later ones change a header, and so all kernels
CHOSEN = list(BREAKS)[: len(BREAKS) if "MIYUN_FAULT_ROUNDS" in os.environ else 3]


@pytest.mark.parametrize("name", CHOSEN)
def test_a_broken_kernel_is_noticed(name: str, tmp_path: Path, objects: list[Path]) -> None:
    file, whole, broken = BREAKS[name]
    text = (NATIVE / file).read_text()
    assert whole in text
    if file.endswith(".h"):  # what includes it has to find the broken one
        for source in NATIVE.glob("ifma*"):
            shutil.copy(source, tmp_path)
    (tmp_path / file).write_text(text.replace(whole, broken, 1))
    assert verdict(tmp_path, objects).startswith("SM2: ")
