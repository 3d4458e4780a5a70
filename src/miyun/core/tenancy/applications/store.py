"""Tables and queries of applications, bindings, access keys and single-purpose credentials."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    LargeBinary,
    Row,
    String,
    Table,
    Text,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from miyun.core.contracts.store import entitlements, instances
from miyun.core.listing import Place, Sort, Sorting
from miyun.core.storage import Database, UtcDateTime, metadata
from miyun.core.storage.keyset import page_of
from miyun.core.tenancy.model import AccessKey, Application, BasicAccess, Binding
from miyun.core.tenancy.store import tenants

applications = Table(
    "core_application",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(40), ForeignKey(tenants.c.id), nullable=False, index=True),
    Column("name", String(100), nullable=False),
    Column("state", String(16), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)
Index("uq_core_application_tenant_name", applications.c.tenant, applications.c.name, unique=True)
bindings = Table(
    "core_binding",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(40), ForeignKey(tenants.c.id), nullable=False, index=True),
    Column("application", String(40), ForeignKey(applications.c.id), nullable=False, index=True),
    Column("instance", String(40), ForeignKey(instances.c.id), nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("deleted_at", UtcDateTime, nullable=True),
    # "<application>:<instance>" while the binding lasts, its own id afterwards: one live binding of a pair
    Column("live", String(100), nullable=False, unique=True),
)
access_keys = Table(
    "core_access_key",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(40), ForeignKey(tenants.c.id), nullable=False, index=True),
    Column("application", String(40), ForeignKey(applications.c.id), nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=True),
    Column("revoked_at", UtcDateTime, nullable=True),
    Column("used_at", UtcDateTime, nullable=True),
)
credentials = Table(
    "core_basic_credential",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(40), ForeignKey(tenants.c.id), nullable=False, index=True),
    Column("binding", String(40), ForeignKey(bindings.c.id), nullable=False, index=True),
    Column("operations", Text, nullable=False),  # operation ids, one a line
    Column("verifier", LargeBinary, nullable=False),  # digest of the random password
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=True),
    Column("revoked_at", UtcDateTime, nullable=True),
    Column("used_at", UtcDateTime, nullable=True),
)

APPLICATIONS: Final = Sorting({"created_at": datetime, "name": str}, default="created_at", key=str)
BINDINGS: Final = Sorting({"created_at": datetime, "application": str, "offering": str}, default="-created_at", key=str)
ACCESS_KEYS: Final = Sorting({"created_at": datetime, "application": str}, default="-created_at", key=str)
CREDENTIALS: Final = Sorting({"created_at": datetime, "application": str}, default="-created_at", key=str)

_binding_columns = (
    bindings.c.id,
    bindings.c.tenant,
    bindings.c.application,
    bindings.c.instance,
    instances.c.offering,
    bindings.c.created_at,
    bindings.c.deleted_at,
)
_bindings = bindings.join(instances, instances.c.id == bindings.c.instance)
_credentials = credentials.join(bindings, bindings.c.id == credentials.c.binding)
_credential_columns = (*credentials.c, bindings.c.application, bindings.c.instance)


class ApplicationStore:
    """Every query of a tenant's rows names the tenant; only the authenticator looks a credential up without one."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add_application(self, application: Application) -> bool:
        """False when the tenant has one of this name."""
        try:
            with self._db.write() as c:
                c.execute(
                    insert(applications).values(
                        id=application.id,
                        tenant=application.tenant,
                        name=application.name,
                        state=application.state,
                        created_at=application.created_at,
                    )
                )
        except IntegrityError:
            return False
        return True

    def application(self, tenant: str, application: str) -> Application | None:
        query = select(applications).where(applications.c.tenant == tenant, applications.c.id == application)
        with self._db.read() as c:
            row = c.execute(query).one_or_none()
        return Application(**row._mapping) if row else None

    def list_applications(
        self,
        tenant: str,
        *,
        text: str = "",
        state: str | None = None,
        sort: Sort = APPLICATIONS.default,
        place: Place | None = None,
        limit: int,
    ) -> list[Application]:
        """`limit` + 1 at most, as all lists here."""
        query = select(applications).where(applications.c.tenant == tenant)
        if text:
            query = query.where(applications.c.name.icontains(text, autoescape=True))
        if state is not None:
            query = query.where(applications.c.state == state)
        columns = {name: applications.c[name] for name in APPLICATIONS.fields}
        query = page_of(query, sort, place, columns=columns, key=applications.c.id, limit=limit)
        with self._db.read() as c:
            return [Application(**row._mapping) for row in c.execute(query)]

    def set_application_state(self, tenant: str, application: str, state: str) -> None:
        with self._db.write() as c:
            c.execute(
                update(applications)
                .where(applications.c.tenant == tenant, applications.c.id == application)
                .values(state=state)
            )

    # bindings

    def add_binding(self, binding: Binding) -> bool:
        """False when the application is bound to the instance already."""
        try:
            with self._db.write() as c:
                c.execute(
                    insert(bindings).values(
                        id=binding.id,
                        tenant=binding.tenant,
                        application=binding.application,
                        instance=binding.instance,
                        created_at=binding.created_at,
                        deleted_at=None,
                        live=f"{binding.application}:{binding.instance}",
                    )
                )
        except IntegrityError:
            return False
        return True

    def binding(self, tenant: str, binding: str) -> Binding | None:
        query = select(*_binding_columns).select_from(_bindings)
        with self._db.read() as c:
            row = c.execute(query.where(bindings.c.tenant == tenant, bindings.c.id == binding)).one_or_none()
        return Binding(**row._mapping) if row else None

    def list_bindings(
        self, tenant: str, *, application: str | None, sort: Sort, place: Place | None, limit: int
    ) -> list[Binding]:
        """Live ones only."""
        query = select(*_binding_columns).select_from(_bindings)
        query = query.where(bindings.c.tenant == tenant, bindings.c.deleted_at.is_(None))
        if application is not None:
            query = query.where(bindings.c.application == application)
        columns: dict[str, ColumnElement[Any]] = {
            "created_at": bindings.c.created_at,
            "application": bindings.c.application,
            "offering": instances.c.offering,
        }
        query = page_of(query, sort, place, columns=columns, key=bindings.c.id, limit=limit)
        with self._db.read() as c:
            return [Binding(**row._mapping) for row in c.execute(query)]

    def bindings_of(self, application: str) -> list[Binding]:
        query = select(*_binding_columns).select_from(_bindings)
        query = query.where(bindings.c.application == application, bindings.c.deleted_at.is_(None))
        with self._db.read() as c:
            return [Binding(**row._mapping) for row in c.execute(query.order_by(bindings.c.id))]

    def delete_binding(self, tenant: str, binding: str, now: datetime) -> bool:
        """Ends the binding and its single-purpose credentials. False when there is no live one."""
        with self._db.write() as c:
            done = c.execute(
                update(bindings)
                .where(bindings.c.tenant == tenant, bindings.c.id == binding, bindings.c.deleted_at.is_(None))
                .values(deleted_at=now, live=binding)
            )
            c.execute(
                update(credentials)
                .where(
                    credentials.c.tenant == tenant, credentials.c.binding == binding, credentials.c.revoked_at.is_(None)
                )
                .values(revoked_at=now)
            )
        return done.rowcount == 1

    def count_bindings(self, contract: str) -> int:
        """Live bindings to the contract's services: application × service. The line that buys onboardings is none."""
        query = (
            select(func.count())
            .select_from(_bindings.join(entitlements, entitlements.c.instance == instances.c.id))
            .where(
                instances.c.contract == contract,
                bindings.c.deleted_at.is_(None),
                entitlements.c.counts_bindings.is_(False),
            )
        )
        with self._db.read() as c:
            return c.execute(query).scalar_one()

    # access keys

    def add_access_key(self, key: AccessKey) -> None:
        with self._db.write() as c:
            c.execute(
                insert(access_keys).values(
                    id=key.id,
                    tenant=key.tenant,
                    application=key.application,
                    created_at=key.created_at,
                    expires_at=key.expires_at,
                    revoked_at=None,
                )
            )

    def list_access_keys(
        self,
        tenant: str,
        *,
        application: str | None,
        state: str | None,
        now: datetime,
        sort: Sort,
        place: Place | None,
        limit: int,
    ) -> list[AccessKey]:
        query = select(access_keys).where(access_keys.c.tenant == tenant, *_in_state(access_keys, state, now))
        if application is not None:
            query = query.where(access_keys.c.application == application)
        columns = {name: access_keys.c[name] for name in ACCESS_KEYS.fields}
        query = page_of(query, sort, place, columns=columns, key=access_keys.c.id, limit=limit)
        with self._db.read() as c:
            return [AccessKey(**row._mapping) for row in c.execute(query)]

    def note_use(self, credential: str, now: datetime) -> None:
        """Of an access key or a single-purpose credential, by who has just verified it."""
        table = credentials if credential.startswith("bc_") else access_keys
        with self._db.write() as c:
            earlier = or_(table.c.used_at.is_(None), table.c.used_at < now)
            c.execute(update(table).where(table.c.id == credential, earlier).values(used_at=now))

    def revoke_access_key(self, tenant: str, key: str, now: datetime) -> AccessKey | None:
        mine = (access_keys.c.tenant == tenant, access_keys.c.id == key)
        with self._db.write() as c:
            c.execute(update(access_keys).where(*mine, access_keys.c.revoked_at.is_(None)).values(revoked_at=now))
            row = c.execute(select(access_keys).where(*mine)).one_or_none()
        return AccessKey(**row._mapping) if row else None

    def find_access_key(self, key: str) -> tuple[AccessKey, Application] | None:
        """For the authenticator: the key and its application."""
        with self._db.read() as c:
            row = c.execute(select(access_keys).where(access_keys.c.id == key)).one_or_none()
            if row is None:
                return None
            owner = c.execute(select(applications).where(applications.c.id == row.application)).one()
        return AccessKey(**row._mapping), Application(**owner._mapping)

    # single-purpose credentials

    def add_credential(self, credential: BasicAccess) -> None:
        with self._db.write() as c:
            c.execute(
                insert(credentials).values(
                    id=credential.id,
                    tenant=credential.tenant,
                    binding=credential.binding,
                    operations="\n".join(sorted(credential.operations)),
                    verifier=credential.verifier,
                    created_at=credential.created_at,
                    expires_at=credential.expires_at,
                    revoked_at=None,
                )
            )

    def list_credentials(
        self,
        tenant: str,
        *,
        binding: str | None,
        application: str | None,
        state: str | None,
        now: datetime,
        sort: Sort,
        place: Place | None,
        limit: int,
    ) -> list[BasicAccess]:
        query = select(*_credential_columns).select_from(_credentials)
        query = query.where(credentials.c.tenant == tenant, *_in_state(credentials, state, now))
        if binding is not None:
            query = query.where(credentials.c.binding == binding)
        if application is not None:
            query = query.where(bindings.c.application == application)
        columns: dict[str, ColumnElement[Any]] = {
            "created_at": credentials.c.created_at,
            "application": bindings.c.application,
        }
        query = page_of(query, sort, place, columns=columns, key=credentials.c.id, limit=limit)
        with self._db.read() as c:
            return [_credential(row) for row in c.execute(query)]

    def revoke_credential(self, tenant: str, credential: str, now: datetime) -> BasicAccess | None:
        mine = (credentials.c.tenant == tenant, credentials.c.id == credential)
        with self._db.write() as c:
            c.execute(update(credentials).where(*mine, credentials.c.revoked_at.is_(None)).values(revoked_at=now))
            row = c.execute(select(*_credential_columns).select_from(_credentials).where(*mine)).one_or_none()
        return _credential(row) if row else None

    def find_credential(self, credential: str) -> tuple[BasicAccess, Application] | None:
        """For the authenticator: the credential and its application."""
        with self._db.read() as c:
            query = select(*_credential_columns).select_from(_credentials).where(credentials.c.id == credential)
            row = c.execute(query).one_or_none()
            if row is None:
                return None
            owner = c.execute(select(applications).where(applications.c.id == row.application)).one()
        return _credential(row), Application(**owner._mapping)


def _in_state(table: Table, state: str | None, now: datetime) -> tuple[ColumnElement[bool], ...]:
    """As `model.credential_state` tells states."""
    revoked, over = table.c.revoked_at.is_not(None), table.c.expires_at <= now
    match state:
        case "revoked":
            return (revoked,)
        case "expired":
            return (~revoked, over)
        case "active":
            return (~revoked, or_(table.c.expires_at.is_(None), ~over))
    return ()


def _credential(row: Row[Any]) -> BasicAccess:
    return BasicAccess(
        id=row.id,
        tenant=row.tenant,
        application=row.application,
        binding=row.binding,
        instance=row.instance,
        operations=frozenset(row.operations.splitlines()),
        verifier=bytes(row.verifier),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        used_at=row.used_at,
    )
