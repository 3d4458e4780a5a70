"""Tables of external account keys and of ACME accounts."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import JSON, Column, Index, LargeBinary, String, Table, select, update
from sqlalchemy.exc import IntegrityError

from miyun.core.listing import Place, Sort
from miyun.core.storage import UtcDateTime, metadata
from miyun.core.storage.keyset import page_of
from miyun.offerings.ssl_certificate.model import Account, AccountStatus, ExternalKey
from miyun.offerings.ssl_certificate.store.rows import Rows, newest_first, row_of

KEYS: Final = newest_first(name=str)
ACCOUNTS: Final = newest_first(status=str)

KEY = Table(
    "ssl_certificate_external_key",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(40), nullable=False),
    Column("application", String(40), nullable=False),
    Column("binding", String(40), nullable=False),
    Column("instance", String(40), nullable=False),
    Column("name", String(128), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Index("ix_ssl_certificate_external_key_tenant_id", "tenant", "id"),
)

ACCOUNT = Table(
    "ssl_certificate_account",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(40), nullable=False),
    Column("application", String(40), nullable=False),
    Column("binding", String(40), nullable=False),
    Column("instance", String(40), nullable=False),
    Column("external_key", String(40), nullable=False),
    Column("thumbprint", String(64), nullable=False, unique=True),
    Column("jwk", LargeBinary, nullable=False),
    Column("contact", JSON, nullable=False),
    Column("status", String(16), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index("ix_ssl_certificate_account_tenant_id", "tenant", "id"),
    Index("ix_ssl_certificate_account_external_key", "external_key"),
)


class AccountStore(Rows):
    # external account keys

    def add_key(self, key: ExternalKey) -> None:
        with self._database.write() as connection:
            connection.execute(KEY.insert().values(**row_of(key)))

    def key(self, key_id: str) -> ExternalKey | None:
        row = self._first(select(KEY).where(KEY.c.id == key_id))
        return ExternalKey(**row) if row else None

    def keys(self, tenant: str, sort: Sort, place: Place | None, limit: int) -> list[ExternalKey]:
        columns = {name: KEY.c[name] for name in KEYS.fields}
        query = select(KEY).where(KEY.c.tenant == tenant)
        query = page_of(query, sort, place, columns=columns, key=KEY.c.id, limit=limit)
        return [ExternalKey(**row) for row in self._all(query)]

    def revoke_key(self, tenant: str, key_id: str, now: datetime) -> ExternalKey | None:
        """With it end the accounts that were opened by it. None when the tenant has no such key."""
        which = (KEY.c.tenant == tenant, KEY.c.id == key_id)
        accounts = (ACCOUNT.c.external_key == key_id, ACCOUNT.c.status == AccountStatus.VALID)
        with self._database.write() as connection:
            connection.execute(update(KEY).where(*which, KEY.c.revoked_at.is_(None)).values(revoked_at=now))
            row = connection.execute(select(KEY).where(*which)).mappings().first()
            if row is None:
                return None
            connection.execute(update(ACCOUNT).where(*accounts).values(status=AccountStatus.REVOKED))
        return ExternalKey(**dict(row))

    # accounts

    def add_account(self, account: Account) -> bool:
        """False when its key has an account already."""
        try:
            with self._database.write() as connection:
                connection.execute(ACCOUNT.insert().values(**row_of(account)))
        except IntegrityError:
            return False
        return True

    def account(self, account_id: str) -> Account | None:
        row = self._first(select(ACCOUNT).where(ACCOUNT.c.id == account_id))
        return _account(row) if row else None

    def account_of_key(self, thumbprint: str) -> Account | None:
        row = self._first(select(ACCOUNT).where(ACCOUNT.c.thumbprint == thumbprint))
        return _account(row) if row else None

    def accounts(self, tenant: str, sort: Sort, place: Place | None, limit: int) -> list[Account]:
        columns = {name: ACCOUNT.c[name] for name in ACCOUNTS.fields}
        query = select(ACCOUNT).where(ACCOUNT.c.tenant == tenant)
        query = page_of(query, sort, place, columns=columns, key=ACCOUNT.c.id, limit=limit)
        return [_account(row) for row in self._all(query)]

    def change_account(self, account_id: str, **values: Any) -> None:
        """Of one that has not ended."""
        which = (ACCOUNT.c.id == account_id, ACCOUNT.c.status == AccountStatus.VALID)
        with self._database.write() as connection:
            connection.execute(update(ACCOUNT).where(*which).values(**values))

    def change_key(self, account: Account, thumbprint: str, jwk: bytes) -> bool:
        """False when another account has the key, or this one's was changed meanwhile."""
        which = (ACCOUNT.c.id == account.id, ACCOUNT.c.thumbprint == account.thumbprint)
        try:
            with self._database.write() as connection:
                changed = connection.execute(update(ACCOUNT).where(*which).values(thumbprint=thumbprint, jwk=jwk))
        except IntegrityError:
            return False
        return changed.rowcount == 1

    def deactivate_account(self, tenant: str, account_id: str) -> bool:
        statement = update(ACCOUNT).where(ACCOUNT.c.tenant == tenant, ACCOUNT.c.id == account_id)
        with self._database.write() as connection:
            return connection.execute(statement.values(status=AccountStatus.REVOKED)).rowcount == 1


def _account(row: dict[str, Any]) -> Account:
    return Account(**{**row, "contact": tuple(row["contact"]), "status": AccountStatus(row["status"])})
