from __future__ import annotations

from pathlib import Path

import pytest
from tests.rooms import Rooms, rooms_in


@pytest.fixture
def rooms(tmp_path: Path) -> Rooms:
    return rooms_in(tmp_path)
