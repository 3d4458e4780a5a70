"""Checking a dossier offline: no platform, no network, and of us only this code.

Checked: every file's SM3; that no file is missing or added; the manifest's CMS signature and its certificate's path;
the manifest's timestamp; the ledger anchor's signature and timestamp; the inclusion proof of every ledger record.
Trust ends at the root certificates: those given by the verifier, else those in the dossier (said so in the report).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from miyun.core.digest import digest
from miyun.core.ledger.anchors import Anchor, head_bytes, load_anchor
from miyun.core.ledger.chain import leaf_hash
from miyun.core.ledger.merkle import verify_inclusion
from miyun.delivery.acceptance.manifest import MANIFEST, SIGNATURE, TIMESTAMP, TRUST, Manifest, load
from miyun.delivery.acceptance.model import REQUIRED
from miyun.gm.errors import InvalidSignature
from miyun.wire.cms import verify_signed_data
from miyun.wire.errors import DecodeError
from miyun.wire.tsp import TimeStampMismatch, verify_token
from miyun.wire.x509 import Certificate, ChainError, Purpose, load_certificates, verify_chain


@dataclass(frozen=True, slots=True)
class Fault:
    """`kind`: altered | missing | added | signature | timestamp | ledger | trust."""

    kind: str
    path: str
    text: str


@dataclass(slots=True)
class DossierReport:
    manifest: Manifest
    faults: list[Fault] = field(default_factory=list)
    files: int = 0
    records: int = 0
    signed_by: str = ""
    timestamp: datetime | None = None
    anchor_time: datetime | None = None
    roots: list[str] = field(default_factory=list)  # SM3 fingerprints
    roots_from_dossier: bool = True

    @property
    def ok(self) -> bool:
        return not self.faults

    def to_dict(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "ready": self.manifest.ready and self.ok,
            "rehearsal": self.manifest.rehearsal,
            "files": self.files,
            "records": self.records,
            "signed_by": self.signed_by,
            "timestamp": self.timestamp.isoformat() if self.timestamp else None,
            "anchor_time": self.anchor_time.isoformat() if self.anchor_time else None,
            "roots": self.roots,
            "roots_from_dossier": self.roots_from_dossier,
            "missing": [msgspec.to_builtins(m) for m in self.manifest.missing],
            "faults": [{"kind": f.kind, "path": f.path, "text": f.text} for f in self.faults],
        }


def verify_dossier(
    directory: Path, *, roots: Iterable[Certificate] = (), progress: Callable[[str], None] = lambda _path: None
) -> DossierReport:
    """Raises DossierUnreadable when there is no manifest to check against; all else is a fault in the report."""
    manifest, raw = load(directory)
    report = DossierReport(manifest)
    _check_files(directory, manifest, report, progress)
    anchors, intermediates = _trust(directory, roots, report)
    at = _check_timestamp(directory, raw, anchors, intermediates, report)
    _check_signature(directory, raw, anchors, intermediates, at or manifest.generated_at, report)
    _check_ledger(directory, anchors, intermediates, report, progress)
    return report


def _check_files(directory: Path, manifest: Manifest, report: DossierReport, progress: Callable[[str], None]) -> None:
    listed = {item.path for item in manifest.items}
    for item in manifest.items:
        progress(item.path)
        path = directory / item.path
        if not path.is_file() or path.is_symlink():
            report.faults.append(Fault("missing", item.path, "file is not there"))
            continue
        report.files += 1
        if digest(path.read_bytes()).hex() != item.sm3:
            report.faults.append(Fault("altered", item.path, "SM3 differs from the manifest"))
    excused = {missing.path for missing in manifest.missing}
    for requirement in REQUIRED:
        if requirement.path not in listed and requirement.path not in excused:
            report.faults.append(Fault("missing", requirement.path, "required, but the manifest does not list it"))
    if manifest.ready and manifest.missing:
        report.faults.append(Fault("altered", MANIFEST, "says ready although items are missing"))
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if not path.is_dir() and name not in listed and name not in (MANIFEST, SIGNATURE, TIMESTAMP):
            report.faults.append(Fault("added", name, "file is not in the manifest"))


def _trust(
    directory: Path, roots: Iterable[Certificate], report: DossierReport
) -> tuple[list[Certificate], list[Certificate]]:
    given = list(roots)
    found: dict[str, list[Certificate]] = {"root": [], "intermediate": []}
    for group, certificates in found.items():
        for path in sorted((directory / TRUST).glob(f"{group}-*.pem")):
            try:
                certificates += load_certificates(path.read_bytes())
            except DecodeError as error:
                report.faults.append(Fault("trust", f"{TRUST}/{path.name}", str(error)))
    anchors = given or found["root"]
    report.roots = [certificate.fingerprint.hex() for certificate in anchors]
    report.roots_from_dossier = not given
    return anchors, found["intermediate"]


def _check_timestamp(
    directory: Path, raw: bytes, anchors: list[Certificate], intermediates: list[Certificate], report: DossierReport
) -> datetime | None:
    try:
        token = (directory / TIMESTAMP).read_bytes()
        info = verify_token(token, anchors=anchors, digest=digest(raw), certificates=intermediates)
    except OSError:
        report.faults.append(Fault("missing", TIMESTAMP, "file is not there"))
    except (InvalidSignature, DecodeError, ChainError, TimeStampMismatch) as error:
        report.faults.append(Fault("timestamp", TIMESTAMP, _say(error)))
    else:
        report.timestamp = info.gen_time
        return info.gen_time
    return None


def _check_signature(
    directory: Path,
    raw: bytes,
    anchors: list[Certificate],
    intermediates: list[Certificate],
    at: datetime,
    report: DossierReport,
) -> None:
    try:
        report.signed_by = _signed_by((directory / SIGNATURE).read_bytes(), raw, anchors, intermediates, at)
    except OSError:
        report.faults.append(Fault("missing", SIGNATURE, "file is not there"))
    except (InvalidSignature, DecodeError, ChainError) as error:
        report.faults.append(Fault("signature", SIGNATURE, _say(error)))


def _signed_by(
    signature: bytes, content: bytes, anchors: list[Certificate], intermediates: list[Certificate], at: datetime
) -> str:
    info = verify_signed_data(signature, content=content)
    certificate = info.signers[0].certificate
    assert certificate is not None, "verify_signed_data finds every signer's certificate or raises"
    verify_chain(certificate, (*info.certificates, *intermediates), anchors, at, purpose=Purpose.SIGNATURE)
    return str(certificate.subject)


def _check_ledger(
    directory: Path,
    anchors: list[Certificate],
    intermediates: list[Certificate],
    report: DossierReport,
    progress: Callable[[str], None],
) -> None:
    anchor_path, records_path = "evidence/ledger/anchor.json", "evidence/ledger/records.jsonl"
    try:
        anchor = load_anchor(directory / anchor_path)
    except OSError:
        return  # reported with the files, or listed as missing
    except (ValueError, msgspec.MsgspecError) as error:
        report.faults.append(Fault("ledger", anchor_path, _say(error)))
        return
    try:
        report.anchor_time = check_anchor(anchor, anchors, intermediates)
    except (InvalidSignature, DecodeError, ChainError, TimeStampMismatch) as error:
        report.faults.append(Fault("ledger", anchor_path, _say(error)))
    progress(records_path)
    try:
        with open(directory / records_path, "rb") as lines:
            for line in lines:
                _check_record(line, anchor, report, records_path)
    except OSError:
        return


def check_anchor(anchor: Anchor, anchors: list[Certificate], intermediates: list[Certificate]) -> datetime:
    """Signature and timestamp of a signed head; answers the timestamp's time. Also used by `miyun audit verify`."""
    if anchor.token is None:
        raise DecodeError("the anchor is not time-stamped", field="token")
    info = verify_token(anchor.token, anchors=anchors, digest=digest(anchor.signature), certificates=intermediates)
    _signed_by(anchor.signature, head_bytes(anchor.head), anchors, intermediates, info.gen_time)
    return info.gen_time


def _check_record(line: bytes, anchor: Anchor, report: DossierReport, path: str) -> None:
    try:
        entry = json.loads(line)
        seq, raw = int(entry["seq"]), base64.b64decode(entry["record"], validate=True)
        proof = [bytes.fromhex(step) for step in entry["proof"]]
        stated = int(json.loads(raw)["seq"])
    except (ValueError, KeyError, TypeError):
        report.faults.append(Fault("ledger", path, "a line cannot be read"))
        return
    report.records += 1
    if stated != seq or not verify_inclusion(leaf_hash(raw), seq, anchor.head.size, proof, anchor.head.root):
        report.faults.append(Fault("ledger", path, f"record {seq} is not in the anchored ledger"))


def _say(error: Exception) -> str:
    return str(error) or type(error).__name__
