"""Writing a dossier from facts. A required item that cannot be made is listed and blocks "ready to apply"."""

from __future__ import annotations

import base64
import json
import logging
import os
import shutil
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from miyun.core.digest import digest
from miyun.core.i18n import Text
from miyun.core.ports import EvidenceSigner, Stamper
from miyun.delivery.acceptance.manifest import MANIFEST, SIGNATURE, TIMESTAMP, TRUST, Item, Manifest, Missing, encode
from miyun.delivery.acceptance.model import FORMAT, REQUIRED, Facts, Requirement
from miyun.delivery.acceptance.papers import PAPERS
from miyun.delivery.records import DELIVERY, EXTENSIONS, STATES, STEPS, Act, Record
from miyun.wire import pem

log = logging.getLogger("miyun.acceptance")


async def build_dossier(
    facts: Facts,
    target: Path,
    *,
    signer: EvidenceSigner,
    stamper: Stamper,
    progress: Callable[[str], None] = lambda _path: None,
) -> Manifest:
    """Write the dossier into `target` (made anew; an older one there is replaced only when the new one is whole)."""
    draft = target.with_name(target.name + ".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    items: list[Item] = []
    missing: list[Missing] = []
    evidence = _evidence(facts)
    for requirement in REQUIRED:
        progress(requirement.path)
        make = PAPERS.get(requirement.path)
        try:
            content = make(facts) if make else evidence.pop(requirement.path, None)
        except Exception as error:
            log.exception("%s could not be made", requirement.path)
            missing.append(_missing(requirement, type(error).__name__))
            continue
        if content is None:
            missing.append(_missing(requirement, "no data"))
        else:
            items.append(_write(draft, requirement, content))
    extra = {f"evidence/{room}/{e.path}": (e.content, e.title) for room, e in facts.evidence}
    extra |= {path: (content, Text(path, path)) for path, content in evidence.items()}
    for path, (content, title) in sorted(extra.items()):
        items.append(_write(draft, Requirement(path, title, "", "evidence"), content))
    for group, certificates in (("root", facts.trust), ("intermediate", facts.intermediates)):
        for number, der in enumerate(certificates, 1):
            requirement = Requirement(
                f"{TRUST}/{group}-{number}.pem", Text("信任证书", "Trusted certificate"), "", "evidence"
            )
            items.append(_write(draft, requirement, pem.encode(pem.CERTIFICATE, der).encode()))
    start, end = facts.contractual_term
    manifest = Manifest(
        format=FORMAT,
        contract=facts.contract_id,
        tenant=facts.tenant,
        rehearsal=facts.rehearsal,
        contractual_term=(start.isoformat() if start else None, end.isoformat() if end else None),
        effective_term=(facts.effective_term[0].isoformat(), facts.effective_term[1].isoformat()),
        generated_at=facts.generated_at,
        items=items,
        missing=missing,
        ready=not missing,
    )
    raw = encode(manifest)
    (draft / MANIFEST).write_bytes(raw)
    (draft / SIGNATURE).write_bytes(await signer.sign_detached(raw))
    (draft / TIMESTAMP).write_bytes(await stamper.token(digest(raw)))
    _replace(draft, target)
    return manifest


def _scan_path(record: Record) -> str:
    return f"evidence/contract/papers/{record.id}.{EXTENSIONS[record.media_type]}"


def _performed(record: Record) -> dict[str, Any]:
    """A record as evidence: `scan_sm3` is the digest taken when the scan came in."""
    return {
        "record": record.id,
        "item": record.item,
        "step": STEPS[record.step].zh,
        "side": record.side,
        "state": STATES[record.state].zh,
        "done_on": record.done_on,
        "paper": record.paper,
        "delivered_by": DELIVERY[record.delivered_by].zh,
        "arrived_at": record.arrived_at,
        "amount": record.amount,
        "note": record.note,
        "scan": _scan_path(record),
        "scan_sm3": record.digest,
        "recorded_by": record.name,
        "recorded_at": record.at,
        "confirmed": _act(record.confirmed),
        "withdrawn": _act(record.withdrawn),
    }


def _act(act: Act | None) -> dict[str, Any] | None:
    return None if act is None else {"side": act.side, "by": act.name, "at": act.at, "reason": act.reason}


def _evidence(facts: Facts) -> dict[str, bytes]:
    contract = {
        "rehearsal": facts.rehearsal,
        "contractual_term": facts.contractual_term,
        "effective_term": facts.effective_term,
        "contract": facts.contract,
        "findings": facts.findings,
        "obligations": facts.obligations,
    }
    levels = [
        {
            "name": level.name.zh,
            "name_en": level.name.en,
            "target": level.target,
            "measured": level.measured,
            "contractual": level.contractual,
            "note": level.note.zh,
        }
        for level in facts.levels
    ]
    files: dict[str, bytes] = {
        "evidence/contract/contract.json": _json(contract),
        "evidence/contract/source.txt": facts.source,
        "evidence/usage.json": _json({"statement": "用量结算单", "rows": facts.usage}),
        "evidence/service-levels.json": _json(levels),
        "evidence/onboarding.json": _json(facts.applications),
        "evidence/platform.json": _json(facts.platform),
    }
    if facts.papers:
        files["evidence/contract/performance.json"] = _json([_performed(record) for record, _ in facts.papers])
        files |= {_scan_path(record): scan for record, scan in facts.papers}
    if facts.selftest:
        files["evidence/selftest.json"] = _json(facts.selftest)
    if facts.ledger is not None:
        lines = (
            json.dumps(
                {
                    "seq": seq,
                    "record": base64.b64encode(raw).decode(),
                    "proof": [step.hex() for step in proof],
                }
            )
            for seq, raw, proof in facts.ledger.records
        )
        files["evidence/ledger/anchor.json"] = facts.ledger.anchor
        files["evidence/ledger/records.jsonl"] = ("\n".join(lines) + "\n").encode()
    return files


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1, default=_plain).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    return msgspec.to_builtins(value)


def _missing(requirement: Requirement, reason: str) -> Missing:
    return Missing(path=requirement.path, title=requirement.title.zh, clause=requirement.clause, reason=reason)


def _write(folder: Path, requirement: Requirement, content: bytes) -> Item:
    path = folder / requirement.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return Item(
        path=requirement.path,
        title=requirement.title.zh,
        clause=requirement.clause,
        kind=requirement.kind,
        sm3=digest(content).hex(),
        size=len(content),
    )


def _replace(draft: Path, target: Path) -> None:
    old = target.with_name(target.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        os.rename(target, old)
    os.rename(draft, target)
    shutil.rmtree(old, ignore_errors=True)
