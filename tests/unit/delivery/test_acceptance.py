"""A dossier is made whole, verifies offline, and names whatever was altered, added or taken away."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from docx import Document
from tests.rooms import Rooms, rooms_in

from miyun.core.digest import digest
from miyun.core.i18n import Text
from miyun.core.ledger.anchors import head_bytes, load_anchor, store_anchor
from miyun.core.ledger.chain import leaf_hash
from miyun.core.ledger.merkle import node_hash
from miyun.core.ledger.port import Head
from miyun.delivery.acceptance.build import build_dossier
from miyun.delivery.acceptance.manifest import MANIFEST, DossierUnreadable
from miyun.delivery.acceptance.model import REQUIRED, Facts, InstanceFact, LedgerFact, LevelFact
from miyun.delivery.acceptance.papers import PAPERS
from miyun.delivery.acceptance.verify import verify_dossier
from miyun.delivery.performance import proven_records
from miyun.delivery.records import Act, Record, Step
from miyun.gm import sm2
from miyun.offerings.timestamp.stamper import PlatformStamper
from miyun.wire import spki
from miyun.wire.algorithm import SignatureAlgorithm
from miyun.wire.cms import Dialect, assemble, signed_attributes_to_sign
from miyun.wire.x509 import load_certificates, parse_certificate


class HandSigner:
    """Signs with a key of the test's own, certified by the room's issuing CA."""

    def __init__(self, rooms: Rooms) -> None:
        self.private = sm2.generate_private_key()
        self.issued = asyncio.run(
            rooms.issuer.issue(
                None,
                template="evidence",
                subject={"CN": "evidence"},
                spki=spki.sm2_spki(sm2.public_key(self.private)),
                at=rooms.clock.now(),
            )
        )

    async def sign_detached(self, content: bytes) -> bytes:
        certificate = parse_certificate(self.issued.der)
        attributes = signed_attributes_to_sign(digest(content), dialect=Dialect.GBT35275)
        return assemble(
            certificate=certificate,
            algorithm=SignatureAlgorithm.SM2_SM3,
            signature=sm2.sign(self.private, attributes),
            content=None,
            signed_attributes=attributes,
            dialect=Dialect.GBT35275,
            certificates=[certificate],
        )


@dataclasses.dataclass
class Desk:
    facts: Facts
    signer: HandSigner
    stamper: PlatformStamper
    target: Path

    def build(self, **changes: Any) -> Path:
        facts = dataclasses.replace(self.facts, **changes)
        asyncio.run(build_dossier(facts, self.target, signer=self.signer, stamper=self.stamper))
        return self.target


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    rooms = rooms_in(tmp_path)
    signer = HandSigner(rooms)
    stamper = PlatformStamper(service=rooms.timestamp)
    records = [json.dumps({"seq": n, "op": "timestamp.issue"}).encode() for n in range(2)]
    leaves = [leaf_hash(r) for r in records]
    head = Head(2, bytes(32), node_hash(*leaves), datetime(2026, 11, 21, tzinfo=UTC))
    signature = asyncio.run(signer.sign_detached(head_bytes(head)))
    token = asyncio.run(stamper.token(digest(signature)))
    anchor = (
        store_anchor(tmp_path / "journal", head, signature, token) if (tmp_path / "journal").mkdir() is None else None
    )
    assert anchor is not None and load_anchor(anchor).head == head
    facts = Facts(
        contract_id="con_1",
        tenant="ten_1",
        contract={"title": {"value": "云服务合同"}, "parties": [{"role": "client", "name": "某局"}], "payments": []},
        findings=[{"clause": "(四)2", "severity": "error", "kind": "amount", "message": "大写不符"}],
        source="合同文本".encode(),
        rehearsal=True,
        contractual_term=(date(2025, 5, 12), date(2026, 5, 12)),
        effective_term=(date(2026, 11, 21), date(2027, 11, 21)),
        generated_at=datetime(2026, 11, 21, 4, 0, tzinfo=UTC),
        instances=[InstanceFact("ins_1", "timestamp", "时间戳", "时间戳服务", Decimal(1), "年", 10_000)],
        usage=[
            {
                "instance": "ins_1",
                "meter": "timestamp.tokens",
                "window": "2026-11-21T03:00:00+00:00",
                "units": 3,
                "refused": 1,
                "over": 0,
            }
        ],
        levels=[LevelFact(Text("服务可用率", "Availability"), "99.9%", "100%", False, Text("已观测", "observed"))],
        incidents=[],
        obligations=[],
        applications=[{"application": "app_1", "name": "平台", "services": ["时间戳"]}],
        selftest={"failed": 0},
        platform={"version": "0.1.0"},
        ledger=LedgerFact(anchor.read_bytes(), [(0, records[0], [leaves[1]]), (1, records[1], [leaves[0]])], 2),
        trust=asyncio.run(rooms.issuer.trust_anchors()),
        intermediates=asyncio.run(rooms.issuer.intermediates()),
    )
    return Desk(facts, signer, stamper, tmp_path / "dossier")


def kinds(folder: Path) -> set[tuple[str, str]]:
    return {(fault.kind, fault.path) for fault in verify_dossier(folder).faults}


def test_a_whole_dossier_is_ready_and_verifies(desk: Desk) -> None:
    folder = desk.build()
    report = verify_dossier(folder)
    assert report.ok, report.faults
    assert report.manifest.ready and report.records == 2
    assert report.timestamp is not None and report.anchor_time is not None
    assert "evidence" in report.signed_by


def test_every_required_paper_is_made_in_chinese_and_marked_as_rehearsal(desk: Desk) -> None:
    folder = desk.build()
    assert {r.path for r in REQUIRED if r.kind == "paper"} == set(PAPERS)
    for path in PAPERS:
        document = Document(str(folder / path))
        assert "演练" in document.sections[0].header.paragraphs[0].text
        assert any("一" <= ch <= "鿿" for p in document.paragraphs for ch in p.text)


def _said(folder: Path, name: str) -> str:
    (path,) = (folder / "papers").glob(f"*{name}.docx")
    return "\n".join(p.text for p in Document(str(path)).paragraphs)


def test_the_papers_cite_the_contracts_own_clauses_and_words(desk: Desk) -> None:
    duties = [
        {"kind": "onsite_arrival", "quote": "2. 乙方应在8小时内到达现场。", "clause": "第七条"},
        {"kind": "security_boundary", "quote": "乙方承担云平台的安全责任。", "clause": "第九条"},
        {"kind": "acceptance_request", "quote": "乙方提交验收申请。", "clause": "第十二条"},
    ]
    folder = desk.build(contract={**desk.facts.contract, "obligations": duties})
    assert "1. 乙方应在8小时内到达现场。（合同第七条）" in _said(folder, "应急预案")
    assert "（合同第九条）" in _said(folder, "故障处理报告")
    assert "依合同第十二条" in _said(folder, "验收申请")


def test_what_the_contract_does_not_say_is_not_put_into_a_paper(desk: Desk) -> None:
    folder = desk.build(contract={**desk.facts.contract, "obligations": []})
    plan = _said(folder, "应急预案")
    assert "响应时限：合同未约定。" in plan and "4 小时" not in plan and "7×24" not in plan
    assert all(
        "合同（" not in _said(folder, name) for name in ("应急预案", "故障处理报告", "重保方案", "验收申请", "验收报告")
    )


def test_outside_a_rehearsal_nothing_is_marked(desk: Desk) -> None:
    folder = desk.build(rehearsal=False)
    for path in PAPERS:
        assert Document(str(folder / path)).sections[0].header.paragraphs[0].text == ""


def test_an_altered_file_is_named(desk: Desk) -> None:
    folder = desk.build()
    path = folder / "evidence/usage.json"
    path.write_bytes(path.read_bytes().replace(b'"units": 3', b'"units": 2'))
    assert kinds(folder) == {("altered", "evidence/usage.json")}


def test_a_removed_file_is_named(desk: Desk) -> None:
    folder = desk.build()
    (folder / "papers/05-应急预案.docx").unlink()
    assert kinds(folder) == {("missing", "papers/05-应急预案.docx")}


def test_an_added_file_is_named(desk: Desk) -> None:
    folder = desk.build()
    (folder / "papers/99.docx").write_bytes(b"x")
    assert kinds(folder) == {("added", "papers/99.docx")}


def test_a_manifest_rewritten_to_hide_a_change_fails_signature_and_timestamp(desk: Desk) -> None:
    folder = desk.build()
    usage = folder / "evidence/usage.json"
    old = usage.read_bytes()
    new = old.replace(b'"units": 3', b'"units": 2')
    usage.write_bytes(new)
    manifest = folder / MANIFEST
    manifest.write_bytes(manifest.read_bytes().replace(digest(old).hex().encode(), digest(new).hex().encode()))
    assert kinds(folder) == {("signature", "manifest.p7s"), ("timestamp", "manifest.tsr")}


def test_a_required_item_dropped_from_the_manifest_is_missed(desk: Desk) -> None:
    folder = desk.build()
    manifest = json.loads((folder / MANIFEST).read_bytes())
    manifest["items"] = [i for i in manifest["items"] if not i["path"].endswith("应急预案.docx")]
    (folder / MANIFEST).write_text(json.dumps(manifest))
    assert ("missing", "papers/05-应急预案.docx") in kinds(folder)


def test_a_record_that_is_not_in_the_ledger_is_named(desk: Desk) -> None:
    ledger = desk.facts.ledger
    assert ledger is not None
    forged = (0, b'{"op":"timestamp.issue","seq":0,"units":99}', ledger.records[0][2])
    folder = desk.build(ledger=dataclasses.replace(ledger, records=[forged, ledger.records[1]]))
    (fault,) = verify_dossier(folder).faults
    assert fault.kind == "ledger" and "record 0" in fault.text


def test_another_root_is_not_trusted(desk: Desk, tmp_path: Path) -> None:
    folder = desk.build()
    certificates = load_certificates((folder / "trust/root-1.pem").read_bytes())
    leaf = parse_certificate(desk.signer.issued.der)
    assert verify_dossier(folder, roots=certificates + load_certificates((folder / "trust/root-2.pem").read_bytes())).ok
    report = verify_dossier(folder, roots=[leaf])
    assert {f.kind for f in report.faults} >= {"timestamp"}


def test_without_an_anchor_the_dossier_is_not_ready(desk: Desk) -> None:
    folder = desk.build(ledger=None)
    report = verify_dossier(folder)
    assert not report.manifest.ready
    assert {m.path for m in report.manifest.missing} == {"evidence/ledger/anchor.json", "evidence/ledger/records.jsonl"}


def test_a_paper_that_cannot_be_made_blocks_readiness_and_loses_nothing_else(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_facts: Facts) -> bytes:
        raise OSError("no space")

    monkeypatch.setitem(PAPERS, "papers/06-重保方案.docx", broken)
    report = verify_dossier(desk.build())
    assert report.ok and not report.manifest.ready
    assert [m.title for m in report.manifest.missing] == ["重保方案"]


def test_an_interrupted_build_leaves_the_old_dossier(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = desk.build()
    before = (folder / MANIFEST).read_bytes()

    async def unavailable(_content: bytes) -> bytes:
        raise ConnectionError

    monkeypatch.setattr(desk.signer, "sign_detached", unavailable)
    with pytest.raises(ConnectionError):
        desk.build(rehearsal=False)
    assert (folder / MANIFEST).read_bytes() == before
    assert verify_dossier(folder).ok


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd"])
def test_a_manifest_that_points_outside_is_refused(desk: Desk, path: str) -> None:
    folder = desk.build()
    manifest = json.loads((folder / MANIFEST).read_bytes())
    manifest["items"][0]["path"] = path
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(DossierUnreadable):
        verify_dossier(folder)


def test_a_folder_without_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DossierUnreadable):
        verify_dossier(tmp_path)


def test_what_was_done_is_in_the_papers_and_its_scan_in_the_evidence(desk: Desk) -> None:
    at, scan = desk.facts.generated_at, b"%PDF-1.7 proof of payment"
    paid = Record(
        id="rec_1",
        tenant="ten_1",
        contract="con_1",
        item="itm_1",
        step=Step.DONE,
        side="client",
        done_on=date(2026, 11, 20),
        paper="付款凭证 3 号",
        delivered_by="email",
        arrived_at=at,
        amount=Decimal("5.00"),
        note="",
        media_type="application/pdf",
        size=len(scan),
        digest=digest(scan).hex(),
        principal="pri_1",
        name="某人",
        at=at,
        money=True,
        confirmed=Act("supplier", "pri_2", "他人", at),
    )
    item = {
        "item": "itm_1",
        "key": "payment-1",
        "kind": "payment",
        "what": "支付首付款",
        "clause": "五",
        "state": "已完成",
    }
    folder = desk.build(
        papers=[(paid, scan)],
        obligations=[item],
        contract={**desk.facts.contract, "payments": [{"number": 1, "label": "首付款", "amount": "5.00"}]},
    )
    assert verify_dossier(folder).ok
    assert (folder / "evidence/contract/papers/rec_1.pdf").read_bytes() == scan
    [listed] = json.loads((folder / "evidence/contract/performance.json").read_text("utf-8"))
    assert listed["scan_sm3"] == digest(scan).hex() and listed["confirmed"]["by"] == "他人"
    assert ["首付款", "—", "5.00", "—", "—", "—", "2026-11-20，5.00 元"] in _rows(folder, "验收报告")
    assert any("付款凭证 3 号" in row and "有效" in row for row in _rows(folder, "项目总结报告"))
    (folder / "evidence/contract/papers/rec_1.pdf").write_bytes(b"another")
    assert kinds(folder) == {("altered", "evidence/contract/papers/rec_1.pdf")}


def _rows(folder: Path, name: str) -> list[list[str]]:
    (path,) = (folder / "papers").glob(f"*{name}.docx")
    return [[cell.text for cell in row.cells] for table in Document(str(path)).tables for row in table.rows]


class TwoRecords:
    """A ledger of two records."""

    async def records(self, *, tenant: str, start: int, limit: int) -> list[SimpleNamespace]:
        return [SimpleNamespace(seq=n, raw=b"{}") for n in range(start, -1, -1)]

    async def proof(self, seq: int, size: int) -> list[bytes]:
        return [bytes([seq, size])]


def test_records_are_proven_against_the_newest_anchor_that_is_time_stamped(tmp_path: Path) -> None:
    at = datetime(2026, 11, 21, tzinfo=UTC)
    ledger: Any = TwoRecords()
    store_anchor(tmp_path, Head(1, bytes(32), bytes(32), at), b"signature", None)
    assert asyncio.run(proven_records(tmp_path, ledger, "ten_1")) is None
    stamped = store_anchor(tmp_path, Head(2, bytes(32), bytes(32), at), b"signature", b"token")
    store_anchor(tmp_path, Head(3, bytes(32), bytes(32), at), b"signature", None)
    fact = asyncio.run(proven_records(tmp_path, ledger, "ten_1"))
    assert fact is not None
    assert (fact.anchor, fact.total) == (stamped.read_bytes(), 2)
    assert fact.records == [(0, b"{}", [b"\x00\x02"]), (1, b"{}", [b"\x01\x02"])]
