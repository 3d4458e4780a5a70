"""kill -9 of everything while applications for certificates are approved: each is issued once in the end, or waits."""

from __future__ import annotations

import contextlib
import random
import threading
import time

import pytest
from tests.applicants import Holder
from tests.platform import RunningPlatform, code, spec

from miyun.client import ApiError, Conflict, ConnectionFailed
from miyun.core.operation import Role
from miyun.offerings.certificate.applications.model import LEASE

pytestmark = pytest.mark.timeout(400)
COUNT = 40
AT_MOST = LEASE.total_seconds() + 60  # the lease, and the task that comes round


def test_what_was_approved_is_issued_once_whatever_dies() -> None:
    with RunningPlatform() as platform:
        tenant = platform.activate(spec(code("r")))
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
