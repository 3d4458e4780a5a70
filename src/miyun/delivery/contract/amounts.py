"""Sums of money in figures and in capitals (大写), both ways; all values are 元 as Decimal.

Capitals follow 支付结算办法 附一: 壹贰叁肆伍陆柒捌玖 with 拾佰仟万亿, 元 (圆), 角, 分; 零 for a gap; 整 (正) after a
whole sum in 元 and never after 分.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from miyun.delivery.contract.text import half_width

FEN = Decimal("0.01")
LARGEST = Decimal("999999999999.99")

_DIGITS = "零壹贰叁肆伍陆柒捌玖"
_FORMAL = {digit: value for value, digit in enumerate(_DIGITS)} | {"〇": 0, "貳": 2, "參": 3, "叄": 3, "陸": 6, "贰": 2}
_PLAIN = {c: v for v, c in enumerate("〇一二三四五六七八九")} | {"两": 2}
_SECTION_UNITS = {"仟": 1000, "佰": 100, "拾": 10}
_PLAIN_UNITS = {"千": "仟", "百": "佰", "十": "拾", "萬": "万", "億": "亿", "圆": "元", "圓": "元", "正": "整"}
_CAPITAL_RUN = re.compile(
    r"(?:人民币)?[零〇壹贰貳叁參叄肆伍陆陸柒捌玖拾佰仟万萬亿億一二三四五六七八九十百千两]+"
    r"[零〇壹贰貳叁參叄肆伍陆陸柒捌玖拾佰仟万萬亿億一二三四五六七八九十百千两元圆圓角分整正]*"
)
_CHINESE_NUMERAL = re.compile(r"[〇零一二三四五六七八九十百千万亿两壹贰叁肆伍陆柒捌玖拾佰仟]+")


@dataclass(frozen=True, slots=True)
class Capitals:
    """A sum in capitals. `amount` is None when the writing has no single reading; `reason` then says why.

    `marks`: "whole_mark_after_fen" (整 after 分), "no_whole_mark" (a whole sum without 整), "missing_zero",
    "plain_numerals" (一二三 or 千百 in place of 壹贰叁 and 仟佰). The amount stands in all of these.
    """

    as_written: str
    amount: Decimal | None
    reason: str = ""
    marks: tuple[str, ...] = ()
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class Figure:
    """A sum in figures; `step` is the unit of its last written digit in 元 (1 for `3.7591万元`)."""

    as_written: str
    amount: Decimal
    step: Decimal
    whole_mark: bool
    start: int
    end: int
    well_grouped: bool = True


def money(value: Decimal) -> str:
    """Two decimals, no exponent: `225500.00`."""
    return format(value.quantize(FEN, ROUND_HALF_UP), "f")


def to_fen(value: Decimal) -> Decimal:
    """Round half up to the fen, as contracts are settled."""
    return value.quantize(FEN, ROUND_HALF_UP)


class _Malformed(ValueError):
    pass


def _section(text: str, marks: set[str]) -> int:
    """Value of up to four places (仟佰拾 and ones); strict about order, lenient about 零."""
    total, digit, last_unit, zero_seen = 0, None, 10_000, False
    for char in text:
        if char in _SECTION_UNITS:
            unit = _SECTION_UNITS[char]
            if unit >= last_unit:
                raise _Malformed(f"“{char}”的位次不对")
            if digit is None:
                if char != "拾" or last_unit != 10_000:
                    raise _Malformed(f"“{char}”前缺少数字")
                digit = 1
            if digit == 0:
                raise _Malformed(f"“零{char}”不成数")
            if last_unit != 10_000 and unit * 10 != last_unit and not zero_seen:
                marks.add("missing_zero")
            total += digit * unit
            digit, last_unit, zero_seen = None, unit, False
        elif char in _FORMAL:
            if digit not in (None, 0):
                raise _Malformed("两个数字之间缺少数位")
            digit = _FORMAL[char]
            zero_seen = zero_seen or digit == 0
        else:
            raise _Malformed(f"不认识的字“{char}”")
    if digit:
        if last_unit == 10_000 and len(text.strip("零〇")) > 1:
            raise _Malformed("数位不清")
        if 10 < last_unit < 10_000 and not zero_seen:
            # 壹万伍, 叁佰贰: a spoken abbreviation for 壹万伍仟, 叁佰贰拾; two readings, so none.
            raise _Malformed("末位数字缺少数位")
        total += digit
    return total


def _integer(text: str, marks: set[str]) -> int:
    if text.count("亿") > 1 or text.count("万") > 2:
        raise _Malformed("“亿”或“万”重复")
    if "亿" in text:
        high, low = text.split("亿")
        if not high.strip("零〇"):
            raise _Malformed("“亿”前缺少数字")
        return _integer(high, marks) * 10**8 + _lower(low, 10**7, marks)
    if "万" in text:
        if text.count("万") > 1:
            raise _Malformed("“万”重复")
        high, low = text.split("万")
        if not high.strip("零〇"):
            raise _Malformed("“万”前缺少数字")
        return _section(high, marks) * 10**4 + _lower(low, 10**3, marks)
    return _section(text, marks)


def _lower(text: str, first_place: int, marks: set[str]) -> int:
    """The part after 亿 or 万; without its first place it must begin with 零."""
    if not text.strip("零〇"):
        return 0
    value = _integer(text, marks)
    if value < first_place and text[0] not in "零〇":
        if value < 10:
            raise _Malformed("末位数字缺少数位")
        marks.add("missing_zero")
    return value


def parse_capitals(written: str, start: int = 0) -> Capitals:
    """Read one sum in capitals strictly. Never raises: a malformed one has `amount` None and a `reason`."""
    body = re.sub(r"\s", "", half_width(written)).removeprefix("人民币")
    marks: set[str] = set()
    if any(c in _PLAIN or c in "千百十" for c in body):
        marks.add("plain_numerals")
    body = "".join(_PLAIN_UNITS.get(c, c) for c in body)
    body = "".join(_DIGITS[_PLAIN[c]] if c in _PLAIN else c for c in body)

    def result(amount: Decimal | None, reason: str = "") -> Capitals:
        return Capitals(written, amount, reason, tuple(sorted(marks)), start, start + len(written))

    try:
        amount = _sum(body, marks)
    except _Malformed as problem:
        return result(None, str(problem))
    if amount > LARGEST:
        return result(None, "超过九千九百九十九亿")
    if _disputed(body, amount):
        return result(None, "两种读法得数不同")
    return result(amount)


def _sum(body: str, marks: set[str]) -> Decimal:
    whole_mark = body.endswith("整")
    body = body.removesuffix("整")
    if not body or any(c in body for c in "整"):
        raise _Malformed("“整”的位置不对")
    match = re.fullmatch(r"(?:([^元角分]+)元)?(?:零*([^元角分])角)?(?:零*([^元角分])分)?", body)
    if match is None or not any(match.groups()):
        raise _Malformed("缺少“元”" if "元" not in body else "元、角、分的次序不对")
    yuan, jiao, fen = match.groups()
    cents = 0
    for digit, weight, unit in ((jiao, 10, "角"), (fen, 1, "分")):
        if digit is None:
            continue
        if digit not in _FORMAL:
            raise _Malformed(f"“{unit}”前不是数字")
        cents += _FORMAL[digit] * weight
    amount = Decimal(_integer(yuan, marks) if yuan else 0) + Decimal(cents) / 100
    if whole_mark and fen is not None and _FORMAL[fen]:
        marks.add("whole_mark_after_fen")
    if not whole_mark and cents == 0:
        marks.add("no_whole_mark")
    return amount


def _disputed(body: str, amount: Decimal) -> bool:
    """Whether an independent reader (cn2an) reads another sum; what it cannot read it does not dispute."""
    import cn2an  # takes its time, and only contracts need it

    # cn2an wants every place written: 零元, 零角.
    body = body.removesuffix("整")
    if "元" not in body:
        body = "零元" + body
    if body.endswith("分") and "角" not in body:
        body = body.replace("元零", "元").replace("元", "元零角")
    try:
        other = Decimal(str(cn2an.cn2an(body, "smart")))
    except (ValueError, TypeError, KeyError, ArithmeticError, IndexError):
        return False
    return abs(other - amount) >= FEN


def to_capitals(amount: Decimal) -> str:
    """The capital writing of 0.00 .. 999,999,999,999.99 元.

    >>> to_capitals(Decimal("75159.15"))
    '柒万伍仟壹佰伍拾玖元壹角伍分'
    """
    amount = to_fen(amount)
    if not 0 <= amount <= LARGEST:
        raise ValueError("amount out of range")
    cents = int(amount * 100)
    yuan, jiao, fen = cents // 100, cents // 10 % 10, cents % 10
    head = _yuan_capitals(yuan) + "元" if yuan else ""
    if not jiao and not fen:
        return (head or "零元") + "整"
    tail = ""
    if jiao:
        tail += _DIGITS[jiao] + "角"
    elif head:
        tail += "零"
    if fen:
        tail += _DIGITS[fen] + "分"
    return head + tail


def _yuan_capitals(yuan: int) -> str:
    words, gap = "", False
    for power, unit in ((8, "亿"), (4, "万"), (0, "")):
        section = yuan // 10**power % 10_000
        if not section:
            gap = gap or bool(words)
            continue
        if words and (gap or section < 1000):
            words += "零"
        words += _section_capitals(section) + unit
        gap = False
    return words


def _section_capitals(section: int) -> str:
    words, gap = "", False
    for value, unit in ((1000, "仟"), (100, "佰"), (10, "拾"), (1, "")):
        digit = section // value % 10
        if digit:
            words += ("零" if gap and words else "") + _DIGITS[digit] + unit
            gap = False
        else:
            gap = True
    return words


def find_capitals(text: str) -> list[Capitals]:
    """Sums in capitals in `text`, in order. Candidates hold 元, 角 or 分, or follow the word 大写."""
    found = []
    for match in _CAPITAL_RUN.finditer(text):
        run = match.group()
        formal = sum(c in _FORMAL or c in "拾佰仟" for c in run)
        named = re.search(r"大写\s*(?:金额)?\s*[:：为]?\s*[¥￥]?\s*$", text[: match.start()]) is not None
        currency = any(c in run for c in "元圆圓角分")
        if (currency and formal >= 1 and (formal >= 2 or named)) or (named and len(run) >= 2) or (named and currency):
            found.append(parse_capitals(run, match.start()))
    return found


_FIGURE = re.compile(
    r"(?P<mark>(?:人民币|[¥￥]|RMB|CNY)\s*)?"
    r"(?P<number>\d{1,3}(?:，\d{3})+(?:\.\d+)?|\d[\d,]*(?:\.\d+)?)\s*"
    r"(?P<unit>亿元|万元|千元|元|圆|亿圆|万圆)?\s*(?P<whole>整|正)?(?P<money>人民币)?"
)
_UNIT = {"亿": Decimal(10**8), "万": Decimal(10**4), "千": Decimal(1000)}


def find_figures(text: str) -> list[Figure]:
    """Sums in figures in `text`: those with a currency mark before or 元 after them."""
    found = []
    for match in _FIGURE.finditer(half_width(text)):
        mark, unit = match["mark"], match["unit"]
        if unit is None and (mark is None or re.match(r"[%％年月日个亿万千\-/]", text[match.end() : match.end() + 1])):
            continue
        number = match["number"].rstrip(",，")
        figure = parse_figure(number, unit or "元")
        if figure is None:
            continue
        start = match.start()
        end = match.end() if unit or match["whole"] else start + len(match["mark"] or "") + len(number)
        found.append(
            Figure(
                text[start:end].strip(),
                figure[0],
                figure[1],
                match["whole"] is not None and unit is not None,
                start,
                end,
                _well_grouped(number),
            )
        )
    return found


def _well_grouped(number: str) -> bool:
    whole = number.replace("，", ",").split(".")[0]
    return "," not in whole or re.fullmatch(r"\d{1,3}(,\d{3})+", whole) is not None


def parse_figure(number: str, unit: str = "元") -> tuple[Decimal, Decimal] | None:
    """(amount, step) of digits with optional thousands separators, times the unit; None when it is no number."""
    digits = re.sub(r"[,，\s¥￥元]", "", half_width(number))
    if not re.fullmatch(r"\d{1,15}(\.\d{1,8})?", digits):
        return None
    value = Decimal(digits)
    factor = _UNIT.get(unit[0], Decimal(1))
    step = Decimal(1).scaleb(-len(digits.partition(".")[2])) * factor
    return value * factor, step


def chinese_integer(text: str) -> int | None:
    """A plain integer: `12`, `十二`, `拾贰`, `二十`; None when it is not one."""
    text = half_width(text).strip()
    if text.isascii() and text.isdigit():
        return int(text) if len(text) <= 12 else None
    if not _CHINESE_NUMERAL.fullmatch(text):
        return None
    import cn2an

    try:
        value = cn2an.cn2an(text, "smart")
    except (ValueError, TypeError, KeyError, IndexError):
        return None
    return int(value) if value == int(value) else None
