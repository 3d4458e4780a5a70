"""Sums in figures and capitals."""

from __future__ import annotations

from decimal import Decimal

import pytest

from miyun.delivery.contract.amounts import (
    chinese_integer,
    find_capitals,
    find_figures,
    money,
    parse_capitals,
    to_capitals,
)


@pytest.mark.parametrize(
    ("capitals", "amount"),
    [
        ("贰拾贰万伍仟伍佰元整", "225500.00"),
        ("柒万伍仟壹佰玖拾元壹角伍分", "75190.15"),
        ("人民币壹佰万零叁仟元零伍分", "1003000.05"),
        ("壹亿元整", "100000000.00"),
        ("玖仟玖佰玖拾玖亿玖仟玖佰玖拾玖万玖仟玖佰玖拾玖元玖角玖分", "999999999999.99"),
        ("拾万圆正", "100000.00"),
        ("伍角", "0.50"),
        ("零元整", "0.00"),
    ],
)
def test_capitals_are_read(capitals: str, amount: str) -> None:
    read = parse_capitals(capitals).amount
    assert read is not None
    assert money(read) == amount


@pytest.mark.parametrize(
    "malformed",
    [
        "壹万伍元整",
        "贰拾贰万伍佰仟元整",
        "壹贰叁元整",
        "元整",
        "贰佰伍拾陆",
        "伍分叁角",
        "壹万万元整",
        "叁佰贰元",
        "佰元整",
    ],
)
def test_malformed_capitals_have_no_amount_but_a_reason(malformed: str) -> None:
    read = parse_capitals(malformed)
    assert read.amount is None
    assert read.reason


@pytest.mark.parametrize(
    ("capitals", "mark"),
    [
        ("叁万元伍角伍分整", "whole_mark_after_fen"),
        ("叁万元", "no_whole_mark"),
        ("壹万伍佰元整", "missing_zero"),
        ("二十二万元整", "plain_numerals"),
    ],
)
def test_slips_of_form_keep_the_amount(capitals: str, mark: str) -> None:
    read = parse_capitals(capitals)
    assert read.amount is not None
    assert mark in read.marks


def test_capitals_are_written_in_the_prescribed_form() -> None:
    assert to_capitals(Decimal("1003000.05")) == "壹佰万叁仟元零伍分"
    assert to_capitals(Decimal("1000300.05")) == "壹佰万零叁佰元零伍分"
    assert to_capitals(Decimal("100000000")) == "壹亿元整"
    assert to_capitals(Decimal("10.50")) == "壹拾元伍角"
    assert to_capitals(Decimal("0")) == "零元整"


@pytest.mark.parametrize(
    ("text", "amount", "step"),
    [
        ("人民币22.55万元整", "225500.00", "100.00"),
        ("¥225,500.00", "225500.00", "0.01"),
        ("￥ 1,000元", "1000.00", "1.00"),
        ("计３７５９１元", "37591.00", "1.00"),
        ("1.2亿元", "120000000.00", "10000000.00"),
    ],
)
def test_figures_keep_their_precision(text: str, amount: str, step: str) -> None:
    (figure,) = find_figures(text)
    assert (money(figure.amount), money(figure.step)) == (amount, step)


def test_numbers_without_money_are_no_sums() -> None:
    assert find_figures("每小时20000次，服务2年，第3笔50%，2026年1月1日") == []
    assert find_capitals("一式陆份，甲方执叁份，第一条") == []


def test_badly_grouped_thousands_are_marked() -> None:
    (figure,) = find_figures("¥22,55,00元")
    assert not figure.well_grouped


def test_integers_in_words() -> None:
    assert [chinese_integer(x) for x in ("12", "十二", "二十", "拾贰", "甲")] == [12, 12, 20, 12, None]
