"""Every error a user may see speaks both languages and offers a remedy."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import miyun
from miyun.core.errors import MiyunError, registry


def all_errors() -> list[type[MiyunError]]:
    for module in pkgutil.walk_packages(miyun.__path__, "miyun."):
        if ".migrations." not in module.name and "__main__" not in module.name:
            importlib.import_module(module.name)
    return sorted(registry().values(), key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", all_errors(), ids=lambda kind: kind.__name__)
def test_an_error_speaks_both_languages(kind: type[MiyunError]) -> None:
    for text in (kind.text, kind.remedy):
        assert text.zh.strip() and text.en.strip()
        assert any("一" <= ch <= "鿿" for ch in text.zh)
        assert not any("一" <= ch <= "鿿" for ch in text.en)
    assert 400 <= kind.status < 600
