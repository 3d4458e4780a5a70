"""What an applicant takes away: certificates in the forms that programs read, the encryption key in its envelope."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from miyun.core.errors import NotFound
from miyun.core.operation import Call, Reply
from miyun.hsm.port import EnvelopeForm
from miyun.offerings.certificate.applications import messages as m
from miyun.offerings.certificate.applications.desk import Desk, temporary_point
from miyun.offerings.certificate.applications.errors import ApplicationStateConflict
from miyun.offerings.certificate.applications.model import Application, Pair, State
from miyun.offerings.certificate.applications.store import ApplicationStore
from miyun.offerings.certificate.authority import Authorities
from miyun.offerings.certificate.escrow.centre import KeyCentre
from miyun.offerings.certificate.model import serial_text
from miyun.offerings.certificate.outside.store import OutsideStore
from miyun.wire import pem
from miyun.wire.cms.bundle import certificate_bundle
from miyun.wire.cms.cfca_key import encode_cfca_key
from miyun.wire.spki import sm2_spki
from miyun.wire.x509 import certificates_pem, parse_certificate

_KINDS: Final = {
    "pem": ("application/x-pem-file", "pem"),
    "der": ("application/pkix-cert", "cer"),
    "chain": ("application/x-pem-file", "chain.pem"),
    "p7b": ("application/x-pkcs7-certificates", "p7b"),
    "encryption_pem": ("application/x-pem-file", "enc.pem"),
    "encryption_der": ("application/pkix-cert", "enc.cer"),
}


@dataclass(frozen=True, slots=True)
class Issued:
    """`key` is the digest of the encryption key; `enveloped` what a CA outside sent of it."""

    serial: int
    certificate: bytes
    encryption: bytes | None
    chain: tuple[bytes, ...]
    key: str = ""
    enveloped: bytes | None = None


class Files:
    def __init__(
        self,
        *,
        desk: Desk,
        store: ApplicationStore,
        outside: OutsideStore,
        authorities: Authorities,
        centre: KeyCentre,
    ) -> None:
        self._desk = desk
        self._store = store
        self._outside = outside
        self._authorities = authorities
        self._centre = centre

    async def file(self, call: Call, request: m.FileRequest) -> Reply:
        item = await self._desk.own(call, request.application)
        call.detail["format"] = request.format
        if request.format == "csr":
            if item.csr is None:
                raise NotFound("csr", item.id, field="format")
            text = pem.encode(pem.CERTIFICATE_REQUEST, item.csr)
            return _file(text.encode(), "application/x-pem-file", f"{item.id}.csr")
        if item.state is not State.ISSUED:
            raise ApplicationStateConflict(item.state)
        issued = await self.issued(item)
        if request.format == "enveloped_key":
            return await self._enveloped(item, issued)
        content_type, ending = _KINDS[request.format]
        return _file(_body(request.format, issued), content_type, f"{serial_text(issued.serial)}.{ending}")

    async def issued(self, item: Application) -> Issued:
        """Of an application in this state."""
        return await (self._outside_files(item) if item.outside else self._own_files(item))

    async def _own_files(self, item: Application) -> Issued:
        found = await asyncio.to_thread(self._store.certificates_of, item)
        if not found:
            raise NotFound("certificate", item.id, field="application")
        twin = found[1] if len(found) > 1 else None
        return Issued(
            found[0].serial,
            found[0].der or b"",
            twin.der if twin else None,
            self._authorities.chain(found[0].authority),
            key=twin.key if twin else "",
        )

    async def _outside_files(self, item: Application) -> Issued:
        found = await asyncio.to_thread(self._outside.delivery, item.tenant, item.id)
        if found is None:
            raise NotFound("certificate", item.id, field="application")
        serial = parse_certificate(found.certificate).serial
        return Issued(serial, found.certificate, found.encryption, found.chain, enveloped=found.enveloped_key)

    async def _enveloped(self, item: Application, issued: Issued) -> Reply:
        answer = await self.envelope(item, issued)
        if temporary_point(item) is not None:
            return _file(answer, "text/plain; charset=us-ascii", f"{item.id}.key.txt")
        return _file(answer, "application/octet-stream", f"{item.id}.key.der")

    async def envelope(self, item: Application, issued: Issued) -> bytes:
        """To the signing key; for CFCA's form of request to its temporary key, as CFCA answers."""
        if issued.enveloped is not None:  # by a CA outside, as it gave it
            return issued.enveloped
        kept = await self._centre.kept(item.tenant, issued.key) if item.pair is Pair.ESCROW else None
        if kept is None:
            raise NotFound("enveloped key", item.id, field="format")
        point = temporary_point(item)
        if point is None:
            return await self._centre.envelope(kept, item.spki)
        return encode_cfca_key(await self._centre.envelope(kept, sm2_spki(point), EnvelopeForm.CFCA))


def _body(form: str, issued: Issued) -> bytes:
    der = issued.certificate
    if form.startswith("encryption"):
        if issued.encryption is None:
            raise NotFound("encryption certificate", serial_text(issued.serial), field="format")
        der = issued.encryption
    if form.endswith("der"):
        return der
    leaf = parse_certificate(der)
    above = [parse_certificate(item) for item in issued.chain]
    if form == "p7b":
        twin = [parse_certificate(issued.encryption)] if issued.encryption else []
        return certificate_bundle([leaf, *twin, *above])
    return certificates_pem([leaf, *above] if form == "chain" else [leaf]).encode()


def _file(body: bytes, content_type: str, name: str) -> Reply:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Reply(body, content_type, headers=headers)
