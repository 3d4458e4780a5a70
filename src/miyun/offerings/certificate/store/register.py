"""The register of certificates: serial numbers taken, certificates issued and found."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from miyun.core.listing import Page, Place, Sort, Sorting
from miyun.core.storage.database import Database
from miyun.core.storage.keyset import page_of
from miyun.core.storage.search import Entry, Facet, grams
from miyun.offerings.certificate.model import (
    AuthorityEnded,
    Certificate,
    Completion,
    KeysInUse,
    KeyUse,
    Reservation,
    RevocationReason,
    Search,
    State,
    Usage,
    serial_text,
)
from miyun.offerings.certificate.store import claims
from miyun.offerings.certificate.store.tables import (
    SUBJECT_LENGTH,
    authority_table,
    certificate_search,
    certificate_table,
)

SORTING: Final = Sorting({"issued": datetime, "expires": datetime, "subject": str}, default="-issued")
_T: Final = certificate_table.c
_INDEXED: Final = (_T.subject, _T.names, _T.tenant, _T.template, _T.authority, _T.usage, _T.application)
_SORTED: Final[dict[str, ColumnElement[Any]]] = {
    "issued": _T.issued_at,
    "expires": _T.not_after,
    "subject": _T.subject,
}
# What narrows a search to at most so many rows is sorted; beyond, the sorted list is walked until a page is full.
_FEW: Final = 4000
_WALKED: Final = 20_000  # rows that are looked at for a page of what no index finds
_STEP: Final = 2000
_RESERVING: Final = 0x63657274  # lock of PostgreSQL


class RegisterQueries:
    _database: Database

    def reserve(self, reservations: Sequence[Reservation]) -> bool:
        """Take serial numbers durably. False when one of them was ever used: nothing is taken then. Raises KeysInUse
        for keys that were certified for others, or known to be compromised, ClaimsTaken for applications that have
        their certificates, AuthorityEnded when the authority was revoked."""
        try:
            with self._database.write() as connection:
                if connection.dialect.name == "postgresql":  # one at a time, as SQLite does anyway
                    connection.execute(select(func.pg_advisory_xact_lock(_RESERVING)))
                authorities = {item.authority for item in reservations}
                ended = authority_table.c.id.in_(authorities) & authority_table.c.revoked_at.is_not(None)
                if connection.execute(select(authority_table.c.id).where(ended)).first() is not None:
                    raise AuthorityEnded
                claims.take(connection, reservations)
                if uses := _uses(connection, reservations):
                    raise KeysInUse(uses)
                connection.execute(insert(certificate_table), [_reserved(item) for item in reservations])
        except IntegrityError:
            return False
        return True

    def complete(self, completions: Sequence[Completion], at: datetime) -> set[int]:
        """Certificates of reserved numbers: they are issued now, all or none. Answers the numbers whose claim somebody
        else has taken meanwhile: those are revoked, and their twins with them."""
        changed = (
            update(certificate_table)
            .where(_T.serial == bindparam("number_taken"), _T.state == State.ALLOCATED)
            .values(der=bindparam("signed"), fingerprint=bindparam("hash"), state=State.ISSUED, issued_at=at)
        )
        rows = [
            {"number_taken": serial_text(item.serial), "signed": item.der, "hash": item.fingerprint}
            for item in completions
        ]
        with self._database.write() as connection:
            connection.execute(changed, rows)
            lost = self._index(connection, [row["number_taken"] for row in rows])
            claims.record_lost(connection, [item for item in completions if item.serial in lost], at)
        return lost

    def _index(self, connection: Connection, serials: Sequence[Any]) -> set[int]:
        """Makes them to be found. Answers which of them were not issued."""
        lost = set[int]()
        for start in range(0, len(serials), 5000):
            found = connection.execute(
                select(_T.number, _T.serial, _T.state, *_INDEXED)
                .where(_T.serial.in_(serials[start : start + 5000]))
                .order_by(_T.number)
            ).all()
            lost |= {int(row.serial, 16) for row in found if row.state != State.ISSUED}
            certificate_search.add(
                connection,
                (
                    Entry(
                        row.number,
                        f"{row.subject}\n{row.names}",
                        [
                            *_facets(row.tenant, row.template, row.authority, row.usage, row.application),
                            *(("name", name.lower()) for name in row.names.split("\n") if name),
                        ],
                    )
                    for row in found
                ),
            )
        return lost

    def find(self, serial: str, tenant: str) -> Certificate | None:
        """A tenant's own certificate."""
        return self._one(_T.serial == serial, _T.tenant == tenant)

    def find_any(self, serial: int) -> Certificate | None:
        """Of whatever tenant: for the platform's own questions, never for a caller's."""
        return self._one(_T.serial == serial_text(serial))

    def claimed(self, tenant: str, applications: Sequence[str]) -> list[Certificate]:
        """What a tenant's applications have been issued, the signing certificates first."""
        query = select(certificate_table).where(_T.tenant == tenant, _T.claim.in_(claims.claims_of(applications)))
        with self._database.read() as connection:
            rows = connection.execute(query.where(_T.der.is_not(None)).order_by(_T.number)).all()
        return sorted(map(certificate_of, rows), key=lambda certificate: certificate.usage is Usage.ENCRYPT)

    def find_published(self, *, serial: str | None = None, fingerprint: bytes | None = None) -> Certificate | None:
        """Of whatever tenant, when its template publishes it."""
        wanted = _T.serial == serial if serial is not None else _T.fingerprint == fingerprint
        return self._one(wanted, _T.published, _T.der.is_not(None))

    def _one(self, *conditions: ColumnElement[bool]) -> Certificate | None:
        with self._database.read() as connection:
            row = connection.execute(select(certificate_table).where(*conditions).limit(1)).one_or_none()
        return certificate_of(row) if row else None

    def page(
        self, tenant: str, search: Search, *, sort: Sort, place: Place | None, now: datetime, limit: int
    ) -> Page[Certificate]:
        """What a search finds, in order. Its cost does not grow with the register: what is rare is found by an index,
        what is common is met soon on the way through the sorted list. For a text of a letter or two, which no index
        knows, a page ends after so many rows, full or not, and its cursor goes on from there."""
        query = select(certificate_table).where(*_conditions(search, sort, now))
        with self._database.read() as connection:
            few = _few(connection, tenant, search, now)
            if few is None and search.text and not grams(search.text):
                return _walk(connection, tenant, query, sort=sort, place=place, limit=limit)
            if few is not None:
                query = query.where(_T.number.in_(few), _plain(_T.tenant) == tenant)
            else:
                query = query.where(_T.tenant == tenant)
            rows = connection.execute(page_of(query, sort, place, columns=_SORTED, key=_T.number, limit=limit)).all()
        items = [certificate_of(row) for row in rows[:limit]]
        return Page(items, _cursor(sort, rows[limit - 1]) if len(rows) > limit else None)

    def issued_between(self, tenant: str, start: datetime, end: datetime) -> list[Certificate]:
        query = select(certificate_table).where(_T.tenant == tenant, _T.issued_at >= start, _T.issued_at < end)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(_T.issued_at, _T.number)).all()
        return [certificate_of(row) for row in rows]


def _uses(connection: Connection, reservations: Sequence[Reservation]) -> dict[str, KeyUse]:
    """Which keys of the reservations may not be certified so, by what the register and the other reservations say. A
    number that was taken and never completed counts for an hour: its certificate may be on its way."""
    holders: dict[str, tuple[str | None, str, str]] = {}
    uses: dict[str, KeyUse] = {}
    for item in reservations:
        holder = (item.tenant, item.subject[:SUBJECT_LENGTH], item.usage)
        if (use := _conflict(holders.setdefault(item.key, holder), holder)) is not None:
            uses[item.key] = use
    query = select(_T.key, _T.tenant, _T.subject, _T.usage, _T.reason)
    since = min(item.allocated_at for item in reservations) - timedelta(hours=1)
    counted = or_(_T.state.not_in((State.ALLOCATED, State.VOID)), _T.allocated_at > since)
    keys = list(holders)
    for start in range(0, len(keys), 5000):
        for row in connection.execute(query.where(_T.key.in_(keys[start : start + 5000]), counted)):
            use = _conflict((row.tenant, row.subject, row.usage), holders[row.key])
            if row.reason == RevocationReason.KEY_COMPROMISE:
                use = KeyUse.COMPROMISED
            if use is not None and uses.get(row.key) is not KeyUse.COMPROMISED:
                uses[row.key] = use
    return uses


def _conflict(one: tuple[str | None, str, str], other: tuple[str | None, str, str]) -> KeyUse | None:
    if one[:2] != other[:2]:
        return KeyUse.OTHER_HOLDER
    return KeyUse.OTHER_USAGE if one[2] != other[2] else None


def _cursor(sort: Sort, last: Row[Any]) -> str:
    value = {"issued": last.issued_at, "expires": last.not_after, "subject": last.subject}[sort.field]
    return SORTING.cursor(sort, value, last.number)


def _walk(
    connection: Connection, tenant: str, query: Select[Any], *, sort: Sort, place: Place | None, limit: int
) -> Page[Certificate]:
    listed = select(_T.number, _T.issued_at, _T.not_after, _T.subject).where(
        _T.tenant == tenant, _SORTED[sort.field].is_not(None)
    )
    walked = connection.execute(page_of(listed, sort, place, columns=_SORTED, key=_T.number, limit=_WALKED)).all()
    found: list[Row[Any]] = []
    for start in range(0, min(len(walked), _WALKED), _STEP):
        places = {row.number: at for at, row in enumerate(walked[start : min(start + _STEP, _WALKED)])}
        rows = connection.execute(query.where(_T.number.in_(list(places)))).all()
        found += sorted(rows, key=lambda row: places[row.number])
        if len(found) > limit:
            return Page([certificate_of(row) for row in found[:limit]], _cursor(sort, found[limit - 1]))
    more = _cursor(sort, walked[_WALKED - 1]) if len(walked) > _WALKED else None
    return Page([certificate_of(row) for row in found], more)


def _few(connection: Connection, tenant: str, search: Search, now: datetime) -> list[int] | None:
    """Numbers among which everything found is, when something narrows the search to few. None: walk the list."""
    facets = _facets(tenant, search.template, search.authority, search.usage, search.application)
    if search.name:
        facets.append(("name", search.name.lower()))
    if search.text or len(facets) > 1:
        found = certificate_search.candidates(connection, [search.text], facets, _FEW)
        if found is not None and _is_serial(search.text):  # what is in a serial number is in no piece of text
            also = _numbers(connection, _serials(search.text.lower()))
            found = found + also if also is not None else None
        if found is not None:
            return found
    narrow: list[list[ColumnElement[bool]]] = []
    if search.key:
        narrow.append([_T.key == search.key])
    if search.serial:
        narrow.append(_serials(search.serial))
    if search.state in ("revoked", "suspended"):
        narrow.append([_T.tenant == tenant, _T.changed.is_not(None), _T.revoked_at.is_not(None)])
    if search.expires_from or search.expires_before or search.state == "expired":
        window = _between(_T.not_after, search.expires_from, search.expires_before)
        narrow.append([_T.tenant == tenant, *window, *([_T.not_after < now] if search.state == "expired" else [])])
    if search.issued_from or search.issued_before:
        narrow.append([_T.tenant == tenant, *_between(_T.issued_at, search.issued_from, search.issued_before)])
    return next((few for conditions in narrow if (few := _numbers(connection, conditions)) is not None), None)


def _numbers(connection: Connection, conditions: Sequence[ColumnElement[bool]]) -> list[int] | None:
    rows = connection.execute(select(_T.number).where(*conditions).limit(_FEW + 1)).scalars().all()
    return list(rows) if len(rows) <= _FEW else None


def _serials(prefix: str) -> list[ColumnElement[bool]]:
    return [_T.serial >= prefix, _T.serial < prefix + "g"]


def _between(column: ColumnElement[Any], low: datetime | None, high: datetime | None) -> list[ColumnElement[bool]]:
    return [*([column >= low] if low else []), *([column < high] if high else [])]


def _conditions(search: Search, sort: Sort, now: datetime) -> list[ColumnElement[bool]]:
    """Of a row that is found. They are written so that none of them draws the walk away from the order's index."""
    issued, expires = (_SORTED[name] if name == sort.field else _plain(_SORTED[name]) for name in ("issued", "expires"))
    found: list[ColumnElement[bool]] = [issued.is_not(None)]
    for column, value in (
        (_T.template, search.template),
        (_T.authority, search.authority),
        (_T.usage, search.usage),
        (_T.application, search.application),
        (_T.key, search.key),
    ):
        if value:
            found.append(_plain(column) == value)
    if search.text:
        serial = search.text.lower()
        text = [column.icontains(search.text, autoescape=True) for column in (_T.subject, _T.names)]
        found.append(or_(*text) if not _is_serial(serial) else or_(*text, _T.serial.startswith(serial)))
    if search.name:
        found.append((func.lower("\n" + _T.names + "\n")).contains(f"\n{search.name.lower()}\n", autoescape=True))
    if search.serial:
        found.append(_T.serial.startswith(search.serial))
    if search.state in ("revoked", "suspended"):
        found.append(_plain(_T.state) == search.state)
    elif search.state:
        found += [_plain(_T.state) == State.ISSUED, expires >= now if search.state == "issued" else expires < now]
    found += _between(expires, search.expires_from, search.expires_before)
    found += _between(issued, search.issued_from, search.issued_before)
    return found


def _plain(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The column's value, which no index is asked for."""
    return func.coalesce(column, None, type_=column.type)


def _is_serial(text: str) -> bool:
    return 4 <= len(text) <= 40 and all(letter in "0123456789abcdef" for letter in text)


def _facets(
    tenant: str | None, template: str | None, authority: str | None, usage: str | None, application: str | None
) -> list[Facet]:
    named = {"tenant": tenant, "template": template, "ca": authority, "usage": usage, "application": application}
    return [(name, str(value)) for name, value in named.items() if value]


def _reserved(item: Reservation) -> dict[str, object]:
    return {
        "serial": serial_text(item.serial),
        "tenant": item.tenant,
        "authority": item.authority,
        "shard": item.shard,
        "template": item.template,
        "usage": item.usage,
        "subject": item.subject[:SUBJECT_LENGTH],
        "names": "\n".join(item.names),
        "key": item.key,
        "application": item.application,
        "claim": claims.claim_of(item.application, item.usage) if item.application is not None else None,
        "published": item.published,
        "state": State.ALLOCATED,
        "not_before": item.not_before,
        "not_after": item.not_after,
        "allocated_at": item.allocated_at,
        "pair": serial_text(item.pair) if item.pair is not None else None,
    }


def certificate_of(row: Row[Any]) -> Certificate:
    return Certificate(
        serial=int(row.serial, 16),
        tenant=row.tenant,
        authority=row.authority,
        shard=row.shard,
        template=row.template,
        usage=Usage(row.usage),
        subject=row.subject,
        names=tuple(row.names.split("\n")) if row.names else (),
        key=row.key,
        application=row.application,
        state=State(row.state),
        not_before=row.not_before,
        not_after=row.not_after,
        issued_at=row.issued_at,
        der=row.der,
        fingerprint=row.fingerprint,
        revoked_at=row.revoked_at,
        reason=RevocationReason(row.reason) if row.reason else None,
        pair=int(row.pair, 16) if row.pair else None,
        changed=row.changed is not None,
    )
