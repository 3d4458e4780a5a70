"""`core.ports.CertificateIssuer`: certificates for keys that other rooms hold."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime

from miyun.core.clock import Clock
from miyun.core.errors import NotFound
from miyun.core.ledger.port import Entry, Ledger
from miyun.core.ports import IssuedCertificate, IssuedPair
from miyun.offerings.certificate.issuance import Order, subject_of
from miyun.offerings.certificate.model import RevocationReason, State, serial_text
from miyun.offerings.certificate.service import CertificateService
from miyun.wire.x509 import parse_certificate


class PlatformIssuer:
    """Every issue and revocation that comes this way is recorded in the ledger as the platform's own doing."""

    def __init__(self, *, service: CertificateService, clock: Clock, ledger: Ledger) -> None:
        self._service = service
        self._clock = clock
        self._ledger = ledger

    async def issue(
        self,
        tenant: str | None,
        *,
        template: str,
        subject: Mapping[str, str],
        spki: bytes,
        names: Sequence[str] = (),
        days: int | None = None,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        reference: str | None = None,
        at: datetime,
    ) -> IssuedCertificate:
        """Raises InvalidArgument when the template does not allow it, AuthorityMissing before bootstrap."""
        order = Order(
            tenant,
            template,
            subject_of(subject),
            spki,
            tuple(names),
            days,
            application=reference,
            not_before=not_before,
            not_after=not_after,
        )
        [issued] = await self._service.issuance.issue(order, at)
        await self._record("certificate.issue", at, issued.serial, tenant, {"template": template})
        return IssuedCertificate(issued.serial, issued.der, self._service.authorities.chain(issued.authority))

    async def issue_pair(
        self,
        tenant: str | None,
        *,
        template: str,
        subject: Mapping[str, str],
        spki: bytes,
        names: Sequence[str] = (),
        days: int | None = None,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        reference: str | None = None,
        at: datetime,
    ) -> IssuedPair:
        """As `issue`; SM2 only. The pair's encryption key is escrowed with the key-management centre."""
        order = Order(
            tenant,
            template,
            subject_of(subject),
            spki,
            tuple(names),
            days,
            application=reference,
            not_before=not_before,
            not_after=not_after,
        )
        pair = await self._service.escrow.issue_pair(order, at)
        for issued in (pair.signing, pair.encryption):
            await self._record("certificate.issue", at, issued.serial, tenant, {"template": template, "pair": "yes"})
        signing, encryption = (
            IssuedCertificate(item.serial, item.der, self._service.authorities.chain(item.authority))
            for item in (pair.signing, pair.encryption)
        )
        return IssuedPair(signing, encryption, pair.enveloped_key)

    async def of_reference(self, tenant: str, reference: str) -> IssuedCertificate | IssuedPair | None:
        found = await asyncio.to_thread(self._service.claimed, tenant, reference)
        made = [
            IssuedCertificate(item.serial, item.der or b"", self._service.authorities.chain(item.authority))
            for item in found
        ]
        if len(made) < 2:
            return made[0] if made else None
        kept = await self._service.escrow.kept(tenant, found[1].key)
        if kept is None:
            raise NotFound("enveloped key", reference)
        envelope = await self._service.escrow.envelope(kept, parse_certificate(made[0].der).spki_der)
        return IssuedPair(made[0], made[1], envelope)

    async def revoke(self, serial: int, reason: str, at: datetime) -> bool:
        """False when it was revoked already. `reason` is a value of `RevocationReason`. Raises NotFound for a serial
        that is not ours."""
        certificate = self._service.registered(serial)
        if certificate is None:
            raise NotFound("certificate", serial_text(serial))
        # looked at first: rooms ask again and again, so that no crash leaves one out
        if certificate.state is State.REVOKED or not await self._service.revocation.revoke(
            serial, RevocationReason(reason), at
        ):
            return False
        await self._record("certificate.revoke", at, serial, certificate.tenant, {"reason": reason})
        await self._service.revocation.try_publish()
        return True

    async def is_revoked(self, serial: int, at: datetime | None = None) -> bool:
        at = at or self._clock.now()
        for authority in self._service.authorities.all():
            if authority.serial == serial:
                return self._service.authority_is_out(authority.id, at)
        certificate = self._service.registered(serial)
        if certificate is None:
            return False
        return certificate.revoked_at is not None or self._service.authority_is_out(certificate.authority, at)

    async def is_of_another(self, tenant: str, certificate: bytes) -> bool:
        found = self._service.registered(parse_certificate(certificate).serial)
        return found is not None and found.der == certificate and found.tenant != tenant

    async def trust_anchors(self) -> list[bytes]:
        return self._service.authorities.anchors()

    async def intermediates(self) -> list[bytes]:
        return self._service.authorities.intermediates()

    async def chain_of(self, serial: int) -> IssuedCertificate:
        """Raises NotFound for a serial number that is not ours or was never used."""
        certificate = self._service.registered(serial)
        if certificate is None or certificate.der is None:
            raise NotFound("certificate", serial_text(serial))
        return IssuedCertificate(serial, certificate.der, self._service.authorities.chain(certificate.authority))

    async def _record(
        self, operation: str, at: datetime, serial: int, tenant: str | None, detail: Mapping[str, str]
    ) -> None:
        await self._ledger.append(
            Entry(
                operation=operation,
                outcome="ok",
                at=at,
                tenant=tenant or "",
                role="system",
                resource={"certificate": serial_text(serial)},
                detail=detail,
            )
        )
