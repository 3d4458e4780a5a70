"""Exactly what was bought: timestamps of a clock hour under many clients at once."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from tests import burst
from tests.platform import DIGEST, SERVICES, App, RunningPlatform, Tenant, spec, unique

from miyun.client import QuotaExceeded
from miyun.core.clock import SHANGHAI
from miyun.core.contracts.model import Overuse
from miyun.core.operation import Role

CLIENTS = 8


def in_one_hour(test: Callable[..., None]) -> Callable[..., None]:
    """A clock hour that changed on the way was two quotas: then it is done once more, by another tenant."""

    @functools.wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        hour = time.time() // 3600
        try:
            return test(*arguments, **named)
        except (Exception, pytest.fail.Exception):
            if time.time() // 3600 == hour:
                raise
        return test(*arguments, **named)

    return run


@dataclass
class Found:
    """What came of it: serial numbers, and of each refusal the seconds of Retry-After."""

    serials: list[str] = field(default_factory=list)
    refused: list[int | None] = field(default_factory=list)


def race(platform: RunningPlatform, app: App, attempts: int) -> Found:
    """`attempts` in all, by eight processes that begin together."""
    order = {
        "url": platform.url,
        "authority": str(platform.authority),
        "access_key": app.access_key,
        "secret_key": app.secret_key,
        "attempts": attempts // CLIENTS,
    }
    clients = [
        subprocess.Popen([sys.executable, burst.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(CLIENTS)
    ]
    try:
        for client in clients:
            assert client.stdin
            client.stdin.write(json.dumps(order) + "\n")
            client.stdin.flush()
        for client in clients:
            assert client.stdout and client.stdout.readline() == "ready\n"
        for client in clients:
            assert client.stdin
            client.stdin.write("go\n")
            client.stdin.flush()
        found = Found()
        for client in clients:
            output, _ = client.communicate()
            assert client.returncode == 0
            one = json.loads(output)
            found.serials += one["serials"]
            found.refused += one["refused"]
        return found
    finally:
        for client in clients:
            if client.poll() is None:
                client.kill()
                client.wait()


def check_exact(
    platform: RunningPlatform, tenant: Tenant, found: Found, limit: int, attempts: int, *, before: int = 0
) -> None:
    """`before`: of the attempts, those that were made and succeeded before the race."""
    assert (len(found.serials), len(found.refused)) == (limit - before, attempts - limit)
    assert len(set(found.serials)) == limit - before
    assert all(after is not None and 0 < after <= 3600 for after in found.refused)
    today = datetime.now(UTC).astimezone(SHANGHAI).date().isoformat()
    with platform.session(platform.person(Role.TENANT_SYSTEM, tenant)) as client:
        hours = client.call("usage.hours", instance=tenant.instances["timestamp"], first_day=today, last_day=today)[
            "items"
        ]
        [hour] = [hour for hour in hours if hour["meter"] == "timestamp.tokens"]
        assert (hour["units"], hour["refused"], hour["over"]) == (limit, attempts - limit, 0)
        lines = client.call("usage.statement", contract=tenant.contract)["lines"]
        [line] = [line for line in lines if line["meter"] == "timestamp.tokens"]
        assert (line["units"], line["refused"], line["hourly_limit"]) == (limit, attempts - limit, limit)
    for role, operation, whose in (
        (Role.TENANT_AUDIT, "audit.records", tenant),
        (Role.PLATFORM_AUDIT, "audit.all_records", None),
    ):
        with platform.session(platform.person(role, whose)) as audit:
            records = audit.call(operation, operation="timestamp.issue", limit=500)["items"]
            mine = [record for record in records if record["tenant"] == tenant.id and record["outcome"] == "refused"]
            assert mine and {record["code"] for record in mine} == {"QuotaExceeded"}


@in_one_hour
def test_eight_clients_get_exactly_what_was_bought(platform: RunningPlatform) -> None:
    tenant = platform.activate(spec(unique("q"), capacity=400))
    app = platform.application(tenant, services=("timestamp",))
    check_exact(platform, tenant, race(platform, app, 480), 400, 480)


@in_one_hour
def test_two_licences_buy_twice_as_many(platform: RunningPlatform) -> None:
    tenant = platform.activate(spec(unique("q"), capacity=100, quantity=2))
    app = platform.application(tenant, services=("timestamp",))
    check_exact(platform, tenant, race(platform, app, 240), 200, 240)


@in_one_hour
def test_allow_and_report_refuses_nobody_and_reports_every_excess(platform: RunningPlatform) -> None:
    tenant = platform.activate(spec(unique("q"), capacity=20, overuse=Overuse.ALLOW))
    app = platform.application(tenant, services=("timestamp",))
    with platform.client(app) as client:
        for _ in range(30):
            client.call("timestamp.issue", digest=DIGEST, hash_algorithm="SM3")
    with platform.session(platform.person(Role.TENANT_SYSTEM, tenant)) as person:
        lines = person.call("usage.statement", contract=tenant.contract)["lines"]
        [line] = [line for line in lines if line["meter"] == "timestamp.tokens"]
        assert (line["units"], line["over"], line["refused"]) == (30, 10, 0)


@in_one_hour
def test_one_tenants_exhausted_quota_is_nobody_elses(platform: RunningPlatform, app_a: App) -> None:
    tenant = platform.activate(spec(unique("q"), capacity=3))
    app = platform.application(tenant, services=("timestamp",))
    with platform.client(app) as client, platform.client(app_a) as other:
        for _ in range(3):
            client.call("timestamp.issue", digest=DIGEST, hash_algorithm="SM3")
        with pytest.raises(QuotaExceeded):
            client.call("timestamp.issue", digest=DIGEST, hash_algorithm="SM3")
        other.call("timestamp.issue", digest=DIGEST, hash_algorithm="SM3")


@in_one_hour
def test_a_batch_that_does_not_fit_takes_nothing(platform: RunningPlatform) -> None:
    tenant = platform.activate(spec(unique("q"), capacity=10))
    app = platform.application(tenant, services=("timestamp",))
    with platform.client(app) as client:
        for _ in range(8):
            client.call("timestamp.issue", digest=DIGEST, hash_algorithm="SM3")
        with pytest.raises(QuotaExceeded):
            client.call("timestamp.issue_batch", items=[{"digest": DIGEST}] * 3)
        client.call("timestamp.issue_batch", items=[{"digest": DIGEST}] * 2)
        with pytest.raises(QuotaExceeded):
            client.call("timestamp.issue", digest=DIGEST, hash_algorithm="SM3")


@in_one_hour
def test_of_contract_2_the_10001st_timestamp_of_an_hour_is_refused(platform: RunningPlatform) -> None:
    """The real number: 10,000 an hour and licence."""
    tenant = platform.activate(spec(unique("q")))
    app = platform.application(tenant, services=("timestamp",))
    with platform.client(app) as client:  # the first in batches, and the last by eight clients at once
        for _ in range(3):
            client.call("timestamp.issue_batch", items=[{"digest": DIGEST}] * 3_200)
    check_exact(platform, tenant, race(platform, app, 440), 10_000, 10_040, before=9_600)


def test_the_services_of_contract_2_are_all_open(platform: RunningPlatform, tenant_a: Tenant) -> None:
    with platform.session(platform.person(Role.TENANT_SYSTEM, tenant_a)) as client:
        opened = client.call("contract.instance.list")["items"]
        assert {item["offering"] for item in opened} == set(SERVICES)
        assert {item["state"] for item in opened} == {"active"}
