from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.core.neighbours import Platform, platform

from miyun.core.tenancy import passwords


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def house(tmp_path: Path) -> Platform:
    return platform(tmp_path)


@pytest.fixture(autouse=True)
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """The slow hash at a sixteenth of its cost: what it costs is tested where it matters."""
    monkeypatch.setattr(passwords, "_COST", 2**10)
