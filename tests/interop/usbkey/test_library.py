"""C programs that know only GM/T 0016's header, on `libmiyun_skf.so` and a real token process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.token_process import AUTHENTICATION_KEY, TokenProcess

from miyun.hsm.skf import OWN_LIBRARY as LIBRARY
from miyun.hsm.token.frames import Function
from miyun.wire.skf import Sar

pytestmark = pytest.mark.engine
HERE = Path(__file__).parent
NATIVE = HERE.parents[2] / "native" / "skf"
WARNINGS = ("-std=gnu11", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", "-pthread")


def run(program: Path, tokens: Path, *arguments: str) -> str:
    environment = {**os.environ, "MIYUN_TOKENS": str(tokens)}
    done = subprocess.run([program, *arguments], env=environment, capture_output=True, text=True, timeout=120)
    assert done.stderr == ""
    return done.stdout


def compiled(folder: Path, source: str, *arguments: str) -> Path:
    program = folder / source.removesuffix(".c")
    subprocess.run(
        ["gcc", *WARNINGS, "-I", NATIVE, "-o", program, HERE / source, *arguments], check=True, timeout=120
    )  # fmt: skip
    return program


def test_a_program_drives_the_token_through_its_whole_life(tmp_path: Path) -> None:
    program = compiled(tmp_path, "life.c", str(LIBRARY), f"-Wl,-rpath,{LIBRARY.parent}")
    with TokenProcess() as token:
        assert run(program, token.tokens, AUTHENTICATION_KEY.hex()) == "passed\n"


def test_the_library_is_clean_under_sanitizers(tmp_path: Path) -> None:
    """The library's own sources, compiled into the program with every warning an error."""
    sources = [str(path) for path in sorted(NATIVE.glob("*.c"))]
    sanitized = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    with TokenProcess() as token:
        life = compiled(tmp_path, "life.c", *sanitized, *sources)
        assert run(life, token.tokens, AUTHENTICATION_KEY.hex()) == "passed\n"


def test_threads_share_a_device_and_have_their_own(tmp_path: Path) -> None:
    sources = [str(path) for path in sorted(NATIVE.glob("*.c"))]
    with TokenProcess() as token:
        threads = compiled(tmp_path, "threads.c", "-g", "-fsanitize=thread", *sources)
        assert run(threads, token.tokens) == "passed\n"


def test_the_library_exports_the_79_functions_and_nothing_else() -> None:
    declared = set(re.findall(r"DEVAPI (SKF_\w+)\(", (NATIVE / "skf.h").read_text()))
    listed = subprocess.run(["nm", "-D", "--defined-only", LIBRARY], capture_output=True, text=True, check=True)
    exported = {line.split()[-1] for line in listed.stdout.splitlines()}
    assert len(declared) == 79
    assert exported == declared


def test_both_ends_number_functions_and_answers_alike() -> None:
    header = (NATIVE / "channel.h").read_text()
    names = re.findall(r"FN_(\w+)", header.partition("enum function {")[2].partition("}")[0])
    assert names == [function.name for function in Function]
    answers = re.findall(r"#define SAR_(\w+) (0x[0-9A-F]+)", (NATIVE / "skf.h").read_text())
    assert {name: int(value, 16) for name, value in answers} == {code.name: int(code) for code in Sar}


def test_without_a_key_the_list_says_so(tmp_path: Path) -> None:
    environ = {**os.environ, "MIYUN_TOKENS": str(tmp_path), "MIYUN_LANG": "en"}
    listed = subprocess.run(
        [sys.executable, "-m", "miyun.edge.cli", "usbkey", "list"],
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "No key is plugged in" in listed.stdout
