"""The draft supplement: it quotes the clause, gives the mended words, and is plainly a draft."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import docx

from miyun.delivery.contract.checker import check
from miyun.delivery.contract.supplement import amendments, draft_supplement


def _spoiled(layout: Callable[[str], str], tmp_path: Path, *changes: tuple[str, str]) -> Path:
    text = layout("articles")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "c.txt"
    path.write_text(text, "utf-8")
    return path


def test_a_wrong_capital_sum_is_mended_in_words(layout: Callable[[str], str], tmp_path: Path) -> None:
    result = check(_spoiled(layout, tmp_path, ("（大写：捌万元整）", "（大写：捌万叁拾壹元整）")))
    (article,) = [a for a in amendments(result) if a.clause == "第五条 1"]
    assert "捌万叁拾壹元整" in article.original
    assert "80000.00" in article.amended and "捌万元整" in article.amended


def test_what_only_the_parties_can_settle_offers_both_ways(layout: Callable[[str], str], tmp_path: Path) -> None:
    result = check(_spoiled(layout, tmp_path, ("4000\t次\t4\t16000", "4000\t次\t1\t4000"), ("200000\t", "188000\t")))
    article = next(a for a in amendments(result) if a.clause == "附件一-5")
    assert article.decide
    assert "甲案" in article.amended and "乙案" in article.amended and "16000.00" in article.amended


def test_the_paper_is_marked_as_a_draft_and_has_a_signature_block(layout: Callable[[str], str], tmp_path: Path) -> None:
    result = check(_spoiled(layout, tmp_path, ("（大写：捌万元整）", "（大写：玖万元整）")))
    paper = docx.Document(io.BytesIO(draft_supplement(result)))
    words = "\n".join(p.text for p in paper.paragraphs)
    assert "补充协议（草案）" in words
    assert "草案" in paper.sections[0].header.paragraphs[0].text
    assert "第一条  原合同 第五条 1" in words
    assert "甲方（盖章）" in paper.tables[0].cell(0, 0).text and "乙方（盖章）" in paper.tables[0].cell(0, 1).text


def test_a_clean_contract_needs_no_article_for_errors(layout: Callable[[str], str], tmp_path: Path) -> None:
    assert all(not a.decide for a in amendments(check(_spoiled(layout, tmp_path))))
