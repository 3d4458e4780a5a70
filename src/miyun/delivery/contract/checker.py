"""Read a contract and judge it: the one entry to this package."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from miyun.delivery.contract import clauses, document
from miyun.delivery.contract.check_money import check_money
from miyun.delivery.contract.check_structure import check_structure
from miyun.delivery.contract.check_terms import check_terms
from miyun.delivery.contract.check_wording import check_wording
from miyun.delivery.contract.clauses import ClauseTree
from miyun.delivery.contract.document import Document
from miyun.delivery.contract.finding import Finding, Severity
from miyun.delivery.contract.model import Contract
from miyun.delivery.contract.reader import read_contract
from miyun.delivery.contract.references import check_references

_ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """`findings`: errors first, then in order of the text."""

    document: Document
    tree: ClauseTree
    contract: Contract
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        return exit_code(self.findings)


def check(path: Path | str, annexes: Sequence[Path | str] = ()) -> CheckResult:
    """Read the file, and annexes kept in files of their own, and check them as one contract.

    Raises UnreadableDocument (CLI exit status 2).
    """
    body = document.read(path)
    if annexes:
        body = document.join(body, [document.read(annex) for annex in annexes])
    return check_document(body)


def check_document(paper: Document) -> CheckResult:
    """As `check`, for a document already read."""
    tree = clauses.build(paper)
    contract, prices = read_contract(paper, tree)
    findings: list[Finding] = []
    for batch in (
        check_money(contract, tree, prices),
        check_terms(paper, contract, tree, prices),
        check_structure(paper, contract, tree),
        check_references(tree),
        check_wording(tree),
    ):
        findings.extend(batch)
    return CheckResult(paper, tree, contract, _ordered(findings, tree))


def _ordered(findings: list[Finding], tree: ClauseTree) -> tuple[Finding, ...]:
    place = {clause.label: i for i, clause in enumerate(tree.clauses)}
    unique: dict[tuple[str, str, str], Finding] = {}
    for finding in findings:
        unique.setdefault((finding.clause, finding.kind, finding.message.zh), finding)

    def key(finding: Finding) -> tuple[int, int, str]:
        at = place.get(finding.clause, place.get(finding.clause.rsplit("-", 1)[0], -1))
        return _ORDER[finding.severity], at, finding.clause

    return tuple(sorted(unique.values(), key=key))


def exit_code(findings: Iterable[Finding]) -> int:
    """0 without errors, 1 with; 2 is for a file that could not be read."""
    return 1 if any(f.severity is Severity.ERROR for f in findings) else 0
