"""What a contract says is never dropped or guessed in silence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from miyun.delivery.contract.render import check_json

TEXT = """密码服务合同
采购人：云山市大数据局
供应商：云山密盾公司
第一条 合同总金额为人民币1,000.00元（大写：壹仟元整）。
第二条 付款方式：
（一）合同签订后10个工作日内，采购人支付合同总金额的40%，即人民币400.00元（大写：肆佰元整）；
（二）中期检查合格后10个工作日内，采购人支付合同总金额的60%，即人民币600.00元（大写：陆佰元整）。
第三条 服务可用性不低于99.95%。
第四条 供应商应在接到故障通知后30分钟内响应。
"""


@pytest.fixture
def report(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "c.txt").write_text(TEXT, "utf-8")
    return check_json(tmp_path / "c.txt")


def test_a_payment_whose_event_is_not_known_is_not_counted_from_another(report: dict[str, Any]) -> None:
    assert [p["due_rule"]["anchor"] for p in report["contract"]["payments"]] == ["signature", "unknown"]
    (finding,) = [f for f in report["findings"] if f["kind"] == "payment_event_unknown"]
    assert (finding["clause"], finding["severity"]) == ("第二条 (二)", "warning")
    assert "中期检查合格后" in finding["message"]


def test_stated_availability_and_response_are_read_with_their_units(report: dict[str, Any]) -> None:
    duties = {o["kind"]: (o["number"], o["unit"], o["clause"]) for o in report["contract"]["obligations"]}
    assert duties["availability"] == ("99.95", "%", "第三条")
    assert duties["response"] == ("30", "分钟", "第四条")
    assert "availability" not in report["contract"]["not_contractual"]


def test_a_text_in_which_nothing_of_a_contract_was_found_is_not_called_clean(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("今天天气很好，会议改在下午举行。\n", "utf-8")
    findings = check_json(tmp_path / "c.txt")["findings"]
    assert [f["kind"] for f in findings if f["severity"] == "error"] == ["contract_unread"]
