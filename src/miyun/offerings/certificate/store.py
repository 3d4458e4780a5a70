"""Tables of the certificate room and their queries. Every tenant's query filters by tenant in the SQL itself."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from miyun.core.storage.database import Database, UtcDateTime, metadata
from miyun.hsm.port import KeyAlgorithm, WrappedKey
from miyun.offerings.certificate.escrow.store import EscrowStore
from miyun.offerings.certificate.model import (
    TRANSITIONS,
    Authority,
    AuthorityRole,
    Certificate,
    Family,
    Reservation,
    Responder,
    RevocationList,
    RevocationReason,
    RevokedSerial,
    State,
    Usage,
    key_binding,
    responder_binding,
    serial_text,
)
from miyun.offerings.certificate.trust.held.store import HeldStore
from miyun.offerings.certificate.trust.store import TrustStore

authority_table = Table(
    "certificate_authority",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("family", String(16), nullable=False),
    Column("role", String(16), nullable=False),
    Column("parent", String(32)),
    Column("key_algorithm", String(16), nullable=False),
    Column("key_blob", LargeBinary, nullable=False),
    Column("key_public", LargeBinary, nullable=False),
    Column("serial", String(40), nullable=False, unique=True),
    Column("der", LargeBinary, nullable=False),
    Column("crl_number", Integer, nullable=False, default=0),
    Column("crl_due", Boolean, nullable=False, default=True),
    Column("crl_changes", Integer, nullable=False, default=0),  # of what its lists say; grows with every one
    Column("created_at", UtcDateTime, nullable=False),
)

certificate_table = Table(
    "certificate_certificate",
    metadata,
    Column("serial", String(40), primary_key=True),
    Column("id", String(40), nullable=False, unique=True),
    Column("tenant", String(64)),
    Column("authority", String(32), nullable=False),
    Column("template", String(32), nullable=False),
    Column("usage", String(16), nullable=False),
    Column("subject", String(1024), nullable=False),
    Column("state", String(16), nullable=False),
    Column("not_before", UtcDateTime, nullable=False),
    Column("not_after", UtcDateTime, nullable=False),
    Column("allocated_at", UtcDateTime, nullable=False),
    Column("issued_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Column("reason", String(32)),
    Column("pair", String(40)),
    Column("key", String(64), nullable=False),
    Column("application", String(40)),
    Column("der", LargeBinary),
    Index("ix_certificate_certificate_tenant_id", "tenant", "id"),
    Index("ix_certificate_certificate_authority_revoked_at", "authority", "revoked_at"),
    Index("ix_certificate_certificate_key", "key"),
    Index("ix_certificate_certificate_application", "application"),
)

crl_table = Table(
    "certificate_crl",
    metadata,
    Column("authority", String(32), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("this_update", UtcDateTime, nullable=False),
    Column("next_update", UtcDateTime, nullable=False),
    Column("entries", Integer, nullable=False),
    Column("der", LargeBinary, nullable=False),
)


responder_table = Table(
    "certificate_responder",
    metadata,
    Column("authority", String(32), primary_key=True),
    Column("generation", Integer, primary_key=True),
    Column("key_algorithm", String(16), nullable=False),
    Column("key_blob", LargeBinary, nullable=False),
    Column("key_public", LargeBinary, nullable=False),
    Column("serial", String(40), nullable=False),
    Column("der", LargeBinary, nullable=False),
    Column("not_after", UtcDateTime, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)


class CertificateStore:
    def __init__(self, database: Database) -> None:
        self._database = self.database = database
        self.escrow = EscrowStore(database)
        self.trust = TrustStore(database)
        self.held = HeldStore(database)

    # authorities

    def authorities(self) -> list[Authority]:
        with self._database.read() as connection:
            rows = connection.execute(select(authority_table).order_by(authority_table.c.created_at)).all()
        return [_authority(row) for row in rows]

    def add_authority(self, authority: Authority) -> bool:
        """False when another process was first; what it made stands."""
        try:
            with self._database.write() as connection:
                connection.execute(
                    insert(authority_table).values(
                        id=authority.id,
                        family=authority.family,
                        role=authority.role,
                        parent=authority.parent,
                        key_algorithm=authority.key.algorithm,
                        key_blob=authority.key.blob,
                        key_public=authority.key.public,
                        serial=serial_text(authority.serial),
                        der=authority.der,
                        crl_number=0,
                        crl_due=True,
                        crl_changes=0,
                        created_at=authority.created_at,
                    )
                )
        except IntegrityError:
            return False
        return True

    # responders

    def responders(self) -> list[Responder]:
        """Oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(select(responder_table).order_by(responder_table.c.generation)).all()
        return [_responder(row) for row in rows]

    def add_responder(self, responder: Responder) -> bool:
        """False when another process made this generation first; what it made stands."""
        try:
            with self._database.write() as connection:
                connection.execute(
                    insert(responder_table).values(
                        authority=responder.authority,
                        generation=responder.generation,
                        key_algorithm=responder.key.algorithm,
                        key_blob=responder.key.blob,
                        key_public=responder.key.public,
                        serial=serial_text(responder.serial),
                        der=responder.der,
                        not_after=responder.not_after,
                        created_at=responder.created_at,
                    )
                )
        except IntegrityError:
            return False
        return True

    # register

    def reserve(self, reservations: list[Reservation]) -> bool:
        """Take serial numbers durably. False when one of them was ever used: nothing is taken then."""
        try:
            with self._database.write() as connection:
                connection.execute(
                    insert(certificate_table),
                    [
                        {
                            "serial": serial_text(item.serial),
                            "id": item.id,
                            "tenant": item.tenant,
                            "authority": item.authority,
                            "template": item.template,
                            "usage": item.usage,
                            "subject": item.subject,
                            "state": State.ALLOCATED,
                            "not_before": item.not_before,
                            "not_after": item.not_after,
                            "allocated_at": item.allocated_at,
                            "pair": serial_text(item.pair) if item.pair is not None else None,
                            "key": item.key,
                            "application": item.application,
                        }
                        for item in reservations
                    ],
                )
        except IntegrityError:
            return False
        return True

    def complete(self, certificates: list[tuple[int, bytes]], at: datetime) -> None:
        """(serial, DER) of reserved numbers: they are issued now, all or none."""
        with self._database.write() as connection:
            for serial, der in certificates:
                connection.execute(
                    update(certificate_table)
                    .where(certificate_table.c.serial == serial_text(serial))
                    .where(certificate_table.c.state == State.ALLOCATED)
                    .values(der=der, state=State.ISSUED, issued_at=at)
                )

    def find(self, serial: str, tenant: str) -> Certificate | None:
        """A tenant's own certificate."""
        query = select(certificate_table).where(
            certificate_table.c.serial == serial, certificate_table.c.tenant == tenant
        )
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return certificate_of(row) if row else None

    def find_any(self, serial: int) -> Certificate | None:
        """Of whatever tenant: for the platform's own questions, never for a caller's."""
        with self._database.read() as connection:
            row = connection.execute(
                select(certificate_table).where(certificate_table.c.serial == serial_text(serial))
            ).one_or_none()
        return certificate_of(row) if row else None

    def page(
        self,
        tenant: str,
        *,
        text: str | None,
        template: str | None,
        state: State | None,
        expires_before: datetime | None,
        limit: int,
        cursor: str | None,
    ) -> list[Certificate]:
        """Newest first, `limit` + 1 rows at most so that the caller sees whether there are more."""
        table = certificate_table
        query = select(table).where(table.c.tenant == tenant, table.c.state != State.ALLOCATED)
        if text:
            query = query.where(
                or_(table.c.subject.icontains(text, autoescape=True), table.c.serial.startswith(text, autoescape=True))
            )
        if template:
            query = query.where(table.c.template == template)
        if state:
            query = query.where(table.c.state == state)
        if expires_before:
            query = query.where(table.c.not_after < expires_before)
        if cursor:
            query = query.where(table.c.id < cursor)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(table.c.id.desc()).limit(limit + 1)).all()
        return [certificate_of(row) for row in rows]

    def issued_between(self, tenant: str, start: datetime, end: datetime) -> list[Certificate]:
        table = certificate_table
        query = select(table).where(table.c.tenant == tenant, table.c.issued_at >= start, table.c.issued_at < end)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(table.c.id)).all()
        return [certificate_of(row) for row in rows]

    # revocation

    def move(self, serial: int, wanted: State, reason: RevocationReason | None, at: datetime | None) -> bool:
        """One row, whatever the size of the list. False when its state does not lead to the wanted one."""
        table = certificate_table
        # What is only allocated is completed, not moved.
        before = [state for state, after in TRANSITIONS.items() if wanted in after and state is not State.ALLOCATED]
        with self._database.write() as connection:
            done = connection.execute(
                update(table)
                .where(table.c.serial == serial_text(serial), table.c.state.in_(before))
                .values(state=wanted, revoked_at=at, reason=reason)
                .returning(table.c.authority)
            ).one_or_none()
            if done is None:
                return False
            connection.execute(
                update(authority_table)
                .where(authority_table.c.id == done.authority)
                .values(crl_due=True, crl_changes=authority_table.c.crl_changes + 1)
            )
        return True

    def revoked(self, authority: str, after: datetime) -> list[RevokedSerial]:
        """Revoked and suspended certificates of an authority that had not expired by `after`, in that order."""
        table = certificate_table
        query = (
            select(table.c.serial, table.c.revoked_at, table.c.reason)
            .where(table.c.authority == authority, table.c.revoked_at.is_not(None), table.c.not_after > after)
            .order_by(table.c.revoked_at, table.c.serial)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [RevokedSerial(int(row.serial, 16), row.revoked_at, RevocationReason(row.reason)) for row in rows]

    def take_crl_number(self, authority: str) -> tuple[int, int]:
        """The next number, durably, before the list is made: a crash can waste a number but never use one twice. And
        how many changes the list has to tell of at least."""
        with self._database.write() as connection:
            taken = connection.execute(
                update(authority_table)
                .where(authority_table.c.id == authority)
                .values(crl_number=authority_table.c.crl_number + 1)
                .returning(authority_table.c.crl_number, authority_table.c.crl_changes)
            ).one()
        return taken.crl_number, taken.crl_changes

    def add_crl(self, item: RevocationList, changes: int, keep: int) -> None:
        """Store a list. Another is due at once when something changed after `changes`, which it may not tell."""
        with self._database.write() as connection:
            connection.execute(
                update(authority_table)
                .where(authority_table.c.id == item.authority)
                .values(crl_due=authority_table.c.crl_changes != changes)
            )
            connection.execute(
                insert(crl_table).values(
                    authority=item.authority,
                    number=item.number,
                    this_update=item.this_update,
                    next_update=item.next_update,
                    entries=item.entries,
                    der=item.der,
                )
            )
            connection.execute(
                delete(crl_table).where(
                    and_(crl_table.c.authority == item.authority, crl_table.c.number <= item.number - keep)
                )
            )

    def latest_crl_number(self, authority: str) -> int | None:
        with self._database.read() as connection:
            return connection.execute(
                select(func.max(crl_table.c.number)).where(crl_table.c.authority == authority)
            ).scalar_one()

    def crl(self, authority: str, number: int) -> RevocationList | None:
        with self._database.read() as connection:
            row = connection.execute(
                select(crl_table).where(crl_table.c.authority == authority, crl_table.c.number == number)
            ).one_or_none()
        if row is None:
            return None
        return RevocationList(row.authority, row.number, row.this_update, row.next_update, row.entries, row.der)

    def crl_states(self) -> dict[str, tuple[bool, datetime | None, datetime | None]]:
        """Per authority: (a list is due, when the newest was made, when it ends)."""
        newest = (
            select(crl_table.c.authority, func.max(crl_table.c.number).label("number"))
            .group_by(crl_table.c.authority)
            .subquery()
        )
        query = (
            select(authority_table.c.id, authority_table.c.crl_due, crl_table.c.this_update, crl_table.c.next_update)
            .outerjoin(newest, newest.c.authority == authority_table.c.id)
            .outerjoin(
                crl_table,
                and_(crl_table.c.authority == newest.c.authority, crl_table.c.number == newest.c.number),
            )
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return {row.id: (row.crl_due, row.this_update, row.next_update) for row in rows}


def _responder(row: Row[tuple[object, ...]]) -> Responder:
    binding = responder_binding(row.authority, row.generation)
    return Responder(
        authority=row.authority,
        generation=row.generation,
        key=WrappedKey(KeyAlgorithm(row.key_algorithm), binding, row.key_blob, row.key_public),
        serial=int(row.serial, 16),
        der=row.der,
        not_after=row.not_after,
        created_at=row.created_at,
    )


def _authority(row: Row) -> Authority:
    return Authority(
        id=row.id,
        family=Family(row.family),
        role=AuthorityRole(row.role),
        parent=row.parent,
        key=WrappedKey(KeyAlgorithm(row.key_algorithm), key_binding(row.id), row.key_blob, row.key_public),
        serial=int(row.serial, 16),
        der=row.der,
        created_at=row.created_at,
    )


def certificate_of(row: Row) -> Certificate:
    return Certificate(
        id=row.id,
        serial=int(row.serial, 16),
        tenant=row.tenant,
        authority=row.authority,
        template=row.template,
        usage=Usage(row.usage),
        subject=row.subject,
        state=State(row.state),
        not_before=row.not_before,
        not_after=row.not_after,
        der=row.der,
        revoked_at=row.revoked_at,
        reason=RevocationReason(row.reason) if row.reason else None,
        pair=int(row.pair, 16) if row.pair else None,
        key=row.key,
        application=row.application,
    )
