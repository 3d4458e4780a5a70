"""`miyun bench` of the source tree: its JSON, its table and its chart."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import report

    return report


def test_the_command_answers_in_json() -> None:
    command = [sys.executable, "-m", "miyun.edge.cli", "bench", "crypto", "--json", "--only", "^hmac$"]
    ran = subprocess.run([*command, "--seconds", "0.001", "--rounds", "1"], capture_output=True, text=True, check=True)
    answer = json.loads(ran.stdout)
    (row,) = answer["rows"]
    assert row["name"] == "hmac" and row["unit"] == "ops/s"
    assert row["miyun"] > 0 and row["peers"].keys() >= {"cryptography"}
    assert row["best_ratio"] == pytest.approx(row["miyun"] / max(row["peers"].values()), rel=0.01)
    assert answer["machine"]["cpu"]


def test_a_row_without_peers_has_no_ratio(report) -> None:
    row = report.Row("x", "B/s", 5e9)
    assert row.to_dict() == {"name": "x", "unit": "B/s", "miyun": 5_000_000_000, "peers": {}, "best_ratio": None}
    assert "| x | B/s | 5 G |  |  |" in report.table([row])


def test_a_section_of_the_page_is_replaced_and_the_rest_kept(report, tmp_path, monkeypatch) -> None:
    page = tmp_path / "performance.md"
    page.write_text("a\n<!-- api -->\nold\n<!-- /api -->\nb\n", "utf-8")
    monkeypatch.setattr(report, "PAGE", page)
    report.write_section("api", report.machine(), ["table", "- one", "- two"])
    before, _, after = page.read_text("utf-8").partition("<!-- api -->\n")
    assert before == "a\n" and "old" not in after
    assert after.endswith("\n\ntable\n\n- one\n- two\n<!-- /api -->\nb\n")


def test_charts_are_svg_with_a_bar_for_each_figure(report) -> None:
    from report_chart import bars, lines

    drawn = ElementTree.fromstring(bars([("a<b", "ops/s", {"miyun": 100, "peer": 10}), ("c", "B/s", {"miyun": 5e9})]))
    space = "{http://www.w3.org/2000/svg}"
    one, other, _ = (float(bar.attrib["width"]) for bar in drawn.iter(f"{space}rect"))
    assert one > other
    drawn = ElementTree.fromstring(lines({"sign": [(1e3, 2.0), (1e6, 2.1)], "look up": [(1e3, 1.0)]}, "keys", "µs"))
    assert len(list(drawn.iter(f"{space}polyline"))) == 2
