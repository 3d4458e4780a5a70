"""manifest.json: every file of the dossier with its SM3; signed (manifest.p7s) and time-stamped (manifest.tsr)."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec

from miyun.core.errors import MiyunError
from miyun.core.i18n import Text

MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.p7s"
TIMESTAMP: Final = "manifest.tsr"
TRUST: Final = "trust"


class DossierUnreadable(MiyunError):
    status = 400
    text = Text("验收资料无法读取（{file}）：{reason}", "The dossier cannot be read ({file}): {reason}")
    remedy = Text("请给出 miyun acceptance build 生成的目录。", "Name a folder made by miyun acceptance build.")


class Item(msgspec.Struct, frozen=True, kw_only=True):
    path: str
    title: str
    clause: str
    kind: str
    sm3: str
    size: int


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    path: str
    title: str
    clause: str
    reason: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`ready`: nothing required is missing, so acceptance may be applied for."""

    format: str
    contract: str
    tenant: str
    rehearsal: bool
    contractual_term: tuple[str | None, str | None]
    effective_term: tuple[str, str]
    generated_at: datetime
    items: list[Item]
    missing: list[Missing]
    ready: bool


def encode(manifest: Manifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1)


def load(directory: Path) -> tuple[Manifest, bytes]:
    """Raises DossierUnreadable. Paths that leave the directory are refused."""
    try:
        raw = (directory / MANIFEST).read_bytes()
        manifest = msgspec.json.decode(raw, type=Manifest)
    except (OSError, msgspec.MsgspecError) as error:
        raise DossierUnreadable(file=MANIFEST, reason=str(error)) from error
    for item in manifest.items:
        path = PurePosixPath(item.path)
        if path.is_absolute() or ".." in path.parts:
            raise DossierUnreadable(file=MANIFEST, reason=f"path {item.path!r} leaves the folder")
    return manifest, raw
