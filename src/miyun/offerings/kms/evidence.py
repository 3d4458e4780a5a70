"""What the key management room gives to the acceptance dossier: usage, the inventory of keys, erasures. No secret."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import msgspec

from miyun.core.catalogue import Evidence
from miyun.core.i18n import Text
from miyun.core.metering import totals
from miyun.offerings.kms.model import Erasure, Key, KeyRecord
from miyun.offerings.kms.service import KmsService

_PAGE = 500


async def evidence(
    service: KmsService, *, tenant: str, instance: str, start: datetime, end: datetime
) -> list[Evidence]:
    """Three JSON files: usage.json, keys.json (every key made before `end`, with its versions), erasures.json."""
    rows = await service.ledger.usage(instances=[instance], start=start, end=end)
    usage = [msgspec.to_builtins(total) for total in totals(rows)]
    keys = await asyncio.to_thread(_inventory, service, tenant, end)
    erasures = await asyncio.to_thread(service.store.erasures, tenant, start, end)
    return [
        _json("usage.json", Text("密钥管理用量", "Usage of key management"), usage),
        _json("keys.json", Text("密钥清单（不含密钥）", "Inventory of keys (no key material)"), keys),
        _json("erasures.json", Text("密钥销毁记录", "Records of destroyed keys"), [_erasure(e) for e in erasures]),
    ]


def _json(path: str, title: Text, content: Any) -> Evidence:
    return Evidence(path, msgspec.json.format(msgspec.json.encode(content), indent=2), "application/json", title)


def _inventory(service: KmsService, tenant: str, end: datetime) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = service.store.page(tenant, state=None, algorithm=None, text=None, tag=None, limit=_PAGE, cursor=cursor)
        for key in page[:_PAGE]:
            record = service.store.find(tenant, key.id)
            if key.created_at < end and record is not None:
                found.append(_key(key, record))
        if len(page) <= _PAGE:
            return found
        cursor = page[_PAGE - 1].id


def _key(key: Key, record: KeyRecord) -> dict[str, Any]:
    return {
        "key": key.id,
        "algorithm": key.algorithm.value,
        "usage": key.usage.value,
        "label": key.label,
        "owner": key.owner,
        "applications": sorted(key.applications),
        "origin": key.origin.value,
        "state": key.state.value,
        "created_at": key.created_at,
        "rotation_days": key.rotation_days,
        "destroyed_at": key.destroyed_at,
        "versions": [
            {"version": v.version, "created_at": v.created_at, "public_key": v.public} for v in record.versions.values()
        ],
    }


def _erasure(erasure: Erasure) -> dict[str, Any]:
    return {
        "erasure": erasure.id,
        "key": erasure.key,
        "label": erasure.label,
        "algorithm": erasure.algorithm.value,
        "wrapped_sm3": {str(version): mark for version, mark in erasure.fingerprints.items()},
        "reason": erasure.reason,
        "destroyed_at": erasure.destroyed_at,
    }
