"""How a function says no."""

from __future__ import annotations

from miyun.wire.skf import Sar


class Refused(Exception):
    """`fields` go with the code, such as the tries that a PIN has left."""

    def __init__(self, code: Sar, *fields: int | bytes | str) -> None:
        super().__init__(code.name)
        self.code = code
        self.fields = fields
