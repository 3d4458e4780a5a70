"""Certificates of a CA outside: who it is, what it gave back, whether that is what was asked for."""

from __future__ import annotations

import asyncio
from datetime import datetime

from miyun.core.errors import InvalidArgument, NotFound
from miyun.core.i18n import Text
from miyun.core.ids import new_id
from miyun.core.operation import Call, Empty
from miyun.offerings.certificate.applications.desk import Desk, temporary_point
from miyun.offerings.certificate.applications.errors import ApplicationStateConflict
from miyun.offerings.certificate.applications.messages import ApplicationView
from miyun.offerings.certificate.applications.model import Application, Pair, State
from miyun.offerings.certificate.derived.service import Templates
from miyun.offerings.certificate.errors import unreadable
from miyun.offerings.certificate.outside import messages as m
from miyun.offerings.certificate.outside.errors import NotWhatWasAskedFor
from miyun.offerings.certificate.outside.model import Delivery, OutsideCa
from miyun.offerings.certificate.outside.store import OutsideStore
from miyun.offerings.certificate.reading import certificates_in
from miyun.wire.cms import parse_enveloped_key
from miyun.wire.cms.cfca_key import parse_cfca_key
from miyun.wire.errors import DecodeError
from miyun.wire.x509 import Certificate, ChainError, parse_certificate, verify_chain

_MOST = 16  # certificates of one CA


class OutsideService:
    def __init__(self, *, store: OutsideStore, desk: Desk, templates: Templates) -> None:
        self._store = store
        self._templates = templates
        self._desk = desk

    async def create(self, call: Call, request: m.CreateOutside) -> m.OutsideView:
        given = certificates_in("certificates", request.certificates)
        if len(given) > _MOST:
            raise InvalidArgument("certificates", Text(f"至多 {_MOST} 份", f"at most {_MOST}"))
        for certificate in given:
            if not certificate.is_ca:
                raise InvalidArgument("certificates", Text("有的不是 CA 证书", "one of them is not of a CA"))
        if not any(certificate.self_issued for certificate in given):
            raise InvalidArgument("certificates", Text("缺少根证书", "the root's is missing"))
        for slug in request.templates:
            self._templates.for_tenant(call.tenant, slug)
        item = OutsideCa(
            id=new_id("oca"),
            tenant=call.require_tenant(),
            name=request.name,
            templates=tuple(request.templates),
            certificates=tuple(certificate.der for certificate in given),
            created_by=call.principal.id,
            created_at=call.now,
        )
        await asyncio.to_thread(self._store.add, item)
        call.resource["outside"] = item.id
        call.detail["certificates"] = [certificate.fingerprint.hex() for certificate in given]
        return view(item)

    async def list_all(self, call: Call, request: Empty) -> m.OutsideList:
        found = await asyncio.to_thread(self._store.all, call.require_tenant())
        return m.OutsideList(items=[view(item) for item in found])

    async def remove(self, call: Call, request: m.OutsideRequest) -> m.OutsideView:
        """No application goes to it any more; what it issued stays."""
        call.resource["outside"] = request.outside
        if not await asyncio.to_thread(self._store.remove, call.require_tenant(), request.outside, call.now):
            raise NotFound("outside", request.outside)
        found = await asyncio.to_thread(self._store.find, call.require_tenant(), request.outside)
        assert found is not None
        return view(found)

    async def deliver(self, call: Call, request: m.DeliverRequest) -> ApplicationView:
        """Checked before it is taken: the key, the chain to the CA that was named, the term, and for a pair the other
        certificate and that the envelope holds its key."""
        item = await self._desk.own(call, request.application)
        if item.state is not State.FORWARDED or item.outside is None:
            raise ApplicationStateConflict(item.state)
        authority = await asyncio.to_thread(self._store.find, item.tenant, item.outside)
        if authority is None:
            raise NotFound("outside", item.outside)
        certificate, *others = certificates_in("certificate", request.certificate)
        if certificate.spki_der != item.spki:
            raise NotWhatWasAskedFor("certificate", Text("不是本申请的密钥", "it is of another key"))
        chain = _chain("certificate", certificate, others, authority, call.now)
        encryption = self._encryption(item, request, certificate, authority, others, call.now)
        delivery = Delivery(
            application=item.id,
            tenant=item.tenant,
            certificate=certificate.der,
            chain=chain,
            encryption=encryption.der if encryption else None,
            enveloped_key=request.enveloped_key or None,
            serial=f"{certificate.serial:x}",
            not_after=certificate.not_after,
            delivered_by=call.principal.id,
            delivered_at=call.now,
        )
        # Whoever is second finds the first's there; a crash in between leaves a delivery that the next one completes.
        if not await asyncio.to_thread(self._store.deliver, delivery):
            known = await asyncio.to_thread(self._store.delivery, item.tenant, item.id)
            if known is None or known.certificate != certificate.der:
                raise ApplicationStateConflict(State.ISSUED)
        call.detail |= {"serial": delivery.serial, "sm3": certificate.fingerprint.hex()}
        return await self._desk.delivered(call, item, certificate.serial)

    def _encryption(
        self,
        item: Application,
        request: m.DeliverRequest,
        signing: Certificate,
        authority: OutsideCa,
        others: list[Certificate],
        at: datetime,
    ) -> Certificate | None:
        if bool(request.encryption_certificate) != (item.pair is not Pair.NONE):
            raise InvalidArgument(
                "encryption_certificate",
                Text("双证书须给出，单证书不给", "belongs to a pair, and is needed for one"),
            )
        if item.pair is Pair.NONE:
            return None
        encryption, *more = certificates_in("encryption_certificate", request.encryption_certificate)
        _chain("encryption_certificate", encryption, [*others, *more], authority, at)
        if not encryption.subject.matches(signing.subject) or encryption.spki_der == signing.spki_der:
            raise NotWhatWasAskedFor(
                "encryption_certificate",
                Text("与签名证书不成一对", "it makes no pair with the signing certificate"),
            )
        if item.pair is Pair.OWN and encryption.spki_der != item.encryption_spki:
            raise NotWhatWasAskedFor("encryption_certificate", Text("不是自备的加密密钥", "it is of another key"))
        if (item.pair is Pair.ESCROW) != bool(request.enveloped_key):
            raise InvalidArgument(
                "enveloped_key",
                Text("密钥由机构生成时须给出，其余不给", "goes with a key that the CA made, and is needed there"),
            )
        if item.pair is Pair.ESCROW:
            _check_envelope(item, request.enveloped_key, encryption)
        return encryption


def _check_envelope(item: Application, enveloped: bytes, encryption: Certificate) -> None:
    try:
        if temporary_point(item) is not None:
            parse_cfca_key(enveloped)  # the point is inside, under the temporary key
            return
        sent = parse_enveloped_key(enveloped)
    except DecodeError as error:
        raise unreadable("enveloped_key", error) from None
    if sent.point != encryption.public_key.point:
        raise NotWhatWasAskedFor(
            "enveloped_key", Text("与加密证书不是同一密钥", "it is of another key than the encryption certificate")
        )


def _chain(
    field: str, certificate: Certificate, others: list[Certificate], authority: OutsideCa, at: datetime
) -> tuple[bytes, ...]:
    known = [parse_certificate(item) for item in authority.certificates]
    anchors = [item for item in known if item.self_issued]
    try:
        found = verify_chain(certificate, [*known, *others], anchors, at)
    except ChainError as error:
        raise NotWhatWasAskedFor(
            field, Text(f"验证不通过：{error.reason}", f"it does not verify: {error.text}")
        ) from None
    return tuple(item.der for item in found.certificates[1:])


def view(item: OutsideCa) -> m.OutsideView:
    return m.OutsideView(
        outside=item.id,
        name=item.name,
        templates=list(item.templates),
        subjects=[str(parse_certificate(certificate).subject) for certificate in item.certificates],
        created_by=item.created_by,
        created_at=item.created_at,
        removed_at=item.removed_at,
    )
