"""The native core under AddressSanitizer and UndefinedBehaviorSanitizer: the self-test, and in `make
assurance` the vectors and the whole suite of the algorithms. ipp-crypto's archives are linked as they are.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.assurance.native import ROOT, Builder, compiler, package, python, recipe
from tests.assurance.test_mutations import SELF_TEST, SUITE

FLAGS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer", "-g", "-O0")
VECTORS = ROOT.parent / "shared" / "vectors"


def library(name: str) -> str:
    command = [compiler(), f"-print-file-name={name}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The folder of the package with the checked core, and the environment that it needs."""
    folder = tmp_path_factory.mktemp("sanitized")
    builder = Builder(folder / "objects", recipe(), FLAGS)
    builder.build(builder.recipe.sources)
    builder.extension(package(folder / "package"))
    environment = {
        "LD_PRELOAD": f"{library('libasan.so')} {library('libubsan.so')}",
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0:exitcode=98",  # Python itself keeps what it allocated
        "UBSAN_OPTIONS": "print_stacktrace=1:exitcode=98",
    }
    return folder / "package", environment


def test_the_check_finds_a_write_beyond_the_end(tmp_path: Path) -> None:
    source = tmp_path / "beyond.c"
    source.write_text("#include <stdlib.h>\nint main(int n, char **v) { char *p = malloc(8); return p[n + 7] = 1; }\n")
    program = tmp_path / "beyond"
    subprocess.run([compiler(), *FLAGS, str(source), "-o", str(program)], check=True)
    assert subprocess.run([str(program)], capture_output=True, check=False).returncode != 0


def test_the_self_test_runs_clean(checked: tuple[Path, dict[str, str]]) -> None:
    folder, environment = checked
    ran = python(folder, "-c", SELF_TEST, **environment)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.slow
@pytest.mark.skipif(not VECTORS.is_dir(), reason="no ../shared/vectors here")
def test_the_vectors_run_clean(checked: tuple[Path, dict[str, str]]) -> None:
    folder, environment = checked
    ran = python(folder, "-m", "miyun.edge.cli", "selftest", "--vectors", str(VECTORS), **environment)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_suite_of_the_algorithms_runs_clean(checked: tuple[Path, dict[str, str]]) -> None:
    folder, environment = checked
    options = ("-q", "-x", "-p", "no:cacheprovider", "-m", "not slow")
    ran = python(folder, "-m", "pytest", *options, *SUITE, seconds=1800, **environment)
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-4000:]
