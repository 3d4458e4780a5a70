"""Grows the stores of a platform: rows as the product itself writes them, copied from real ones under new identities.

Everything but keys, certificates and tenants stays as it was. The contract's document, which is only ever read whole by
people, is cut short so that a million contracts fit a disk.
"""

import asyncio
import itertools
import random
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from miyun.core.ids import new_id
from miyun.core.ledger.client import LedgerClient
from miyun.core.ledger.port import Entry
from miyun.core.storage.search import grams

Row = dict[str, object]
_AT_ONCE = 10_000
_IN_FLIGHT = 512


@dataclass
class Stores:
    """The database and the ledger of a running platform; `tenant` is the real one whose rows are copied."""

    database: Path
    ledger: Path
    tenant: str
    keys: int = 0
    certificates: int = 0
    tenants: int = 0
    records: int = 0
    sample: list[tuple[str, str, str]] = field(default_factory=list)
    """some of the tenants that were made: (tenant, application, access key)"""

    def grow(self, size: int) -> None:
        """Until there are `size` of each."""
        with sqlite3.connect(self.database, timeout=60) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA synchronous=OFF")  # of this connection: nothing here must survive a crash
            self._many(connection, "kms_key", self._keys(connection), size - self.keys)
            self._many(connection, "certificate_certificate", self._certificates(connection), size - self.certificates)
            self._many(connection, "core_tenant", self._tenants(connection), size - self.tenants)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        asyncio.run(self._records(size - self.records))
        self.keys = self.certificates = self.tenants = self.records = size

    def _many(
        self, connection: sqlite3.Connection, first: str, make: Callable[[], Iterator[tuple[str, Row]]], count: int
    ) -> None:
        """`make` yields the rows of one thing, each with its table."""
        for start in range(0, count, _AT_ONCE):
            rows: dict[str, list[tuple[object, ...]]] = {first: []}
            columns: dict[str, tuple[str, ...]] = {}
            for _ in range(min(_AT_ONCE, count - start)):
                for table, row in make():
                    columns.setdefault(table, tuple(row))
                    rows.setdefault(table, []).append(tuple(row.values()))
            with connection:
                for table, listed in rows.items():
                    names, marks = ", ".join(columns[table]), ", ".join("?" * len(columns[table]))
                    connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", listed)

    def _one(self, connection: sqlite3.Connection, table: str, **where: object) -> Row:
        conditions = " AND ".join(f"{name} = ?" for name in where)
        query = f"SELECT * FROM {table} WHERE {conditions} LIMIT 1"
        return dict(connection.execute(query, tuple(where.values())).fetchone())

    def _keys(self, connection: sqlite3.Connection) -> Callable[[], Iterator[tuple[str, Row]]]:
        key = self._one(connection, "kms_key", tenant=self.tenant)
        version = self._one(connection, "kms_version", key=key["id"])
        allowed = connection.execute("SELECT * FROM kms_application LIMIT 1").fetchone()["application"]

        def make() -> Iterator[tuple[str, Row]]:
            made = new_id("key")
            yield "kms_key", key | {"id": made}
            yield "kms_version", version | {"key": made}
            yield "kms_application", {"key": made, "application": allowed}

        return make

    def _certificates(self, connection: sqlite3.Connection) -> Callable[[], Iterator[tuple[str, Row]]]:
        issued = self._one(connection, "certificate_certificate", tenant=self.tenant, state="issued")
        size = len(str(issued["serial"]))
        [last] = connection.execute("SELECT max(number) FROM certificate_certificate").fetchone()
        numbers = itertools.count(last + 1)

        def make() -> Iterator[tuple[str, Row]]:
            number, subject = next(numbers), f"CN={secrets.token_hex(6)},C=CN"
            own = {"number": number, "serial": secrets.token_hex(20)[:size], "subject": subject, "pair": None}
            keys = {"key": secrets.token_hex(32), "fingerprint": secrets.token_bytes(32)}
            yield "certificate_certificate", issued | own | keys
            yield "certificate_search", {"rowid": number, "grams": " ".join(grams(subject))}

        return make

    def _tenants(self, connection: sqlite3.Connection) -> Callable[[], Iterator[tuple[str, Row]]]:
        tenant = self._one(connection, "core_tenant", id=self.tenant)
        contract = self._one(connection, "core_contract", tenant=self.tenant) | {"document": b"{}"}
        application = self._one(connection, "core_application", tenant=self.tenant)
        key = self._one(connection, "core_access_key", tenant=self.tenant)
        binding = self._one(connection, "core_binding", tenant=self.tenant)
        instance = self._one(connection, "core_instance", id=binding["instance"])
        entitlement = self._one(connection, "core_entitlement", instance=binding["instance"])

        def make() -> Iterator[tuple[str, Row]]:
            owner, signed, uses = new_id("ten"), new_id("con"), new_id("ins")
            program, access = new_id("app"), new_id("ak")
            yield "core_tenant", tenant | {"id": owner, "code": f"t{secrets.token_hex(8)}"}
            yield "core_contract", contract | {"id": signed, "tenant": owner, "digest": secrets.token_hex(32)}
            yield "core_instance", instance | {"id": uses, "tenant": owner, "contract": signed}
            yield "core_entitlement", entitlement | {"id": new_id("ent"), "contract": signed, "instance": uses}
            yield "core_application", application | {"id": program, "tenant": owner}
            own = {"tenant": owner, "application": program}
            yield "core_access_key", key | {"id": access} | own
            bound = {"id": new_id("bnd"), "instance": uses, "live": f"{program}:{uses}"}
            yield "core_binding", binding | bound | own
            if len(self.sample) < 1000 or random.random() < 0.01:
                self.sample.append((owner, program, access))

        return make

    async def _records(self, count: int) -> None:
        """Real records, by way of the ledger, of the tenants there are."""
        client = await LedgerClient.connect(self.ledger, patience=60)
        turn = iter(range(count))

        async def work() -> None:
            for _ in turn:
                tenant, application, _ = random.choice(self.sample)
                await client.append(record(tenant, application))

        await asyncio.gather(*[work() for _ in range(_IN_FLIGHT)])
        await client.close()


def record(tenant: str, application: str) -> Entry:
    """What a signature leaves in the ledger."""
    return Entry(
        "signature.sign",
        "ok",
        datetime.now(UTC),
        request_id=new_id("req"),
        tenant=tenant,
        instance="ins" + tenant[3:],
        binding="bnd" + tenant[3:],
        principal=application,
        role="application",
        meter="signature.signatures",
        units=1,
        resource={"signer": "sgn" + tenant[3:]},
    )
