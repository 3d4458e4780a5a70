"""Tables of the trust lists and their authorities. Every query of a tenant's filters by tenant in the SQL itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    LargeBinary,
    Row,
    Select,
    String,
    Table,
    UniqueConstraint,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from miyun.core.listing import Place, Sort, Sorting
from miyun.core.storage.database import Database, UtcDateTime, metadata
from miyun.core.storage.keyset import page_of
from miyun.offerings.certificate.trust.model import TrustedAuthority, TrustList

LISTS: Final = Sorting({"id": str, "name": str}, default="id", key=str)

list_table = Table(
    "certificate_trust_list",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("name", String(64), nullable=False),
    Column("note", String(200), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("tenant", "name"),
)

authority_table = Table(
    "certificate_trust_authority",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("trust_list", String(40), nullable=False),
    Column("anchor", Boolean, nullable=False),
    Column("subject", String(1024), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("not_after", UtcDateTime, nullable=False),
    Column("der", LargeBinary, nullable=False),
    Column("crl_url", String(512), nullable=False),
    Column("delta_url", String(512), nullable=False),
    Column("ocsp_url", String(512), nullable=False),
    Column("ocsp_nonce", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("trust_list", "fingerprint"),
)


class TrustStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    # lists

    def add_list(self, item: TrustList) -> bool:
        """False when the tenant has a list of this name."""
        try:
            with self._database.write() as connection:
                connection.execute(
                    insert(list_table).values(
                        id=item.id, tenant=item.tenant, name=item.name, note=item.note, created_at=item.created_at
                    )
                )
        except IntegrityError:
            return False
        return True

    def lists(self, tenant: str, sort: Sort, place: Place | None, limit: int) -> list[TrustList]:
        """`limit` + 1 at most."""
        columns = {name: list_table.c[name] for name in LISTS.fields}
        return self._lists(tenant, lambda q: page_of(q, sort, place, columns=columns, key=list_table.c.id, limit=limit))

    def named(self, tenant: str, ref: str) -> TrustList | None:
        """The one of this identifier or name."""
        called = or_(list_table.c.id == ref, list_table.c.name == ref)
        return next(iter(self._lists(tenant, lambda query: query.where(called).limit(1))), None)

    def _lists(self, tenant: str, chosen: Callable[[Select[Any]], Select[Any]]) -> list[TrustList]:
        table = list_table
        counted = (
            select(func.count())
            .select_from(authority_table)
            .where(authority_table.c.trust_list == table.c.id)
            .scalar_subquery()
        )
        query = select(table, counted.label("authorities")).where(table.c.tenant == tenant)
        with self._database.read() as connection:
            rows = connection.execute(chosen(query)).all()
        return [TrustList(r.id, r.tenant, r.name, r.note, r.created_at, r.authorities) for r in rows]

    def remove_list(self, tenant: str, trust_list: str) -> list[str] | None:
        """With its authorities, which are answered; None when the tenant has no such list."""
        owned = list_table.c.id == trust_list, list_table.c.tenant == tenant
        with self._database.write() as connection:
            if connection.execute(delete(list_table).where(*owned)).rowcount != 1:
                return None
            found = connection.execute(
                delete(authority_table)
                .where(authority_table.c.trust_list == trust_list, authority_table.c.tenant == tenant)
                .returning(authority_table.c.id)
            )
            return list(found.scalars())

    # authorities

    def add_authority(self, item: TrustedAuthority) -> bool:
        """False when it is on the list already."""
        try:
            with self._database.write() as connection:
                connection.execute(
                    insert(authority_table).values(
                        id=item.id,
                        tenant=item.tenant,
                        trust_list=item.trust_list,
                        anchor=item.anchor,
                        subject=item.subject[:1024],
                        fingerprint=item.fingerprint,
                        not_after=item.not_after,
                        der=item.der,
                        crl_url=item.crl_url,
                        delta_url=item.delta_url,
                        ocsp_url=item.ocsp_url,
                        ocsp_nonce=item.ocsp_nonce,
                        created_at=item.created_at,
                    )
                )
        except IntegrityError:
            return False
        return True

    def set_sources(self, item: TrustedAuthority) -> bool:
        with self._database.write() as connection:
            done = connection.execute(
                update(authority_table)
                .where(authority_table.c.id == item.id, authority_table.c.tenant == item.tenant)
                .values(
                    crl_url=item.crl_url,
                    delta_url=item.delta_url,
                    ocsp_url=item.ocsp_url,
                    ocsp_nonce=item.ocsp_nonce,
                )
            )
        return done.rowcount == 1

    def remove_authority(self, tenant: str, authority: str) -> bool:
        with self._database.write() as connection:
            done = connection.execute(
                delete(authority_table).where(authority_table.c.id == authority, authority_table.c.tenant == tenant)
            )
        return done.rowcount == 1

    def authority(self, tenant: str, authority: str) -> TrustedAuthority | None:
        table = authority_table
        return self._one(select(table).where(table.c.id == authority, table.c.tenant == tenant))

    def authority_of_any(self, authority: str) -> TrustedAuthority | None:
        """For the platform's own work, never for a caller's question."""
        return self._one(select(authority_table).where(authority_table.c.id == authority))

    def page(
        self, tenant: str, trust_list: str, *, text: str, sort: Sort, place: Place | None, limit: int
    ) -> list[TrustedAuthority]:
        """`limit` + 1 rows at most."""
        table = authority_table
        query = select(table).where(table.c.tenant == tenant, table.c.trust_list == trust_list)
        if text:
            query = query.where(table.c.subject.icontains(text, autoescape=True))
        columns = {"created": table.c.id, "subject": table.c.subject, "not_after": table.c.not_after}
        with self._database.read() as connection:
            rows = connection.execute(page_of(query, sort, place, columns=columns, key=table.c.id, limit=limit)).all()
        return [_authority(row) for row in rows]

    def authorities_of(self, tenant: str, names: Sequence[str]) -> dict[str, list[TrustedAuthority]]:
        """By the name of its list; a name that the tenant does not have is not there."""
        lists, table = list_table, authority_table
        query = (
            select(lists.c.name, table)
            .select_from(lists.outerjoin(table, table.c.trust_list == lists.c.id))
            .where(lists.c.tenant == tenant, lists.c.name.in_(names))
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        found: dict[str, list[TrustedAuthority]] = {}
        for row in rows:
            known = found.setdefault(row.name, [])
            if row.id is not None:
                known.append(_authority(row))
        return found

    def with_addresses(self) -> list[TrustedAuthority]:
        """Of every tenant: what the jobs process fetches from."""
        table = authority_table
        with self._database.read() as connection:
            rows = connection.execute(select(table).where(or_(table.c.crl_url != "", table.c.delta_url != ""))).all()
        return [_authority(row) for row in rows]

    def _one(self, query: Select[tuple[object, ...]]) -> TrustedAuthority | None:
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return _authority(row) if row else None


def _authority(row: Row[tuple[object, ...]]) -> TrustedAuthority:
    return TrustedAuthority(
        id=row.id,
        tenant=row.tenant,
        trust_list=row.trust_list,
        anchor=row.anchor,
        subject=row.subject,
        fingerprint=row.fingerprint,
        not_after=row.not_after,
        der=row.der,
        crl_url=row.crl_url,
        delta_url=row.delta_url,
        ocsp_url=row.ocsp_url,
        ocsp_nonce=row.ocsp_nonce,
        created_at=row.created_at,
    )
