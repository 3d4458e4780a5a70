"""Files of strangers are read in processes of their own, which cost what they may and no more."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.core.confined_calls import Told

from miyun.core.confinement import TOO_COSTLY, Confinement, Refused

CALLS = "tests.unit.core.confined_calls"


@pytest.fixture(scope="module")
def confinement() -> Iterator[Confinement]:
    made = Confinement(seconds=1, memory=512 * 1024 * 1024)
    yield made
    made.close()


def read(confinement: Confinement, name: str, *arguments: object, answer: Any = int) -> Any:
    return asyncio.run(confinement.read("ten_a", f"{CALLS}:{name}", *arguments, answer=answer))


def test_an_answer_is_what_the_function_says(confinement: Confinement) -> None:
    assert read(confinement, "tell", b"x" * 3_000_000, "pdf", answer=Told) == Told(3_000_000, "pdf")
    assert read(confinement, "tell", b"", None, answer=Told) == Told(0, None)


def test_a_refusal_says_why(confinement: Confinement) -> None:
    with pytest.raises(Refused) as refused:
        read(confinement, "refuse", b"")
    assert (refused.value.code, refused.value.detail) == ("unreadable", "at octet 7")


@pytest.mark.parametrize("name", ["burn", "hoard"])
def test_who_takes_too_much_is_refused_and_others_go_on(confinement: Confinement, name: str) -> None:
    with pytest.raises(Refused) as refused:
        read(confinement, name)
    assert (refused.value.code, refused.value.detail) == (TOO_COSTLY, "")
    assert read(confinement, "tell", b"abc", "", answer=Told).size == 3


def test_what_a_failure_quotes_stays_where_it_happened(confinement: Confinement) -> None:
    with pytest.raises(RuntimeError, match=r"LookupError in .*confined_calls") as failed:
        read(confinement, "fail", b"a line of the secret paper")
    assert "secret" not in str(failed.value)


def test_a_file_that_crashes_its_parser_is_told(confinement: Confinement) -> None:
    with pytest.raises(RuntimeError, match=str(128 + signal.SIGSEGV)):
        read(confinement, "crash")
    assert read(confinement, "tell", b"abc", "", answer=Told).size == 3


def test_half_of_an_answer_is_nobody_elses_beginning(confinement: Confinement) -> None:
    """As the kernel ends who has too much when there is no memory left."""
    with pytest.raises(RuntimeError, match=str(128 + signal.SIGKILL)):
        read(confinement, "say_half")
    assert read(confinement, "tell", b"abc", "", answer=Told).size == 3


def test_no_file_meets_what_another_left_behind(confinement: Confinement) -> None:
    assert [read(confinement, "remember") for _ in range(3)] == [1, 1, 1]


def test_a_reader_that_was_killed_is_replaced() -> None:
    with Confinement() as confinement:
        reader = read(confinement, "parent")
        os.kill(reader, signal.SIGKILL)
        os.waitid(os.P_PID, reader, os.WEXITED | os.WNOWAIT)
        assert read(confinement, "parent") != reader


def test_a_reader_knows_no_settings_and_writes_no_files(
    confinement: Confinement, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MIYUN_DATABASE__URL", "postgresql://miyun:password@127.0.0.1/miyun")
    with Confinement() as fresh:
        assert not [name for name in read(fresh, "surroundings", answer=dict[str, str]) if "MIYUN" in name]
    with pytest.raises(RuntimeError, match="OSError"):
        read(confinement, "write", str(tmp_path / "file"))


def test_an_owner_with_slow_files_holds_up_nobody_else(tmp_path: Path) -> None:
    gate = tmp_path / "gate"

    async def go(confinement: Confinement) -> None:
        slow = [
            asyncio.create_task(confinement.read("ten_a", f"{CALLS}:wait_for", str(gate), answer=int)) for _ in range(6)
        ]
        await asyncio.sleep(0)
        assert await confinement.read("ten_b", f"{CALLS}:parent", answer=int)
        assert not any(task.done() for task in slow)
        gate.touch()
        assert len(set(await asyncio.gather(*slow))) == 2  # two readers, not six

    with Confinement(seconds=60) as confinement:
        asyncio.run(go(confinement))


def test_readers_end_with_those_who_started_them() -> None:
    with Confinement() as confinement:
        reader = read(confinement, "parent")
        os.kill(reader, 0)
    until = time.monotonic() + 60
    while Path(f"/proc/{reader}").exists() and time.monotonic() < until:
        time.sleep(0.01)
    assert not Path(f"/proc/{reader}").exists()
