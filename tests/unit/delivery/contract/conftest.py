"""Contracts of the house in several layouts, all consistent; tests spoil them one place at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[3]


def _text(name: str) -> str:
    if name == "articles":
        return (REPOSITORY / "examples" / "contracts" / "contract.txt").read_text("utf-8")
    return (HERE / "layouts" / f"{name}.txt").read_text("utf-8")


@pytest.fixture
def layout() -> Callable[[str], str]:
    """The text of the layout with this name."""
    return _text


@pytest.fixture
def contract_2() -> Path:
    """The real contract kept beside the repository, when it is there."""
    path = REPOSITORY.parent / "shared" / "contracts" / "contract-2.txt"
    if not path.exists():
        pytest.skip("the shared contract is not on this machine")
    return path
