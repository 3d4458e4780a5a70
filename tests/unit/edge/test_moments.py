"""Dates that are typed into forms."""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace

import pytest

from miyun.core.clock import SHANGHAI
from miyun.core.errors import InvalidArgument
from miyun.edge.console.pages.listing import moment_of


def typed(text: str) -> datetime | None:
    return moment_of(SimpleNamespace(form={"expires_at": text}), "expires_at")  # type: ignore[arg-type]


def test_a_day_that_is_named_alone_ends_with_it() -> None:
    assert typed("2026-12-31") == datetime(2027, 1, 1, tzinfo=SHANGHAI)
    assert typed("2026-12-31T08:30") == datetime(2026, 12, 31, 8, 30, tzinfo=SHANGHAI)
    assert typed(" ") is None


@pytest.mark.parametrize("text", ["tomorrow", "2026-13-01", "9999-12-31"])
def test_what_is_no_day_of_the_calendar_is_told(text: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        typed(text)
    assert refused.value.field == "expires_at"
