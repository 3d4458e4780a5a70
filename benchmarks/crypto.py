"""SM2, SM3, SM4, SM9 and ZUC beside other libraries: one core, called from Python, all in one run.

    python benchmarks/crypto.py [--json] [--write] [--only REGEX] [--seconds 0.2] [--rounds 5]

Each figure is the best of several short rounds that alternate between the competitors, by CPU time. `miyun` is the
provider that serves by default. Rows ending in ".avx2" come from a process that is told to use no more than AVX2.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import crypto_sm2
import crypto_sm9
import crypto_symmetric
from crypto_native import mbx
from crypto_openssl import openssl
from crypto_race import Race, run
from report import Row, deliver, parser

from miyun.gm.providers import provider

ISA = "MIYUN_GM_ISA"


def races() -> Iterator[Race]:
    peer = openssl()
    yield from crypto_sm2.rows(peer)
    yield from crypto_symmetric.rows(peer)
    yield from crypto_sm9.rows()


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--seconds", type=float, default=0.2, help="CPU seconds per measurement")
    arguments.add_argument("--rounds", type=int, default=5)
    given = arguments.parse_args()
    wanted, limited = re.compile(given.only), ISA in os.environ
    rows, notes = [], [_scope()]
    for race in races():
        if wanted.search(race.name) and (race.avx2 or not limited):
            rows.append(run(race, given.seconds, given.rounds))
    if not limited:
        rows, why = _with_mbx(rows, given)
        notes += [why] if why else []
        more, why = _avx2(given)
        rows += more
        notes += [why] if why else []
    deliver("crypto", rows, notes, given)


def _scope() -> str:
    name = provider().name
    return f"provider {name}; one core, CPU time, best of the rounds; batches of 256 (`sm3.many`: 16 × 64 KiB)"


def _with_mbx(rows: list[Row], given: argparse.Namespace) -> tuple[list[Row], str | None]:
    figures, why = mbx(given.seconds, given.rounds)
    joined = []
    for row in rows:
        extra = {"libcrypto_mb C loop": figures[row.name]} if row.name in figures else {}
        joined.append(replace(row, peers=row.peers | extra))
    return joined, why


def _avx2(given: argparse.Namespace) -> tuple[list[Row], str | None]:
    """The rows of a process limited to AVX2; none, and why, when the build does not obey the limit."""
    command = [sys.executable, __file__, "--json", "--only", given.only]
    command += ["--seconds", str(given.seconds), "--rounds", str(given.rounds)]
    ran = subprocess.run(command, env=os.environ | {ISA: "avx2"}, capture_output=True, text=True, check=False)
    if ran.returncode:
        said = ran.stderr.strip().splitlines()
        return [], f"avx2 rows: left out, the limited process failed ({said[-1] if said else ran.returncode})"
    report = json.loads(ran.stdout)
    if report["machine"]["provider"] == "ipp-mb":
        return [], f"avx2 rows: left out, this build does not obey {ISA}"
    return [Row(f"{row['name']}.avx2", row["unit"], row["miyun"], row["peers"]) for row in report["rows"]], None


if __name__ == "__main__":
    main()
