"""Offline verification of a journal: needs only its directory, no running platform. Constant memory.

`check_signature` keeps algorithms and certificates out of here: it gets the signed bytes, the detached signature and
the time-stamp token (or None) of an anchor, and raises when one of them does not verify.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import msgspec

from miyun.core.digest import digest_many
from miyun.core.i18n import Text
from miyun.core.ledger import chain, record
from miyun.core.ledger.anchors import anchor_files, head_bytes, load_anchor
from miyun.core.ledger.journal import read_lines
from miyun.core.ledger.merkle import Frontier, verify_inclusion

CheckSignature = Callable[[bytes, bytes, bytes | None], None]
Progress = Callable[[int, int], None]  # bytes read, bytes in all

_AT_ONCE = 1024  # lines
_LISTED = 100  # problems; more are only counted


@dataclass(frozen=True, slots=True)
class Problem:
    """`kind`: altered, missing, malformed, truncated, rewritten, signature, anchor, seal."""

    kind: str
    file: str
    seq: int | None
    message: Text


@dataclass(slots=True)
class VerifyReport:
    """`anchored`: records covered by the newest good anchor; what came later is protected by the chain only."""

    records: int = 0
    segments: int = 0
    link: bytes = chain.GENESIS
    root: bytes = b""
    anchors: int = 0
    signatures_checked: bool = False
    anchored: int = 0
    unfinished_bytes: int = 0  # of a write that was going on, or that a crash cut short
    problems: list[Problem] = field(default_factory=list)
    problem_count: int = 0

    @property
    def ok(self) -> bool:
        return not self.problem_count


def verify_journal(
    directory: Path, *, check_signature: CheckSignature | None = None, progress: Progress | None = None
) -> VerifyReport:
    """Recompute the whole chain and the root of every anchor under `directory` (MIYUN_HOME/journal)."""
    return _Verifier(directory, check_signature, progress).run()


def verify_proof(raw: bytes, seq: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether record `seq` is `raw` in the journal whose first `size` records have the Merkle root `root`."""
    return verify_inclusion(chain.leaf_hash(raw), seq, size, proof, root)


class _Verifier:
    def __init__(self, directory: Path, check: CheckSignature | None, progress: Progress | None) -> None:
        self._directory = directory
        self._check = check
        self._progress = progress
        self._report = VerifyReport(signatures_checked=check is not None)
        self._frontier = Frontier()
        self._link = chain.GENESIS
        self._linked = True  # whether `_link` is known to precede the next line
        self._chain_broken = False

    def run(self) -> VerifyReport:
        report = self._report
        found = chain.segments(self._directory)
        total, read = sum(path.stat().st_size for _first, path in found), 0
        anchors = anchor_files(self._directory)
        anchor = next(anchors, None)
        while anchor is not None and int(anchor.stem) == 0:
            self._anchor(anchor)
            anchor = next(anchors, None)
        for index, (first, path) in enumerate(found):
            if first != report.records:
                self._missing(path, report.records, first)
                report.records = first
            report.segments += 1
            end = 0
            lines = read_lines(path, 0)
            while some := list(islice(lines, _AT_ONCE)):
                for seq in self._lines(path, some):
                    report.records = seq
                    while anchor is not None and int(anchor.stem) <= seq:
                        self._anchor(anchor)
                        anchor = next(anchors, None)
                end = some[-1][2]
                if self._progress is not None:
                    self._progress(read + end, total)
            rest = path.stat().st_size - end
            if rest and index < len(found) - 1:
                self._problem("truncated", path, report.records, "段文件尾部残缺", "the segment is cut short")
            elif rest:
                report.unfinished_bytes = rest
            self._seal(path, first)
            read += end
        while anchor is not None:
            self._problem(
                "truncated",
                anchor,
                report.records,
                f"锚点之后的记录缺失：锚点含 {anchor.stem} 条，账本只有 {report.records} 条",
                f"the anchor covers {anchor.stem} records, but the journal has only {report.records}",
            )
            report.anchors += 1
            anchor = next(anchors, None)
        report.link, report.root = self._link, self._frontier.root()
        return report

    def _lines(self, path: Path, some: list[tuple[bytes, int, int]]) -> Iterator[int]:
        """Check lines; yields the number of records so far after each."""
        parts = [chain.split_line(line) for line, _start, _end in some]
        leaves = iter(digest_many([b"\x00" + part[1] for part in parts if part is not None]))
        numbers = [None if part is None else _seq_of(part[1]) for part in parts]
        expected = self._report.records
        for index, (part, seq) in enumerate(zip(parts, numbers, strict=True)):
            if part is None:
                where = some[index][1]
                self._damage("malformed", path, expected, f"字节 {where} 处不是一条记录", f"no record at byte {where}")
                self._linked = False
                expected += 1
                continue
            stated, leaf = part[0], next(leaves)
            if seq is not None and seq != expected and numbers[index + 1 : index + 2] in ([], [seq + 1]):
                # The lines from here on count from another number: some were taken out, or put in.
                if seq > expected:
                    self._missing(path, expected, seq)
                else:
                    self._damage("altered", path, expected, f"记录 {seq} 重复", f"record {seq} occurs again")
                expected, self._linked = seq, False
            if seq != expected or (self._linked and chain.link_hash(self._link, leaf) != stated):
                self._damage("altered", path, expected, "记录被改动", "the record was altered")
            self._link, self._linked = stated, True
            self._frontier.append(leaf)
            expected += 1
            yield expected
        self._report.records = expected

    def _missing(self, path: Path, expected: int, found: int) -> None:
        self._linked = False
        self._damage(
            "missing",
            path,
            expected,
            f"缺少记录 {expected} 至 {found - 1}",
            f"records {expected} to {found - 1} are missing",
        )

    def _anchor(self, path: Path) -> None:
        report = self._report
        report.anchors += 1
        try:
            anchor = load_anchor(path)
        except (ValueError, msgspec.MsgspecError):
            self._problem("anchor", path, None, "锚点文件无法读取", "the anchor cannot be read")
            return
        good = True
        if self._check is not None:
            try:
                self._check(head_bytes(anchor.head), anchor.signature, anchor.token)
            except Exception as error:
                good = False
                zh, en = f"锚点签名无效：{error}", f"the anchor does not verify: {error}"
                self._problem("signature", path, anchor.head.size, zh, en)
        if self._chain_broken:
            return  # the first damage is named; roots behind it cannot match
        if (anchor.head.size, anchor.head.root, anchor.head.link) != (
            self._frontier.size,
            self._frontier.root(),
            self._link,
        ):
            self._problem(
                "rewritten",
                path,
                anchor.head.size,
                f"账本与锚点不符：{report.anchored} 至 {self._frontier.size - 1} 之间的记录被重写",
                f"the journal is not the one anchored: records from {report.anchored} to {self._frontier.size - 1} "
                "were rewritten",
            )
        elif good:
            report.anchored = anchor.head.size

    def _seal(self, path: Path, first: int) -> None:
        seal = path.with_suffix(".seal")
        if not seal.exists() or self._chain_broken:
            return
        try:
            stated = json.loads(seal.read_bytes())
            good = (stated["count"], stated["link"]) == (self._report.records - first, self._link.hex())
        except (ValueError, KeyError, TypeError):
            good = False
        if not good:
            self._problem("seal", seal, first, "封存信息与段文件不符", "the seal does not match its segment")

    def _damage(self, kind: str, path: Path, seq: int, zh: str, en: str) -> None:
        self._chain_broken = True
        self._problem(kind, path, seq, zh, en)

    def _problem(self, kind: str, path: Path, seq: int | None, zh: str, en: str) -> None:
        self._report.problem_count += 1
        if len(self._report.problems) < _LISTED:
            self._report.problems.append(Problem(kind, path.name, seq, Text(zh, en)))


def _seq_of(raw: bytes) -> int | None:
    try:
        return record.decode(raw).seq
    except msgspec.MsgspecError:
        return None
