"""A bid-opening morning: many applications log in, decrypt their bid and timestamp it, all around one fixed moment.

    python -m benchmarks.load.bid_opening [--applications 500] [--minutes 10] [--json]

On a platform of its own, started as in production. The day before, every application has bound its bidder's certificate
and put its bid (64 KiB) into an envelope. At the moment half of them come within the first tenth of the time and the
others spread over the rest. Each asks for a challenge, signs it, logs in, decrypts the envelope and takes a timestamp
over what it read, with the published client and without a second attempt. The report has every percentile of every
step; any refusal or wrong answer makes the run fail.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.platform import App, RunningPlatform, Tenant, _internal, spec, unique

from miyun.client import AsyncClient, MiyunError, Octets
from miyun.core.operation import Role
from miyun.edge import assembly
from miyun.gm import sm2, sm3
from miyun.wire import spki
from miyun.wire.x509 import parse_certificate

BID = 64 * 1024
SERVICES = ("strong_auth", "encryption", "timestamp")
PERCENTILES = (50, 75, 90, 95, 99, 99.9, 100)
STEPS = ("challenge", "login", "decrypt", "timestamp", "whole")


@dataclass(slots=True)
class Bidder:
    app: App
    secret: bytes = field(repr=False)
    certificate: str
    client: AsyncClient
    bid: bytes = field(repr=False)
    envelope: bytes = field(default=b"", repr=False)


@dataclass(slots=True)
class Report:
    seconds: dict[str, list[float]] = field(default_factory=lambda: {step: [] for step in STEPS})
    refused: Counter[str] = field(default_factory=Counter)
    wrong: int = 0

    def rows(self) -> list[dict[str, Any]]:
        return [
            {
                "name": f"bid_opening.{step}",
                "unit": "ms",
                "count": len(times),
                **{f"p{percent:g}": round(_percentile(times, percent) * 1e3, 2) for percent in PERCENTILES},
            }
            for step, times in self.seconds.items()
        ]


def _percentile(times: list[float], percent: float) -> float:
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0


async def _bidders(platform: assembly.Platform, tenant: Tenant, count: int) -> list[Bidder]:
    """Applications with access key, bindings and a bidder's certificate."""
    found = []
    for number in range(count):
        made = await _internal(platform, tenant.id, "tenant.application.create", {"name": f"投标人{number:03d}"})
        key = await _internal(platform, tenant.id, "tenant.access_key.create", {"application": made.application})
        for service in SERVICES:
            values = {"application": made.application, "instance": tenant.instances[service]}
            await _internal(platform, tenant.id, "tenant.binding.create", values)
        secret = sm2.generate_private_key()
        issued = await platform.issuer.issue(
            tenant.id,
            template="person",
            subject={"CN": f"投标人{number:03d}"},
            spki=spki.sm2_spki(sm2.public_key(secret)),
            at=platform.clock.now(),
        )
        app = App(made.application, "", key.access_key, key.secret_key)
        found.append(Bidder(app, secret, parse_certificate(issued.der).to_pem(), None, os.urandom(BID)))  # type: ignore[arg-type]
    return found


async def _the_day_before(bidder: Bidder, number: int, key: str) -> None:
    await bidder.client.call("strong_auth.account.bind", account=f"bidder.{number}", certificate=bidder.certificate)
    sealed = await bidder.client.call("encryption.envelope.encrypt", body=bidder.bid, key=key)
    assert isinstance(sealed, Octets)
    bidder.envelope = sealed.body


async def _open(bidder: Bidder, after: float, report: Report) -> None:
    await asyncio.sleep(after)
    times, client = [time.perf_counter()], bidder.client
    try:
        challenge = await client.call("strong_auth.challenge")
        times.append(time.perf_counter())
        signature = sm2.sign(bidder.secret, base64.b64decode(challenge["message"]))
        session = await client.call(
            "strong_auth.login",
            challenge=challenge["challenge"],
            certificate=bidder.certificate,
            signature=signature,
        )
        times.append(time.perf_counter())
        opened = await client.call("encryption.envelope.decrypt", body=bidder.envelope)
        times.append(time.perf_counter())
        token = await client.call("timestamp.issue", digest=sm3.digest(opened.body), hash_algorithm="SM3")
        times.append(time.perf_counter())
    except MiyunError as error:
        report.refused[f"{type(error).__name__}: {getattr(error, 'code', error)}"] += 1
        return
    if opened.body != bidder.bid or not session["session"] or not token["token"]:
        report.wrong += 1
    for step, begun, ended in zip(STEPS, times, times[1:], strict=False):
        report.seconds[step].append(ended - begun)
    report.seconds["whole"].append(times[-1] - times[0])


async def morning(bidders: list[Bidder], key: str, seconds: float) -> Report:
    few = asyncio.Semaphore(16)

    async def prepare(bidder: Bidder, number: int) -> None:
        async with few:
            await _the_day_before(bidder, number, key)

    await asyncio.gather(*(prepare(bidder, number) for number, bidder in enumerate(bidders)))
    report, chance = Report(), random.Random(20261129)
    rush = len(bidders) // 2
    moments = [chance.uniform(0, seconds / 10) for _ in range(rush)]
    moments += [chance.uniform(seconds / 10, seconds) for _ in range(len(bidders) - rush)]
    await asyncio.gather(*(_open(bidder, at, report) for bidder, at in zip(bidders, moments, strict=True)))
    await asyncio.gather(*(bidder.client.close() for bidder in bidders))
    return report


def run(applications: int, minutes: float) -> Report:
    with RunningPlatform() as platform:
        tenant = platform.activate(spec(unique("bid")))
        bidders = platform.inside(lambda inner: _bidders(inner, tenant, applications))
        allowed = [bidder.app.id for bidder in bidders]
        with platform.session(platform.administrator(Role.TENANT_SECURITY, tenant)) as security:
            made = security.call("kms.key.create", algorithm="SM4", usage="encrypt", label="投标", applications=allowed)
        key = made["key"]
        trust = platform.trust
        for bidder in bidders:
            bidder.client = AsyncClient(
                platform.url, bidder.app.access_key, bidder.app.secret_key, verify=trust, attempts=1, timeout=60
            )
        return asyncio.run(morning(bidders, key, minutes * 60))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--applications", type=int, default=500)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    report = run(given.applications, given.minutes)
    outcome = {
        "applications": given.applications,
        "minutes": given.minutes,
        "refused": dict(report.refused),
        "wrong": report.wrong,
        "rows": report.rows(),
    }
    if given.json:
        print(json.dumps(outcome, ensure_ascii=False, indent=1))
    else:
        for row in report.rows():
            rest = "  ".join(f"{name} {row[name]:8.1f}" for name in row if name.startswith("p"))
            print(f"{row['name']:24} {row['count']:5} × {rest} ms")
        print(f"refused {dict(report.refused)}, wrong answers {report.wrong}")
    if report.refused or report.wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
