"""A draft supplement (补充协议) that would mend what the check found. A draft: the parties decide and sign."""

# ruff: noqa: E501  (patterns and sentences stay whole; a Chinese character counts two columns)

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from docx import Document as new_document
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml.ns import qn
from docx.shared import Pt, RGBColor

from miyun.delivery.contract.amounts import money, to_capitals
from miyun.delivery.contract.checker import CheckResult
from miyun.delivery.contract.finding import Finding, Severity
from miyun.delivery.contract.model import Payment, Side, StatedAmount

_DECIDE = "【由双方选定】"


@dataclass(frozen=True, slots=True)
class Amendment:
    """One article: what the clause says, what it would say, and why. `decide`: only the parties can choose."""

    clause: str
    original: str
    amended: str
    reason: str
    decide: bool = False


def amendments(result: CheckResult) -> tuple[Amendment, ...]:
    """Articles in order of the clauses; several findings on one payment make one article."""
    found: list[Amendment] = []
    done: set[str] = set()
    payments = {p.clause: p for p in result.contract.payments}
    for finding in result.findings:
        if finding.severity is Severity.INFO and finding.kind != "capacity_implied":
            continue
        payment = payments.get(finding.clause)
        if finding.kind.startswith("amount") and payment is not None:
            if finding.clause not in done:
                done.add(finding.clause)
                found.extend(_payment(payment, result))
            continue
        found.extend(_other(finding, result))
    place = {clause.label: i for i, clause in enumerate(result.tree.clauses)}
    return tuple(sorted(found, key=lambda a: place.get(a.clause, place.get(a.clause.rsplit("-", 1)[0], 0))))


def _payment(payment: Payment, result: CheckResult) -> Iterator[Amendment]:
    if payment.amount is None:
        return
    reasons = "；".join(
        f.message.zh.rstrip("。") for f in result.findings if f.clause == payment.clause and f.kind.startswith("amount")
    )
    share = f"合同总价的 {payment.percent.normalize():f}%，" if payment.percent is not None else ""
    yield Amendment(
        payment.clause,
        payment.quote,
        f"{payment.label}：{share}计人民币 {money(payment.amount)} 元（大写：{to_capitals(payment.amount)}）。",
        reasons,
    )


def _other(finding: Finding, result: CheckResult) -> Iterator[Amendment]:
    values, kind, contract = finding.values, finding.kind, result.contract
    if kind.startswith("amount_sum") or kind == "amount_percent_sum":
        # The sums come right with the articles on the single payments, unless those were all in order.
        if not any(
            f.clause in {p.clause for p in contract.payments} and f.severity is Severity.ERROR for f in result.findings
        ):
            yield _decide(finding, "各期付款比例合计应为 100%，金额合计应等于合同总价。各期分别为：" + _DECIDE)
    elif kind in ("amount_capitals", "amount_capitals_malformed"):
        total: StatedAmount | None = contract.total
        if total is not None and finding.clause == total.clause and total.figure is not None:
            yield Amendment(
                finding.clause,
                finding.quote,
                f"合同总价为人民币 {money(total.figure)} 元（大写：{to_capitals(total.figure)}）。{_DECIDE}",
                finding.message.zh,
                True,
            )
        elif "figure" in values:
            figure = Decimal(values["figure"])
            yield Amendment(
                finding.clause,
                finding.quote,
                f"人民币 {money(figure)} 元（大写：{to_capitals(figure)}）。{_DECIDE}",
                finding.message.zh,
                True,
            )
        else:
            yield _decide(finding, "金额为人民币____元（大写：____）。" + _DECIDE)
    elif kind == "amount_line":
        yield _decide(
            finding,
            f"甲案：金额为 {values['product']} 元（单价 × 数量）；乙案：金额为 {values['amount']} 元，单价或数量相应更正。{_DECIDE}",
        )
    elif kind in ("amount_list_sum", "amount_list_total"):
        yield _decide(
            finding, f"甲案：合计为 {values['sum']} 元；乙案：合计为 {values['total']} 元，明细相应更正。{_DECIDE}"
        )
    elif kind == "quantity_vs_remark":
        price = f"，该项金额 {values['by_remark']} 元" if "by_remark" in values else ""
        whole = f"，合同总价 {values['total_by_remark']} 元" if "total_by_remark" in values else ""
        yield _decide(
            finding,
            f"甲案：数量 {values['quantity']} 次，价款不变，接入的服务为：____；"
            f"乙案：数量 {values['services']} 次{price}{whole}。{_DECIDE}",
        )
    elif kind == "capacity_implied":
        yield Amendment(
            finding.clause,
            finding.quote,
            f"每个服务授权的容量为每小时 {values['per_licence']} 次，本合同所购 {values['quantity']} 个授权合计每小时 {values['capacity']} 次。"
            if values["period"] == "hour"
            else f"每个服务授权的容量为 {values['per_licence']} 次（{values['period']}），合计 {values['capacity']} 次。",
            "容量只见于备注的举例，合同未明示。",
        )
    elif kind == "term_length":
        yield _decide(
            finding,
            f"甲案：服务期为 {values['start']} 至 {values['expected_end']}（{values['months']} 个月，首尾均含）；"
            f"乙案：服务期为 {values['start']} 至 {values['end']}（首尾均含，共 {values['days']} 天）。{_DECIDE}",
        )
    elif kind == "staff_limits":
        yield _decide(
            finding,
            f"项目人员更换或流失超过 {values['obligation_percent']}% 未超过 {values['breach_percent']}% 的，乙方应：____；"
            f"超过 {values['breach_percent']}% 的，适用 {values['other_clause']}。{_DECIDE}",
        )
    elif kind == "precedence_ambiguous":
        yield _decide(finding, f"本合同正文与附件不一致时，以正文为准。{_DECIDE}")
    elif kind == "party_address":
        yield _decide(finding, f"通讯及送达地址统一为：____（原文：{values['first']}；{values['other']}）。{_DECIDE}")
    elif kind in ("reference_broken", "reference_doubtful"):
        candidates = values.get("candidates", "").replace(" ", "、")
        yield _decide(finding, f"“{values['reference']}”更正为“{candidates or '____'}”。{_DECIDE}")
    elif kind == "duty_ambiguous":
        yield _decide(finding, f"时限指到达现场的时限；解决问题的时限为：____。{_DECIDE}")
    elif kind in ("confidentiality_term", "security_boundary", "blank_field", "blank_date") or (
        finding.severity is Severity.ERROR
    ):
        yield _decide(finding, "____。" + _DECIDE)


def _decide(finding: Finding, amended: str) -> Amendment:
    return Amendment(finding.clause, finding.quote, amended, finding.message.zh, True)


def draft_supplement(result: CheckResult) -> bytes:
    """The .docx bytes. Every article quotes the original; what only the parties can settle is left to them."""
    paper = new_document()
    style = paper.styles["Normal"]
    style.font.name, style.font.size = "宋体", Pt(12)
    style.element.rPr.rFonts.set(qn("w:eastAsia"), "宋体")
    for section in paper.sections:
        header = section.header.paragraphs[0]
        header.alignment = WD_ALIGN_PARAGRAPH.RIGHT
        mark = header.add_run("草案 · 未经双方签署不生效")
        mark.font.size, mark.font.color.rgb = Pt(9), RGBColor(0xB0, 0x00, 0x00)
    contract = result.contract
    title = contract.title.value if contract.title else "____合同"
    for text, size in ((f"《{title}》", 15), ("补充协议（草案）", 18)):
        heading = paper.add_paragraph()
        heading.alignment = WD_ALIGN_PARAGRAPH.CENTER
        run = heading.add_run(text)
        run.bold, run.font.size = True, Pt(size)
    client, supplier = contract.party(Side.CLIENT), contract.party(Side.SUPPLIER)
    paper.add_paragraph(f"{client.word if client else '甲方'}：{client.name.value if client else '____'}")
    paper.add_paragraph(f"{supplier.word if supplier else '乙方'}：{supplier.name.value if supplier else '____'}")
    signed = f"于 {contract.signed_on.value.isoformat()} " if contract.signed_on else ""
    paper.add_paragraph(
        f"双方{signed}签订《{title}》（以下称“原合同”）。为更正原合同文字，双方经协商一致，订立本补充协议。"
    )
    number = 0
    for number, item in enumerate(amendments(result), 1):
        _bold(paper, f"第{_cn(number)}条  原合同 {item.clause}")
        if item.original:
            paper.add_paragraph(f"原文：{item.original}")
        paper.add_paragraph(f"{'拟修改为' if item.decide else '修改为'}：{item.amended}")
        reason = paper.add_paragraph().add_run(f"理由：{item.reason}")
        reason.italic = True
    if not number:
        paper.add_paragraph("检查未发现需要更正的条款。")
    _bold(paper, f"第{_cn(number + 1)}条  其他")
    paper.add_paragraph("本补充协议与原合同不一致的，以本补充协议为准；未修改的条款继续有效。")
    paper.add_paragraph("本补充协议自双方法定代表人或授权代表签字并加盖公章之日起生效，份数与原合同相同。")
    table = paper.add_table(rows=4, cols=2)
    for row, cells in enumerate(
        (
            (f"{client.word if client else '甲方'}（盖章）：", f"{supplier.word if supplier else '乙方'}（盖章）："),
            (client.name.value if client else "", supplier.name.value if supplier else ""),
            ("法定代表人或授权代表（签字）：", "法定代表人或授权代表（签字）："),
            ("日期：      年   月   日", "日期：      年   月   日"),
        )
    ):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text
    buffer = io.BytesIO()
    paper.save(buffer)
    return buffer.getvalue()


def write_supplement(result: CheckResult, path: Path | str) -> Path:
    """Write the draft beside the contract or anywhere else."""
    path = Path(path)
    path.write_bytes(draft_supplement(result))
    return path


def _bold(paper: Any, text: str) -> None:
    paper.add_paragraph().add_run(text).bold = True


def _cn(number: int) -> str:
    digits = "零一二三四五六七八九"
    tens, ones = divmod(number, 10)
    if not tens:
        return digits[ones]
    return ("" if tens == 1 else digits[tens]) + "十" + (digits[ones] if ones else "")
