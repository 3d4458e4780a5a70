"""The register is searched by any field, sorted, paged, exported; keys are certified for one holder."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, insert, select
from tests.postgres import cluster
from tests.rooms import Rooms
from tests.standin import HandClock, call_of, database_in

from miyun.core.errors import InvalidArgument, NotFound
from miyun.core.storage.database import Database, metadata
from miyun.core.storage.search import grams
from miyun.gm import sm2, sm3
from miyun.offerings.certificate import messages as m
from miyun.offerings.certificate.applications.requests import read_request
from miyun.offerings.certificate.errors import KeyRefused
from miyun.offerings.certificate.issuance import Order, subject_of
from miyun.offerings.certificate.model import (
    Completion,
    Reservation,
    RevocationReason,
    Search,
    State,
    Usage,
    key_digest,
)
from miyun.offerings.certificate.service import CertificateService
from miyun.offerings.certificate.store import SORTING, CertificateStore, register
from miyun.offerings.certificate.store.tables import certificate_table, shard_table
from miyun.wire.spki import sm2_spki

Csr = Callable[..., str]
NOW = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)


def fill(store: CertificateStore, rows: list[dict[str, Any]]) -> list[Reservation]:
    """Certificates without the certificates: what the register is searched by is in its columns."""
    with store._database.write() as connection:
        connection.execute(insert(shard_table), [{"authority": "sm2-issuing", "shard": 0}])
    made = []
    for number, row in enumerate(rows):
        serial = (1 << 126) + number * 0x1234_5678_9ABC_DEF0_1234
        fields: dict[str, Any] = {
            "serial": serial,
            "tenant": "ten_a",
            "authority": "sm2-issuing",
            "shard": 0,
            "template": "person",
            "usage": Usage.SIGN,
            "subject": f"CN={number},C=CN",
            "names": (),
            "key": key_digest(b"key %d" % number),
            "published": True,
            "not_before": NOW - timedelta(days=1),
            "not_after": NOW + timedelta(days=365),
            "allocated_at": NOW,
        } | {key: value for key, value in row.items() if key not in ("state", "issued_at")}
        item = Reservation(**fields)
        assert store.reserve([item])
        store.complete([Completion(serial, b"der %d" % serial, sm3.digest(b"%d" % serial))], row.get("issued_at", NOW))
        if row.get("state") == "revoked":
            assert store.move(serial, State.REVOKED, RevocationReason.SUPERSEDED, NOW)
        elif row.get("state") == "suspended":
            assert store.move(serial, State.SUSPENDED, RevocationReason.CERTIFICATE_HOLD, NOW)
        made.append(item)
    return made


def found(store: CertificateStore, sort: str = "", limit: int = 500, tenant: str = "ten_a", **search: Any) -> list[str]:
    order = SORTING.sort(sort)
    subjects: list[str] = []
    cursor = None
    while True:
        page = store.page(
            tenant, Search(**search), sort=order, place=SORTING.place(order, cursor), now=NOW, limit=limit
        )
        subjects += [item.subject for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return subjects


ROWS: list[dict[str, Any]] = [
    {"subject": "CN=示例市政务服务中心,C=CN", "template": "organisation"},
    {"subject": "CN=张三,C=CN", "names": ("zhang@example.cn",), "application": "app_1"},
    {"subject": "CN=www,C=CN", "names": ("www.example.cn", "example.cn"), "template": "tls_server"},
    {"subject": "CN=100%,C=CN", "state": "revoked"},
    {"subject": "CN=a_b,C=CN", "state": "suspended", "usage": Usage.ENCRYPT},
    {"subject": "CN=Old,C=CN", "not_after": NOW - timedelta(days=1)},
    {"subject": "CN=rsa,C=CN", "authority": "rsa-issuing", "issued_at": NOW - timedelta(days=9)},
    {"subject": "CN=foreign,C=CN", "tenant": "ten_b", "names": ("www.example.cn",)},
]

SEARCHES: list[tuple[dict[str, Any], list[int]]] = [
    ({"text": "政务"}, [0]),
    ({"text": "市政务服务"}, [0]),
    ({"text": "务"}, [0]),
    ({"text": "政务中心"}, []),
    ({"text": "EXAMPLE.CN"}, [1, 2]),
    ({"text": "example-cn"}, []),
    ({"text": "ww"}, [2]),
    ({"text": "100%"}, [3]),
    ({"text": "100_"}, []),
    ({"text": "%"}, [3]),
    ({"text": "a_b"}, [4]),
    ({"name": "www.example.cn"}, [2]),
    ({"name": "ww.example.cn"}, []),
    ({"name": "WWW.example.CN"}, [2]),
    ({"template": "tls_server"}, [2]),
    ({"template": "nothing"}, []),
    ({"authority": "rsa-issuing"}, [6]),
    ({"usage": "encrypt"}, [4]),
    ({"application": "app_1"}, [1]),
    ({"key": key_digest(b"key 2")}, [2]),
    ({"key": key_digest(b"key 7")}, []),
    ({"state": "revoked"}, [3]),
    ({"state": "suspended"}, [4]),
    ({"state": "expired"}, [5]),
    ({"state": "issued"}, [0, 1, 2, 6]),
    ({"expires_before": NOW}, [5]),
    ({"expires_from": NOW, "template": "person", "state": "issued"}, [1, 6]),
    ({"issued_before": NOW}, [6]),
    ({"issued_from": NOW, "text": "cn", "usage": "sign", "state": "issued"}, [0, 1, 2]),
    ({"serial": f"{(1 << 126) + 3 * 0x1234_5678_9ABC_DEF0_1234:032x}"[:31]}, [3]),
    ({"text": f"{(1 << 126) + 3 * 0x1234_5678_9ABC_DEF0_1234:032x}"[:31]}, [3]),
    ({"text": f"{(1 << 126) + 7 * 0x1234_5678_9ABC_DEF0_1234:032x}"}, []),
    ({}, [0, 1, 2, 3, 4, 5, 6]),
]


@pytest.fixture(params=[(4000, 20_000), (1, 20_000), (1, 3)], ids=["by index", "by walk", "by steps"])
def few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All ways to the same rows: what is rare is found by an index, what is common on the way through the order, and
    for a text too short for the index that way is gone some rows a page."""
    few, walked = request.param
    monkeypatch.setattr(register, "_FEW", few)
    monkeypatch.setattr(register, "_WALKED", walked)
    monkeypatch.setattr(register, "_STEP", 2)


def check_searches(store: CertificateStore) -> None:
    made = fill(store, ROWS)
    for search, places in SEARCHES:
        for sort in ("subject", "-issued", "expires"):
            wanted = sorted(made[place].subject for place in places)
            assert sorted(found(store, sort, limit=2, **search)) == wanted, (search, sort)
    assert found(store, tenant="ten_b", text="example") == ["CN=foreign,C=CN"]
    assert found(store, tenant="ten_c", text="example") == []


@pytest.mark.usefixtures("few")
def test_certificates_are_found_by_any_field(tmp_path: Path) -> None:
    check_searches(CertificateStore(database_in(tmp_path)))


@pytest.mark.engine
@pytest.mark.usefixtures("few")
def test_certificates_are_found_by_any_field_on_postgresql() -> None:
    with cluster() as dsn:
        database = Database(dsn)
        try:
            metadata.create_all(database.engine)
            check_searches(CertificateStore(database))
        finally:
            database.close()


def test_a_page_of_a_text_of_a_letter_ends_after_so_many_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is found: the next page goes on behind them."""
    monkeypatch.setattr(register, "_FEW", 1)
    monkeypatch.setattr(register, "_WALKED", 3)
    store = CertificateStore(database_in(tmp_path))
    fill(store, [{"subject": f"CN={name}"} for name in ("aa", "ab", "ac", "ad", "某", "zz")])
    order = SORTING.sort("subject")
    first = store.page("ten_a", Search(text="z"), sort=order, place=None, now=NOW, limit=50)
    assert not first.items and first.next_cursor is not None
    place = SORTING.place(order, first.next_cursor)
    second = store.page("ten_a", Search(text="z"), sort=order, place=place, now=NOW, limit=50)
    assert [item.subject for item in second.items] == ["CN=zz"] and second.next_cursor is None


@given(st.text("ab 中文-É1ßİﬁ", max_size=12), st.integers(0, 11), st.integers(0, 12))
def test_a_part_of_a_text_has_no_pieces_that_the_text_has_not(text: str, start: int, size: int) -> None:
    assert set(grams(text[start : start + size])) <= set(grams(text))


def test_the_order_is_kept_from_page_to_page_while_certificates_come(tmp_path: Path) -> None:
    store = CertificateStore(database_in(tmp_path))
    fill(store, [{"subject": f"CN={name}"} for name in "dbeca"])
    order = SORTING.sort("subject")
    first = store.page("ten_a", Search(), sort=order, place=None, now=NOW, limit=2)
    assert [item.subject for item in first.items] == ["CN=a", "CN=b"]
    for number, name in enumerate(("aa", "cc"), 50):
        serial = (1 << 125) + number
        row = fill_one(serial, f"CN={name}")
        assert store.reserve([row])
        store.complete([Completion(serial, b"x", sm3.digest(b"x"))], NOW)
    place = SORTING.place(order, first.next_cursor)
    rest = store.page("ten_a", Search(), sort=order, place=place, now=NOW, limit=9)
    assert [item.subject for item in rest.items] == ["CN=c", "CN=cc", "CN=d", "CN=e"]


def fill_one(serial: int, subject: str, **fields: Any) -> Reservation:
    known: dict[str, Any] = {
        "tenant": "ten_a",
        "authority": "sm2-issuing",
        "shard": 0,
        "template": "person",
        "usage": Usage.SIGN,
        "names": (),
        "key": key_digest(serial.to_bytes(16, "big")),
        "published": False,
        "not_before": NOW,
        "not_after": NOW + timedelta(days=1),
        "allocated_at": NOW,
    }
    return Reservation(serial=serial, subject=subject, **(known | fields))


def issue(service: CertificateService, csr: str, clock: HandClock, **fields: Any) -> m.IssuedView:
    request = m.IssueRequest(csr=csr, **{"template": "application", **fields})
    return asyncio.run(service.issue(call_of("ten_a", clock), request))


def order_of(csr: str, template: str) -> Order:
    request = read_request(csr)
    return Order("ten_a", template, request.subject, request.spki_der)


async def read(download: Any) -> bytes:
    return b"".join([chunk async for chunk in download.chunks])


def test_a_list_is_taken_away_as_a_file(service: CertificateService, sm2_csr: Csr, clock: HandClock) -> None:
    for name in ("应用一", "应用二", "别的"):
        issue(service, sm2_csr(name), clock, names=["a.example.cn"])

    def export(form: Any) -> bytes:
        async def run() -> bytes:
            request = m.ExportRequest(text="应用", sort="subject", format=form)
            return await read(await service.export(call_of("ten_a", clock), request))

        return asyncio.run(run())

    head, *rows = csv.reader(io.StringIO(export("csv").decode("utf-8-sig")))
    assert head[:3] == ["序列号", "主题", "备用名称"]
    assert sorted(row[1] for row in rows) == ["CN=应用一,O=某局,C=CN", "CN=应用二,O=某局,C=CN"]
    lines = [json.loads(line) for line in export("jsonl").splitlines()]
    assert [line["subject"] for line in lines] == sorted(line["subject"] for line in lines)
    assert {line["template"] for line in lines} == {"application"}


def test_a_sort_that_is_none_is_refused_before_anything_is_sent(service: CertificateService, clock: HandClock) -> None:
    for request in (m.ExportRequest(sort="der"), m.ListRequest(sort="der"), m.ListRequest(cursor="x")):
        with pytest.raises(InvalidArgument):
            run: Any = service.export if isinstance(request, m.ExportRequest) else service.list_certificates
            asyncio.run(run(call_of("ten_a", clock), request))


def test_published_certificates_are_for_anybody_and_persons_are_not(
    service: CertificateService, sm2_csr: Csr, clock: HandClock
) -> None:
    shown = issue(service, sm2_csr(), clock).certificate
    [person] = asyncio.run(service.issuance.issue(order_of(sm2_csr("张三"), "person"), clock.now()))
    hidden = asyncio.run(service.get(call_of("ten_a", clock), m.SerialRequest(serial=f"{person.serial:x}"))).certificate
    anybody = call_of(None, clock)
    for name in (shown.serial, shown.fingerprint_sm3):
        reply = asyncio.run(service.published(anybody, m.PublishedRequest(certificate=name)))
        assert sm3.digest(reply.body).hex() == shown.fingerprint_sm3
    for name in (hidden.serial, hidden.fingerprint_sm3, "0" * 64, "1"):
        with pytest.raises(NotFound):
            asyncio.run(service.published(anybody, m.PublishedRequest(certificate=name)))


# keys


@pytest.fixture
def order() -> Iterator[Callable[..., Order]]:
    public = sm2_spki(sm2.public_key(sm2.generate_private_key()))

    def make(name: str = "应用一", **fields: Any) -> Order:
        return Order(**({"tenant": "ten_a", "template": "application", "spki": public} | fields), subject=of(name))

    def of(name: str) -> Any:
        return subject_of({"O": "某局", "CN": name})

    yield make


def refused(rooms: Rooms, order: Order) -> KeyRefused:
    with pytest.raises(KeyRefused) as error:
        asyncio.run(rooms.certificate.issuance.issue(order, rooms.clock.now()))
    return error.value


def test_a_key_is_certified_again_for_its_own_subject_only(rooms: Rooms, order: Callable[..., Order]) -> None:
    issuance = rooms.certificate.issuance
    for _ in range(2):
        asyncio.run(issuance.issue(order(), rooms.clock.now()))
    assert "another subject" in refused(rooms, order("应用二")).message.en
    assert refused(rooms, order(tenant="ten_b")).field == "public_key"
    signing = sm2_spki(sm2.public_key(sm2.generate_private_key()))
    twin = refused(rooms, order(spki=signing, encryption_spki=order().spki))
    assert (twin.field, "other use" in twin.message.en) == ("encryption_public_key", True)


def test_a_compromised_key_is_never_certified_again(rooms: Rooms, order: Callable[..., Order]) -> None:
    issuance = rooms.certificate.issuance
    [issued] = asyncio.run(issuance.issue(order(), rooms.clock.now()))
    asyncio.run(rooms.issuer.revoke(issued.serial, "key_compromise", rooms.clock.now()))
    for subject in ("应用一", "应用二"):
        assert "compromise" in refused(rooms, order(subject)).message.en
    with rooms.database.read() as connection:
        keys = select(func.count()).where(certificate_table.c.key == key_digest(order().spki))
        assert connection.execute(keys).scalar_one() == 1, "nothing was reserved for what is refused"


def test_of_two_who_ask_at_once_for_one_key_one_is_refused(rooms: Rooms, order: Callable[..., Order]) -> None:
    async def both() -> list[Any]:
        asked = [rooms.certificate.issuance.issue(order(name), rooms.clock.now()) for name in ("甲", "乙")]
        return await asyncio.gather(*asked, return_exceptions=True)

    outcomes = asyncio.run(both())
    assert sorted(isinstance(item, KeyRefused) for item in outcomes) == [False, True]
