"""How competitors are measured: side by side in short rounds, by CPU time of this process, the best round counts."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from report import Row

Work = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Race:
    """One operation: our call, and the calls of others; each with the units of work (operations or bytes) it does."""

    name: str
    unit: str
    ours: tuple[float, Work]
    others: dict[str, tuple[float, Work]] = field(default_factory=dict)
    avx2: bool = False
    """measured once more with the processor's features limited to AVX2"""


def speed(units: float, work: Work, seconds: float) -> float:
    """Units per CPU second, over at least `seconds`."""
    count, start = 0, time.process_time()
    while True:
        work()
        count += 1
        spent = time.process_time() - start
        if spent >= seconds:
            return units * count / spent


def run(race: Race, seconds: float, rounds: int, suffix: str = "") -> Row:
    """The row of this race, after one call of each to warm up."""
    contenders = {"miyun": race.ours} | race.others
    for _, work in contenders.values():
        work()
    best = dict.fromkeys(contenders, 0.0)
    for _ in range(rounds):
        for name, (units, work) in contenders.items():
            best[name] = max(best[name], speed(units, work, seconds))
    ours = best.pop("miyun")
    return Row(race.name + suffix, race.unit, ours, best)


def each(call: Callable[..., object], arguments: Iterable[tuple]) -> tuple[float, Work]:
    """Calls one after another, as somebody without a batch call writes it."""
    listed = list(arguments)

    def work() -> None:
        for given in listed:
            call(*given)

    return len(listed), work
