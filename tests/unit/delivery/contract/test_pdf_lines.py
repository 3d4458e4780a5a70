"""What printers of PDF do to a contract: paragraphs cut at the margin, narrow tables, radicals for characters."""

from __future__ import annotations

from miyun.delivery.contract.document import read_bytes
from miyun.delivery.contract.pdf_lines import Piece, assemble


def _row(base: float, *cells: tuple[float, str], size: float = 10) -> list[Piece]:
    """Cells by their left edge; Chinese letters are as wide as the size, others half."""
    return [Piece(x, x + sum(size if ord(c) > 255 else size / 2 for c in text), base, size, text) for x, text in cells]


def test_a_paragraph_cut_inside_an_amount_is_whole_again() -> None:
    first = "（一）合同签订后10个工作日内，采购人支付合同总金额的30%，即人民币4"
    pieces = (
        _row(700, (50, first))
        + _row(684, (50, "5,900.00元（大写：肆万伍仟玖佰元整）；"))
        + _row(668, (50, "（二）其他"))
    )
    assert assemble(pieces) == [first + "5,900.00元（大写：肆万伍仟玖佰元整）；", "（二）其他"]


def test_capitals_cut_behind_their_bracket_are_whole_again() -> None:
    pieces = (
        _row(700, (50, "合同总价153,000.00元（大写："))
        + _row(684, (50, "壹拾伍万叁仟元整）。"))
        + _row(668, (50, "另" * 40))
    )
    assert assemble(pieces)[0] == "合同总价153,000.00元（大写：壹拾伍万叁仟元整）。"


def test_a_new_clause_is_never_drawn_into_the_one_before() -> None:
    full = "乙方应当" * 10
    for begins in ("第五条 违约责任", "（二）其他", "3. 其他", "2.1 其他", "附件一", "三、其他", "乙方：某公司"):
        assert assemble(_row(700, (50, full)) + _row(684, (50, begins))) == [full, begins]


def test_cells_of_a_narrow_table_stay_apart_and_pages_may_grow_downwards() -> None:
    pieces = _row(100, (50, "1"), (70, "签名验签服务"), (134, "30,000.00"), (184, "60,000.00"))
    pieces += _row(120, (50, "序号"), (74, "服务名称"), (134, "单价"), (184, "小计"))
    head, row = assemble(pieces)
    assert [c.strip() for c in head.split("  ") if c.strip()] == ["序号", "服务名称", "单价", "小计"]
    assert [c.strip() for c in row.split("  ") if c.strip()] == ["1", "签名验签服务", "30,000.00", "60,000.00"]


def test_blanks_that_reach_under_the_next_letters_are_not_in_the_text() -> None:
    pieces = [Piece(0, 30, 0, 10, "人  民"), Piece(20, 60, 0, 10, "币    4"), Piece(35, 90, 0, 10, "5,900.00元")]
    assert assemble(pieces) == ["人民币45,900.00元"]


def test_radicals_are_read_as_the_characters_they_look_like() -> None:
    document = read_bytes("⼄⽅：云⼭公司，合同⾦额壹⻆⻅附件".encode(), "c.txt")
    assert document.text == "乙方：云山公司，合同金额壹角见附件"
