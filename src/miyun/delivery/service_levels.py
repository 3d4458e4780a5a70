"""Service levels, measured: a probe a minute through the public address, and availability computed from the probes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from miyun.core.i18n import Text

DEFAULT_AVAILABILITY: Final = Decimal("99.9")  # percent a calendar month, where a contract names none
OUTAGE_AFTER: Final = 2  # consecutive failed minutes make an outage; one is noise


@dataclass(frozen=True, slots=True)
class Probe:
    """One minute: did the platform answer through its own address, and how fast."""

    minute: datetime
    ok: bool
    milliseconds: int
    code: str


@dataclass(frozen=True, slots=True)
class Outage:
    began: datetime
    ended: datetime | None
    code: str


@dataclass(frozen=True, slots=True)
class Availability:
    """`percent` of the minutes observed; minutes without a probe are `unobserved` and claimed neither way."""

    observed: int
    unobserved: int
    down: int
    percent: Decimal | None
    outages: tuple[Outage, ...]

    @property
    def note(self) -> Text:
        return Text(
            f"已观测 {self.observed} 分钟，未观测 {self.unobserved} 分钟，故障 {self.down} 分钟",
            f"{self.observed} minutes observed, {self.unobserved} not observed, {self.down} down",
        )


def availability_target(contract: Mapping[str, Any]) -> tuple[Decimal, bool]:
    """(percent, whether the contract names it) of a contract document as `contract check --json` writes it."""
    for duty in contract.get("obligations", ()):
        if duty["kind"] == "availability" and duty["number"] is not None:
            return Decimal(duty["number"]), True
    return DEFAULT_AVAILABILITY, False


def minute_of(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def availability(probes: Sequence[Probe], start: datetime, end: datetime) -> Availability:
    """`probes` in order of time, all within start..end."""
    outages: list[Outage] = []
    run: list[Probe] = []
    for probe in [*probes, None]:
        if probe is not None and not probe.ok:
            run.append(probe)
            continue
        if len(run) >= OUTAGE_AFTER:
            ended = probe.minute if probe is not None else None
            outages.append(Outage(run[0].minute, ended, run[0].code))
        run = []
    down = sum(not probe.ok for probe in probes)
    observed = len(probes)
    total = max(0, int((end - start) / timedelta(minutes=1)))
    percent = None
    if observed:
        percent = (Decimal(observed - down) * 100 / observed).quantize(Decimal("0.001"))
    return Availability(observed, max(0, total - observed), down, percent, tuple(outages))


async def probe(now: datetime, ask: Callable[[], Awaitable[tuple[bool, int, str]]]) -> Probe:
    """`ask` answers (ok, milliseconds, code)."""
    ok, milliseconds, code = await ask()
    return Probe(minute_of(now), ok, milliseconds, code)
