"""Charts as SVG, of our own making: horizontal bars and lines on logarithmic scales. No script, no font file."""

import math
from collections.abc import Sequence
from html import escape

_COLOURS = {"miyun": "#c8102e"}
_OTHERS = ("#1f4e79", "#5b8db8", "#7a7a7a", "#b08d57", "#4f7f5f", "#8a6fa8", "#a8a8a8")
_STYLE = (
    "<style>text{font:12px system-ui,sans-serif;fill:#333}.t{font-weight:600}.s{font-size:11px;fill:#666}"
    ".g{stroke:#ddd}@media(prefers-color-scheme:dark){text{fill:#ddd}.s{fill:#aaa}.g{stroke:#444}}</style>"
)


def _short(value: float) -> str:
    for size, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{prefix}"
    return f"{value:.3g}"


def _colours(names: Sequence[str]) -> dict[str, str]:
    others = [name for name in names if name not in _COLOURS]
    return _COLOURS | {name: _OTHERS[index % len(_OTHERS)] for index, name in enumerate(others)}


def _svg(width: float, height: float, parts: Sequence[str]) -> str:
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">\n{_STYLE}\n' + "\n".join(parts) + "\n</svg>\n"


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{style} text-anchor="{anchor}">{escape(text)}</text>'


def bars(groups: Sequence[tuple[str, str, dict[str, float]]]) -> str:
    """One group of bars for each (name, unit, {contender: value}); each unit has its own logarithmic scale."""
    colours = _colours(list(dict.fromkeys(name for _, _, values in groups for name in values)))
    ends: dict[str, tuple[int, int]] = {}
    for _, unit, values in groups:
        low, high = ends.get(unit, (99, -99))
        logs = [math.log10(value) for value in values.values() if value > 0]
        ends[unit] = (min(low, *(math.floor(x) for x in logs)), max(high, *(math.ceil(x) for x in logs)))
    left, span, bar = 200.0, 520.0, 11.0
    y, parts = 18.0, []
    for name, unit, values in groups:
        low, high = ends[unit]
        parts.append(_text(left - 10, y + 9, name, "t", "end"))
        parts.append(_text(left - 10, y + 22, unit, "s", "end"))
        for contender, value in sorted(values.items(), key=lambda entry: (entry[0] != "miyun", -entry[1])):
            share = (math.log10(value) - low) / max(1, high - low) if value > 0 else 0
            length = max(2.0, span * share)
            parts.append(
                f'<rect x="{left}" y="{y:.1f}" width="{length:.1f}" height="{bar}" fill="{colours[contender]}"/>'
            )
            parts.append(_text(left + length + 5, y + 9.5, f"{contender} {_short(value)}", "s"))
            y += bar + 2
        y = y + 12 if len(values) > 1 else y + 20
    return _svg(left + span + 150, y, parts)


def lines(series: dict[str, list[tuple[float, float]]], across: str, up: str) -> str:
    """One line for each name: (size, cost) points, both axes logarithmic."""
    colours = _colours(list(series))
    points = [point for line in series.values() for point in line]
    x0, x1 = (f(math.log10(x) for x, _ in points) for f in (min, max))
    y0 = math.floor(min(math.log10(cost) for _, cost in points))
    y1 = math.ceil(max(math.log10(cost) for _, cost in points))
    left, top, wide, high = 70.0, 20.0, 460.0, 300.0

    def at(x: float, cost: float) -> tuple[float, float]:
        across_share = (math.log10(x) - x0) / max(1e-9, x1 - x0)
        return left + wide * across_share, top + high * (1 - (math.log10(cost) - y0) / max(1, y1 - y0))

    parts = []
    for exponent in range(y0, y1 + 1):
        _, y = at(10**x0, 10.0**exponent)
        parts.append(f'<line class="g" x1="{left}" x2="{left + wide}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(_text(left - 8, y + 4, _short(10.0**exponent), "s", "end"))
    for x in sorted({x for x, _ in points}):
        parts.append(_text(at(x, 10.0**y0)[0], top + high + 18, f"{x:,.0f}", "s", "middle"))
    parts.append(_text(left + wide / 2, top + high + 38, across, "t", "middle"))
    parts.append(_text(left, top - 6, up, "t"))
    taken: list[float] = []
    for name, line in series.items():
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in line))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colours[name]}" stroke-width="2"/>')
        parts.extend(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colours[name]}"/>' for x, y in (at(*p) for p in line)
        )
        end = at(*line[-1])[1]
        while any(abs(end - other) < 13 for other in taken):
            end += 4
        taken.append(end)
        parts.append(f'<circle cx="{left + wide + 18}" cy="{end:.1f}" r="4" fill="{colours[name]}"/>')
        parts.append(_text(left + wide + 28, end + 4, f"{name} {_short(line[-1][1])}"))
    return _svg(left + wide + 220, top + high + 50, parts)
