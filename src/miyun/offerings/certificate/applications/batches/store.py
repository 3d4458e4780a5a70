"""The table of batches, and their rows among the applications. Every query filters by tenant in the SQL itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Column, Index, Integer, Row, String, Table, exists, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from miyun.core.listing import Place, Sort, Sorting
from miyun.core.storage.database import Database, UtcDateTime, metadata
from miyun.core.storage.keyset import page_of
from miyun.offerings.certificate.applications.batches.model import Batch
from miyun.offerings.certificate.applications.model import OPEN, Application, State
from miyun.offerings.certificate.applications.store import application_of, application_table, values_of

SORTING: Final = Sorting({"applied_at": datetime, "expires_at": datetime}, default="-applied_at", key=str)

batch_table = Table(
    "certificate_application_batch",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("template", String(32), nullable=False),
    Column("applicant", String(64), nullable=False),
    Column("applicant_role", String(32), nullable=False),
    Column("note", String(500), nullable=False),
    Column("applied_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("reviewer", String(64)),
    Column("reviewed_at", UtcDateTime),
    Column("review_note", String(500), nullable=False),
    Index("ix_certificate_application_batch_tenant_applied_at", "tenant", "applied_at", "id"),
)
_ATTEMPTS: Final = 3
_R = application_table.c


class BatchStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, batch: Batch, rows: Sequence[Application], refused: int) -> tuple[Batch | None, set[str]]:
        """The batch with the rows whose keys have no open application, and the keys of the others. All or nothing;
        None when no row is left."""
        for _ in range(_ATTEMPTS):
            try:
                return self._add(batch, rows, refused)
            except IntegrityError:  # another application for one of the keys came at the same time
                continue
        return None, {item.key for item in rows}

    def _add(self, batch: Batch, rows: Sequence[Application], refused: int) -> tuple[Batch | None, set[str]]:
        with self._database.write() as connection:
            query = select(_R.open_key).where(_R.open_key.in_([item.key for item in rows]))
            taken = set(connection.execute(query).scalars())
            kept = [item for item in rows if item.key not in taken]
            if not kept:
                return None, taken
            values = {name: getattr(batch, name) for name in Batch.__slots__}
            values |= {"rows": len(kept), "refused": refused + len(rows) - len(kept)}
            connection.execute(insert(batch_table).values(**values))
            connection.execute(insert(application_table), [values_of(item) for item in kept])
        return Batch(**values), taken

    def find(self, tenant: str, batch: str) -> Batch | None:
        query = select(batch_table).where(batch_table.c.tenant == tenant, batch_table.c.id == batch)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return _batch(row) if row else None

    def page(
        self,
        tenant: str,
        *,
        applicant: str | None,
        waiting: bool,
        sort: Sort,
        place: Place | None,
        limit: int,
    ) -> list[Batch]:
        """`limit` + 1 at most. `applicant` None: everybody's."""
        table = batch_table
        query = select(table).where(table.c.tenant == tenant)
        if applicant is not None:
            query = query.where(table.c.applicant == applicant)
        if waiting:
            query = query.where(exists().where(_R.batch == table.c.id, _R.state == State.PENDING))
        columns = {name: table.c[name] for name in ("applied_at", "expires_at")}
        with self._database.read() as connection:
            rows = connection.execute(page_of(query, sort, place, columns=columns, key=table.c.id, limit=limit)).all()
        return [_batch(row) for row in rows]

    def counts(self, tenant: str, batches: Sequence[str]) -> dict[str, dict[State, int]]:
        query = (
            select(_R.batch, _R.state, func.count())
            .where(_R.tenant == tenant, _R.batch.in_(batches))
            .group_by(_R.batch, _R.state)
        )
        found: defaultdict[str, dict[State, int]] = defaultdict(dict)
        with self._database.read() as connection:
            for batch, state, count in connection.execute(query):
                found[batch][State(state)] = count
        return found

    def rows(self, tenant: str, batch: str, *, after: str = "", limit: int = 1000) -> list[Application]:
        """In the order in which they came."""
        query = select(application_table).where(_R.tenant == tenant, _R.batch == batch, _R.id > after)
        with self._database.read() as connection:
            return [application_of(row) for row in connection.execute(query.order_by(_R.id).limit(limit))]

    def decide(
        self, batch: Batch, approved: Mapping[str, State], rejected: Mapping[str, str], **review: Any
    ) -> tuple[set[str], set[str]]:
        """Verdicts by application, all in one transaction: which of them were approved and rejected; the others did
        not wait any more. `approved` says what each becomes, `rejected` why."""
        by, at, note = review["reviewer"], review["reviewed_at"], review["review_note"]
        done: tuple[set[str], set[str]] = (set(), set())
        with self._database.write() as connection:

            def move(application: str, state: State, **values: Any) -> bool:
                if state not in OPEN:
                    values |= {"open_key": None, "finished_at": at}
                changed = connection.execute(
                    update(application_table)
                    .where(_R.id == application, _R.tenant == batch.tenant, _R.batch == batch.id)
                    .where(_R.state == State.PENDING)
                    .values(state=state, reviewer=by, reviewed_at=at, **values)
                )
                return changed.rowcount == 1

            for application, state in approved.items():
                if move(application, state, reason=note):
                    done[0].add(application)
            for application, reason in rejected.items():
                if move(application, State.REJECTED, reason=reason):
                    done[1].add(application)
            if done[0] or done[1]:
                connection.execute(
                    update(batch_table)
                    .where(batch_table.c.tenant == batch.tenant, batch_table.c.id == batch.id)
                    .values(**review)
                )
        return done

    def withdraw(self, batch: Batch, at: datetime) -> int:
        """How many rows still waited, or were with a CA outside."""
        with self._database.write() as connection:
            changed = connection.execute(
                update(application_table)
                .where(_R.tenant == batch.tenant, _R.batch == batch.id)
                .where(_R.state.in_((State.PENDING, State.FORWARDED)))
                .values(state=State.WITHDRAWN, open_key=None, finished_at=at)
            )
        return changed.rowcount


def _batch(row: Row[Any]) -> Batch:
    return Batch(**row._mapping)
