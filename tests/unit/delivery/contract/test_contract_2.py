"""The real contract of the kind: everything the requirements list for it, and nothing else."""

from __future__ import annotations

from pathlib import Path

from miyun.delivery.contract.checker import check
from miyun.delivery.contract.render import check_json


def test_facts(contract_2: Path) -> None:
    contract = check_json(contract_2)["contract"]
    assert contract["total"] == "225500.00"
    assert (contract["term"]["start"], contract["term"]["end"]) == ("2025-05-12", "2026-05-12")
    assert contract["term"]["months"] == 12
    assert [p["name"] for p in contract["parties"]] == ["北京市公共资源交易中心", "北京数字认证股份有限公司"]
    assert [
        (s["offering"], s["unit_price"], s["quantity"], s["amount"], s["clause"]) for s in contract["services"]
    ] == [
        ("strong_auth", "60000.00", 1, "60000.00", "附件一-1"),
        ("signature", "60000.00", 1, "60000.00", "附件一-2"),
        ("encryption", "48000.00", 1, "48000.00", "附件一-3"),
        ("timestamp", "48000.00", 1, "48000.00", "附件一-4"),
        ("onboarding", "9500.00", 1, "9500.00", "附件一-5"),
    ]
    assert contract["services"][3]["capacity"]["per_licence"] == 10_000
    assert [
        (p["percent"], p["amount"], p["figure_amount"], p["capitals_amount"], p["due"], p["clause"])
        for p in contract["payments"]
    ] == [
        ("50", "112750.00", "112750.00", "112750.00", "2025-06-30", "(四)2(1)"),
        ("16.67", "37590.85", "37591.00", "37590.85", "2025-11-30", "(四)2(2)"),
        ("33.33", "75159.15", "75159.00", "75190.15", "2026-06-30", "(四)2(3)"),
    ]
    assert contract["payments"][2]["capitals_as_written"] == "柒万伍仟壹佰玖拾元壹角伍分"
    assert (contract["copies"]["total"], contract["copies"]["client"], contract["copies"]["supplier"]) == (6, 3, 3)
    assert contract["penalties"][0]["amount"] == "22550.00"
    assert set(contract["not_contractual"]) == {"availability", "delay_penalty"}


def test_duties(contract_2: Path) -> None:
    duties = check_json(contract_2)["contract"]["obligations"]
    found = {(d["kind"], d["who"], d["clause"]): (d["number"], d["unit"]) for d in duties}
    assert found["onsite_arrival", "supplier", "(十一)"] == ("4", "小时")
    assert found["solution_proposal", "supplier", "(十一)1"] == ("24", "小时")
    assert found["change_reply", "supplier", "(十三)"] == ("3", "工作日")
    assert found["training_plan", "supplier", "(十二)2"] == ("7", "日")
    assert found["training_adjustment", "client", "(十二)3"] == ("2", "日")
    assert found["acceptance_start", "client", "(九)1"] == ("10", "工作日")
    assert found["staff_change_limit", "supplier", "(五)2(8)"] == ("15", "%")
    assert found["bank_change_notice", "supplier", "(四)4"] == ("10", "日")
    papers = next(d for d in duties if d["kind"] == "documents")
    assert papers["items"] == ["项目总结报告", "运行周报、月报", "故障处理报告", "应急预案", "重保方案"]
    kinds = {d["kind"] for d in duties}
    assert {"no_subcontracting", "invoice_first", "exit_migration", "security_review", "no_ip_filing"} <= kinds


def test_findings_are_those_known_and_no_others(contract_2: Path) -> None:
    result = check(contract_2)
    assert result.exit_code == 1
    assert {(f.clause, f.kind, f.severity.value) for f in result.findings} == {
        ("(四)2(3)", "amount_capitals", "error"),
        ("(四)2", "amount_sum_capitals", "error"),
        ("(四)2(2)", "amount_rounding", "warning"),
        ("(四)2(3)", "amount_rounding", "warning"),
        ("(四)2(2)", "amount_whole_mark", "warning"),
        ("(四)2(3)", "amount_whole_mark", "warning"),
        ("附件一-5", "quantity_vs_remark", "warning"),
        ("附件一-4", "capacity_implied", "info"),
        ("(三)", "term_length", "warning"),
        ("(三)", "term_start_implied", "info"),
        ("(五)2(8)", "staff_limits", "warning"),
        ("(一)1", "precedence_ambiguous", "warning"),
        ("(二十)3(2)", "reference_doubtful", "warning"),
        ("附件二 第一条 2", "confidentiality_term", "warning"),
        ("(十一)", "duty_ambiguous", "warning"),
        ("(十一)1", "duty_ambiguous", "info"),
        ("附件二", "party_address", "warning"),
        ("附件二", "party_phone", "info"),
        ("附件二", "placeholder", "info"),
        ("附件二", "annex_parent_title", "info"),
        ("(一)3", "title_vs_project", "info"),
        ("(六)2(1)", "security_boundary", "warning"),
        ("(四)3", "typo_quote", "info"),
        ("(四)4", "wording_unclear", "info"),
        ("(七)2", "typo", "info"),
        ("(十五)", "wording_mixed", "info"),
        ("签署页", "blank_field", "warning"),
    }


def test_the_sums_of_the_findings(contract_2: Path) -> None:
    found = {(f.clause, f.kind): f.values for f in check(contract_2).findings}
    assert found["(四)2(3)", "amount_capitals"]["difference"] == "31.00"
    assert found["(四)2", "amount_sum_capitals"]["sum"] == "225531.00"
    assert found["(四)2(2)", "amount_rounding"]["difference"] == "0.15"
    assert found["(四)2(3)", "amount_rounding"]["difference"] == "-0.15"
    assert found["附件一-5", "quantity_vs_remark"]["by_remark"] == "38000.00"
    assert found["附件一-5", "quantity_vs_remark"]["total_by_remark"] == "254000.00"
    assert found["(三)", "term_length"]["days"] == "366"
    assert found["(三)", "term_length"]["extra_days"] == "1"
    assert found["附件一-4", "capacity_implied"]["capacity"] == "10000"
