"""No branch and no address of the portable core depends on a secret: valgrind follows secrets as undefined values."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from tests.assurance.native import HERE, ROOT, Builder, needed

CLEAN = ("generate", "sign", "decrypt", "encrypt", "sm4", "gcm", "ghash", "hmac", "kdf", "zuc")
LEAKY = ("leaky branch", "leaky address")
FOUND = 99
WRAP = "-Wl,--wrap=gm_random"


@pytest.fixture(scope="module")
def driver(native: Builder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("valgrind") or not Path("/usr/include/valgrind/memcheck.h").exists():
        needed("valgrind")
    folder = tmp_path_factory.mktemp("secret-flow")
    return native.program(HERE / "secret_flow.c", folder / "secret_flow", WRAP)


def valgrind(driver: Path, *operations: str) -> subprocess.CompletedProcess[str]:
    options = ("--quiet", f"--error-exitcode={FOUND}", f"--suppressions={HERE / 'secret_flow.supp'}")
    command = ["valgrind", *options, str(driver), *operations]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)


@pytest.mark.parametrize("operation", LEAKY)
def test_the_check_finds_what_leaks(driver: Path, operation: str) -> None:
    assert valgrind(driver, operation).returncode == FOUND


def test_nothing_depends_on_secrets(driver: Path) -> None:
    ran = valgrind(driver, *CLEAN)
    assert ran.returncode == 0, ran.stderr


def test_a_table_read_at_a_secret_place_is_found(driver: Path, native: Builder, tmp_path: Path) -> None:
    """The signature's own table, read where the nonce's digit says instead of whole."""
    source = (ROOT / "native" / "sm2_point.c").read_text("utf-8")
    whole = (
        "uint64_t mask = equal_mask(j + 1, magnitude);\n        const uint64_t *entry = (const uint64_t *)&table[j];"
    )
    assert whole in source, "point the change at the new form of the selection"
    leaky = whole.replace("&table[j]", "&table[(magnitude - 1) & 15]")
    changed = tmp_path / "sm2_point.c"
    changed.write_text(source.replace(whole, leaky), "utf-8")
    replaced = {"native/sm2_point.c": native.compile(changed, tmp_path / "sm2_point.o")}
    program = native.program(HERE / "secret_flow.c", tmp_path / "secret_flow", WRAP, replaced=replaced)
    assert valgrind(program, "sign").returncode == FOUND
