"""The table of applications. Every tenant's query filters by tenant in the SQL itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Index,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    Text,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from miyun.core.listing import Place, Sort, Sorting
from miyun.core.storage.database import Database, UtcDateTime, metadata
from miyun.core.storage.keyset import page_of
from miyun.offerings.certificate.applications.model import LEASE, OPEN, TRANSITIONS, Application, Kind, Pair, State
from miyun.offerings.certificate.model import Certificate, Usage, serial_text
from miyun.offerings.certificate.store import certificate_of, certificate_table
from miyun.offerings.certificate.store.claims import claims_of
from miyun.wire.name import Name

SORTING: Final = Sorting(
    {"applied_at": datetime, "expires_at": datetime, "subject": str}, default="-applied_at", key=str
)

application_table = Table(
    "certificate_application",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("instance", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("template", String(32), nullable=False),
    Column("subject", String(1024), nullable=False),  # as it is searched; `name` is what is certified
    Column("name", LargeBinary, nullable=False),
    Column("names", Text, nullable=False),
    Column("days", Integer),
    Column("spki", LargeBinary, nullable=False),
    Column("key", String(64), nullable=False),
    Column("open_key", String(64), unique=True),  # the key while the application is open: one at a time
    Column("pair", String(16), nullable=False),
    Column("csr", LargeBinary),
    Column("encryption_spki", LargeBinary),
    Column("applicant", String(64), nullable=False),
    Column("applicant_role", String(32), nullable=False),
    Column("on_behalf_of", String(200), nullable=False),
    Column("note", String(500), nullable=False),
    Column("outside", String(40)),
    Column("batch", String(40)),
    Column("reference", String(128), nullable=False),
    Column("previous", String(40)),
    Column("revoke_previous", Boolean, nullable=False),
    Column("applied_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("reviewer", String(64)),
    Column("reviewed_at", UtcDateTime),
    Column("reason", String(500), nullable=False),
    Column("claimed_until", UtcDateTime),
    Column("serial", String(40)),
    Column("encryption_serial", String(40)),
    Column("finished_at", UtcDateTime),
    Index("ix_certificate_application_tenant_applied_at", "tenant", "applied_at", "id"),
    Index("ix_certificate_application_state_expires_at", "state", "expires_at"),
    Index("ix_certificate_application_batch", "batch", "id"),
)
_SORTED: Final[dict[str, Any]] = {
    "applied_at": application_table.c.applied_at,
    "expires_at": application_table.c.expires_at,
    "subject": application_table.c.subject,
}


class ApplicationStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, item: Application, claimed_until: datetime | None = None) -> bool:
        """False when an application for the same key is open."""
        try:
            with self._database.write() as connection:
                connection.execute(insert(application_table).values(**values_of(item), claimed_until=claimed_until))
        except IntegrityError:
            return False
        return True

    def find(self, tenant: str, application: str) -> Application | None:
        table = application_table
        query = select(table).where(table.c.id == application, table.c.tenant == tenant)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return application_of(row) if row else None

    def is_open(self, key: str) -> bool:
        with self._database.read() as connection:
            found = connection.execute(select(application_table.c.id).where(application_table.c.open_key == key))
            return found.first() is not None

    def page(
        self,
        tenant: str,
        *,
        applicant: str | None,
        text: str,
        state: State | None,
        template: str,
        batch: str,
        sort: Sort,
        place: Place | None,
        limit: int,
    ) -> list[Application]:
        """`limit` + 1 at most. `applicant` None: everybody's."""
        table = application_table
        query = select(table).where(table.c.tenant == tenant)
        if applicant is not None:
            query = query.where(table.c.applicant == applicant)
        if text:
            columns = (table.c.subject, table.c.on_behalf_of)
            query = query.where(or_(*(column.icontains(text, autoescape=True) for column in columns)))
        if state is not None:
            query = query.where(table.c.state == state)
        if template:
            query = query.where(table.c.template == template)
        if batch:
            query = query.where(table.c.batch == batch)
        with self._database.read() as connection:
            rows = connection.execute(page_of(query, sort, place, columns=_SORTED, key=table.c.id, limit=limit)).all()
        return [application_of(row) for row in rows]

    def finished_between(self, tenant: str, start: datetime, end: datetime) -> list[Application]:
        table = application_table
        query = select(table).where(table.c.tenant == tenant, table.c.finished_at >= start, table.c.finished_at < end)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(table.c.finished_at, table.c.id)).all()
        return [application_of(row) for row in rows]

    # the life of one

    def move(
        self, item: Application, wanted: State, at: datetime, *, but_from: State | None = None, **values: Any
    ) -> bool:
        """False when it is no longer in a state that leads there: somebody else was first."""
        table = application_table
        before = [state for state, after in TRANSITIONS.items() if wanted in after and state is not but_from]
        values["state"] = wanted
        if wanted not in OPEN:
            values |= {"open_key": None, "claimed_until": None, "finished_at": at}
        for name in ("serial", "encryption_serial"):
            if values.get(name) is not None:
                values[name] = serial_text(values[name])
        with self._database.write() as connection:
            done = connection.execute(
                update(table)
                .where(table.c.id == item.id, table.c.tenant == item.tenant, table.c.state.in_(before))
                .values(**values)
            )
        return done.rowcount == 1

    def claim_unfinished(self, now: datetime, *, limit: int, batch: tuple[str, str] | None = None) -> list[Application]:
        """Approved ones that nobody works at any more; they are the caller's for the time of a lease. `batch`: only
        those of a tenant's batch."""
        table = application_table
        free = (table.c.state == State.APPROVED, or_(table.c.claimed_until.is_(None), table.c.claimed_until < now))
        left = select(table.c.id).where(*free)
        if batch is not None:
            left = left.where(table.c.tenant == batch[0], table.c.batch == batch[1])
        left = left.order_by(table.c.id).limit(limit)
        with self._database.write() as connection:
            rows = connection.execute(
                update(table)
                .where(
                    table.c.id.in_(left.scalar_subquery()), *free
                )  # PostgreSQL asks this again of a row it waited for
                .values(claimed_until=now + LEASE)
                .returning(table)
            ).all()
        return [application_of(row) for row in rows]

    def issued(self, made: Sequence[tuple[Application, Sequence[int]]], at: datetime) -> set[str]:
        """The ids of those that are noted as issued, with the serial numbers of their certificates; the others were
        given up meanwhile, or finished by somebody else."""
        table, noted = application_table, set[str]()
        changes = {"state": State.ISSUED, "open_key": None, "claimed_until": None, "finished_at": at}
        with self._database.write() as connection:
            for item, serials in made:
                texts = [serial_text(serial) for serial in serials]
                done = connection.execute(
                    update(table)
                    .where(table.c.id == item.id, table.c.tenant == item.tenant, table.c.state == State.APPROVED)
                    .values(**changes, serial=texts[0], encryption_serial=texts[1] if len(texts) > 1 else None)
                )
                if done.rowcount == 1:
                    noted.add(item.id)
        return noted

    def release(self, item: Application, at: datetime) -> None:
        """It could not be finished for the time being. Whose time ran out releases nothing: it is another's by now."""
        with self._database.write() as connection:
            connection.execute(
                update(application_table)
                .where(application_table.c.id == item.id, application_table.c.state == State.APPROVED)
                .where(application_table.c.claimed_until <= at + LEASE)
                .values(claimed_until=None)
            )

    def untouched(self, now: datetime, limit: int = 200) -> Sequence[Application]:
        """Pending ones whose time is over."""
        table = application_table
        query = select(table).where(table.c.state == State.PENDING, table.c.expires_at <= now).limit(limit)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [application_of(row) for row in rows]

    # what the register says of keys and applications

    def certificates_of_keys(self, keys: Sequence[str]) -> list[Certificate]:
        """Whoever's: for the question whether a key is taken, never for a caller's."""
        return self._certificates(certificate_table.c.key.in_(keys))

    def certificates_of(self, item: Application) -> list[Certificate]:
        """What was issued for an application, the signing certificate first."""
        found = self._certificates(
            certificate_table.c.tenant == item.tenant, certificate_table.c.claim.in_(claims_of([item.id]))
        )
        return sorted(found, key=lambda certificate: certificate.usage is Usage.ENCRYPT)

    def certificates_of_all(self, items: Sequence[Application]) -> list[Certificate]:
        """As `certificates_of`, for many at once."""
        if not items:
            return []
        found = self._certificates(certificate_table.c.claim.in_(claims_of([item.id for item in items])))
        return sorted(found, key=lambda certificate: certificate.usage is Usage.ENCRYPT)

    def with_twin(self, tenant: str, serial: int | None) -> list[Certificate]:
        """A tenant's certificate and the other one of its pair."""
        table, wanted = certificate_table, serial_text(serial or 0)
        return self._certificates(table.c.tenant == tenant, or_(table.c.serial == wanted, table.c.pair == wanted))

    def _certificates(self, *conditions: ColumnElement[bool]) -> list[Certificate]:
        query = select(certificate_table).where(*conditions, certificate_table.c.der.is_not(None))
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(certificate_table.c.number)).all()
        return [certificate_of(row) for row in rows]


def values_of(item: Application) -> dict[str, Any]:
    """The row of an application that comes in."""
    return {
        "id": item.id,
        "tenant": item.tenant,
        "instance": item.instance,
        "kind": item.kind,
        "state": item.state,
        "template": item.template,
        "subject": str(item.subject)[:1024],
        "name": item.subject.encode(),
        "names": "\n".join(item.names),
        "days": item.days,
        "spki": item.spki,
        "key": item.key,
        "open_key": item.key,
        "pair": item.pair,
        "csr": item.csr,
        "encryption_spki": item.encryption_spki,
        "applicant": item.applicant,
        "applicant_role": item.applicant_role,
        "on_behalf_of": item.on_behalf_of,
        "note": item.note,
        "outside": item.outside,
        "batch": item.batch,
        "reference": item.reference,
        "previous": serial_text(item.previous) if item.previous is not None else None,
        "revoke_previous": item.revoke_previous,
        "applied_at": item.applied_at,
        "expires_at": item.expires_at,
        "reason": "",
    }


def application_of(row: Row[Any]) -> Application:
    return Application(
        id=row.id,
        tenant=row.tenant,
        instance=row.instance,
        kind=Kind(row.kind),
        state=State(row.state),
        template=row.template,
        subject=Name.decode(row.name),
        names=tuple(row.names.split("\n")) if row.names else (),
        days=row.days,
        spki=row.spki,
        key=row.key,
        pair=Pair(row.pair),
        csr=row.csr,
        encryption_spki=row.encryption_spki,
        applicant=row.applicant,
        applicant_role=row.applicant_role,
        on_behalf_of=row.on_behalf_of,
        note=row.note,
        outside=row.outside,
        previous=int(row.previous, 16) if row.previous else None,
        revoke_previous=row.revoke_previous,
        applied_at=row.applied_at,
        expires_at=row.expires_at,
        batch=row.batch,
        reference=row.reference,
        reviewer=row.reviewer,
        reviewed_at=row.reviewed_at,
        reason=row.reason,
        serial=int(row.serial, 16) if row.serial else None,
        encryption_serial=int(row.encryption_serial, 16) if row.encryption_serial else None,
        finished_at=row.finished_at,
    )
