"""Tables of ACME orders, what proves their names, the certificates they became, and what limits count.

What a protocol request names is looked up together with its account.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    delete,
    func,
    select,
    update,
)

from miyun.core.listing import Place, Sort
from miyun.core.storage import UtcDateTime, metadata
from miyun.core.storage.keyset import page_of
from miyun.offerings.ssl_certificate.model import (
    AcmeCertificate,
    AcmeOrder,
    Authorization,
    AuthorizationStatus,
    Challenge,
    ChallengeStatus,
    Counted,
    OrderStatus,
)
from miyun.offerings.ssl_certificate.store.rows import Rows, newest_first, row_of

ORDERS: Final = newest_first(expires_at=datetime, status=str)
AUTHORIZATIONS: Final = newest_first(expires_at=datetime, name=str)

ORDER = Table(
    "ssl_certificate_acme_order",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(40), nullable=False),
    Column("account", String(40), nullable=False),
    Column("status", String(16), nullable=False),
    Column("names", JSON, nullable=False),
    Column("profile", String(32), nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("replaces", String(128)),
    Column("not_before", UtcDateTime),
    Column("not_after", UtcDateTime),
    Column("began_at", UtcDateTime),
    Column("error", JSON),
    Column("certificate", String(64)),
    Column("encryption_certificate", String(64)),
    Column("enveloped_key", LargeBinary),
    Index("ix_ssl_certificate_acme_order_account_status_id", "account", "status", "id"),
    Index("ix_ssl_certificate_acme_order_account_id", "account", "id"),
    Index("ix_ssl_certificate_acme_order_tenant_id", "tenant", "id"),
    Index("ix_ssl_certificate_acme_order_tenant_expires_at", "tenant", "expires_at", "id"),
    Index("ix_ssl_certificate_acme_order_expires_at", "expires_at"),
)
_processing = ORDER.c.status == OrderStatus.PROCESSING.value
Index(
    "ix_ssl_certificate_acme_order_processing",
    ORDER.c.began_at,
    sqlite_where=_processing,
    postgresql_where=_processing,
)

AUTHORIZATION = Table(
    "ssl_certificate_authorization",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(40), nullable=False),
    Column("account", String(40), nullable=False),
    Column("order_id", String(40), nullable=False),
    Column("name_type", String(8), nullable=False),
    Column("name", String(253), nullable=False),
    Column("wildcard", Boolean, nullable=False),
    Column("status", String(16), nullable=False),
    Column("token", String(64), nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Index("ix_ssl_certificate_authorization_order_id", "order_id"),
    Index("ix_ssl_certificate_authorization_account_name", "account", "name"),
    Index("ix_ssl_certificate_authorization_tenant_id", "tenant", "id"),
    Index("ix_ssl_certificate_authorization_tenant_expires_at", "tenant", "expires_at", "id"),
)

CHALLENGE = Table(
    "ssl_certificate_challenge",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(40), nullable=False),
    Column("account", String(40), nullable=False),
    Column("authorization", String(40), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", UtcDateTime),
    Column("validated_at", UtcDateTime),
    Column("error", JSON),
    Index("ix_ssl_certificate_challenge_authorization", "authorization"),
    Index("ix_ssl_certificate_challenge_due_at", "due_at"),
)

CERTIFICATE = Table(
    "ssl_certificate_certificate",
    metadata,
    Column("serial", String(64), primary_key=True),
    Column("tenant", String(40), nullable=False),
    Column("account", String(40), nullable=False),
    Column("order_id", String(40), nullable=False),
    Column("identifier", String(128), nullable=False, unique=True),
    Column("names", JSON, nullable=False),
    Column("not_before", UtcDateTime, nullable=False),
    Column("not_after", UtcDateTime, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("encryption", Boolean, nullable=False),
    Column("replaced_by", String(40)),
    Column("revoked_at", UtcDateTime),
    Index("ix_ssl_certificate_certificate_tenant_not_after", "tenant", "not_after"),
    Index("ix_ssl_certificate_certificate_fingerprint", "fingerprint"),
)

EVENT = Table(
    "ssl_certificate_event",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("kind", String(16), nullable=False),
    Column("subject", String(384), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Index("ix_ssl_certificate_event_kind_subject_at", "kind", "subject", "at"),
    Index("ix_ssl_certificate_event_at", "at"),
)

_OPEN = (OrderStatus.PENDING, OrderStatus.READY)


class OrderStore(Rows):
    # orders and what proves their names

    def add_order(
        self, order: AcmeOrder, authorizations: Sequence[Authorization], challenges: Sequence[Challenge]
    ) -> None:
        with self._database.write() as connection:
            connection.execute(ORDER.insert().values(**row_of(order)))
            connection.execute(AUTHORIZATION.insert(), [row_of(item) for item in authorizations])
            connection.execute(CHALLENGE.insert(), [row_of(item) for item in challenges])

    def order(self, account: str, order_id: str) -> AcmeOrder | None:
        row = self._first(select(ORDER).where(ORDER.c.id == order_id, ORDER.c.account == account))
        return _order(row) if row else None

    def orders_of(self, account: str, after: str, limit: int) -> list[str]:
        query = select(ORDER.c.id).where(ORDER.c.account == account, ORDER.c.id > after).order_by(ORDER.c.id)
        return [row["id"] for row in self._all(query.limit(limit))]

    def orders(self, tenant: str, sort: Sort, place: Place | None, limit: int) -> list[AcmeOrder]:
        columns = {name: ORDER.c[name] for name in ORDERS.fields}
        query = select(ORDER).where(ORDER.c.tenant == tenant)
        query = page_of(query, sort, place, columns=columns, key=ORDER.c.id, limit=limit)
        return [_order(row) for row in self._all(query)]

    def all_authorizations(self, tenant: str, sort: Sort, place: Place | None, limit: int) -> list[Authorization]:
        columns = {name: AUTHORIZATION.c[name] for name in AUTHORIZATIONS.fields}
        query = select(AUTHORIZATION).where(AUTHORIZATION.c.tenant == tenant)
        query = page_of(query, sort, place, columns=columns, key=AUTHORIZATION.c.id, limit=limit)
        return [_authorization(row) for row in self._all(query)]

    def open_orders(self, account: str, now: datetime, most: int) -> int:
        counted = (
            select(ORDER.c.id)
            .where(ORDER.c.account == account, ORDER.c.status.in_(_OPEN), ORDER.c.expires_at > now)
            .limit(most)
            .subquery()
        )
        with self._database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(counted)).scalar_one())

    def move_order(self, order_id: str, old: OrderStatus, new: OrderStatus, **values: Any) -> bool:
        """Of two that move it at once exactly one does."""
        statement = update(ORDER).where(ORDER.c.id == order_id, ORDER.c.status == old).values(status=new, **values)
        with self._database.write() as connection:
            return connection.execute(statement).rowcount == 1

    def authorizations_of(self, order_id: str) -> list[Authorization]:
        query = select(AUTHORIZATION).where(AUTHORIZATION.c.order_id == order_id).order_by(AUTHORIZATION.c.id)
        return [_authorization(row) for row in self._all(query)]

    def authorization(self, account: str, authorization_id: str) -> Authorization | None:
        query = select(AUTHORIZATION).where(AUTHORIZATION.c.id == authorization_id, AUTHORIZATION.c.account == account)
        row = self._first(query)
        return _authorization(row) if row else None

    def deactivate_authorization(self, authorization: Authorization, error: dict[str, Any]) -> None:
        """Its order cannot be finished any more."""
        live = (AuthorizationStatus.PENDING, AuthorizationStatus.VALID)
        which = (AUTHORIZATION.c.id == authorization.id, AUTHORIZATION.c.status.in_(live))
        order = (ORDER.c.id == authorization.order_id, ORDER.c.status.in_(_OPEN))
        with self._database.write() as connection:
            connection.execute(update(AUTHORIZATION).where(*which).values(status=AuthorizationStatus.DEACTIVATED))
            connection.execute(update(ORDER).where(*order).values(status=OrderStatus.INVALID, error=error))

    def holds_all(self, account: str, names: Sequence[str], now: datetime) -> bool:
        """Whether it has valid authorizations for all of these names."""
        which = (AUTHORIZATION.c.account == account, AUTHORIZATION.c.status == AuthorizationStatus.VALID)
        plain = {name.removeprefix("*.") for name in names}
        query = select(AUTHORIZATION).where(*which, AUTHORIZATION.c.expires_at > now, AUTHORIZATION.c.name.in_(plain))
        proven = {f"*.{row['name']}" if row["wildcard"] else row["name"] for row in self._all(query)}
        return bool(names) and proven.issuperset(names)

    def challenges_of(self, authorization: str) -> list[Challenge]:
        query = select(CHALLENGE).where(CHALLENGE.c.authorization == authorization).order_by(CHALLENGE.c.id)
        return [_challenge(row) for row in self._all(query)]

    def challenge(self, account: str, challenge_id: str) -> Challenge | None:
        row = self._first(select(CHALLENGE).where(CHALLENGE.c.id == challenge_id, CHALLENGE.c.account == account))
        return _challenge(row) if row else None

    def start_challenge(self, challenge_id: str, now: datetime) -> bool:
        which = (CHALLENGE.c.id == challenge_id, CHALLENGE.c.status == ChallengeStatus.PENDING)
        statement = update(CHALLENGE).where(*which).values(status=ChallengeStatus.PROCESSING, due_at=now)
        with self._database.write() as connection:
            return connection.execute(statement).rowcount == 1

    def due_challenges(
        self, now: datetime, limit: int, *, each: int, but: Collection[str] = ()
    ) -> list[tuple[Challenge, Authorization]]:
        """The oldest, `each` of a tenant at most, without those that are being worked on."""
        turn = func.row_number().over(partition_by=CHALLENGE.c.tenant, order_by=(CHALLENGE.c.due_at, CHALLENGE.c.id))
        due = select(CHALLENGE, turn.label("turn")).where(CHALLENGE.c.due_at <= now).subquery()
        columns = [due.c[column.name] for column in CHALLENGE.c]
        query = select(*columns).where(due.c.turn <= each, due.c.id.not_in(but)).order_by(due.c.due_at).limit(limit)
        with self._database.read() as connection:
            challenges = [_challenge(dict(row)) for row in connection.execute(query).mappings()]
            wanted = [item.authorization for item in challenges]
            found = connection.execute(select(AUTHORIZATION).where(AUTHORIZATION.c.id.in_(wanted))).mappings()
            by_id = {row["id"]: _authorization(dict(row)) for row in found}
        return [(item, by_id[item.authorization]) for item in challenges]

    def postpone_challenge(self, challenge_id: str, due_at: datetime) -> None:
        statement = update(CHALLENGE).where(CHALLENGE.c.id == challenge_id)
        with self._database.write() as connection:
            connection.execute(statement.values(due_at=due_at, attempts=CHALLENGE.c.attempts + 1))

    def finish_challenge(
        self,
        challenge: Challenge,
        authorization: Authorization,
        now: datetime,
        error: dict[str, Any] | None,
        *,
        until: datetime | None = None,
    ) -> None:
        """The authorisation follows its challenge, and the order its authorisations. `until`: both end by then."""
        valid = error is None
        with self._database.write() as connection:
            finished = connection.execute(
                update(CHALLENGE)
                .where(CHALLENGE.c.id == challenge.id, CHALLENGE.c.status == ChallengeStatus.PROCESSING)
                .values(
                    status=ChallengeStatus.VALID if valid else ChallengeStatus.INVALID,
                    validated_at=now if valid else None,
                    error=error,
                    due_at=None,
                )
            )
            if finished.rowcount != 1:  # another process was first
                return
            moved = connection.execute(
                update(AUTHORIZATION)
                .where(AUTHORIZATION.c.id == authorization.id, AUTHORIZATION.c.status == AuthorizationStatus.PENDING)
                .values(status=AuthorizationStatus.VALID if valid else AuthorizationStatus.INVALID)
            )
            if moved.rowcount != 1:
                return
            if until is not None:
                for table, which in ((AUTHORIZATION, authorization.id), (ORDER, authorization.order_id)):
                    ends = (table.c.id == which, table.c.expires_at > until)
                    connection.execute(update(table).where(*ends).values(expires_at=until))
            unproven = select(AUTHORIZATION.c.id).where(
                AUTHORIZATION.c.order_id == authorization.order_id,
                AUTHORIZATION.c.status != AuthorizationStatus.VALID,
            )
            order = (ORDER.c.id == authorization.order_id, ORDER.c.status == OrderStatus.PENDING)
            if not valid:
                connection.execute(update(ORDER).where(*order).values(status=OrderStatus.INVALID, error=error))
            elif connection.execute(unproven.limit(1)).first() is None:
                connection.execute(update(ORDER).where(*order).values(status=OrderStatus.READY))

    # certificates

    def complete_order(
        self,
        order: AcmeOrder,
        certificates: Sequence[AcmeCertificate],
        now: datetime,
        *,
        events: Sequence[tuple[Counted, str]],
        otherwise: Sequence[tuple[Counted, str]],
    ) -> bool:
        """With the `events` that limits count, or `otherwise`, when another order replaced its certificate before.
        False when it is not processing any more: nothing is kept then."""
        result = {n: getattr(order, n) for n in ("status", "certificate", "encryption_certificate", "enveloped_key")}
        which = (ORDER.c.id == order.id, ORDER.c.status == OrderStatus.PROCESSING)
        with self._database.write() as connection:
            if connection.execute(update(ORDER).where(*which).values(**result)).rowcount != 1:
                return False
            connection.execute(CERTIFICATE.insert(), [row_of(item) for item in certificates])
            first = True
            if order.replaces is not None:
                old = (CERTIFICATE.c.identifier == order.replaces, CERTIFICATE.c.replaced_by.is_(None))
                first = connection.execute(update(CERTIFICATE).where(*old).values(replaced_by=order.id)).rowcount == 1
            _note(connection, events if first else otherwise, now)
        return True

    def certificate(self, identifier: str) -> AcmeCertificate | None:
        """By the identifier of RFC 9773."""
        row = self._first(select(CERTIFICATE).where(CERTIFICATE.c.identifier == identifier))
        return AcmeCertificate(**row) if row else None

    def certificate_of_print(self, fingerprint: str) -> AcmeCertificate | None:
        row = self._first(select(CERTIFICATE).where(CERTIFICATE.c.fingerprint == fingerprint))
        return AcmeCertificate(**row) if row else None

    def mark_revoked(self, serial: str, now: datetime) -> None:
        statement = update(CERTIFICATE).where(CERTIFICATE.c.serial == serial)
        with self._database.write() as connection:
            connection.execute(statement.values(revoked_at=now))

    def issued_between(self, tenant: str, start: datetime, end: datetime, limit: int) -> list[AcmeCertificate]:
        query = (
            select(CERTIFICATE)
            .where(CERTIFICATE.c.tenant == tenant, CERTIFICATE.c.not_after >= start)
            .where(CERTIFICATE.c.not_before >= start, CERTIFICATE.c.not_before < end)
            .order_by(CERTIFICATE.c.not_after)
            .limit(limit)
        )
        return [AcmeCertificate(**row) for row in self._all(query)]

    # what limits count

    def note(self, events: Sequence[tuple[Counted, str]], now: datetime) -> None:
        with self._database.write() as connection:
            _note(connection, events, now)

    def events(self, kind: Counted, subject: str, since: datetime, most: int) -> list[datetime]:
        """The times of the newest `most`, newest first."""
        query = (
            select(EVENT.c.at)
            .where(EVENT.c.kind == kind, EVENT.c.subject == subject[:384], EVENT.c.at > since)
            .order_by(EVENT.c.at.desc())
            .limit(most)
        )
        return [row["at"] for row in self._all(query)]

    # garbage

    def sweep(self, orders_before: datetime, events_before: datetime, limit: int) -> int:
        """Forget up to `limit` old orders with what belongs to them, and as many events. Answers how many went."""
        with self._database.write() as connection:
            old = select(ORDER.c.id).where(ORDER.c.expires_at < orders_before).order_by(ORDER.c.expires_at)
            orders = [row.id for row in connection.execute(old.limit(limit))]
            wanted = select(AUTHORIZATION.c.id).where(AUTHORIZATION.c.order_id.in_(orders))
            authorizations = [row.id for row in connection.execute(wanted)]
            connection.execute(delete(CHALLENGE).where(CHALLENGE.c.authorization.in_(authorizations)))
            connection.execute(delete(AUTHORIZATION).where(AUTHORIZATION.c.id.in_(authorizations)))
            connection.execute(delete(ORDER).where(ORDER.c.id.in_(orders)))
            stale = select(EVENT.c.id).where(EVENT.c.at < events_before).order_by(EVENT.c.at).limit(limit)
            events = [row.id for row in connection.execute(stale)]
            connection.execute(delete(EVENT).where(EVENT.c.id.in_(events)))
        return len(orders) + len(events)

    def stuck_orders(self, before: datetime, limit: int) -> list[AcmeOrder]:
        """Those whose issuing was begun and never ended: the process went away."""
        query = select(ORDER).where(ORDER.c.status == OrderStatus.PROCESSING, ORDER.c.began_at < before)
        return [_order(row) for row in self._all(query.order_by(ORDER.c.began_at).limit(limit))]


def _note(connection: Connection, events: Sequence[tuple[Counted, str]], now: datetime) -> None:
    if events:
        connection.execute(EVENT.insert(), [{"kind": k, "subject": s[:384], "at": now} for k, s in events])


def _order(row: dict[str, Any]) -> AcmeOrder:
    names = tuple((kind, name) for kind, name in row["names"])
    return AcmeOrder(**{**row, "names": names, "status": OrderStatus(row["status"])})


def _authorization(row: dict[str, Any]) -> Authorization:
    return Authorization(**{**row, "status": AuthorizationStatus(row["status"])})


def _challenge(row: dict[str, Any]) -> Challenge:
    return Challenge(**{**row, "status": ChallengeStatus(row["status"])})
