"""What the encryption room gives to the acceptance dossier: usage, and the keys that were used. No secret."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from miyun.core.catalogue import Evidence
from miyun.core.errors import NotFound
from miyun.core.i18n import Text
from miyun.core.metering import totals
from miyun.core.ports import KeyRef
from miyun.offerings.encryption.service import EncryptionService

_RECORDS = 5000


async def evidence(
    service: EncryptionService, *, tenant: str, instance: str, start: datetime, end: datetime
) -> list[Evidence]:
    """usage.json; keys.json: every key in the newest records of the instance, with the modes it was used in."""
    rows = await service.ledger.usage(instances=[instance], start=start, end=end)
    records = await service.ledger.records(tenant=tenant, instance=instance, limit=_RECORDS)
    modes: dict[str, set[str]] = {}
    for record in records:
        entry = record.entry
        if entry.operation.startswith("encryption.") and entry.outcome == "ok" and start <= entry.at < end:
            used = modes.setdefault(entry.resource.get("key", ""), set())
            used.add(str(entry.detail.get("mode") or entry.operation.removeprefix("encryption.")))
    keys = [await _key(service, tenant, key, sorted(used)) for key, used in sorted(modes.items()) if key]
    usage = [msgspec.to_builtins(total) for total in totals(rows)]
    return [
        _json("usage.json", Text("加解密用量", "Usage of encryption"), usage),
        _json("keys.json", Text("所用密钥与算法（不含密钥）", "Keys and algorithms in use (no key material)"), keys),
    ]


async def _key(service: EncryptionService, tenant: str, key: str, modes: list[str]) -> dict[str, Any]:
    try:
        info = await service.keys.info(KeyRef(tenant, key))
    except NotFound:
        return {"key": key, "modes": modes}
    return {
        "key": key,
        "algorithm": info.algorithm,
        "usage": info.usage,
        "state": info.state,
        "version": info.version,
        "modes": modes,
    }


def _json(path: str, title: Text, content: Any) -> Evidence:
    return Evidence(path, msgspec.json.format(msgspec.json.encode(content), indent=2), "application/json", title)
