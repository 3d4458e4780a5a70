"""Letters: widths, spaces and dates as Chinese offices type them."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date

_WIDTH = {ord(full): half for full, half in zip("０１２３４５６７８９．％（）－／　", "0123456789.%()-/ ", strict=True)}
_CJK = r"[\u3400-\u9fff\u3000-\u303f\uff00-\uffef“”‘’]"
_CJK_GAP = re.compile(rf"(?<={_CJK})[ \t]+(?={_CJK})")
# PDF printers write radicals (⼭ U+2F2D, ⻆ U+2EC6) where the same shape is a character of its own (山, 角).
_RADICALS = {code: ord(unicodedata.normalize("NFKC", chr(code))) for code in range(0x2F00, 0x2FD6)}
_RADICALS |= str.maketrans(
    "⺟⺠⻄⻅⻆⻉⻋⻓⻔⻘⻚⻛⻜⻝⻢⻣⻤⻥⻦⻨⻩⻬⻮⻰",
    "母民西见角贝车长门青页风飞食马骨鬼鱼鸟麦黄齐齿龙",
)


def plain_characters(text: str) -> str:
    """Radicals as the characters they look like; the length never changes."""
    return text.translate(_RADICALS)


def half_width(text: str) -> str:
    """Full-width digits, brackets, percent, slash and space to half width; the length never changes."""
    return text.translate(_WIDTH)


def close_gaps(text: str) -> str:
    """Drop the blanks that typesetting leaves between Chinese characters."""
    return _CJK_GAP.sub("", text)


def columns(text: str) -> int:
    """Width on a terminal: wide characters count two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def bare(text: str) -> str:
    """Only letters and digits, half width: for comparing names and addresses."""
    return re.sub(r"[\W_]", "", half_width(text))


@dataclass(frozen=True, slots=True)
class DateMention:
    """A calendar date in the text; `value` is None when no such day exists (2月30日)."""

    as_written: str
    value: date | None
    start: int
    end: int


_CN_DIGIT = {c: str(v) for v, c in enumerate("〇一二三四五六七八九")} | {"零": "0", "○": "0", "Ｏ": "0"}
_DATE = re.compile(
    r"(?<![\d.])(?P<y>(?:19|20|21)\d{2})\s*(?P<s>年|[-/.])\s*(?P<m>\d{1,2})\s*(?:(?P=s)|月)\s*(?P<d>\d{1,2})"
    r"(?:\s*日|(?![\d.年月]))"
)
_CN_DATE = re.compile(
    r"(?P<y>[一二][〇零○一二三四五六七八九]{3})\s*年\s*(?P<m>[元一二三四五六七八九十]{1,3})\s*月"
    r"\s*(?P<d>[一二三四五六七八九十]{1,3})\s*日"
)


def find_dates(text: str) -> list[DateMention]:
    """Dates such as 2026年5月12日, 2026-5-12, 2026/05/12, 2026.5.12, 二〇二六年五月十二日, in order."""
    plain = half_width(text)
    found = []
    for match in _DATE.finditer(plain):
        if match["s"] == "年" and "月" not in match.group():
            continue
        found.append(_mention(match, int(match["y"]), int(match["m"]), int(match["d"])))
    for match in _CN_DATE.finditer(plain):
        year = int("".join(_CN_DIGIT[c] for c in match["y"]))
        month, day = _small(match["m"]), _small(match["d"])
        if month and day:
            found.append(_mention(match, year, month, day))
    return sorted(found, key=lambda mention: mention.start)


def _mention(match: re.Match[str], year: int, month: int, day: int) -> DateMention:
    try:
        value = date(year, month, day)
    except ValueError:
        value = None
    return DateMention(match.group().strip(), value, match.start(), match.end())


def _small(numeral: str) -> int | None:
    """元 (the first month), 一 .. 三十一."""
    if numeral == "元":
        return 1
    tens, ten, ones = numeral.rpartition("十")
    if not ten:
        return int(_CN_DIGIT.get(numeral, "-1")) if len(numeral) == 1 else None
    high = int(_CN_DIGIT[tens]) if len(tens) == 1 else (1 if not tens else None)
    if high is None or len(ones) > 1:
        return None
    return high * 10 + (int(_CN_DIGIT[ones]) if ones else 0)
