"""Tables of accounts and orders at outside CAs, and of the responses that prove names to them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Index,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    delete,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from miyun.core.listing import Place, Sort
from miyun.core.storage import UtcDateTime, metadata
from miyun.core.storage.keyset import page_of
from miyun.offerings.ssl_certificate.outside.model import HOLDS, OutsideAccount, OutsideOrder, State, Way
from miyun.offerings.ssl_certificate.store.rows import Rows, newest_first, row_of

ORDERS: Final = newest_first(ca=str, state=str)

ACCOUNT = Table(
    "ssl_certificate_outside_account",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(40), nullable=False),
    Column("ca", String(64), nullable=False),
    Column("key", String(40), nullable=False),
    Column("address", String(512), nullable=False),
    Column("contact", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("tenant", "ca"),
)

ORDER = Table(
    "ssl_certificate_order",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(40), nullable=False),
    Column("instance", String(40), nullable=False),
    Column("way", String(8), nullable=False),
    Column("ca", String(64), nullable=False),
    Column("account", String(40)),
    Column("level", String(4), nullable=False),
    Column("names", JSON, nullable=False),
    Column("csr", LargeBinary, nullable=False),
    Column("algorithm", String(16), nullable=False),
    Column("solver", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("reference", String(512), nullable=False),
    Column("progress", JSON, nullable=False),
    Column("due_at", UtcDateTime),
    Column("error", String(1024), nullable=False),
    Column("chain", Text, nullable=False),
    Column("encryption_chain", Text, nullable=False),
    Column("enveloped_key", LargeBinary),
    Column("serial", String(64), nullable=False),
    Column("not_after", UtcDateTime),
    Column("deployed_to", String(256), nullable=False),
    Column("replaces", String(40)),
    Column("rehearsal", Boolean, nullable=False),
    Index("ix_ssl_certificate_order_tenant_id", "tenant", "id"),
    Index("ix_ssl_certificate_order_due_at", "due_at"),
    Index("ix_ssl_certificate_order_state_not_after", "state", "not_after"),
)

RESPONSE = Table(
    "ssl_certificate_response",
    metadata,
    Column("token", String(128), primary_key=True),
    Column("order_id", String(40), nullable=False),
    Column("content", String(256), nullable=False),
    Index("ix_ssl_certificate_response_order_id", "order_id"),
)


class OutsideStore(Rows):
    def add_account(self, account: OutsideAccount) -> bool:
        """False when the tenant has one at this CA."""
        try:
            with self._database.write() as connection:
                connection.execute(ACCOUNT.insert().values(**row_of(account)))
        except IntegrityError:
            return False
        return True

    def account_at(self, tenant: str, ca: str) -> OutsideAccount | None:
        row = self._first(select(ACCOUNT).where(ACCOUNT.c.tenant == tenant, ACCOUNT.c.ca == ca))
        return _account(row) if row else None

    def accounts(self, tenant: str) -> list[OutsideAccount]:
        """At most one for each configured CA."""
        return [_account(row) for row in self._all(select(ACCOUNT).where(ACCOUNT.c.tenant == tenant))]

    def add_order(self, order: OutsideOrder) -> None:
        with self._database.write() as connection:
            connection.execute(ORDER.insert().values(**row_of(order)))

    def order(self, tenant: str, order_id: str) -> OutsideOrder | None:
        row = self._first(select(ORDER).where(ORDER.c.tenant == tenant, ORDER.c.id == order_id))
        return _order(row) if row else None

    def orders(self, tenant: str, state: str | None, sort: Sort, place: Place | None, limit: int) -> list[OutsideOrder]:
        query = select(ORDER).where(ORDER.c.tenant == tenant)
        if state:
            query = query.where(ORDER.c.state == state)
        columns = {name: ORDER.c[name] for name in ORDERS.fields}
        query = page_of(query, sort, place, columns=columns, key=ORDER.c.id, limit=limit)
        return [_order(row) for row in self._all(query)]

    def change_order(self, order: OutsideOrder, **values: Any) -> bool:
        """Only from the state that it was read in: of two who move it at once one does."""
        which = (ORDER.c.id == order.id, ORDER.c.tenant == order.tenant, ORDER.c.state == order.state)
        with self._database.write() as connection:
            return connection.execute(update(ORDER).where(*which).values(**values)).rowcount == 1

    def due_orders(self, now: datetime, limit: int) -> list[OutsideOrder]:
        query = select(ORDER).where(ORDER.c.due_at <= now).order_by(ORDER.c.due_at).limit(limit)
        return [_order(row) for row in self._all(query)]

    def expired_orders(self, now: datetime, limit: int) -> list[OutsideOrder]:
        query = select(ORDER).where(ORDER.c.state.in_(HOLDS), ORDER.c.not_after <= now)
        return [_order(row) for row in self._all(query.limit(limit))]

    def put_response(self, token: str, order_id: str, content: str) -> None:
        with self._database.write() as connection:
            connection.execute(delete(RESPONSE).where(RESPONSE.c.token == token, RESPONSE.c.order_id == order_id))
            connection.execute(RESPONSE.insert().values(token=token, order_id=order_id, content=content))

    def response(self, token: str) -> str | None:
        row = self._first(select(RESPONSE.c.content).where(RESPONSE.c.token == token))
        return str(row["content"]) if row else None

    def forget_responses(self, order_id: str) -> None:
        with self._database.write() as connection:
            connection.execute(delete(RESPONSE).where(RESPONSE.c.order_id == order_id))


def _account(row: dict[str, Any]) -> OutsideAccount:
    return OutsideAccount(**{**row, "contact": tuple(row["contact"])})


def _order(row: dict[str, Any]) -> OutsideOrder:
    return OutsideOrder(**{**row, "names": tuple(row["names"]), "state": State(row["state"]), "way": Way(row["way"])})
