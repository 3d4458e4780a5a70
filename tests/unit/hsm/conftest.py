from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.vsm import Vsm


@pytest.fixture(scope="session")
def vsm() -> Iterator[Vsm]:
    """One machine that all tests of a run share; tests that end or lock it start their own."""
    with Vsm(token=b"token of this run") as running:
        yield running
