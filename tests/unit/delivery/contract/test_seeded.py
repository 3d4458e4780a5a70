"""One error put into a consistent contract: it is found, and named at its clause."""

# ruff: noqa: E501  (one seed a line; a Chinese character counts two columns)

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from miyun.delivery.contract.checker import check

SEEDS = [
    # layout, words, spoiled words, kind, clause, severity
    ("articles", "（大写：贰拾万元整）", "（大写：贰拾壹万元整）", "amount_capitals", "第四条 1", "error"),
    ("articles", "（大写：贰拾万元整）", "（大写：贰拾万仟元整）", "amount_capitals_malformed", "第四条 1", "error"),
    ("articles", "即人民币80,000.00元（大写：捌万元整）", "即人民币80,000.00元（大写：捌万叁拾壹元整）", "amount_capitals", "第五条 1", "error"),
    ("articles", "80,000.00元（大写：捌万元整）", "81,000.00元（大写：捌万壹仟元整）", "amount_percentage", "第五条 1", "error"),
    ("articles", "80,000.00元（大写：捌万元整）", "81,000.00元（大写：捌万壹仟元整）", "amount_sum_figures", "第五条", "error"),
    ("articles", "捌万元整）", "柒万元整）", "amount_sum_capitals", "第五条", "error"),
    ("articles", "合同总价的40%", "合同总价的45%", "amount_percent_sum", "第五条", "error"),
    ("articles", "46000	年	1	46000", "46000	年	1	46500", "amount_line", "附件一-2", "error"),
    ("articles", "46000	年	1	46000", "47000	年	1	47000", "amount_list_sum", "附件一", "error"),
    ("articles", "合计						200000", "合计						201000", "amount_list_total", "附件一", "error"),
    ("articles", "80,000.00元（大写", "80,00,0.00元（大写", "amount_grouping", "第五条 1", "warning"),
    ("articles", "80,000.00元（大写：捌万元整）", "80,000.00元整（大写：捌万元零伍分整）", "amount_whole_mark", "第五条 1", "warning"),
    ("articles", "（大写：贰拾万元整）", "（大写：二十万元整）", "amount_capitals_form", "第四条 1", "info"),
    ("articles", "至2026年12月31日止", "至2026年11月31日止", "date_impossible", "第三条", "error"),
    ("articles", "至2026年12月31日止", "至2025年12月31日止", "date_order", "第三条", "error"),
    ("articles", "至2026年12月31日止", "至2027年1月1日止", "term_length", "第三条", "warning"),
    ("articles", "至2026年12月31日止", "至2027年6月30日止", "term_length", "第三条", "error"),
    ("articles", "于2026年7月31日前", "于2026年1月15日前", "date_order", "第五条 2", "error"),
    ("articles", "于2026年1月31日前", "于2025年11月30日前", "date_order", "第五条 1", "error"),
    ("articles", "自2026年1月1日起", "自2025年12月1日起", "date_before_signature", "第三条", "warning"),
    ("articles", "4000	次	4	16000", "16000	次	1	16000", "quantity_vs_remark", "附件一-5", "warning"),
    ("articles", "3	数据加解密服务	业务数据加密与解密", "3	综合保障服务	日常维护", "service_unmapped", "附件一-3", "warning"),
    ("articles", "46000	年	1	46000", "46000	年		46000", "service_incomplete", "附件一-2", "warning"),
    ("articles", "乙方违反第十二条的", "乙方违反第二十二条的", "reference_broken", "第十三条 2", "error"),
    ("articles", "附件二《保密承诺》组成", "附件二《保密承诺》、附件三《人员名单》组成", "annex_missing", "第一条 2", "warning"),
    ("articles", "合同编号：SL-2025-018", "合同编号：______", "blank_field", "首部", "warning"),
    ("articles", "乙方：密云示例科技有限公司（盖章）", "乙方：密云例示科技有限公司（盖章）", "party_name", "签署页", "error"),
    ("articles", "户名：密云示例科技有限公司", "户名：密云另一科技有限公司", "party_account_name", "第五条 5", "error"),
    ("articles", "甲方执贰份", "甲方执叁份", "copies_sum", "第十六条 2", "error"),
    ("articles", "第九条 人员", "第十条 人员", "numbering", "第十条", "warning"),
    ("articles", "应在4小时内到达现场；", "应在4小时内到达现场解决；", "duty_ambiguous", "第六条 2", "warning"),
    ("articles", "正式发票。", "正式发票。”", "typo_quote", "第五条 4", "info"),
    (
        "articles",
        "2. 乙方违反第十二条的，甲方有权解除本合同，乙方应支付合同总价的10%作为违约金。",
        "2. 项目人员流失超过总人数的25%的，视为严重违约，甲方有权解除本合同。",
        "staff_limits",
        "第九条 2",
        "warning",
    ),
    (
        "articles",
        "（5）响应文件。",
        "（5）响应文件。\n发生歧义时，按补充协议、本合同及其附件、采购文件、响应文件的次序优先执行。",
        "precedence_ambiguous",
        "第一条 2",
        "warning",
    ),
    (
        "articles",
        "二、乙方人员进入",
        "二、已经超过保密期限的信息不在此列。乙方人员进入",
        "confidentiality_term",
        "附件二 二",
        "warning",
    ),
    (
        "articles",
        "4. 重要活动期间",
        "4. 甲方承担信息系统、数据等方面的安全责任。\n5. 乙方承担云平台及数据防篡改的安全责任。\n6. 重要活动期间",
        "security_boundary",
        "第六条 5",
        "warning",
    ),
    ("articles", "应支付合同总价的10%作为违约金", "应支付服务费的10%作为违约金", "penalty_base", "第十三条 2", "warning"),
    ("articles", "附件二《保密承诺》组成", "附件二《保密协议》组成", "annex_title", "附件二", "info"),
    ("articles", "合同编号：SL-2025-018", "合同登记编号：", "blank_field", "首部", "warning"),
    ("decimal_pipes", "壹拾叁万贰仟元整", "壹拾叁万贰佰元整", "amount_capitals", "3.1", "error"),
    ("decimal_pipes", "| 36,000.00 | 1 |", "| 36,000.00 | 2 |", "amount_line", "附件1-1", "error"),
    ("decimal_pipes", "计￥66,000.00元（大写：陆万陆仟元整）。\n4.2", "计￥66,000.00元（大写：陆万陆元整）。\n4.2", "amount_capitals_malformed", "4.1", "error"),
    ("decimal_pipes", "违反5.3条的", "违反第5.9条的", "reference_broken", "7.1", "error"),
    ("decimal_pipes", "2026/12/31止", "2026/12/32止", "date_impossible", "2.1", "error"),
    ("decimal_pipes", "供应商执两份", "供应商执三份", "copies_sum", "9.1", "error"),
    ("chapters_aligned", "（¥98,500.00）", "（¥98,600.00）", "amount_capitals", "第四条", "error"),
    ("chapters_aligned", "二〇二七年二月二十八日", "二〇二七年二月三十日", "date_impossible", "第三条", "error"),
    ("chapters_aligned", "36,000      1 ", "36,000      2 ", "amount_line", "附件一-2", "error"),
    ("chapters_aligned", "可依第十条解除", "可依第八条解除", "reference_doubtful", "第九条", "warning"),
    ("chapters_aligned", "可依第十条解除", "可依第三十条解除", "reference_broken", "第九条", "error"),
    ("chapters_aligned", "买方：西岭省政务服务中心（公章）", "买方：西岭市政务服务中心（公章）", "party_name", "签署页", "error"),
    ("working_days", "肆万玖仟柒佰元整", "肆万玖仟柒佰元伍分", "amount_capitals", "四(三)", "error"),
    ("working_days", "百分之三十，即74,550.00元（柒万肆仟伍佰伍拾元整）", "百分之三十五，即74,550.00元（柒万肆仟伍佰伍拾元整）", "amount_percent_sum", "四", "error"),
    ("working_days", "	5	2	10\n", "	5	2	11\n", "amount_line", "一-2", "error"),
    ("working_days", "乙方执叁份", "乙方执肆份", "copies_sum", "九(一)", "error"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "words", "spoiled", "kind", "clause", "severity"),
    SEEDS,
    ids=[f"{s[0]}-{s[3]}-{s[4]}-{i}" for i, s in enumerate(SEEDS)],
)
def test_a_seeded_error_is_named_at_its_clause(
    name: str,
    words: str,
    spoiled: str,
    kind: str,
    clause: str,
    severity: str,
    layout: Callable[[str], str],
    tmp_path: Path,
) -> None:
    text = layout(name)
    assert text.count(words) >= 1, "the seed must fit the layout"
    path = tmp_path / "contract.txt"
    path.write_text(text.replace(words, spoiled, 1), "utf-8")
    result = check(path)
    found = [(f.kind, f.clause, f.severity.value) for f in result.findings]
    assert (kind, clause, severity) in found
    assert result.exit_code == (1 if any(s == "error" for _, _, s in found) else 0)
    messages = [f for f in result.findings if f.kind == kind]
    assert all(f.message.zh and f.message.en for f in messages)


def test_a_spoiled_warning_does_not_make_an_error(layout: Callable[[str], str], tmp_path: Path) -> None:
    path = tmp_path / "contract.txt"
    path.write_text(layout("articles").replace("4000	次	4	16000", "16000	次	1	16000"), "utf-8")
    assert check(path).exit_code == 0
