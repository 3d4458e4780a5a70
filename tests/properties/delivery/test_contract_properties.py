"""Laws of the contract reader: capitals and sums are inverse; no text whatever makes it fall over."""

# ruff: noqa: E501  (a Chinese character counts two columns)

from __future__ import annotations

import contextlib
from decimal import Decimal

import cn2an
from hypothesis import given, settings
from hypothesis import strategies as st

from miyun.delivery.contract.amounts import find_capitals, find_figures, money, parse_capitals, to_capitals
from miyun.delivery.contract.checker import check_document
from miyun.delivery.contract.document import UnreadableDocument, read_bytes
from miyun.delivery.contract.render import to_json, to_text
from miyun.delivery.contract.supplement import amendments
from miyun.delivery.contract.text import find_dates

SUMS = st.one_of(
    st.integers(0, 99_999_999_999_999),
    st.builds(lambda n, z: min(n * 10**z, 99_999_999_999_999), st.integers(0, 9999), st.integers(0, 11)),
).map(lambda cents: Decimal(cents) / 100)

PIECES = st.sampled_from(
    [
        "甲方：", "乙方：", "第一条", "第十条 ", "（一）", "1. ", "1.1 ", "（2）", "①", "附件一", "附件二：《价格》", "合同总价", "支付",
        "50%", "百分之三十", "人民币", "¥1,2,3元", "225,500.00元", "贰拾贰万", "元整", "（大写：", "）", "2026年2月30日", "2026-1-1",
        "二〇二六年一月一日", "工作日内", "验收", "序号\t服务名称\t单价\t数量\t金额", "\n1\t时间戳服务\t1\t2\t3", "| 名称 | 单价 | 数量 |",
        "服务期限", "12个月", "本条第3款", "一式两份", "____", "《", "”", "\t", "\n", "\n\n", " ", "  ", "；", "。",
    ]
)  # fmt: skip


@given(SUMS)
@settings(max_examples=400)
def test_capitals_round_trip(amount: Decimal) -> None:
    words = to_capitals(amount)
    read = parse_capitals(words)
    assert read.amount == amount
    assert read.marks == ()


@given(SUMS.filter(lambda amount: amount >= 1 and (amount % 1 == 0 or amount % 1 >= Decimal("0.1"))))
@settings(max_examples=200)
def test_an_independent_reader_reads_the_same_sum(amount: Decimal) -> None:
    words = to_capitals(amount).removesuffix("整")
    assert abs(Decimal(str(cn2an.cn2an(words, "smart"))) - amount) < Decimal("0.01")


@given(SUMS.filter(lambda amount: amount > 0))
@settings(max_examples=200)
def test_the_capitals_of_an_independent_writer_are_read(amount: Decimal) -> None:
    assert parse_capitals(cn2an.an2cn(str(amount), "rmb")).amount == amount


@given(SUMS)
@settings(max_examples=200)
def test_a_sum_is_found_in_a_sentence(amount: Decimal) -> None:
    sentence = f"合同总价为人民币{amount:,.2f}元（大写：{to_capitals(amount)}），详见附件。"
    assert [money(f.amount) for f in find_figures(sentence)] == [money(amount)]
    assert [c.amount for c in find_capitals(sentence)] == [amount]


@given(st.dates())
def test_dates_are_found_in_three_writings(day) -> None:  # type: ignore[no-untyped-def]
    if not 1900 <= day.year <= 2199:
        return
    for text in (
        f"于{day.year}年{day.month}月{day.day}日前",
        f"于 {day.isoformat()} 前",
        f"{day.year}/{day.month}/{day.day}止",
    ):
        assert [m.value for m in find_dates(text)] == [day]


@given(st.lists(st.one_of(PIECES, st.text(max_size=8)), max_size=60))
@settings(max_examples=150)
def test_no_text_makes_the_reader_fall_over(pieces: list[str]) -> None:
    try:
        paper = read_bytes("".join(pieces).encode("utf-8", "ignore"), "random.txt")
    except UnreadableDocument:
        return
    result = check_document(paper)
    to_json(result)
    to_text(result)
    amendments(result)


@given(st.binary(max_size=400), st.sampled_from([b"", b"%PDF-1.7\n", b"PK\x03\x04", b"\xff\xfe"]))
@settings(max_examples=150)
def test_no_bytes_raise_anything_but_unreadable(data: bytes, head: bytes) -> None:
    with contextlib.suppress(UnreadableDocument):
        check_document(read_bytes(head + data, "random"))


@given(st.text(alphabet="零壹贰叁肆伍陆柒捌玖拾佰仟万亿元角分整十百", max_size=16))
@settings(max_examples=400)
def test_capitals_never_raise_and_say_why(words: str) -> None:
    read = parse_capitals(words)
    assert (read.amount is None) == bool(read.reason)
