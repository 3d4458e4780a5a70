"""What an applicant takes away: certificates in the forms that programs read, the encryption key in its envelope."""

from __future__ import annotations

import asyncio
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
from miyun.offerings.certificate.model import Certificate, serial_text
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


class Files:
    def __init__(self, *, desk: Desk, store: ApplicationStore, authorities: Authorities, centre: KeyCentre) -> None:
        self._desk = desk
        self._store = store
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
        certificates = await asyncio.to_thread(self._store.certificates_of, item)
        if not certificates:
            raise NotFound("certificate", item.id, field="application")
        if request.format == "enveloped_key":
            return await self._enveloped(item, certificates)
        content_type, ending = _KINDS[request.format]
        body = self._body(request.format, certificates)
        return _file(body, content_type, f"{serial_text(certificates[0].serial)}.{ending}")

    def _body(self, form: str, certificates: list[Certificate]) -> bytes:
        ders = [item.der or b"" for item in certificates]
        if form.startswith("encryption"):
            if len(ders) < 2:
                raise NotFound("encryption certificate", serial_text(certificates[0].serial), field="format")
            ders = ders[1:]
        if form.endswith("der"):
            return ders[0]
        leaf = [parse_certificate(ders[0])]
        above = [parse_certificate(item) for item in self._authorities.chain(certificates[0].authority)]
        if form == "p7b":
            return certificate_bundle([*(parse_certificate(item) for item in ders), *above])
        return certificates_pem(leaf + above if form == "chain" else leaf).encode()

    async def _enveloped(self, item: Application, certificates: list[Certificate]) -> Reply:
        """To the signing key; for CFCA's form of request to its temporary key, as CFCA answers."""
        kept = await self._centre.kept(item.tenant, certificates[-1].key) if item.pair is Pair.ESCROW else None
        if kept is None:
            raise NotFound("enveloped key", item.id, field="format")
        point = temporary_point(item)
        if point is not None:
            answer = encode_cfca_key(await self._centre.envelope(kept, sm2_spki(point), EnvelopeForm.CFCA))
            return _file(answer, "text/plain; charset=us-ascii", f"{item.id}.key.txt")
        return _file(await self._centre.envelope(kept, item.spki), "application/octet-stream", f"{item.id}.key.der")


def _file(body: bytes, content_type: str, name: str) -> Reply:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Reply(body, content_type, headers=headers)
