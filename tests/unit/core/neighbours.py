"""What the tests of core stand on: a small platform on SQLite with a machine and a ledger in memory."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.standin import database_in

from miyun.core import metering
from miyun.core.access import Credential, SessionCredential, SignedRequest
from miyun.core.catalogue import Offering
from miyun.core.cloud import CORE_OPERATIONS, Cloud, assemble
from miyun.core.contracts.model import ContractSpec, EntitlementSpec, ItemSpec, Overuse, Party, Term
from miyun.core.digest import mac
from miyun.core.errors import MiyunError, ReplayedRequest
from miyun.core.i18n import Text
from miyun.core.identity import Identity
from miyun.core.ledger.port import Admission, Entry, Head, Receipt, Record, Settled, Ticket, Usage
from miyun.core.operation import Call, Duty, Empty, Meter, Operation, Role
from miyun.core.pipeline import Arrival, Pipeline
from miyun.core.registry import Registry
from miyun.core.storage import Database
from miyun.core.trust import TrustReason, TrustVerdict
from miyun.hsm.errors import MachineLocked
from miyun.wire.x509 import parse_certificate

START = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)  # 09:30 in Shanghai
TOKENS = Meter("stamps.tokens", Text("次", "tokens"), hourly_quota=True)


@dataclass
class HandClock:
    at: datetime = START

    def now(self) -> datetime:
        return self.at

    def advance(self, **parts: float) -> None:
        self.at += timedelta(**parts)


@dataclass
class DerivingMachine:
    """`derive` as the real machine promises it; counts how often it is asked."""

    locked: bool = False
    asked: int = 0

    async def derive(self, purpose: str, context: bytes, size: int = 32) -> bytes:
        self.asked += 1
        if self.locked:
            raise MachineLocked
        if purpose == "access-key":
            return hashlib.sha256(b"root" + context).hexdigest().encode()
        key, _, day = context.partition(b":")
        return mac(hashlib.sha256(b"root" + key).hexdigest().encode(), day)


@dataclass
class HandTrust:
    """Relies on every certificate but those whose serial number the test has revoked."""

    revoked: set[int] = field(default_factory=set)

    async def judge(self, tenant: str | None, certificate: bytes, *, at: datetime, **options: Any) -> TrustVerdict:
        bad = parse_certificate(certificate).serial in self.revoked
        reasons = (TrustReason("revoked", "somebody"),) if bad else ()
        return TrustVerdict(not bad, (certificate,), reasons, "revoked" if bad else "good", at)


@dataclass
class MemoryLedger:
    nonces: set[str] = field(default_factory=set)
    entries: list[Entry] = field(default_factory=list)
    callbacks: list[Callable[[str, str], None]] = field(default_factory=list)
    told: list[tuple[str, str]] = field(default_factory=list)

    async def admit(self, admission: Admission) -> Ticket:
        if admission.nonce in self.nonces:
            raise ReplayedRequest
        if admission.nonce:
            self.nonces.add(admission.nonce)
        return Ticket(len(self.entries))

    async def append(self, entry: Entry, ticket: Any = None, *, answer: bytes | None = None) -> Receipt:
        self.entries.append(entry)
        return Receipt(len(self.entries) - 1, bytes(32), bytes(32))

    async def settle(self, admission: Admission, entry: Entry) -> Settled:
        await self.admit(admission)
        return Settled(await self.append(entry))

    async def release(self, ticket: Ticket, *, in_doubt: bool = False) -> None: ...

    async def head(self) -> Head:
        return Head(len(self.entries), bytes(32), bytes(32), START)

    async def records(
        self,
        *,
        tenant: str | None = None,
        operation: str | None = None,
        instance: str | None = None,
        start: int | None = None,
        limit: int = 100,
        newest_first: bool = True,
    ) -> list[Record]:
        found = [
            Record(seq, entry, b"raw %d" % seq)
            for seq, entry in enumerate(self.entries)
            if (tenant is None or entry.tenant == tenant)
            and (operation is None or entry.operation == operation)
            and (instance is None or entry.instance == instance)
            and (start is None or (seq <= start if newest_first else seq >= start))
        ]
        return (found[::-1] if newest_first else found)[:limit]

    async def scan(self, *, start: int = 0) -> AsyncIterator[Record]:
        for seq, entry in enumerate(self.entries[start:], start):
            yield Record(seq, entry, b"")

    async def usage(self, *, instances: Sequence[str], start: datetime, end: datetime) -> list[Usage]:
        counted: dict[tuple[str, str, datetime], list[int]] = {}
        for entry in self.entries:
            window = metering.clock_hour(entry.at)
            if entry.instance in instances and entry.meter and start <= window < end:
                row = counted.setdefault((entry.instance, entry.meter, window), [0, 0])
                row[0 if entry.outcome == "ok" else 1] += entry.units or 1
        return [Usage(*key, units=row[0], refused=row[1], over=0) for key, row in counted.items()]

    async def proof(self, seq: int, size: int | None = None) -> list[bytes]:
        return [bytes(32)]

    async def consistency(self, old: int, new: int) -> list[bytes]:
        return []

    async def anchor(self, head: Head, signature: bytes, token: bytes | None) -> None: ...

    async def invalidate(self, topic: str, key: str) -> None:
        self.told.append((topic, key))
        for callback in self.callbacks:
            callback(topic, key)

    listening = True

    def on_invalidate(self, callback: Callable[[str, str], None]) -> None:
        self.callbacks.append(callback)

    async def close(self) -> None: ...


class Sold:
    """The service behind the invented offerings."""

    async def use(self, call: Call, request: Empty) -> Empty:
        return Empty()


def operation(name: str, **changes: Any) -> Operation:
    defaults: dict[str, Any] = {
        "id": name,
        "summary": Text("用", "use"),
        "method": "POST",
        "path": "/" + name.replace(".", "/"),
        "request": Empty,
        "response": Empty,
        "handler": Sold.use,
        "roles": frozenset((Role.APPLICATION, Role.TENANT_DEVELOPER, Role.SUPPLIER_STAFF)),
        "duty": Duty.USE,
        "example": {},
    }
    return Operation(**(defaults | changes))


STAMP = operation("stamps.stamp", meter=TOKENS, idempotent=True)
VERIFY = operation("stamps.verify", quota_free=True)
KEY_USE = operation("keys.use")
KEY_MAKE = operation("keys.make", duty=Duty.KEYS)


def offering(slug: str, operations: tuple[Operation, ...] = (), includes: tuple[str, ...] = ()) -> Offering:
    name = Text(slug + "服务", slug)
    return Offering(slug, name, name, "crypto", "available", operations=operations, includes=includes)


def registry() -> Registry:
    return Registry(
        (
            offering("stamps", (STAMP, VERIFY), includes=("keys.use",)),
            offering("keys", (KEY_USE, KEY_MAKE)),
            offering("sealing", includes=("keys.*",)),
            offering("joining"),
        ),
        CORE_OPERATIONS,
    )


@dataclass
class Platform:
    database: Database
    clock: HandClock
    machine: Any  # DerivingMachine, unless a test brings a real one
    ledger: Any  # MemoryLedger, unless a test brings a real one
    registry: Registry
    cloud: Cloud
    pipeline: Pipeline
    trust: HandTrust
    identity: Identity

    async def run(
        self,
        operation_id: str,
        credential: Credential,
        instance: str | None = None,
        proof: str | None = None,
        /,
        **request: Any,
    ) -> Any:
        """One operation through the real pipeline."""
        op = self.registry.operation(operation_id)
        arrival = Arrival(credential, "req", lambda: op.request(**request), instance=instance, proof=proof)
        return (await self.pipeline.execute(op, arrival)).value

    async def sign_in(self, login: str, password: str) -> SessionCredential:
        """Signed in, the one-time password changed, as a bearer of the session."""
        from miyun.core.access import Anonymous

        answer = await self.run("account.login", Anonymous(), login=login, password=password)
        session = SessionCredential(answer.token, cookie=False)
        if answer.person.must_change_password:
            await self.run("account.change_password", session, current=password, new=OWN_PASSWORD)
        return session

    async def tenant(self, number: int = 1, **changes: Any) -> Bought:
        activated = await self.cloud.contracts.activate(spec(number, **changes))
        logins = activated.first_logins
        people = {}
        for login, password in logins.items():
            people[login.partition("@")[0]] = await self.sign_in(login, password)
        return Bought(activated.tenant, activated.contract, dict(activated.instances), people, f"t{number}")


OWN_PASSWORD = "Kept-in-mind-2026"


@dataclass
class Bought:
    tenant: str
    contract: str
    instances: dict[str, str]
    people: dict[str, SessionCredential]
    code: str


def spec(number: int = 1, **changes: Any) -> ContractSpec:
    values: dict[str, Any] = {
        "number": f"HT-{number}",
        "title": "密码服务合同",
        "document": b'{"number": %d}' % number,
        "parties": (Party("client", f"甲方{number}"), Party("supplier", "乙方")),
        "tenant_name": f"甲方{number}",
        "tenant_code": f"t{number}",
        "term": Term(date(2026, 1, 1), date(2026, 12, 31)),
        "effective": Term(date(2026, 1, 1), date(2026, 12, 31)),
        "entitlements": (
            EntitlementSpec("stamps", "year", 2, {"stamps.tokens": 10_000}, Overuse.REFUSE, clause="附件一 4"),
            EntitlementSpec("sealing", "year", 1),
            EntitlementSpec("joining", "each", 1, counts_bindings=True),
        ),
        "items": (
            ItemSpec("payment", {"amount": "112750.00"}, date(2026, 6, 30)),
            ItemSpec("payment", {"amount": "37590.85"}, date(2026, 2, 1)),
        ),
    }
    return ContractSpec(**(values | changes))


def platform(folder: Path) -> Platform:
    return platform_on(database_in(folder))


def platform_on(database: Database, *, ledger: Any = None, machine: Any = None) -> Platform:
    clock, offered = HandClock(), registry()
    machine, ledger = machine or DerivingMachine(), ledger or MemoryLedger()
    trust = HandTrust()
    identity = Identity(machine, "https://miyun.test")
    cloud = assemble(
        database=database,
        ledger=ledger,
        machine=machine,
        url="https://miyun.test",
        registry=offered,
        trust=trust,
        clock=clock,
    )
    services = {**cloud.services, "stamps": Sold(), "keys": Sold()}
    pipeline = Pipeline(
        registry=offered,
        services=services,
        authenticator=cloud.authenticator,
        entitlements=cloud.entitlements,
        ledger=ledger,
        clock=clock,
        step_up=cloud.accounts.keys,
    )
    return Platform(database, clock, machine, ledger, offered, cloud, pipeline, trust, identity)


def signed(access_key: str, secret_key: str, now: datetime, *, nonce: str = "nonce-0001") -> SignedRequest:
    """As a client signs: day key from the secret key, nothing else."""
    date_ = now.strftime("%Y%m%dT%H%M%SZ")
    text = b"MIYUN1-HMAC-SM3\n" + date_.encode() + b"\n" + nonce.encode()
    day = mac(secret_key.encode(), date_[:8].encode())
    return SignedRequest(access_key, date_, nonce, mac(day, text).hex(), text)


async def error_of(awaitable: Awaitable[Any]) -> MiyunError:
    """The refusal; a test that expects one and gets an answer fails."""
    try:
        answer = await awaitable
    except MiyunError as error:
        return error
    raise AssertionError(f"was not refused: {answer!r}")
