"""What a token or its library may answer instead of a result."""

from __future__ import annotations

from pathlib import Path

from miyun.wire.skf import Sar


class LibraryUnusable(Exception):
    """The file is no library of GM/T 0016 for this machine."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path
        self.why = why


class TokenError(Exception):
    """`code` as the function answered it, standard's or maker's own; `tries` are those that a refused PIN has left."""

    def __init__(self, function: str, code: int, tries: int | None = None) -> None:
        name = Sar(code).name if code in list(Sar) else "unknown"
        super().__init__(f"SKF_{function}: {name} ({code:#010x})")
        self.function = function
        self.code = code
        self.tries = tries
