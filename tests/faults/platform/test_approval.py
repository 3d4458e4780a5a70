"""kill -9 of everything while applications for certificates are approved, one by one and by the batch: each is issued
once in the end, or waits."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from dataclasses import dataclass, field
from typing import Self

import pytest
from tests.applicants import Holder
from tests.platform import RunningPlatform, Seat, all_pages, spec, unique

from miyun.client import ApiError, Conflict, ConnectionFailed
from miyun.core.operation import Role
from miyun.edge.assembly import Platform
from miyun.offerings.certificate.applications.model import LEASE

pytestmark = pytest.mark.timeout(500)
COUNT = 40
ROWS = 300
AT_MOST = LEASE.total_seconds() + 120  # the lease, and the task that comes round


@dataclass
class OneByOne:
    """A reviewer who approves many applications, each by itself."""

    platform: RunningPlatform
    reviewer: Seat
    filed: list[str]
    acknowledged: set[str] = field(default_factory=set)

    @classmethod
    def at(cls, platform: RunningPlatform) -> Self:
        tenant = platform.activate(spec(unique("r")))
        with platform.session(platform.person(Role.TENANT_SYSTEM, tenant)) as client:
            filed = [
                client.call(
                    "certificate.application.apply", template="person", csr=Holder(f"某人{n}号").csr(), pair="escrow"
                )["application"]
                for n in range(COUNT)
            ]
        return cls(platform, platform.person(Role.TENANT_SECURITY, tenant), filed)

    def act(self, begun: threading.Event) -> None:
        with contextlib.suppress(ApiError, ConnectionFailed), self.platform.session(self.reviewer) as client:
            for application in self.filed:
                begun.set()
                answer = client.call("certificate.application.approve", application=application)
                if answer["state"] == "issued":
                    self.acknowledged.add(application)

    def check(self) -> None:
        with self.platform.session(self.reviewer) as client:
            deadline = time.monotonic() + AT_MOST
            while client.call("certificate.application.list", state="approved", limit=500)["items"]:
                assert time.monotonic() < deadline, "an approval was forgotten"
                time.sleep(0.5)
            for application in self.filed:
                with contextlib.suppress(Conflict):  # those that were decided before
                    client.call("certificate.application.approve", application=application)
            items = client.call("certificate.application.list", limit=500)["items"]
            assert {item["state"] for item in items} == {"issued"} and len(items) == COUNT
            assert self.acknowledged <= {item["application"] for item in items}
            issued = client.call("certificate.list", limit=500)["items"]
            kept = client.call("certificate.escrow.list", limit=500)["items"]
        of_application = [item for item in issued if "号" in item["subject"]]
        assert len(of_application) == 2 * COUNT, "a pair each, and none twice"
        assert sorted(len(item["certificates"]) for item in kept) == [1] * COUNT


@dataclass
class ByTheBatch:
    """A reviewer who approves a batch, but for one row."""

    platform: RunningPlatform
    tenant: str
    reviewer: Seat
    batch: str
    out: str

    @classmethod
    def at(cls, platform: RunningPlatform) -> Self:
        tenant = platform.activate(spec(unique("q")))
        rows = [{"reference": str(n), "csr": Holder(f"某人{n}号").csr()} for n in range(ROWS)]
        with platform.session(platform.person(Role.TENANT_SYSTEM, tenant)) as client:
            made = client.call("certificate.application.batch.apply", template="person", rows=rows, pair="escrow")
        reviewer = platform.person(Role.TENANT_SECURITY, tenant)
        return cls(platform, tenant.id, reviewer, made["batch"]["batch"], made["rows"][7]["application"])

    @property
    def verdict(self) -> dict[str, object]:
        rejected = [{"application": self.out, "reason": "已离职"}]
        return {"batch": self.batch, "approve": ROWS - 1, "reject": rejected}

    def act(self, begun: threading.Event) -> None:
        with contextlib.suppress(ApiError, ConnectionFailed), self.platform.session(self.reviewer) as client:
            begun.set()
            client.call("certificate.application.batch.review", **self.verdict)

    def check(self) -> None:
        with self.platform.session(self.reviewer) as client:
            counts = client.call("certificate.application.batch.get", batch=self.batch)["counts"]
            assert counts.get("pending", 0) in (0, ROWS), "the verdicts stand together, or not at all"
            if counts.get("pending"):
                client.call("certificate.application.batch.review", **self.verdict)
            deadline = time.monotonic() + AT_MOST
            while (found := client.call("certificate.application.batch.get", batch=self.batch))["state"] != "done":
                assert time.monotonic() < deadline, "a row was forgotten"
                time.sleep(0.5)
            assert found["counts"] == {"issued": ROWS - 1, "rejected": 1}
            issued = [item for item in all_pages(client, "certificate.list") if "号" in item["subject"]]
        assert len(issued) == 2 * (ROWS - 1), "a pair each, and none twice"
        assert len({item["serial"] for item in issued}) == len(issued)
        assert len({item["application"] for item in issued}) == ROWS - 1

        async def recorded(running: Platform) -> list[str]:
            return [
                record.entry.resource["application"]
                async for record in running.ledger.scan()
                if record.entry.operation == "certificate.issue"
                and record.entry.tenant == self.tenant
                and "application" in record.entry.resource
            ]

        names = self.platform.inside(recorded)
        assert len(names) == len(set(names)) == ROWS - 1, "recorded once, counted once"


def test_what_was_approved_is_issued_once_whatever_dies() -> None:
    with RunningPlatform() as platform:
        scenes = (ByTheBatch.at(platform), OneByOne.at(platform))
        begun = [threading.Event() for _ in scenes]
        threads = [threading.Thread(target=one.act, args=(event,)) for one, event in zip(scenes, begun, strict=True)]
        for thread in threads:
            thread.start()
        for event in begun:
            assert event.wait(60)
        time.sleep(random.uniform(0.05, 1.5))
        platform.kill_everything()
        for thread in threads:
            thread.join(120)
        assert platform.verify_journal().problems == []
        platform.start()
        for scene in scenes:
            scene.check()
        assert platform.verify_journal().problems == []
