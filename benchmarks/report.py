"""What every measurement of this folder prints: JSON, or a table; with `--write`, docs/performance.md and a chart.

    {"machine": {…}, "rows": [{"name", "unit", "miyun", "peers": {name: value}, "best_ratio"}], "notes": [...]}

Units are "ops/s" and "B/s". `best_ratio` is ours to the best peer's, null when there is none.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from report_chart import bars

from miyun.gm.providers import provider

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "performance.md"
CHARTS = ROOT / "docs" / "performance"
_FLAGS = ("avx2", "pclmulqdq", "adx", "gfni", "vaes", "vpclmulqdq", "avx512f", "avx512vbmi", "avx512ifma")


@dataclass(frozen=True, slots=True)
class Row:
    """One operation: our figure and those of others, per second of CPU time unless a note says otherwise."""

    name: str
    unit: str
    miyun: float
    peers: dict[str, float] = field(default_factory=dict)

    @property
    def best_ratio(self) -> float | None:
        best = max(self.peers.values(), default=0)
        return round(self.miyun / best, 3) if best else None

    def to_dict(self) -> dict[str, object]:
        peers = {name: _rounded(value) for name, value in self.peers.items()}
        return {
            "name": self.name,
            "unit": self.unit,
            "miyun": _rounded(self.miyun),
            "peers": peers,
            "best_ratio": self.best_ratio,
        }


def _rounded(value: float) -> float:
    return round(value) if value >= 1000 else round(value, 3)


def machine() -> dict[str, object]:
    """The processor and the programs that the figures depend on. No name of a host."""
    cpu, flags = platform.processor() or platform.machine(), set[str]()
    if Path("/proc/cpuinfo").exists():
        described = Path("/proc/cpuinfo").read_text("utf-8")
        if found := re.search(r"^model name\s*:\s*(.*)$", described, re.MULTILINE):
            cpu = found[1]
        if found := re.search(r"^flags\s*:\s*(.*)$", described, re.MULTILINE):
            flags = set(found[1].split())
    return {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "features": [flag for flag in _FLAGS if flag in flags],
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "openssl": _openssl(),
        "miyun": metadata.version("miyun"),
        "provider": provider().name,
        "date": datetime.now(UTC).date().isoformat(),
    }


def _openssl() -> str | None:
    try:
        ran = subprocess.run(["openssl", "version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return ran.stdout.partition(" (")[0].strip()


def parser(description: str | None) -> argparse.ArgumentParser:
    """The arguments that every measurement takes."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--json", action="store_true", help="print JSON")
    made.add_argument("--write", action="store_true", help="write the section of docs/performance.md and its chart")
    made.add_argument("--only", default="", metavar="REGEX", help="measure the rows whose names match")
    return made


def deliver(section: str, rows: Sequence[Row], notes: Sequence[str], given: argparse.Namespace) -> None:
    """Print the rows and, when asked to, write section "crypto", "api" or "growth" of the page."""
    about = machine()
    if given.json:
        report = {"machine": about, "rows": [row.to_dict() for row in rows], "notes": list(notes)}
        print(json.dumps(report, ensure_ascii=False, indent=1))
    else:
        print(table(rows))
        for note in notes:
            print(f"- {note}")
    if given.write:
        chart = CHARTS / f"{section}.svg"
        chart.parent.mkdir(exist_ok=True)
        chart.write_text(bars([(row.name, row.unit, {"miyun": row.miyun} | row.peers) for row in rows]), "utf-8")
        body = [f"![{section}](performance/{section}.svg)", table(rows), *(f"- {note}" for note in notes)]
        write_section(section, about, body)


def write_section(section: str, about: dict[str, object], body: Sequence[str]) -> None:
    """Replace what stands between the section's two markers in docs/performance.md."""
    command = f"benchmarks/{Path(sys.argv[0]).name} {' '.join(sys.argv[1:])}"
    facts = ", ".join(about["features"]) if isinstance(about["features"], list) else ""
    head = (
        f"Made by `.venv/bin/python {command}` on {about['date']}: {about['cpu']}, {about['cores']} cores ({facts}), "
        f"{about['system']}, Python {about['python']}, {about['openssl']}, provider {about['provider']}."
    )
    start, end = f"<!-- {section} -->", f"<!-- /{section} -->"
    page = PAGE.read_text("utf-8")
    before, _, rest = page.partition(start)
    _, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"{PAGE.name} has no section {start} … {end}")
    blocks = "\n\n".join(_grouped([head, *body]))
    PAGE.write_text(f"{before}{start}\n{blocks}\n{end}{after}", "utf-8")


def _grouped(blocks: Sequence[str]) -> list[str]:
    """Neighbouring list items as one block of Markdown."""
    grouped: list[str] = []
    for block in blocks:
        if grouped and block.startswith("- ") and grouped[-1].startswith("- "):
            grouped[-1] += f"\n{block}"
        else:
            grouped.append(block)
    return grouped


def table(rows: Sequence[Row]) -> str:
    """A table of Markdown; values with three digits and a prefix (k, M, G)."""
    lines = ["| operation | unit | miyun | ratio to the best | others |", "| --- | --- | ---: | ---: | --- |"]
    for row in rows:
        others = " · ".join(f"{name} {short(value)}" for name, value in _descending(row.peers))
        ratio = "" if row.best_ratio is None else f"{row.best_ratio:.2f}"
        lines.append(f"| {row.name} | {row.unit} | {short(row.miyun)} | {ratio} | {others} |")
    return "\n".join(lines)


def _descending(peers: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(peers.items(), key=lambda entry: -entry[1])


def short(value: float) -> str:
    for size, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g} {prefix}"
    return f"{value:.3g}"
