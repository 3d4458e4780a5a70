"""Broken kernels are caught: one entry, carry or check of a copy of the native sources is changed, and the self-test
that every start runs, or failing that the suite, has to refuse what comes out.

In CI a few by name. In `make assurance` besides one bit of the first, middle and last long constant of every source.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.assurance.native import ROOT, Builder, package, python

from miyun.gm.providers import providers

NATIVE = ROOT / "native"
SELF_TEST = """
import sys
from miyun.gm import _native, selftest
from miyun.gm.providers import providers
serving = providers()
assert {"portable", *sys.argv[1:]} <= {provider.name for provider in serving}, "the core does not load"
for provider in serving:
    selftest.run(provider)
"""
SUITE = ("tests/unit/gm", "tests/conformance/gm", "tests/properties/gm")


@dataclass(frozen=True)
class Change:
    name: str
    file: str
    old: str
    new: str
    caught_by: str = "self-test"
    """or the test that catches what the self-test does not"""

    def apply(self, source: str) -> str:
        assert self.old in source, f"{self.name}: {self.file} no longer has {self.old!r}; point the change elsewhere"
        return source.replace(self.old, self.new, 1)


NAMED = [
    Change("a carry of the field's reduction is dropped", "sm2_field.c", "above = (uint64_t)(c >> 64);", "above = 0;"),
    Change("a bit of the generator is flipped", "sm2_point.c", "0x61328990f418029e", "0x61328990f418029f"),
    Change("an entry of an S-box of ZUC is changed", "zuc.c", "{\n    0x3e, 0x72,", "{\n    0x3f, 0x72,"),
    Change("the comparison of tags always agrees", "memory.c", "return difference == 0;", "return 1;"),
    Change(
        "a signature with r + s = n is not refused",
        "sm2.c",
        "return !sc_is_zero(t);",
        "return 1;",
        "tests/unit/gm/test_sm2.py::test_a_signature_with_t_zero_is_refused",
    ),
]
_OVER52 = "0x0101010101010101ULL, all_lanes({}), value"
_CARRY = "_mm512_srai_epi64(r->v[i], 52)"
_BIT = "_mm512_test_epi64_mask(index, all_lanes({}))"
_VERIFY, _BASE, _MULTIPLY, _FIELD = "ifma_verify.c", "ifma_base.c", "ifma_multiply.c", "ifma_field.h"
LANES = [
    Change("a table of a key", _VERIFY, "_mm512_slli_epi64(index, 6)); /*", "_mm512_slli_epi64(index, 5)); /*"),
    Change("a bit of the selection", _BASE, _BIT.format(32), _BIT.format(16)),
    Change("the last entry of a window", _MULTIPLY, "j < WINDOW_ENTRIES; j++", "j < WINDOW_ENTRIES - 1; j++"),
]
LATER = [
    Change("a carry of the scalars' sum is dropped", "sm2_scalar.c", "_once(r->v, t, carry);", "_once(r->v, t, 0);"),
    Change("the sign of a digit is lost", "sm2_point.c", "*negative = 0 - sign;", "*negative = 0;"),
    Change("the counter of the KDF stands still", "sm3.c", "gm_store32(counter, i);", "gm_store32(counter, 1);"),
    Change("half a tag is only its mask", "gcm.c", "tag[i] = ", "tag[i] = i & 1 ? mask[i] : "),
    Change("a coordinate beyond p is taken", "sm2_field.c", "return (int)borrow;", "return 1;", "suite"),
    Change("a point off the curve is taken", "sm2_point.c", "return fe_is_zero(&t);", "return 1;", "suite"),
]
LANES_LATER = [
    Change("the sign in one lane", _MULTIPLY, "&points[g], r->even[g])", "&points[g], r->even[g] & 0x7f)"),
    Change("a lane that failed", _MULTIPLY, "if (failed[i / LANES] >> i % LANES & 1)", "if (0)"),
    Change("a carry shifted by one bit", _FIELD, _OVER52.format(52), _OVER52.format(51)),
    Change("the last term of a reduction", _FIELD, "    t[9] = _mm512_add_epi64(t[9], times16(w[6]));\n", ""),
    Change("a term of the quotient", _FIELD, "_mm512_slli_epi64(q, 12)", "_mm512_slli_epi64(q, 13)"),
    Change("the carry into the highest limb", _FIELD, _CARRY, f"(i < 3 ? {_CARRY} : all_lanes(0))"),
    Change("a difference below zero", "ifma_point.h", "(&t, &v, &p->x, 3);", "(&t, &v, &p->x, 0);"),
]
SERVING = [provider.name for provider in providers()]
needs_lanes = pytest.mark.skipif("ipp-mb" not in SERVING, reason="this CPU or this build has no lanes")


def _sources() -> list[Path]:
    """Of the core: the library of tokens holds no key."""
    return [path for path in NATIVE.iterdir() if path.is_file()]


def _constants(source: str) -> list[re.Match[str]]:
    """Long hexadecimal constants outside comments."""
    blank = re.sub(r"/\*.*?\*/", lambda comment: " " * len(comment[0]), source, flags=re.DOTALL)
    return list(re.finditer(r"\b0x[0-9a-f]{8,16}(?=U?L*\b)", blank))


def _everywhere() -> list[tuple[str, int]]:
    found = []
    for path in sorted(NATIVE.glob("*.[ch]")):
        count = len(_constants(path.read_text("utf-8")))
        if count and not path.name.startswith("py"):
            found += [(path.name, index) for index in sorted({0, count // 2, count - 1})]
    return found


HARMLESS = {
    ("sm2_point.c", "0x100000000"): "y of the point at infinity, where any y but 0 serves",
    ("ifma_keys.c", "0x9e3779b97f4a7c15"): "spreads keys over a table; another number spreads them too",
    ("ifma_keys.c", "0xc2b2ae3d27d4eb4f"): "spreads keys over a table; another number spreads them too",
    ("ifma_keys.c", "0xbf58476d1ce4e5b9"): "spreads keys over a table; another number spreads them too",
}
"""Constants in which the flipped bit changes no result, and why."""


def _users(file: str) -> set[str]:
    """The file, and what includes it, directly or not."""
    found, more = set[str](), {file}
    while more:
        found |= more
        wanted = re.compile("|".join(rf'#include "{re.escape(name)}"' for name in more))
        more = {path.name for path in _sources() if wanted.search(path.read_text("utf-8"))} - found
    return found


@pytest.fixture
def mutant(native: Builder, tmp_path: Path):
    """Builds the extension with one file changed; the folder of the package that holds it."""

    def build(file: str, text: str) -> Path:
        for path in _sources():  # all together, so that a changed header is the one that is found
            (tmp_path / path.name).write_bytes(path.read_bytes())
        (tmp_path / file).write_text(text, "utf-8")
        replaced = {}
        for name in native.recipe.sources:
            source = tmp_path / Path(name).name
            if source.name in _users(file):
                replaced[name] = native.compile(source, tmp_path / f"{source.stem}.o")
        assert replaced, f"nothing is built of {file}"
        extension = package(tmp_path / "package")
        native.extension(extension, replaced)
        return tmp_path / "package"

    return build


def self_test_catches(folder: Path) -> bool:
    """On this processor, or where it is told to be a lesser one."""
    if python(folder, "-c", SELF_TEST, *SERVING).returncode != 0:
        return True
    return any(python(folder, "-c", SELF_TEST, MIYUN_GM_ISA=isa).returncode != 0 for isa in ("avx2", "baseline"))


def suite_catches(folder: Path, *which: str) -> bool:
    command = ("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", "not slow")
    ran = python(folder, *command, *(which or SUITE), seconds=900)
    assert ran.returncode in (0, 1, 2) or ran.returncode < 0, ran.stdout + ran.stderr
    return ran.returncode != 0


def caught(folder: Path) -> str | None:
    if self_test_catches(folder):
        return "self-test"
    return "suite" if suite_catches(folder) else None


def test_the_unchanged_core_passes(native: Builder, tmp_path: Path) -> None:
    native.extension(package(tmp_path))
    assert not self_test_catches(tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_suite_passes_with_the_unchanged_core(native: Builder, tmp_path: Path) -> None:
    """Else it would seem to catch whatever is changed."""
    native.extension(package(tmp_path))
    assert not suite_catches(tmp_path)


@pytest.mark.parametrize(
    "change", [*NAMED, *(pytest.param(c, marks=needs_lanes) for c in LANES)], ids=lambda change: change.name
)
def test_a_broken_kernel_is_caught(mutant, change: Change) -> None:
    folder = mutant(change.file, change.apply((NATIVE / change.file).read_text("utf-8")))
    if change.caught_by == "self-test":
        assert self_test_catches(folder)
    else:
        assert not self_test_catches(folder), "better than thought: say that the self-test catches it"
        assert suite_catches(folder, change.caught_by)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "change", [*LATER, *(pytest.param(c, marks=needs_lanes) for c in LANES_LATER)], ids=lambda change: change.name
)
def test_more_broken_kernels_are_caught(mutant, change: Change) -> None:
    assert caught(mutant(change.file, change.apply((NATIVE / change.file).read_text("utf-8"))))


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("file", "index"), _everywhere())
def test_a_flipped_bit_of_a_constant_is_caught(mutant, file: str, index: int) -> None:
    source = (NATIVE / file).read_text("utf-8")
    constant = _constants(source)[index]
    last = constant.end() - 1
    flipped = source[:last] + f"{int(source[last], 16) ^ 1:x}" + source[last + 1 :]
    how = caught(mutant(file, flipped))
    if (file, constant[0]) in HARMLESS:
        assert how is None, f"{constant[0]} is not harmless: {HARMLESS[file, constant[0]]}"
    else:
        assert how, f"{file}: {constant[0]} with its last bit flipped passes everything"
