"""Clients that note what they were promised, so that it can be looked for after a crash."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.platform import DIGEST, App, RunningPlatform, Tenant, all_pages

from miyun.client import ApiError, Client, ConnectionFailed, Unavailable
from miyun.core.operation import Role

OPERATIONS = ("timestamp.issue", "kms.key.create", "kms.key.rotate", "signature.signer.create")


@dataclass(frozen=True, slots=True)
class Order:
    """One operation with its idempotency key: sent again with the same until its outcome is known."""

    operation: str
    values: dict[str, Any]
    key: str


@dataclass(slots=True)
class Promises:
    """What was acknowledged. `open` waits for its outcome; `in_doubt` were answered so, and may or may not be done."""

    answers: dict[str, tuple[Order, Any]] = field(default_factory=dict)
    open: list[Order] = field(default_factory=list)
    in_doubt: list[Order] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)

    def of(self, operation: str) -> list[tuple[Order, Any]]:
        return [(order, answer) for order, answer in list(self.answers.values()) if order.operation == operation]

    def ordered(self, operation: str) -> list[Order]:
        """Acknowledged or in doubt: all that can have had an effect."""
        return [order for order, _ in self.of(operation)] + [o for o in self.in_doubt if o.operation == operation]


class Load:
    """Timestamps, new keys, new key versions and new certificates, each by a client of its own.

    `begin()` … `end()` around the fault; `settle()` afterwards asks again for every outcome that is not known.
    """

    def __init__(self, platform: RunningPlatform, tenant: Tenant, app: App) -> None:
        self.platform, self.tenant, self.app = platform, tenant, app
        self.seat = platform.person(Role.TENANT_SECURITY, tenant)
        self.promises = Promises()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        with platform.session(self.seat) as security:
            made = security.call("kms.key.create", algorithm="SM4", usage="encrypt", label="轮换")
        self.rotated = str(made["key"])

    def begin(self) -> None:
        self._stop.clear()
        makers: list[Callable[[], Order]] = [
            self._timestamp, self._timestamp, self._timestamp, self._key, self._version, self._certificate,
        ]  # fmt: skip
        self._threads = [threading.Thread(target=self._work, args=(maker,)) for maker in makers]
        for thread in self._threads:
            thread.start()

    def flow(self, number: int = 5, within: float = 60) -> None:
        """Until every client of this round has been promised `number` more: however slow the machine, it is a load."""
        already = {operation: len(self.promises.of(operation)) for operation in OPERATIONS}
        deadline = time.monotonic() + within
        while not all(len(self.promises.of(name)) >= already[name] + number for name in OPERATIONS):
            assert time.monotonic() < deadline, "the clients are not served"
            time.sleep(0.02)

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a client waits for ever"

    def settle(self) -> None:
        """Every open order is sent again with its key: the answer is its outcome, or that it is in doubt."""
        waiting, self.promises.open = self.promises.open, []
        for order in waiting:
            with self._client(order.operation) as client:
                self._send(client, order)
        assert not self.promises.open, "still no outcome after the recovery"

    def repeat_some(self, number: int) -> None:
        """What was answered once is answered the same again and not done again."""
        for operation in OPERATIONS:
            for order, answer in self.promises.of(operation)[-number:]:
                with self._client(order.operation) as client:
                    assert client.call(order.operation, idempotency_key=order.key, **order.values) == answer

    def _work(self, make: Callable[[], Order]) -> None:
        first = make()
        with self._client(first.operation) as client:
            while not self._stop.is_set():
                self._send(client, make())

    def _send(self, client: Client, order: Order) -> None:
        try:
            answer = client.call(order.operation, idempotency_key=order.key, **order.values)
        except (ConnectionFailed, Unavailable) as error:
            self.promises.open.append(order)
            if isinstance(error, ApiError) and error.status == 500:
                self.promises.surprises.append(f"{order.operation}: {error}")
            time.sleep(0.02)
        except ApiError as error:
            if error.code == "InDoubt":
                self.promises.in_doubt.append(order)
            else:
                self.promises.surprises.append(f"{order.operation}: {error}")
        else:
            self.promises.answers[order.key] = (order, answer)

    def _client(self, operation: str) -> Client:
        if operation == "timestamp.issue":
            return self.platform.client(self.app, timeout=30)
        return self.platform.session(self.seat, timeout=30)

    def _timestamp(self) -> Order:
        return Order("timestamp.issue", {"digest": DIGEST, "hash_algorithm": "SM3"}, secrets.token_hex(12))

    def _key(self) -> Order:
        label = f"键{secrets.token_hex(8)}"
        return Order("kms.key.create", {"algorithm": "SM4", "usage": "encrypt", "label": label}, secrets.token_hex(12))

    def _version(self) -> Order:
        return Order("kms.key.rotate", {"key": self.rotated}, secrets.token_hex(12))

    def _certificate(self) -> Order:
        name = f"s{secrets.token_hex(8)}"
        return Order("signature.signer.create", {"name": name, "subject": {"CN": name}}, secrets.token_hex(12))

    # what has to hold afterwards

    def check(self) -> None:
        promises = self.promises
        surprises, promises.surprises = promises.surprises, []
        assert not surprises, surprises
        for operation in OPERATIONS:
            promised = len(promises.of(operation))
            doubted = len(promises.ordered(operation)) - promised
            print(f"{operation}: {promised} acknowledged, {doubted} in doubt")
        with self.platform.session(self.seat) as security:
            self._check_keys(security)
            self._check_versions(security)
            self._check_certificates(security)
        self._check_timestamps()

    def _check_keys(self, security: Client) -> None:
        labels: dict[str, list[str]] = {}
        for item in all_pages(security, "kms.key.list"):
            labels.setdefault(item["label"], []).append(item["key"])
        for order, answer in self.promises.of("kms.key.create"):
            assert labels[order.values["label"]] == [answer["key"]]  # there, and made once
        for order in self.promises.in_doubt:
            if order.operation == "kms.key.create":
                assert len(labels.get(order.values["label"], [])) <= 1

    def _check_versions(self, security: Client) -> None:
        there = [item["version"] for item in security.call("kms.key.versions", key=self.rotated)["items"]]
        assert len(set(there)) == len(there)
        promised = [answer["version"] for _, answer in self.promises.of("kms.key.rotate")]
        assert len(set(promised)) == len(promised), "one version was promised twice"
        assert set(promised) <= set(there)
        assert len(there) - 1 <= len(self.promises.ordered("kms.key.rotate")), "a rotation happened twice"

    def _check_certificates(self, security: Client) -> None:
        issued = [int(item["serial"], 16) for item in all_pages(security, "certificate.list")]
        assert len(set(issued)) == len(issued)
        serials = [int(answer["certificate_serial"], 16) for _, answer in self.promises.of("signature.signer.create")]
        assert len(set(serials)) == len(serials)
        assert set(serials) <= set(issued)
        names = [item["name"] for item in all_pages(security, "signature.signer.list")]
        assert len(set(names)) == len(names)
        assert {order.values["name"] for order, _ in self.promises.of("signature.signer.create")} <= set(names)

    def _check_timestamps(self) -> None:
        serials = [answer["serial"] for _, answer in self.promises.of("timestamp.issue")]
        assert len(set(serials)) == len(serials), "a serial number was issued twice"
        instance = self.tenant.instances["timestamp"]
        with self.platform.session(self.platform.person(Role.TENANT_AUDIT, self.tenant)) as audit:
            records = [
                record
                for record in all_pages(audit, "audit.records", operation="timestamp.issue")
                if record["outcome"] == "ok"
            ]
            recorded = [record["resource"]["serial"] for record in records]
            assert len(set(recorded)) == len(recorded)
            assert set(serials) <= set(recorded), "an acknowledged timestamp has no record"
            statement = audit.call("usage.statement", contract=self.tenant.contract)
        [line] = [x for x in statement["lines"] if (x["instance"], x["meter"]) == (instance, "timestamp.tokens")]
        assert line["units"] == len(recorded), "usage and records disagree"
