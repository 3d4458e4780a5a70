"""An order gets one certificate, wherever the process dies that finishes it, or stands still."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.unit.offerings.ssl_certificate.desk import Answer, Desk, Holder, csr

from miyun.core.errors import Overloaded
from miyun.gm import sm2, sm4
from miyun.offerings.certificate.model import State
from miyun.offerings.ssl_certificate.acme.order.issuing import Issuing
from miyun.offerings.ssl_certificate.model import OrderStatus
from miyun.offerings.ssl_certificate.store.orders import OrderStore
from miyun.offerings.ssl_certificate.tasks import finish
from miyun.wire import base64url
from miyun.wire.algorithm import SignatureAlgorithm
from miyun.wire.cms import parse_enveloped_key
from miyun.wire.name import Name
from miyun.wire.pkcs10 import CertificationRequestInfo
from miyun.wire.spki import sm2_spki
from miyun.wire.x509 import load_certificates, subject_alt_name

NAME = "www.example.cn"
EVER = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


class Killed(BaseException):
    """As by SIGKILL: nobody cleans up."""


def die(*_: Any, **__: Any) -> Any:
    raise Killed


@pytest.fixture
def ready(holder: Holder) -> Answer:
    order = holder.order(NAME)
    holder.prove(order)
    return order


def certificates(desk: Desk) -> list[Any]:
    return desk.rooms.certificate.issued_between("ten_a", *EVER)


def later(desk: Desk) -> None:
    asyncio.run(finish(desk.service))
    desk.clock.at += timedelta(minutes=3)
    asyncio.run(finish(desk.service))


@pytest.mark.parametrize(
    ("where", "status", "made"),
    [
        ("miyun.offerings.certificate.store.CertificateStore.reserve", "invalid", 0),
        ("miyun.offerings.certificate.authority.Authorities.sign_many", "invalid", 0),
        ("miyun.offerings.certificate.store.CertificateStore.complete", "invalid", 0),
        ("miyun.offerings.certificate.issuer.PlatformIssuer._record", "valid", 1),
        ("miyun.offerings.ssl_certificate.store.orders.OrderStore.complete_order", "valid", 1),
    ],
)
def test_the_death_of_its_process(
    desk: Desk, holder: Holder, ready: Answer, monkeypatch: pytest.MonkeyPatch, where: str, status: str, made: int
) -> None:
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(where, die)
        holder.post(ready.json["finalize"], {"csr": csr(NAME)})
    address = ready.headers["location"]
    assert holder.post(address).json["status"] == "processing"
    assert holder.post(ready.json["finalize"], {"csr": csr(NAME)}).error == "orderNotReady"
    later(desk)
    order = holder.post(address)
    assert order.json["status"] == status and len(certificates(desk)) == made
    if made:
        assert holder.post(order.json["certificate"]).status == 200


def test_the_death_of_a_pairs_process(desk: Desk, holder: Holder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its envelope is made again, to the key of the request."""
    secret = sm2.generate_private_key()
    info = CertificationRequestInfo(
        Name.of(("CN", NAME)), sm2_spki(sm2.public_key(secret)), (subject_alt_name(dns=[NAME]),)
    )
    request = info.sign(SignatureAlgorithm.SM2_SM3, lambda message: sm2.sign(secret, message))
    order = holder.order(NAME, profile="sm2-dual")
    holder.prove(order)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(OrderStore, "complete_order", die)
        holder.post(order.json["finalize"], {"csr": base64url.encode(request)})
    later(desk)
    done = holder.post(order.headers["location"]).json
    sent = parse_enveloped_key(holder.post(done["envelopedKey"]).body)
    opened = sm4.decrypt_ecb(sm2.decrypt(secret, sent.encrypted_symmetric_key), sent.encrypted_private_key)
    twin = load_certificates(holder.post(done["encryptionCertificate"]).body)[0]
    assert twin.spki_der == sm2_spki(sm2.public_key(opened))


def test_an_order_that_cannot_be_finished_yet_keeps_no_other_waiting(
    desk: Desk, holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (holder.order(name) for name in (NAME, "other.example.cn"))
    for order, name in ((first, NAME), (second, "other.example.cn")):
        holder.prove(order)
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(OrderStore, "complete_order", die)
            holder.post(order.json["finalize"], {"csr": csr(name)})
    waits, recover = first.headers["location"].rpartition("/")[2], Issuing.recover

    async def locked(self: Issuing, order: Any, now: datetime) -> Any:
        if order.id == waits:
            raise Overloaded(retry_after=1)
        return await recover(self, order, now)

    with monkeypatch.context() as patch:
        patch.setattr(Issuing, "recover", locked)
        later(desk)
    assert [holder.post(order.headers["location"]).json["status"] for order in (first, second)] == [
        "processing",
        "valid",
    ]
    asyncio.run(finish(desk.service))
    assert holder.post(first.headers["location"]).json["status"] == "valid"


def test_a_full_database_loses_no_certificate(
    desk: Desk, holder: Holder, ready: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise Overloaded(retry_after=1)

    with monkeypatch.context() as patch:
        patch.setattr(OrderStore, "complete_order", full)
        assert holder.post(ready.json["finalize"], {"csr": csr(NAME)}).status == 503
    assert holder.post(ready.headers["location"]).json["status"] == "processing", "it has its certificate"
    later(desk)
    assert holder.post(ready.headers["location"]).json["status"] == "valid" and len(certificates(desk)) == 1


def test_a_locked_machine_leaves_the_order_ready(desk: Desk, holder: Holder, ready: Answer) -> None:
    desk.rooms.machine.locked = True
    assert holder.post(ready.json["finalize"], {"csr": csr(NAME)}).status == 503
    desk.rooms.machine.locked = False
    assert holder.post(ready.json["finalize"], {"csr": csr(NAME)}).json["status"] == "valid"


def test_an_old_order_is_not_taken_for_one_that_was_broken_off(
    desk: Desk, holder: Holder, ready: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task comes by while it is being issued."""
    desk.clock.advance(days=3)
    issue = Issuing.issue

    async def slowly(self: Issuing, *arguments: Any) -> Any:
        await finish(desk.service)
        return await issue(self, *arguments)

    monkeypatch.setattr(Issuing, "issue", slowly)
    assert holder.post(ready.json["finalize"], {"csr": csr(NAME)}).json["status"] == "valid"


def test_who_stood_still_until_the_order_had_ended_issues_nothing_that_is_good(
    desk: Desk, holder: Holder, ready: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete = OrderStore.complete_order
    order = ready.headers["location"].rpartition("/")[2]

    def at_last(self: OrderStore, *arguments: Any, **more: Any) -> bool:
        assert self.move_order(order, OrderStatus.PROCESSING, OrderStatus.INVALID)
        return complete(self, *arguments, **more)

    monkeypatch.setattr(OrderStore, "complete_order", at_last)
    assert holder.post(ready.json["finalize"], {"csr": csr(NAME)}).error == "orderNotReady"
    assert [item.state for item in certificates(desk)] == [State.REVOKED]
    assert holder.post(ready.headers["location"]).json["status"] == "invalid"


def test_who_stood_still_until_another_noted_its_certificate_finds_it(
    desk: Desk, holder: Holder, ready: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete = OrderStore.complete_order

    def twice(self: OrderStore, *arguments: Any, **more: Any) -> bool:
        assert complete(self, *arguments, **more)
        return complete(self, *arguments, **more)

    monkeypatch.setattr(OrderStore, "complete_order", twice)
    assert holder.post(ready.json["finalize"], {"csr": csr(NAME)}).json["status"] == "valid"
    assert [item.state for item in certificates(desk)] == [State.ISSUED]
