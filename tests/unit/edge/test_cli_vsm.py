"""The operators' shares: they are shown once, and nothing may keep them from being written."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from miyun.edge.cli import vsm
from miyun.edge.cli.say import Problem

SHARES = [f"MIYUN-SHARE-{number}" for number in (1, 2, 3)]


class Machine:
    def __init__(self) -> None:
        self.provisioned = 0
        self.error: Exception | None = None

    def __call__(self, home: Any, work: Any) -> Any:
        return asyncio.run(work(self))

    async def provision(self, threshold: int, shares: int) -> list[str]:
        if self.error:
            raise self.error
        self.provisioned += 1
        return SHARES


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(vsm, "_with_machine", made)
    return made


def provision(out: Path) -> Any:
    return CliRunner().invoke(vsm.vsm, ["provision", "--out", str(out)])


def test_each_share_gets_a_file_of_its_own_for_its_owner_only(machine: Machine, tmp_path: Path) -> None:
    assert provision(tmp_path / "shares").exit_code == 0
    files = sorted((tmp_path / "shares").iterdir())
    assert [file.read_text().strip() for file in files] == SHARES
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_a_file_that_is_in_the_way_is_noticed_before_there_are_shares(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "share-2-of-3.txt").write_text("of another machine")
    assert isinstance(provision(tmp_path).exception, (Problem, SystemExit))
    assert machine.provisioned == 0
    assert (tmp_path / "share-2-of-3.txt").read_text() == "of another machine"


def test_a_machine_that_refuses_leaves_no_files(machine: Machine, tmp_path: Path) -> None:
    machine.error = RuntimeError("provisioned already")
    assert provision(tmp_path).exception is machine.error
    assert list(tmp_path.iterdir()) == []
