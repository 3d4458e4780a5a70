"""Tables of the room. Every query filters by tenant in the SQL itself; what the jobs process asks is of all tenants."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    LargeBinary,
    Row,
    String,
    Table,
    UniqueConstraint,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from miyun.core.listing import Place, Sort, Sorting
from miyun.core.storage.database import Database, UtcDateTime, metadata
from miyun.core.storage.keyset import page_of
from miyun.offerings.usbkey.model import (
    REQUEST_TRANSITIONS,
    TRANSITIONS,
    WITHDRAWN,
    Action,
    Event,
    Finding,
    Key,
    Request,
    RequestKind,
    RequestState,
    State,
)

KEY_SORTING: Final = Sorting(
    {"registered_at": datetime, "changed_at": datetime, "expires_at": datetime, "serial": str, "label": str},
    default="-registered_at",
    key=str,
)
REQUEST_SORTING: Final = Sorting({"asked_at": datetime, "expires_at": datetime}, default="-asked_at", key=str)
FINDING_SORTING: Final = Sorting({"at": datetime, "maker": str, "system": str}, default="-at", key=str)

_KEY = Table(
    "usbkey_key",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("instance", String(64), nullable=False),
    Column("serial", String(64), nullable=False),
    Column("label", String(64), nullable=False),
    Column("maker", String(64), nullable=False),
    Column("model", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("holder", String(64), nullable=False),
    Column("subject", String(1024), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("signing_serial", String(40)),
    Column("encryption_serial", String(40)),
    Column("signing_fingerprint", String(64), nullable=False),
    Column("application", String(40)),
    Column("registered_at", UtcDateTime, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("reminded_at", UtcDateTime),
    UniqueConstraint("tenant", "serial"),
    Index("ix_usbkey_key_tenant_registered_at", "tenant", "registered_at", "id"),
    Index("ix_usbkey_key_tenant_signing_fingerprint", "tenant", "signing_fingerprint"),
    Index("ix_usbkey_key_expires_at", "expires_at"),
)
_EVENT = Table(
    "usbkey_event",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("key", String(40), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("what", String(16), nullable=False),
    Column("person", String(64), nullable=False),
    Column("note", String(500), nullable=False),
    Index("ix_usbkey_event_tenant_key", "tenant", "key", "id"),
)
_REQUEST = Table(
    "usbkey_request",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("key", String(40), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("asked_by", String(64), nullable=False),
    Column("asked_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("reason", String(500), nullable=False),
    Column("challenge", LargeBinary, nullable=False),
    Column("decided_by", String(64)),
    Column("decided_at", UtcDateTime),
    Column("note", String(500), nullable=False),
    Index("ix_usbkey_request_tenant_asked_at", "tenant", "asked_at", "id"),
    Index("ix_usbkey_request_state_expires_at", "state", "expires_at"),
)
_FINDING = Table(
    "usbkey_finding",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("maker", String(64), nullable=False),
    Column("model", String(64), nullable=False),
    Column("system", String(64), nullable=False),
    Column("library", String(64), nullable=False),
    Column("works", Boolean, nullable=False),
    Column("note", String(500), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Index("ix_usbkey_finding_tenant_at", "tenant", "at", "id"),
)
_SEALING = Table(
    "usbkey_sealing",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("key", String(64), nullable=False),  # of the KMS
)


class UsbKeyStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    # --- keys --------------------------------------------------------------------------------------------------------

    def add(self, key: Key, event: Event) -> bool:
        """False when the tenant has a key of this serial number."""
        values = {name: getattr(key, name) for name in Key.__slots__} | _serials(key)
        try:
            with self._database.write() as connection:
                connection.execute(insert(_KEY).values(**values))
                connection.execute(insert(_EVENT).values(**_values(event)))
        except IntegrityError:
            return False
        return True

    def find(self, tenant: str, key: str) -> Key | None:
        with self._database.read() as connection:
            row = connection.execute(select(_KEY).where(_KEY.c.tenant == tenant, _KEY.c.id == key)).one_or_none()
        return _key(row) if row else None

    def with_certificate(self, tenant: str, fingerprint: str) -> Key | None:
        """Whose signing certificate it is."""
        query = select(_KEY).where(_KEY.c.tenant == tenant, _KEY.c.signing_fingerprint == fingerprint).limit(1)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return _key(row) if row else None

    def page(
        self,
        tenant: str,
        *,
        text: str,
        state: State | None,
        ends_before: datetime | None,
        sort: Sort,
        place: Place | None,
        limit: int,
    ) -> list[Key]:
        """`limit` + 1 at most."""
        query = select(_KEY).where(_KEY.c.tenant == tenant)
        if text:
            columns = (_KEY.c.serial, _KEY.c.label, _KEY.c.holder, _KEY.c.subject)
            query = query.where(or_(*(column.icontains(text, autoescape=True) for column in columns)))
        if state is not None:
            query = query.where(_KEY.c.state == state)
        if ends_before is not None:
            query = query.where(_KEY.c.expires_at < ends_before, _KEY.c.state.in_((State.PERSONALISED, State.ISSUED)))
        columns_by_name = {name: _KEY.c[name] for name in KEY_SORTING.fields}
        page = page_of(query, sort, place, columns=columns_by_name, key=_KEY.c.id, limit=limit)
        with self._database.read() as connection:
            return [_key(row) for row in connection.execute(page)]

    def all_before(self, tenant: str, end: datetime) -> list[Key]:
        """Registered before a moment, in that order."""
        query = select(_KEY).where(_KEY.c.tenant == tenant, _KEY.c.registered_at < end)
        with self._database.read() as connection:
            return [_key(row) for row in connection.execute(query.order_by(_KEY.c.registered_at, _KEY.c.id))]

    def move(self, key: Key, action: Action, event: Event, **values: Any) -> bool:
        """False when the key is no longer in a state that the action starts from: somebody else was first."""
        before, after = TRANSITIONS[action]
        for name in ("signing_serial", "encryption_serial"):
            if values.get(name) is not None:
                values[name] = f"{values[name]:x}"
        with self._database.write() as connection:
            done = connection.execute(
                update(_KEY)
                .where(_KEY.c.tenant == key.tenant, _KEY.c.id == key.id, _KEY.c.state.in_(before))
                .values(state=after, changed_at=event.at, **values)
            )
            if done.rowcount != 1:
                return False
            connection.execute(insert(_EVENT).values(**_values(event)))
        return True

    def set_application(self, key: Key, application: str | None, event: Event) -> bool:
        """False when the key changed meanwhile."""
        with self._database.write() as connection:
            done = connection.execute(
                update(_KEY)
                .where(_KEY.c.tenant == key.tenant, _KEY.c.id == key.id, _KEY.c.state == key.state)
                .where(_KEY.c.application.is_not_distinct_from(key.application))
                .values(application=application)
            )
            if done.rowcount != 1:
                return False
            connection.execute(insert(_EVENT).values(**_values(event)))
        return True

    def set_certificates(self, key: Key, *, signing: int, encryption: int, **values: Any) -> bool:
        """Those that were issued for it; they are written when the key moves on."""
        with self._database.write() as connection:
            done = connection.execute(
                update(_KEY)
                .where(_KEY.c.tenant == key.tenant, _KEY.c.id == key.id, _KEY.c.state == key.state)
                .where(_KEY.c.application.is_not_distinct_from(key.application))
                .values(signing_serial=f"{signing:x}", encryption_serial=f"{encryption:x}", **values)
            )
        return done.rowcount == 1

    def note(self, event: Event) -> None:
        with self._database.write() as connection:
            connection.execute(insert(_EVENT).values(**_values(event)))

    def events(self, tenant: str, key: str, limit: int = 200) -> list[Event]:
        """The newest first."""
        query = select(_EVENT).where(_EVENT.c.tenant == tenant, _EVENT.c.key == key)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(_EVENT.c.at.desc(), _EVENT.c.id.desc()).limit(limit)).mappings()
            return [Event(**row) for row in rows]

    def due(self, ends_before: datetime, limit: int = 200) -> list[Key]:
        """Handed out keys of all tenants, whose certificates end and nobody was reminded."""
        query = select(_KEY).where(
            _KEY.c.expires_at < ends_before, _KEY.c.reminded_at.is_(None), _KEY.c.state == State.ISSUED
        )
        with self._database.read() as connection:
            return [_key(row) for row in connection.execute(query.limit(limit))]

    def withdrawn(self, since: datetime) -> list[Key]:
        """Lost or taken back since a moment, of all tenants, with certificates that they had."""
        query = select(_KEY).where(
            _KEY.c.state.in_(WITHDRAWN), _KEY.c.changed_at >= since, _KEY.c.signing_serial.is_not(None)
        )
        with self._database.read() as connection:
            return [_key(row) for row in connection.execute(query.order_by(_KEY.c.changed_at, _KEY.c.id))]

    def reminded(self, key: Key, at: datetime) -> None:
        with self._database.write() as connection:
            connection.execute(update(_KEY).where(_KEY.c.id == key.id).values(reminded_at=at))

    # --- what two people decide --------------------------------------------------------------------------------------

    def ask(self, request: Request) -> None:
        with self._database.write() as connection:
            connection.execute(insert(_REQUEST).values(**_values(request)))

    def request(self, tenant: str, request: str) -> Request | None:
        query = select(_REQUEST).where(_REQUEST.c.tenant == tenant, _REQUEST.c.id == request)
        with self._database.read() as connection:
            row = connection.execute(query).mappings().one_or_none()
        return _request(row) if row else None

    def requests(
        self, tenant: str, *, state: RequestState | None, sort: Sort, place: Place | None, limit: int
    ) -> list[Request]:
        """`limit` + 1 at most."""
        query = select(_REQUEST).where(_REQUEST.c.tenant == tenant)
        if state is not None:
            query = query.where(_REQUEST.c.state == state)
        columns = {name: _REQUEST.c[name] for name in REQUEST_SORTING.fields}
        page = page_of(query, sort, place, columns=columns, key=_REQUEST.c.id, limit=limit)
        with self._database.read() as connection:
            return [_request(row) for row in connection.execute(page).mappings()]

    def decide(self, request: Request, wanted: RequestState, **values: Any) -> bool:
        """False when somebody else was first."""
        before = [state for state, after in REQUEST_TRANSITIONS.items() if wanted in after and state == request.state]
        with self._database.write() as connection:
            done = connection.execute(
                update(_REQUEST)
                .where(_REQUEST.c.tenant == request.tenant, _REQUEST.c.id == request.id, _REQUEST.c.state.in_(before))
                .values(state=wanted, **values)
            )
        return done.rowcount == 1

    def expire(self, now: datetime) -> None:
        """Requests of all tenants that nobody decided, or collected, in time."""
        open_states = (RequestState.PENDING, RequestState.APPROVED)
        with self._database.write() as connection:
            connection.execute(
                update(_REQUEST)
                .where(_REQUEST.c.state.in_(open_states), _REQUEST.c.expires_at <= now)
                .values(state=RequestState.EXPIRED)
            )

    # --- compatibility, and the key that seals -----------------------------------------------------------------------

    def add_finding(self, finding: Finding) -> None:
        with self._database.write() as connection:
            connection.execute(insert(_FINDING).values(**_values(finding)))

    def findings(self, tenant: str, *, sort: Sort, place: Place | None, limit: int) -> Sequence[Finding]:
        """`limit` + 1 at most."""
        columns = {name: _FINDING.c[name] for name in FINDING_SORTING.fields}
        query = select(_FINDING).where(_FINDING.c.tenant == tenant)
        page = page_of(query, sort, place, columns=columns, key=_FINDING.c.id, limit=limit)
        with self._database.read() as connection:
            return [Finding(**row) for row in connection.execute(page).mappings()]

    def sealing_key(self, tenant: str) -> str | None:
        with self._database.read() as connection:
            return connection.execute(select(_SEALING.c.key).where(_SEALING.c.tenant == tenant)).scalar_one_or_none()

    def set_sealing_key(self, tenant: str, key: str) -> bool:
        """False when the tenant has one: somebody else was first."""
        try:
            with self._database.write() as connection:
                connection.execute(insert(_SEALING).values(tenant=tenant, key=key))
        except IntegrityError:
            return False
        return True


def _values(item: Event | Request | Finding) -> dict[str, Any]:
    return {name: getattr(item, name) for name in type(item).__slots__}


def _serials(key: Key) -> dict[str, str | None]:
    return {
        name: None if serial is None else f"{serial:x}"
        for name, serial in (("signing_serial", key.signing_serial), ("encryption_serial", key.encryption_serial))
    }


def _key(row: Row[Any]) -> Key:
    values = dict(row._mapping)
    for name in ("signing_serial", "encryption_serial"):
        values[name] = int(values[name], 16) if values[name] else None
    return Key(**{**values, "state": State(values["state"])})


def _request(row: Any) -> Request:
    return Request(**{**row, "kind": RequestKind(row["kind"]), "state": RequestState(row["state"])})
