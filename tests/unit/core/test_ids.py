"""Identifiers sort as they were made, also within a millisecond and when the clock is set back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from miyun.core import ids
from miyun.core.ids import new_id


@pytest.mark.parametrize("step", [0, 1, -1_000_000_000], ids=["stands", "goes on", "goes back"])
def test_those_of_one_process_sort_as_they_were_made(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    now = [2_000_000_000_000_000_000]

    def time_ns() -> int:
        now[0] += step
        return now[0]

    monkeypatch.setattr(ids, "time", SimpleNamespace(time_ns=time_ns))
    monkeypatch.setattr(ids, "_last", 0)
    made = [new_id("key") for _ in range(1000)]
    assert made == sorted(set(made))
    assert {len(one) for one in made} == {4 + 26}


def test_threads_never_make_the_same() -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: new_id("key"), range(4000)))
    assert len(set(made)) == 4000
