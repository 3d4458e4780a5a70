from __future__ import annotations

from pathlib import Path

import pytest
from tests.rooms import rooms_in
from tests.unit.offerings.ssl_certificate.desk import Desk, Holder


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(rooms_in(tmp_path))


@pytest.fixture
def holder(desk: Desk) -> Holder:
    """With an account."""
    return desk.holder()
