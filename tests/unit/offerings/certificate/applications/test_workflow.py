"""From an application to certificates in the applicant's hand, by two people."""

from __future__ import annotations

import asyncio

import pytest
from tests.applicants import Holder, Office
from tests.rooms import Rooms

from miyun.core.errors import InvalidArgument, NotFound
from miyun.core.operation import Role
from miyun.gm import sm2
from miyun.offerings.certificate.applications.errors import (
    ApplicationAlreadyOpen,
    ApplicationStateConflict,
    NotRenewable,
    SecondPersonNeeded,
)
from miyun.offerings.certificate.errors import ApplicationNeeded, KeyRefused
from miyun.offerings.certificate.messages import IssueRequest
from miyun.wire.cms import parse_signed_data
from miyun.wire.cms.cfca_key import parse_cfca_key
from miyun.wire.x509 import load_certificates, parse_certificate, subject_alt_name, verify_chain


@pytest.fixture
def office(rooms: Rooms) -> Office:
    return Office(rooms)


def test_a_pair_is_granted_by_a_second_person_and_taken_away(office: Office) -> None:
    async def scene() -> None:
        holder = Holder()
        applied = await office.apply(holder.csr(), pair="escrow", days=30, on_behalf_of="张三")
        assert applied.state == "pending" and applied.certificate is None
        granted = await office.approve(applied.application, note="已核对身份证")
        assert granted.state == "issued" and granted.reviewer == "sec"
        signing, *above = load_certificates(await office.file(applied.application, "chain"))
        assert signing.spki_der == holder.spki and f"{signing.serial:032x}" == granted.certificate
        verify_chain(signing, above[:1], above[1:], office.rooms.clock.now())
        encryption = parse_certificate(await office.file(applied.application, "encryption_der"))
        key = holder.open(await office.file(applied.application, "enveloped_key"))
        assert sm2.public_key(key) == encryption.public_key.point
        bundle = parse_signed_data(await office.file(applied.application, "p7b"))
        assert {signing, encryption} < set(bundle.certificates) and not bundle.signers
        [counted] = [entry for entry in office.rooms.ledger.entries if entry.meter]
        assert counted.units == 2 and counted.instance == "ins_1"

    asyncio.run(scene())


def test_the_request_in_cfcas_form_gets_its_key_under_the_temporary_key(office: Office) -> None:
    async def scene() -> None:
        holder = Holder(temporary=sm2.generate_private_key())
        applied = await office.apply(holder.csr())
        assert applied.cfca and applied.pair == "escrow"
        await office.approve(applied.application)
        ciphertext = parse_cfca_key(await office.file(applied.application, "enveloped_key"))
        plain = sm2.decrypt(holder.temporary, b"\x04" + ciphertext, "c1c3c2")
        encryption = parse_certificate(await office.file(applied.application, "encryption_der"))
        assert b"\x04" + plain[:64] == sm2.public_key(plain[64:]) == encryption.public_key.point

    asyncio.run(scene())


def test_names_that_the_request_asks_for_are_certified(office: Office) -> None:
    async def scene() -> None:
        csr = Holder("app.example.cn").csr(extensions=(subject_alt_name(["app.example.cn"]),))
        applied = await office.apply(csr, template="tls_server")
        await office.approve(applied.application)
        [certificate] = load_certificates(await office.file(applied.application, "pem"))
        assert [name.value for name in certificate.subject_alt_names] == ["app.example.cn"]

    asyncio.run(scene())


def test_nobody_reviews_what_they_applied_for(office: Office) -> None:
    async def scene() -> None:
        applied = await office.apply(Holder().csr(), call=office.call("sec"))
        for verb, more in (("approve", {}), ("reject", {"reason": "不符"})):
            with pytest.raises(SecondPersonNeeded):
                await office.ask(verb, office.call("sec"), application=applied.application, **more)
        assert (await office.approve(applied.application, who="other")).state == "issued"

    asyncio.run(scene())


def test_a_template_without_review_is_granted_at_once(office: Office) -> None:
    applied = asyncio.run(office.apply(Holder("gateway-1").csr(), template="device"))
    assert applied.state == "issued" and applied.reviewer is None


@pytest.mark.parametrize(
    ("verb", "more", "state"),
    [("reject", {"reason": "单位名称不符"}, "rejected"), ("withdraw", {}, "withdrawn")],
)
def test_what_is_closed_stays_closed_and_its_key_may_be_applied_for_again(
    office: Office, verb: str, more: dict[str, str], state: str
) -> None:
    async def scene() -> None:
        csr = Holder().csr()
        applied = await office.apply(csr)
        with pytest.raises(ApplicationAlreadyOpen):
            await office.apply(csr)
        who = office.call("dev", Role.TENANT_DEVELOPER) if verb == "withdraw" else office.call("sec")
        closed = await office.ask(verb, who, application=applied.application, **more)
        assert closed.state == state
        with pytest.raises(ApplicationStateConflict):
            await office.approve(applied.application)
        assert (await office.apply(csr)).state == "pending"

    asyncio.run(scene())


def test_only_the_applicant_withdraws(office: Office) -> None:
    async def scene() -> None:
        applied = await office.apply(Holder().csr())
        with pytest.raises(NotFound):
            await office.ask("withdraw", office.call("sec"), application=applied.application)

    asyncio.run(scene())


def test_what_nobody_touches_expires(office: Office) -> None:
    async def scene() -> None:
        applied = await office.apply(Holder().csr())
        other = await office.apply(Holder("李四").csr())
        office.rooms.clock.advance(days=31)
        with pytest.raises(ApplicationStateConflict):
            await office.approve(applied.application)
        assert await office.rooms.certificate.applications.fulfilment.expire() == 1
        for item in (applied, other):
            assert (await office.ask("get", office.call("sec"), application=item.application)).state == "expired"

    asyncio.run(scene())


def test_a_key_serves_one_subject(office: Office) -> None:
    async def scene() -> None:
        holder = Holder()
        await office.approve((await office.apply(holder.csr())).application)
        holder.name = "冒名者"
        with pytest.raises(KeyRefused):
            await office.apply(holder.csr())
        holder.name = "张三"
        with pytest.raises(KeyRefused):
            await office.apply(holder.csr(), call=office.call("dev", tenant="ten_b"))
        assert (await office.apply(holder.csr())).state == "pending"

    asyncio.run(scene())


def test_a_compromised_key_is_never_certified_again(office: Office) -> None:
    async def scene() -> None:
        holder = Holder()
        granted = await office.approve((await office.apply(holder.csr())).application)
        await office.rooms.issuer.revoke(int(granted.certificate, 16), "key_compromise", office.rooms.clock.now())
        with pytest.raises(KeyRefused):
            await office.apply(holder.csr())

    asyncio.run(scene())


def test_renewal_keeps_both_keys_and_comes_only_near_the_end(office: Office) -> None:
    async def scene() -> None:
        holder = Holder()
        first = await office.approve((await office.apply(holder.csr(), pair="escrow", days=90)).application)
        key = holder.open(await office.file(first.application, "enveloped_key"))
        renew = {"serial": first.certificate, "days": 90}
        dev = office.call("dev", Role.TENANT_DEVELOPER)
        with pytest.raises(NotRenewable):
            await office.ask("renew", dev, **renew)
        office.rooms.clock.advance(days=61)
        dev = office.call("dev", Role.TENANT_DEVELOPER)
        with pytest.raises(NotRenewable):
            await office.ask("renew", dev, serial=first.encryption_certificate)
        with pytest.raises(InvalidArgument):
            await office.ask("renew", dev, **renew, csr=Holder().csr())
        second = await office.approve((await office.ask("renew", dev, **renew)).application)
        old, new = [
            parse_certificate(await office.file(item.application, "encryption_der")) for item in (first, second)
        ]
        assert second.certificate != first.certificate and new.spki_der == old.spki_der
        assert holder.open(await office.file(second.application, "enveloped_key")) == key
        office.rooms.clock.advance(days=91)
        with pytest.raises(NotRenewable):
            await office.ask("renew", office.call("dev", Role.TENANT_DEVELOPER), **renew)

    asyncio.run(scene())


def test_a_new_key_supersedes_the_old_pair(office: Office) -> None:
    async def scene() -> None:
        old, new = Holder(), Holder()
        first = await office.approve((await office.apply(old.csr(), pair="escrow")).application)
        dev = office.call("dev", Role.TENANT_DEVELOPER)
        with pytest.raises(InvalidArgument):
            await office.ask("rekey", dev, serial=first.certificate, csr=old.csr())
        second = await office.approve(
            (await office.ask("rekey", dev, serial=first.certificate, csr=new.csr())).application
        )
        assert second.pair == "escrow" and second.previous == first.certificate
        assert new.open(await office.file(second.application, "enveloped_key"))
        issuer = office.rooms.issuer
        assert await issuer.is_revoked(int(first.certificate, 16))
        assert await issuer.is_revoked(int(first.encryption_certificate, 16))
        assert not await issuer.is_revoked(int(second.certificate, 16))

    asyncio.run(scene())


def test_another_tenant_and_another_application_see_nothing(office: Office) -> None:
    async def scene() -> None:
        mine = office.call("app_1", Role.APPLICATION, application="app_1")
        applied = await office.apply(Holder().csr(), call=mine)
        strangers = (
            office.call("sec", tenant="ten_b"),
            office.call("app_2", Role.APPLICATION, application="app_2"),
        )
        for call in strangers:
            with pytest.raises(NotFound):
                await office.ask("get", call, application=applied.application)
            assert (await office.ask("list", call)).items == []
        assert len((await office.ask("list", mine)).items) == 1

    asyncio.run(scene())


@pytest.mark.parametrize("sort", ["", "applied_at", "subject", "-subject", "expires_at"])
def test_lists_page_in_every_order_and_are_exported(office: Office, sort: str) -> None:
    async def scene() -> None:
        for number in (3, 1, 4, 2, 5):
            await office.apply(Holder(f"某人{number}").csr())
            office.rooms.clock.advance(minutes=1)
        seen: list[str] = []
        cursor = None
        while True:
            page = await office.ask("list", office.call("sec"), sort=sort, limit=2, cursor=cursor)
            seen += [item.subject.split(",")[0] for item in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
        names = [f"CN=某人{number}" for number in (3, 1, 4, 2, 5)]
        expected = {"": names[::-1], "subject": sorted(names), "-subject": sorted(names)[::-1]}
        assert seen == expected.get(sort, names)
        sent = await office.ask("export", office.call("sec"), format="csv")
        text = b"".join([chunk async for chunk in sent.chunks]).decode("utf-8-sig")
        assert text.count("某人") == 5 and text.startswith("申请编号")

    asyncio.run(scene())


@pytest.mark.parametrize("template", ["person", "organisation"])
def test_one_person_alone_issues_none_for_people_and_organisations(office: Office, template: str) -> None:
    service, call = office.rooms.certificate, office.call("sec")
    with pytest.raises(ApplicationNeeded):
        asyncio.run(service.issue(call, IssueRequest(template=template, csr=Holder().csr())))
    assert asyncio.run(service.issue(call, IssueRequest(template="application", csr=Holder().csr()))).certificate
