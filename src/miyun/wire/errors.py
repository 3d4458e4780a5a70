"""What a decoder of this package says when bytes do not mean what they should."""

from __future__ import annotations


class DecodeError(ValueError):
    """Malformed input. `offset` is an octet of the structure being read, `field` its name in the standard."""

    def __init__(self, message: str, *, offset: int = 0, field: str = "") -> None:
        where = f"{field}: " if field else ""
        super().__init__(f"{where}{message} (at octet {offset})")
        self.message = message
        self.offset = offset
        self.field = field


class EncodeError(ValueError):
    """A value that the structure cannot carry, for instance a country of three letters. Names the field."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.message = message
        self.field = field
