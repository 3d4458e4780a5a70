"""kill -9 of everything while applications for certificates are approved: each is issued once in the end, or waits.
So is every row of a batch whose review is cut off."""

from __future__ import annotations

import contextlib
import random
import threading
import time

import pytest
from tests.applicants import Holder
from tests.platform import RunningPlatform, all_pages, spec, unique

from miyun.client import ApiError, Conflict, ConnectionFailed
from miyun.core.operation import Role
from miyun.edge.assembly import Platform
from miyun.offerings.certificate.applications.model import LEASE

pytestmark = pytest.mark.timeout(400)
COUNT = 40
ROWS = 300
AT_MOST = LEASE.total_seconds() + 60  # the lease, and the task that comes round


def test_what_was_approved_is_issued_once_whatever_dies() -> None:
    with RunningPlatform() as platform:
        tenant = platform.activate(spec(unique("r")))
        applicant = platform.person(Role.TENANT_SYSTEM, tenant)
        reviewer = platform.person(Role.TENANT_SECURITY, tenant)
        with platform.session(applicant) as client:
            filed = [
                client.call(
                    "certificate.application.apply", template="person", csr=Holder(f"某人{n}号").csr(), pair="escrow"
                )["application"]
                for n in range(COUNT)
            ]
        acknowledged: set[str] = set()
        begun = threading.Event()

        def approve() -> None:
            with contextlib.suppress(ApiError, ConnectionFailed), platform.session(reviewer) as client:
                for application in filed:
                    begun.set()
                    answer = client.call("certificate.application.approve", application=application)
                    if answer["state"] == "issued":
                        acknowledged.add(application)

        thread = threading.Thread(target=approve)
        thread.start()
        begun.wait(30)
        time.sleep(random.uniform(0.05, 0.6))
        platform.kill_everything()
        thread.join(60)
        assert platform.verify_journal().problems == []
        platform.start()
        with platform.session(reviewer) as client:
            deadline = time.monotonic() + AT_MOST
            while client.call("certificate.application.list", state="approved", limit=500)["items"]:
                assert time.monotonic() < deadline, "an approval was forgotten"
                time.sleep(1)
            for application in filed:
                with contextlib.suppress(Conflict):  # those that were decided before
                    client.call("certificate.application.approve", application=application)
            items = client.call("certificate.application.list", limit=500)["items"]
            assert {item["state"] for item in items} == {"issued"} and len(items) == COUNT
            assert acknowledged <= {item["application"] for item in items}
            issued = client.call("certificate.list", limit=500)["items"]
            kept = client.call("certificate.escrow.list", limit=500)["items"]
        of_application = [item for item in issued if "号" in item["subject"]]
        assert len(of_application) == 2 * COUNT, "a pair each, and none twice"
        assert sorted(len(item["certificates"]) for item in kept) == [1] * COUNT
        assert platform.verify_journal().problems == []


def test_a_batch_is_issued_once_whatever_dies() -> None:
    with RunningPlatform() as platform:
        tenant = platform.activate(spec(unique("q")))
        reviewer = platform.person(Role.TENANT_SECURITY, tenant)
        rows = [{"reference": str(n), "csr": Holder(f"某人{n}号").csr()} for n in range(ROWS)]
        with platform.session(platform.person(Role.TENANT_SYSTEM, tenant)) as client:
            made = client.call("certificate.application.batch.apply", template="person", rows=rows, pair="escrow")
        batch, out = made["batch"]["batch"], made["rows"][7]["application"]
        verdict = {"batch": batch, "approve": ROWS - 1, "reject": [{"application": out, "reason": "已离职"}]}
        begun = threading.Event()

        def review() -> None:
            with contextlib.suppress(ApiError, ConnectionFailed), platform.session(reviewer) as client:
                begun.set()
                client.call("certificate.application.batch.review", **verdict)

        thread = threading.Thread(target=review)
        thread.start()
        begun.wait(30)
        time.sleep(random.uniform(0.1, 1.5))
        platform.kill_everything()
        thread.join(60)
        platform.start()
        with platform.session(reviewer) as client:
            counts = client.call("certificate.application.batch.get", batch=batch)["counts"]
            assert counts.get("pending", 0) in (0, ROWS), "the verdicts stand together, or not at all"
            if counts.get("pending"):
                client.call("certificate.application.batch.review", **verdict)
            deadline = time.monotonic() + AT_MOST
            while (found := client.call("certificate.application.batch.get", batch=batch))["state"] != "done":
                assert time.monotonic() < deadline, "a row was forgotten"
                time.sleep(1)
            assert found["counts"] == {"issued": ROWS - 1, "rejected": 1}
            issued = [item for item in all_pages(client, "certificate.list") if "号" in item["subject"]]
        assert len(issued) == 2 * (ROWS - 1), "a pair each, and none twice"
        assert len({item["serial"] for item in issued}) == len(issued)
        assert len({item["application"] for item in issued}) == ROWS - 1
        assert platform.verify_journal().problems == []

        async def recorded(running: Platform) -> list[str]:
            return [
                record.entry.resource["application"]
                async for record in running.ledger.scan()
                if record.entry.operation == "certificate.issue" and "application" in record.entry.resource
            ]

        names = platform.inside(recorded)
        assert len(names) == len(set(names)) == ROWS - 1, "recorded once, counted once"
