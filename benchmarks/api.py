"""The platform's API under load: 64 connections in a closed loop, over TLS, through the platform as it is started.

    python benchmarks/api.py [--json] [--seconds 2] [--rounds 7] [--workers 2] [--only REGEX] [--write]

Load client, platform and peers share this machine. Every row is measured in `--rounds` rounds that take turns with
those of its peers, and the median round of each counts: on a shared machine the best is luck. Rows and their peers:

- api.noop: tenant.connection.check; a bare Litestar JSON endpoint behind the same listener, on the same server
- api.sign, api.timestamp: api.noop; api.sign.batch64 (signatures a second): api.sign
- api.timestamp.build: asn1crypto building the same token in this process, the signature given, or made by miyun.gm
- api.ocsp: the status of one certificate, asked again; the bare endpoint
- api.encrypt.1MiB (octets a second): the same octets through the same listener, authenticated, hashed and sent back
- api.latency.80: p50 at 80 % of the highest rate of api.sign over its p99: at least a quarter
- api.overload: good answers a second with 640 connections; with 64
- api.recovery: seconds after that until half a second is answered at 0.9 of the rate that follows; the worst round
- api.fair: another tenant's p50 at 80 % of its load alone over that beside a flood of 64 connections

Notes tell percentiles and the processors' time of each process for one request.
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.load import tokens
from benchmarks.load.bare import Bare, bare_json, bare_transfer
from benchmarks.load.client import Aside, Load, Request, Result, Target
from benchmarks.load.scene import Scene, Subject, cpu_seconds, resident, scene
from report import Row, deliver, parser

CONNECTIONS = 64
OCTETS = 1 << 20
MAX_RATE = 8000  # requests prepared for each second of a run


@dataclass(slots=True)
class Side:
    """One thing that is loaded. `worth`: units of one answer."""

    name: str
    target: Target
    requests: Callable[[int], Sequence[Request]]
    pids: Mapping[str, int]
    worth: float = 1.0
    most: int = MAX_RATE
    rounds: list[tuple[Result, dict[str, float]]] = field(default_factory=list)  # with the processors' µs a request

    def round(self, seconds: float, connections: int = CONNECTIONS) -> None:
        load = Load(self.target, self.requests(int(self.most * seconds)), connections=connections, seconds=seconds)
        before = cpu_seconds(self.pids)
        result = load.run()
        after = cpu_seconds(self.pids)
        check(self.name, result)
        cpu = {name: round((after[name] - before[name]) / result.good * 1e6) for name in self.pids}
        self.rounds.append((result, cpu))

    @property
    def median(self) -> tuple[Result, dict[str, float]]:
        return sorted(self.rounds, key=lambda round: round[0].rate)[len(self.rounds) // 2]

    @property
    def rate(self) -> float:
        return self.median[0].rate * self.worth


def check(name: str, result: Result) -> None:
    if not result.good or set(result.statuses) != {200} or result.broken:
        raise SystemExit(f"{name}: {dict(result.statuses)}, {result.broken} broken: {result.last_body[:800]!r}")


class Run:
    def __init__(self, place: Scene, bare: Bare, seconds: float, rounds: int) -> None:
        self.place, self.bare, self.seconds, self.rounds = place, bare, seconds, rounds
        self.subject, self.other = place.subjects
        self.pids = place.platform.pids()
        self.rows: list[Row] = []
        self.notes: list[str] = []

    def note(self, name: str, **facts: object) -> None:
        self.notes.append(f"{name}: " + ", ".join(f"{key} {value}" for key, value in facts.items()))

    def side(self, name: str, requests: Callable[[int], Sequence[Request]], **more: Any) -> Side:
        return Side(name, self.place.target, requests, self.pids, **more)

    def compare(self, unit: str, own: Side, *peers: Side) -> Row:
        for side in (own, *peers):
            side.round(min(1.0, self.seconds))  # caches are filled
            side.rounds.clear()
        for _ in range(self.rounds):
            for side in (own, *peers):
                side.round(self.seconds)
        row = Row(own.name, unit, own.rate, {peer.name: peer.rate for peer in peers})
        self.rows.append(row)
        result, cpu = own.median
        self.note(
            own.name,
            p50=f"{result.percentile(50) * 1e3:.1f} ms",
            p99=f"{result.percentile(99) * 1e3:.1f} ms",
            processors=f"{sum(cpu.values())} µs a request {cpu}",
            peers={peer.name: f"{sum(peer.median[1].values())} µs" for peer in peers},
        )
        return row

    # rows

    def noop(self) -> None:
        bare = Side("litestar", self.bare.target, bare_json, self.bare.pids(), most=20_000)
        self.compare("ops/s", self.side("api.noop", self.subject.noop), bare)

    def sign(self) -> None:
        self.compare("ops/s", self.side("api.sign", self.subject.sign), self.side("api.noop", self.subject.noop))

    def batch(self) -> None:
        batch = self.side("api.sign.batch64", self.subject.sign_batch, worth=64.0, most=2000)
        self.compare("signatures/s", batch, self.side("api.sign", self.subject.sign))

    def timestamp(self) -> None:
        row = self.compare(
            "ops/s", self.side("api.timestamp", self.subject.timestamp), self.side("api.noop", self.subject.noop)
        )
        built = tokens.measure(self.place.platform, self.subject)
        self.rows.append(Row("api.timestamp.build", "ops/s", row.miyun, built))

    def ocsp(self) -> None:
        bare = Side("litestar", self.bare.target, bare_json, self.bare.pids(), most=20_000)
        self.compare("ops/s", self.side("api.ocsp", self.subject.ocsp, most=20_000), bare)

    def encrypt(self) -> None:
        octets = self.side("api.encrypt.1MiB", lambda n: self.subject.encrypt(n, OCTETS), worth=OCTETS, most=400)
        as_json = self.side("json", lambda n: self.subject.encrypt_json(n, OCTETS), worth=OCTETS, most=400)
        bare = Side(
            "transfer", self.bare.target, lambda n: bare_transfer(n, OCTETS), self.bare.pids(), worth=OCTETS, most=1000
        )
        row = self.compare("B/s", octets, bare, as_json)
        self.note(octets.name, as_json=f"{row.peers.pop('json'):.0f} B/s")

    def latency(self) -> None:
        top = self.side("api.sign", self.subject.sign)
        for _ in range(self.rounds):
            top.round(self.seconds)
        found = []
        for _ in range(self.rounds):
            seconds, rate = self.seconds * 2, top.rate * 0.8
            load = Load(
                self.place.target,
                self.subject.sign(int(rate * seconds) + 1),
                connections=CONNECTIONS * 4,
                seconds=seconds,
                rate=rate,
            )
            result = load.run()
            check("api.latency.80", result)
            found.append((result.percentile(50) / result.percentile(99), result))
        quotient, result = sorted(found, key=lambda item: item[0])[len(found) // 2]
        self.rows.append(Row("api.latency.80", "1", quotient, {"a quarter": 0.25}))
        self.note(
            "api.latency.80",
            p50=f"{result.percentile(50) * 1e3:.1f} ms",
            p99=f"{result.percentile(99) * 1e3:.1f} ms",
        )

    def overload(self) -> None:
        """Turns of 64 and 640 connections: rates are those of all rounds together."""
        memory, seconds = sum(resident(self.pids).values()), max(5.0, self.seconds)
        usual, floods, recovered = [], [], []
        for _ in range(self.rounds):
            usual.append(self._closed(CONNECTIONS, seconds))
            floods.append(self._closed(CONNECTIONS * 10, seconds, pause=1.0))
            usual.append(back := self._closed(CONNECTIONS, seconds))
            recovered.append(_recovery(back, seconds))
        grown = sum(resident(self.pids).values()) - memory
        rates = [sum(r.good for r in results) / sum(r.seconds for r in results) for results in (floods, usual)]
        self.rows.append(Row("api.overload", "ops/s", rates[0], {"64 connections": rates[1]}))
        self.rows.append(Row("api.recovery", "s", max(recovered)))
        statuses = sum((r.statuses for r in floods), Counter[int]())
        self.note(
            "api.overload",
            answers=dict(sorted(statuses.items())),
            without_retry_after=sum(r.without_retry_after for r in floods),
            broken=sum(r.broken for r in floods),
            memory=f"{grown / 2**20:+.1f} MiB in all processes",
            p99=f"{max(r.percentile(99) for r in floods) * 1e3:.0f} ms",
        )

    def _closed(self, connections: int, seconds: float, pause: float = 0.0) -> Result:
        requests = self.subject.sign(int(MAX_RATE * seconds))
        return Load(self.place.target, requests, connections=connections, seconds=seconds, pause=pause).run()

    def fair(self) -> None:
        alone = self.side("alone", self.other.sign)
        for _ in range(self.rounds):
            alone.round(self.seconds)
        seconds = max(4.0, self.seconds)
        usual, beside = [], []
        for _ in range(self.rounds):
            # what is left of the machine beside a flood is half of it: the load is 80 % of the quarter
            usual.append(self._at(self.other, alone.rate * 0.8, seconds))
            with Aside(lambda: self._flood(seconds + 2)) as flood:
                time.sleep(0.5)
                beside.append(self._at(self.other, alone.rate * 0.2, seconds))
                flooded = flood.result()
        quiet, loud = (median(r.percentile(50) for r in results) for results in (usual, beside))
        self.rows.append(Row("api.fair", "1", quiet / loud, {"two thirds": 2 / 3}))
        self.note(
            "api.fair",
            p50_at_80_percent=f"{quiet * 1e3:.1f} ms",
            beside_the_flood=f"{loud * 1e3:.1f} ms",
            flood=f"{flooded.rate:.0f}/s",
        )

    def _flood(self, seconds: float) -> Load:
        return Load(self.place.target, self.subject.sign(int(4000 * seconds)), connections=64, seconds=seconds)

    def _at(self, subject: Subject, rate: float, seconds: float) -> Result:
        requests = subject.sign(int(rate * seconds) + 1)
        return Load(self.place.target, requests, connections=CONNECTIONS, seconds=seconds, rate=rate).run()


def _recovery(back: Result, seconds: float) -> float:
    """Seconds until half a second is answered at 0.9 of the rate of the run's second half."""
    level = sum(at >= seconds / 2 for at in back.ended) / (back.seconds - seconds / 2)
    tenths = range(int(seconds * 10) - 4)
    return next(i / 10 for i in tenths if sum(i <= at * 10 < i + 5 for at in back.ended) >= level * 0.45)


PARTS: dict[str, Callable[[Run], None]] = {
    "api.noop": Run.noop,
    "api.sign": Run.sign,
    "api.sign.batch64": Run.batch,
    "api.timestamp": Run.timestamp,
    "api.ocsp": Run.ocsp,
    "api.encrypt.1MiB": Run.encrypt,
    "api.latency.80": Run.latency,
    "api.overload": Run.overload,
    "api.fair": Run.fair,
}


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--seconds", type=float, default=2.0)
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--workers", type=int, default=2)
    given = arguments.parse_args()
    wanted = [part for name, part in PARTS.items() if re.search(given.only, name)]
    with scene(workers=given.workers, tenants=2) as place, Bare(workers=given.workers) as bare:
        run = Run(place, bare, given.seconds, given.rounds)
        for part in wanted:
            part(run)
    deliver("api", run.rows, run.notes, given)


if __name__ == "__main__":
    main()
