"""What a caller is told of a request that does not fit its type."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec
import pytest

from miyun.core.decoding import to_error


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Item(msgspec.Struct, forbid_unknown_fields=True):
    kind: Literal["", "a", "b"] = ""
    colours: list[Colour] = []
    named: dict[str, Annotated[Colour | None, msgspec.Meta(description="x")]] = {}


class Request(msgspec.Struct, forbid_unknown_fields=True):
    item: Item | None = None
    items: Annotated[list[Item], msgspec.Meta(max_length=2)] = []


@pytest.mark.parametrize(
    ("sent", "field", "en", "zh"),
    [
        ({"item": {"kind": "c"}}, "item.kind", "it must be one of a, b.", "应为 a、b 之一。"),
        ({"items": [{}, {"kind": "c"}]}, "items[1].kind", "it must be one of a, b.", "应为 a、b 之一。"),
        ({"item": {"colours": ["red", "x"]}}, "item.colours[1]", "it must be one of red, blue.", "red、blue"),
        ({"item": {"named": {"k": "x"}}}, "item.named[...]", "it must be one of red, blue.", "red、blue"),
        ({"items": [{}, {}, {}]}, "items", "its number of items must be <= 2.", "项数应 <= 2。"),
        ({"item": 3}, "item", "expected an object or null, got an integer.", "应为对象或空值，实为整数。"),
        ({"itm": 3}, "itm", "Unknown field 'itm'.", "不认识的字段“itm”。"),
    ],
)
def test_the_field_and_the_remedy_are_named(sent: dict[str, Any], field: str, en: str, zh: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(msgspec.json.encode(sent), type=Request)
    error = to_error(caught.value, wanted=Request)
    assert error.field == field
    assert error.message.en.endswith(en) and zh in error.message.zh
