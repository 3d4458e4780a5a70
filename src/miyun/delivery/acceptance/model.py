"""What the acceptance dossier (验收资料) consists of, and the facts it is generated from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, Literal

from miyun.core.catalogue import Evidence
from miyun.core.i18n import Text
from miyun.delivery.records import Record

FORMAT: Final = "miyun-dossier-1"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One paper or record the contract asks for; `clause` is the contract's, or "" when it is our own addition."""

    path: str
    title: Text
    clause: str
    kind: Literal["paper", "evidence"]


# The five of (十)3, the technical documents and the manual of (五)2(4), request and report of (九).
REQUIRED: Final = (
    Requirement("papers/01-项目总结报告.docx", Text("项目总结报告", "Project summary report"), "(十)3", "paper"),
    Requirement("papers/02-运行周报.docx", Text("运行周报", "Weekly operation reports"), "(十)3", "paper"),
    Requirement("papers/03-运行月报.docx", Text("运行月报", "Monthly operation reports"), "(十)3", "paper"),
    Requirement("papers/04-故障处理报告.docx", Text("故障处理报告", "Fault report"), "(十)3", "paper"),
    Requirement("papers/05-应急预案.docx", Text("应急预案", "Emergency plan"), "(十)3", "paper"),
    Requirement("papers/06-重保方案.docx", Text("重保方案", "Major-event security assurance plan"), "(十)3", "paper"),
    Requirement("papers/07-技术文档.docx", Text("技术文档", "Technical document"), "(五)2(4)", "paper"),
    Requirement("papers/08-云平台用户操作手册.docx", Text("云平台用户操作手册", "User manual"), "(五)2(4)", "paper"),
    Requirement("papers/09-验收申请.docx", Text("验收申请", "Request for acceptance"), "(九)2", "paper"),
    Requirement("papers/10-验收报告.docx", Text("验收报告", "Acceptance report"), "(九)1", "paper"),
    Requirement("evidence/contract/contract.json", Text("合同要素与核验发现", "Contract as read"), "", "evidence"),
    Requirement("evidence/contract/source.txt", Text("合同文本", "Contract text"), "", "evidence"),
    Requirement("evidence/usage.json", Text("用量结算单", "Usage statement"), "", "evidence"),
    Requirement("evidence/service-levels.json", Text("服务水平", "Service levels"), "", "evidence"),
    Requirement("evidence/ledger/anchor.json", Text("账本锚定", "Ledger anchor"), "", "evidence"),
    Requirement("evidence/ledger/records.jsonl", Text("账本记录与证明", "Ledger records and proofs"), "", "evidence"),
    Requirement("evidence/selftest.json", Text("密码算法符合性自检", "Conformance self-test"), "", "evidence"),
    Requirement("evidence/onboarding.json", Text("应用接入清单", "Onboarded applications"), "", "evidence"),
)


@dataclass(frozen=True, slots=True)
class InstanceFact:
    instance: str
    offering: str
    name: str
    line: str  # the contract's own name of the service
    quantity: Decimal
    unit: str
    hourly_capacity: int | None


@dataclass(frozen=True, slots=True)
class LevelFact:
    """`contractual` False: our own default, shown as 合同未约定."""

    name: Text
    target: str
    measured: str
    contractual: bool
    note: Text


@dataclass(frozen=True, slots=True)
class Incident:
    began: datetime
    ended: datetime | None
    what: str
    requests_failed: int


@dataclass(frozen=True, slots=True)
class LedgerFact:
    """`records`: (seq, raw bytes, inclusion proof in the tree of the anchor's size)."""

    anchor: bytes  # the anchor file as stored
    records: Sequence[tuple[int, bytes, Sequence[bytes]]]
    total: int  # records of this tenant, of which `records` may be a sample


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything a dossier is generated from; gathered once, so that papers and evidence cannot disagree."""

    contract_id: str
    tenant: str
    contract: Mapping[str, Any]  # the reader's JSON
    findings: Sequence[Mapping[str, Any]]
    source: bytes  # the contract's text
    rehearsal: bool
    contractual_term: tuple[date | None, date | None]
    effective_term: tuple[date, date]
    generated_at: datetime
    instances: Sequence[InstanceFact]
    usage: Sequence[Mapping[str, Any]]  # instance, meter, window, units, refused, over
    levels: Sequence[LevelFact]
    incidents: Sequence[Incident]
    obligations: Sequence[Mapping[str, Any]]
    applications: Sequence[Mapping[str, Any]]  # application, bindings
    selftest: Mapping[str, Any]
    platform: Mapping[str, str]  # version, machine state, provider ...
    ledger: LedgerFact | None
    trust: Sequence[bytes]  # root certificates, DER
    intermediates: Sequence[bytes]
    papers: Sequence[tuple[Record, bytes]] = field(default_factory=tuple)  # what was done, with the scan of its paper
    evidence: Sequence[tuple[str, Evidence]] = field(default_factory=tuple)  # (room, evidence)

    @property
    def title(self) -> str:
        """As written; empty when the text has none."""
        return str((self.contract.get("title") or {}).get("value") or "")

    def party(self, side: str) -> Mapping[str, Any]:
        """ "client" (甲方) or "supplier" (乙方); empty when the text names none."""
        for party in self.contract.get("parties", ()):
            if party.get("role") == side:
                return dict(party)
        return {}
