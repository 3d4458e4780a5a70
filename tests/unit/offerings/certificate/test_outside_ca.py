"""Requests go to a licensed CA outside, and only what was asked for comes back in."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from tests.applicants import Holder, Office
from tests.rooms import Rooms
from tests.unit.wire.authority import CA_EXTENSIONS, LEAF_EXTENSIONS, NOW, SM2, Identity, Key, key, make, pki

from miyun.core.errors import InvalidArgument, NotFound
from miyun.core.operation import Empty
from miyun.gm import sm2
from miyun.hsm.port import EnvelopeForm
from miyun.hsm.soft.keys import envelope
from miyun.offerings.certificate.applications.errors import ApplicationStateConflict
from miyun.offerings.certificate.outside import operations
from miyun.offerings.certificate.outside.errors import NotWhatWasAskedFor
from miyun.wire import pem
from miyun.wire.cms import parse_signed_data
from miyun.wire.pkcs10 import parse_csr
from miyun.wire.x509 import Extension, certificates_pem, key_usage, load_certificates

CHAIN = certificates_pem([pki().root.certificate, pki().issuing.certificate])


class Agency(Office):
    async def outside(self, verb: str, /, who: str = "sec", *, tenant: str = "ten_a", **request: Any) -> Any:
        found = next(item for item in operations.OPERATIONS if item.id == verb)
        return await found.handler(self.rooms.certificate, self.call(who, tenant=tenant), found.request(**request))

    async def forwarded(self, holder: Holder, **more: Any) -> Any:
        registered = await self.outside(
            "certificate.outside.create", name="示例电子认证", certificates=CHAIN, templates=["organisation"]
        )
        applied = await self.apply(holder.csr(), template="organisation", **more)
        assert applied.outside == registered.outside and applied.state == "pending"
        return await self.approve(applied.application)

    async def deliver(self, application: str, *certificates: Identity, who: str = "sec", **more: Any) -> Any:
        text = certificates_pem([item.certificate for item in certificates])
        return await self.outside(
            "certificate.application.deliver", who, application=application, certificate=text, **more
        )


@pytest.fixture
def agency(rooms: Rooms) -> Agency:
    rooms.clock.at = NOW
    return Agency(rooms)


def certified(
    holder: Holder, *extensions: Extension, secret: bytes | None = None, issuer: Identity | None = None, **more: Any
) -> Identity:
    d = secret or holder.secret
    owned = Key(SM2, holder.spki, lambda message: sm2.sign(d, message), d)
    if secret is not None:
        owned = Key(SM2, Holder(secret=secret).spki, owned.sign, secret)
    issued = issuer or pki().issuing
    return make(holder.name, *(extensions or LEAF_EXTENSIONS), issuer=issued, key=owned, serial=77, **more)


def test_a_request_goes_out_and_its_certificate_comes_in(agency: Agency) -> None:
    async def scene() -> None:
        holder = Holder()
        sent = await agency.forwarded(holder)
        assert sent.state == "forwarded" and sent.certificate is None
        request = parse_csr((await agency.file(sent.application, "csr")).decode())
        request.verify()
        with pytest.raises(ApplicationStateConflict):
            await agency.file(sent.application, "pem")
        done = await agency.deliver(sent.application, certified(holder))
        assert done.state == "issued" and int(done.certificate, 16) == 77
        leaf, *above = load_certificates(await agency.file(sent.application, "chain"))
        assert leaf.spki_der == holder.spki
        assert above == [pki().issuing.certificate, pki().root.certificate]
        with pytest.raises(ApplicationStateConflict):
            await agency.deliver(sent.application, certified(holder))

    asyncio.run(scene())


def test_a_pair_comes_in_with_its_envelope(agency: Agency) -> None:
    async def scene() -> None:
        holder, other = Holder(), sm2.generate_private_key()
        sent = await agency.forwarded(holder, pair="escrow")
        encryption = certified(holder, key_usage("keyEncipherment"), secret=other)
        sealed = envelope(bytearray(other), holder.spki, EnvelopeForm.STANDARD)
        stranger = envelope(bytearray(sm2.generate_private_key()), holder.spki, EnvelopeForm.STANDARD)
        text = encryption.certificate.to_pem()
        for wrong, field in (
            ({}, "encryption_certificate"),
            ({"encryption_certificate": text}, "enveloped_key"),
            ({"encryption_certificate": text, "enveloped_key": b"\x30\x00"}, "enveloped_key"),
            ({"encryption_certificate": text, "enveloped_key": stranger}, "enveloped_key"),
            (
                {"encryption_certificate": certified(holder).certificate.to_pem(), "enveloped_key": sealed},
                "encryption_certificate",
            ),
        ):
            with pytest.raises(InvalidArgument) as refused:
                await agency.deliver(sent.application, certified(holder), **wrong)
            assert refused.value.field == field
        await agency.deliver(sent.application, certified(holder), encryption_certificate=text, enveloped_key=sealed)
        assert holder.open(await agency.file(sent.application, "enveloped_key")) == other
        bundle = parse_signed_data(await agency.file(sent.application, "p7b"))
        assert encryption.certificate in bundle.certificates

    asyncio.run(scene())


def stranger_of_that_name() -> Identity:
    return make("Issuing", *CA_EXTENSIONS, issuer=pki().root, key=key(number=40), serial=2, sign=key(number=41).sign)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda holder: certified(Holder(holder.name)),
        lambda holder: certified(holder, not_after=NOW - timedelta(days=1)),
        lambda holder: certified(holder, not_before=NOW + timedelta(days=1)),
        lambda holder: certified(holder, issuer=stranger_of_that_name()),
        lambda holder: certified(holder, issuer=make("Self", *CA_EXTENSIONS, key=key(number=42))),
    ],
    ids=["another key", "expired", "not yet", "forged", "another CA"],
)
def test_what_was_not_asked_for_is_refused_and_the_application_waits_on(agency: Agency, wrong: Any) -> None:
    async def scene() -> None:
        holder = Holder()
        sent = await agency.forwarded(holder)
        with pytest.raises(NotWhatWasAskedFor):
            await agency.deliver(sent.application, wrong(holder), stranger_of_that_name())
        assert (await agency.ask("get", agency.call("sec"), application=sent.application)).state == "forwarded"
        assert (await agency.deliver(sent.application, certified(holder))).state == "issued"

    asyncio.run(scene())


def test_a_refusal_outside_ends_the_application(agency: Agency) -> None:
    async def scene() -> None:
        sent = await agency.forwarded(Holder())
        ended = await agency.ask("reject", agency.call("sec"), application=sent.application, reason="机构退回")
        assert ended.state == "rejected"
        with pytest.raises(ApplicationStateConflict):
            await agency.deliver(sent.application, certified(Holder()))

    asyncio.run(scene())


def test_a_ca_is_registered_with_its_root_and_seen_by_its_tenant_only(agency: Agency) -> None:
    async def scene() -> None:
        create = "certificate.outside.create"
        for text in (pki().leaf.certificate.to_pem(), pki().issuing.certificate.to_pem(), "no PEM"):
            with pytest.raises(InvalidArgument):
                await agency.outside(create, name="某机构", certificates=text)
        made = await agency.outside(create, name="某机构", certificates=CHAIN)
        [listed] = (await agency.rooms.certificate.outside.list_all(agency.call("sec"), Empty())).items
        assert listed.name == "某机构" and len(listed.subjects) == 2
        with pytest.raises(NotFound):
            await agency.outside("certificate.outside.remove", tenant="ten_b", outside=made.outside)
        with pytest.raises(NotFound):
            await agency.apply(Holder().csr(), call=agency.call("x", tenant="ten_b"), outside=made.outside)
        await agency.outside("certificate.outside.remove", outside=made.outside)
        with pytest.raises(NotFound):
            await agency.apply(Holder().csr(), outside=made.outside)

    asyncio.run(scene())


def test_the_request_file_is_what_the_applicant_signed(agency: Agency) -> None:
    async def scene() -> None:
        csr = Holder().csr()
        applied = await agency.apply(csr)
        assert pem.decode(await agency.file(applied.application, "csr"), pem.CERTIFICATE_REQUEST) == parse_csr(csr).der

    asyncio.run(scene())
