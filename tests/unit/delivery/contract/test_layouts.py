"""Consistent contracts in differing layouts: all is read, and no error is found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from miyun.delivery.contract.checker import check
from miyun.delivery.contract.finding import Severity
from miyun.delivery.contract.render import check_json, to_text

LAYOUTS = ["articles", "decimal_pipes", "chapters_aligned", "working_days"]


def _write(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "contract.txt"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16"])
def test_a_consistent_contract_has_no_errors(
    name: str, encoding: str, layout: Callable[[str], str], tmp_path: Path
) -> None:
    result = check(_write(tmp_path, layout(name), encoding))
    assert [f for f in result.findings if f.severity is Severity.ERROR] == []
    assert result.exit_code == 0


@pytest.mark.parametrize("name", LAYOUTS)
def test_full_width_signs_change_nothing(name: str, layout: Callable[[str], str], tmp_path: Path) -> None:
    text = layout(name)
    wide = text.translate(str.maketrans("0123456789()%", "０１２３４５６７８９（）％"))
    one, two = check_json(_write(tmp_path, text)), check_json(_write(tmp_path, wide))
    for key in ("total", "signed_on"):
        assert bool(one["contract"][key]) == bool(two["contract"][key])
    assert one["contract"]["total"] == two["contract"]["total"]
    assert one["contract"]["term"]["end"] == two["contract"]["term"]["end"]
    for key in ("amount", "due"):
        assert [p[key] for p in one["contract"]["payments"]] == [p[key] for p in two["contract"]["payments"]]
    assert [s["amount"] for s in one["contract"]["services"]] == [s["amount"] for s in two["contract"]["services"]]


EXPECTED = {
    "articles": {
        "total": "200000.00",
        "term": ("2026-01-01", "2026-12-31"),
        "offerings": ["strong_auth", "signature", "encryption", "timestamp", "onboarding"],
        "payments": [("80000.00", "2026-01-31"), ("60000.00", "2026-07-31"), ("60000.00", "2027-01-31")],
        "parties": ["示例市政务服务数据管理中心", "密云示例科技有限公司"],
    },
    "decimal_pipes": {
        "total": "132000.00",
        "term": ("2026-01-01", "2026-12-31"),
        "offerings": ["encryption", "timestamp", "kms"],
        "payments": [("66000.00", "2026-01-31"), ("66000.00", "2027-01-31")],
        "parties": ["南湖市大数据管理局", "云密科技股份有限公司"],
    },
    "chapters_aligned": {
        "total": "98500.00",
        "term": ("2026-03-01", "2027-02-28"),
        "offerings": ["signature", "strong_auth", "onboarding"],
        "payments": [("59100.00", "2026-04-30"), ("39400.00", "2027-04-30")],
        "parties": ["西岭省政务服务中心", "安信密码有限责任公司"],
    },
    "working_days": {
        "total": "248500.00",
        "term": ("2026-06-01", "2027-05-31"),
        "offerings": ["encryption", "timestamp", "signature"],
        "payments": [("124250.00", None), ("74550.00", None), ("49700.00", None)],
        "parties": ["北山县数据局", "长城密码服务有限公司"],
    },
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_facts_are_read(name: str, layout: Callable[[str], str], tmp_path: Path) -> None:
    contract = check_json(_write(tmp_path, layout(name)))["contract"]
    expected = EXPECTED[name]
    assert contract["total"] == expected["total"]
    assert (contract["term"]["start"], contract["term"]["end"]) == expected["term"]
    assert [s["offering"] for s in contract["services"]] == expected["offerings"]
    assert [(p["amount"], p["due"]) for p in contract["payments"]] == expected["payments"]
    assert [p["name"] for p in contract["parties"]] == expected["parties"]
    assert [p["role"] for p in contract["parties"]] == ["client", "supplier"]


def test_deadlines_without_a_date_keep_their_rule(layout: Callable[[str], str], tmp_path: Path) -> None:
    payments = check_json(_write(tmp_path, layout("working_days")))["contract"]["payments"]
    assert [(p["due_rule"]["count"], p["due_rule"]["unit"], p["due_rule"]["anchor"]) for p in payments] == [
        (30, "working_day", "signature"),
        (10, "working_day", "interim_acceptance"),
        (10, "working_day", "final_acceptance"),
    ]


def test_duties_carry_number_and_clause(layout: Callable[[str], str], tmp_path: Path) -> None:
    duties = check_json(_write(tmp_path, layout("articles")))["contract"]["obligations"]
    found = {(d["kind"], d["who"]): (d["number"], d["unit"], d["clause"]) for d in duties}
    assert found["onsite_arrival", "supplier"] == ("4", "小时", "第六条 2")
    assert found["service_restoration", "supplier"] == ("8", "小时", "第六条 2")
    assert found["solution_proposal", "supplier"] == ("24", "小时", "第六条 3")
    assert found["support_hours", "supplier"] == (None, "7×24", "第六条 1")
    assert found["change_reply", "supplier"] == ("3", "工作日", "第八条 1")
    assert found["training_plan", "supplier"] == ("7", "日", "第七条 1")
    assert found["training_adjustment", "client"] == ("2", "日", "第七条 2")
    assert found["acceptance_start", "client"] == ("10", "工作日", "第十条 1")
    assert found["staff_change_limit", "supplier"] == ("20", "%", "第九条 2")
    assert found["bank_change_notice", "supplier"] == ("10", "日", "第五条 5")
    papers = next(d for d in duties if d["kind"] == "documents")
    assert papers["items"] == [
        "项目总结报告", "运行周报、月报", "故障处理报告", "应急预案", "重保方案", "技术文档和用户操作手册",
    ]  # fmt: skip


def test_penalties_are_evidence_with_base_rate_and_cap(layout: Callable[[str], str], tmp_path: Path) -> None:
    penalties = check_json(_write(tmp_path, layout("articles")))["contract"]["penalties"]
    assert [(p["percent"], p["per"], p["cap"], p["amount"]) for p in penalties] == [
        ("0.05", "day", False, "100.00"),
        ("5", "once", True, "10000.00"),
        ("10", "once", False, "20000.00"),
    ]


def test_capacity_is_read_in_both_forms(layout: Callable[[str], str], tmp_path: Path) -> None:
    for name, number in (("articles", "4"), ("decimal_pipes", "2")):
        services = check_json(_write(tmp_path, layout(name)))["contract"]["services"]
        line = next(s for s in services if s["number"] == number)
        assert (line["capacity"]["per_licence"], line["capacity"]["period"]) == (10_000, "hour")


def test_what_is_silent_is_null_and_not_contractual(layout: Callable[[str], str], tmp_path: Path) -> None:
    silent = check_json(_write(tmp_path, layout("articles")))["contract"]["not_contractual"]
    assert silent == {"availability": {"value": None, "status": "not contractual"}}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_value_names_a_clause_of_the_text(name: str, layout: Callable[[str], str], tmp_path: Path) -> None:
    result = check(_write(tmp_path, layout(name)))
    labels = {c.label for c in result.tree.clauses}
    contract = result.contract
    cited = [*contract.services, *contract.payments, *contract.obligations, *contract.penalties, *result.findings]
    assert {c.clause.rsplit("-", 1)[0] for c in cited} <= labels
    assert all(0 < c.confidence <= 1 for c in [*contract.services, *contract.payments, *contract.obligations])


@pytest.mark.parametrize("locale", ["zh", "en"])
def test_the_report_names_total_and_parties(locale: str, layout: Callable[[str], str], tmp_path: Path) -> None:
    report = to_text(check(_write(tmp_path, layout("articles"))), locale)  # type: ignore[arg-type]
    assert "200000.00" in report and "示例市政务服务数据管理中心" in report


@pytest.mark.parametrize(
    ("words", "offerings"),
    [
        ("乙方为甲方提供下列服务：容器平台、内容加速及视频加速、密钥管理、签名验签和时间戳。",
         ["container", "cdn", "kms", "signature", "timestamp"]),
        ("1．数据库审计\n2．主机杀毒\n3．网页防篡改", ["dbaudit", "antivirus", "webguard"]),
    ],
)  # fmt: skip
def test_services_named_in_words_are_read_without_quantities(tmp_path: Path, words: str, offerings: list[str]) -> None:
    path = tmp_path / "contract.txt"
    before = "服务合同\n\n甲方：某局\n乙方：某公司\n\n一、定义\n略。\n\n二、服务内容\n"
    path.write_text(f"{before}{words}\n\n三、其他\n略。\n", "utf-8")
    result = check(path)
    assert [line.offering for line in result.contract.services] == offerings
    assert all(line.quantity is None and line.unit_price is None for line in result.contract.services)
    kinds = [finding.kind for finding in result.findings]
    assert "missing_services" in kinds and "service_incomplete" not in kinds
