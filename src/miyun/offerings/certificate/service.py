"""Use cases of the certificate room (GM/T 0034, RFC 5280): issue, find, verify, revoke, publish lists."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from miyun.core.clock import Clock
from miyun.core.errors import NotFound
from miyun.core.ledger.port import Ledger
from miyun.core.operation import Call, Download, Empty, Reply
from miyun.hsm.port import Machine
from miyun.offerings.certificate.applications.batches.store import BatchStore
from miyun.offerings.certificate.applications.requests import read_request
from miyun.offerings.certificate.applications.service import Applications
from miyun.offerings.certificate.applications.store import ApplicationStore
from miyun.offerings.certificate.authority import Authorities, Ceremony
from miyun.offerings.certificate.batch import Batches
from miyun.offerings.certificate.ceremony import Ceremonies
from miyun.offerings.certificate.derived.service import Templates
from miyun.offerings.certificate.derived.store import TemplateStore
from miyun.offerings.certificate.errors import (
    CertificateAlreadyRevoked,
    CertificateNotComplete,
    CertificateStateConflict,
    ShardsOnlyGrow,
)
from miyun.offerings.certificate.escrow.centre import KeyCentre
from miyun.offerings.certificate.expiry.service import Expiry
from miyun.offerings.certificate.expiry.store import ExpiryStore
from miyun.offerings.certificate.issuance import Issuance, Order, subject_of
from miyun.offerings.certificate.messages import (
    AuthorityList,
    AuthorityView,
    BatchRequest,
    BatchView,
    CaRequest,
    CertificateDetail,
    CertificatePage,
    ConfigureRequest,
    CrlRequest,
    DownloadRequest,
    ExportRequest,
    IssuedView,
    IssueRequest,
    ListRequest,
    OcspQuery,
    PublishedRequest,
    PublishedView,
    Reason,
    RevokedView,
    RevokeRequest,
    SerialRequest,
    TemplateList,
    VerifyRequest,
    VerifyView,
)
from miyun.offerings.certificate.model import (
    REASON_TEXTS,
    Certificate,
    RevocationReason,
    State,
    serial_text,
)
from miyun.offerings.certificate.outside.service import OutsideService
from miyun.offerings.certificate.outside.store import OutsideStore
from miyun.offerings.certificate.reading import certificates_in
from miyun.offerings.certificate.recovery.service import Recoveries
from miyun.offerings.certificate.recovery.store import RecoveryStore
from miyun.offerings.certificate.register import RegisterSearch, view
from miyun.offerings.certificate.responder import OcspResponder
from miyun.offerings.certificate.revocation import Revocation
from miyun.offerings.certificate.store import CertificateStore
from miyun.offerings.certificate.trust.own import OwnAuthorities
from miyun.offerings.certificate.trust.service import TrustService
from miyun.wire.x509 import (
    Certificate as X509Certificate,
)
from miyun.wire.x509 import (
    ChainError,
    Purpose,
    certificates_pem,
    parse_certificate,
    verify_chain,
)


class CertificateService:
    def __init__(
        self,
        *,
        store: CertificateStore,
        machine: Machine,
        ceremony: Ceremony,
        clock: Clock,
        ledger: Ledger,
        trusted_time: Callable[[], object],
        base_url: str = "https://127.0.0.1:8600",
    ) -> None:
        self._store = store
        self._clock = clock
        self.register = RegisterSearch(store)
        self.authorities = Authorities(
            store=store, machine=machine, ceremony=ceremony, clock=clock, ledger=ledger, base_url=base_url
        )
        self.templates = Templates(TemplateStore(store.database))
        self.issuance = Issuance(
            store=store,
            authorities=self.authorities,
            templates=self.templates,
            clock=clock,
            trusted_time=trusted_time,
        )
        self.batches = Batches(issuance=self.issuance, authorities=self.authorities, templates=self.templates)
        self.escrow = KeyCentre(store=store.escrow, machine=machine, issuance=self.issuance)
        self.revocation = Revocation(store=store, authorities=self.authorities, clock=clock, ledger=ledger)
        filed, outside = ApplicationStore(store.database), OutsideStore(store.database)
        self.recoveries = Recoveries(
            store=RecoveryStore(store.database),
            escrow=store.escrow,
            certificates=lambda key: filed.certificates_of_keys([key]),
            centre=self.escrow,
            judge=self.verify_certificate,
            ledger=ledger,
            clock=clock,
        )
        self.applications = Applications(
            store=filed,
            batches=BatchStore(store.database),
            outside=outside,
            authorities=self.authorities,
            issuance=self.issuance,
            centre=self.escrow,
            revocation=self.revocation,
            ledger=ledger,
            clock=clock,
        )
        self.expiry = Expiry(store=ExpiryStore(store.database), ledger=ledger, clock=clock)
        self.outside = OutsideService(store=outside, desk=self.applications.desk, templates=self.templates)
        self.responder = OcspResponder(
            store=store,
            machine=machine,
            authorities=self.authorities,
            issuance=self.issuance,
            revocation=self.revocation,
            clock=clock,
            ledger=ledger,
        )
        self.ceremonies = Ceremonies(authorities=self.authorities, revocation=self.revocation, responder=self.responder)
        own = OwnAuthorities(
            authorities=self.authorities, store=store, revocation=self.revocation, responder=self.responder
        )
        self.trust = TrustService(store=store.trust, held=store.held, own=own, clock=clock)

    async def bootstrap(self) -> None:
        """Root and issuing CA of every family, who answers for it, and a first list of each. Safe to repeat.

        Raises RootsOffline when something of a root's is missing and only its operators can open its machine."""
        if not self.authorities.complete or await self.revocation.roots_due():
            async with self.authorities.ceremony() as roots:
                await self.ceremonies.hold(roots)
        await self.responder.renew()
        await self.revocation.publish_due()

    # issue and find

    async def issue(self, call: Call, request: IssueRequest) -> IssuedView:
        """Certify the key of a request that is signed by that key."""
        csr = read_request(request.csr)
        self.templates.for_one_person(call.tenant, request.template)
        order = Order(
            tenant=call.require_tenant(),
            template=request.template,
            subject=subject_of(request.subject) if request.subject else csr.subject,
            spki=csr.spki_der,
            names=tuple(request.names),
            days=request.days,
            encryption_spki=request.encryption_public_key or None,
        )
        issued = await self.issuance.issue(order, call.now)
        call.resource["certificate"] = serial_text(issued[0].serial)
        call.units = len(issued)
        certificates = [self._own(serial_text(item.serial), call) for item in issued]
        twin = certificates[1] if len(certificates) == 2 else None
        return IssuedView(
            certificate=view(certificates[0], call.now),
            pem=_pem(certificates[0]),
            chain_pem=self._chain_pem(certificates[0]),
            encryption=view(twin, call.now) if twin else None,
            encryption_pem=_pem(twin) if twin else "",
        )

    async def issue_batch(self, call: Call, request: BatchRequest) -> BatchView:
        """Many at once; what is wrong with one does not keep the others."""
        return await self.batches.issue(call, request)

    async def get(self, call: Call, request: SerialRequest) -> CertificateDetail:
        certificate = self._own(request.serial, call)
        return CertificateDetail(
            certificate=view(certificate, call.now),
            pem=_pem(certificate),
            chain_pem=self._chain_pem(certificate),
        )

    async def list_certificates(self, call: Call, request: ListRequest) -> CertificatePage:
        page = await self.register.page(call, request, request.cursor, request.limit)
        return CertificatePage(items=[view(row, call.now) for row in page.items], next_cursor=page.next_cursor)

    async def export(self, call: Call, request: ExportRequest) -> Download:
        """Everything a search finds, as a file."""
        return self.register.export(call, request)

    async def download(self, call: Call, request: DownloadRequest) -> Reply:
        """The file as tools want it: PEM, DER, or PEM with the chain."""
        certificate = self._own(request.serial, call)
        name = certificate.der or b""
        if request.format == "der":
            return _file(name, "application/pkix-cert", f"{request.serial}.cer")
        text = _pem(certificate) + (self._chain_pem(certificate) if request.format == "chain" else "")
        return _file(text.encode(), "application/x-pem-file", f"{request.serial}.pem")

    # revoke

    async def revoke(self, call: Call, request: RevokeRequest) -> RevokedView:
        certificate = self._own(request.serial, call)
        call.resource["certificate"] = request.serial
        call.detail["reason"] = request.reason
        if certificate.state is State.REVOKED or not await self.revocation.revoke(
            certificate.serial, RevocationReason(request.reason), call.now
        ):
            raise CertificateAlreadyRevoked
        made = await self.revocation.try_publish()
        return RevokedView(
            serial=request.serial,
            revoked_at=call.now,
            published=any(item.authority == certificate.authority for item in made),
        )

    async def suspend(self, call: Call, request: SerialRequest) -> RevokedView:
        """Not to be relied upon for the time being; the holder keeps it."""
        return await self._set_aside(call, request.serial, State.SUSPENDED)

    async def resume(self, call: Call, request: SerialRequest) -> RevokedView:
        return await self._set_aside(call, request.serial, State.ISSUED)

    async def _set_aside(self, call: Call, serial: str, wanted: State) -> RevokedView:
        certificate = self._own(serial, call)
        call.resource["certificate"] = serial
        if wanted is State.SUSPENDED:
            done = await self.revocation.suspend(certificate.serial, call.now)
        else:
            done = await self.revocation.resume(certificate.serial, call.now)
        if not done:
            raise CertificateStateConflict(self._own(serial, call).state)
        made = await self.revocation.try_publish()
        return RevokedView(
            serial=serial,
            revoked_at=call.now if wanted is State.SUSPENDED else None,
            published=any(item.authority == certificate.authority for item in made),
        )

    async def crl(self, call: Call, request: CrlRequest) -> Reply:
        """The newest revocation list, or the newest of the changes since one, DER."""
        newest = self.revocation.newest(request.ca, request.shard)
        body = newest.delta if request.delta else newest.der
        if body is None:
            raise NotFound("crl", f"{request.ca}.delta", field="delta")
        # Caches may keep it for minutes, not for its whole life: a revocation makes a new one at once.
        return Reply(body, "application/pkix-crl", headers={"Cache-Control": "public, max-age=60"})

    async def configure(self, call: Call, request: ConfigureRequest) -> AuthorityView:
        """How an authority's lists are made."""
        authority = self.authorities.find(request.ca)
        if authority is None:
            raise NotFound("ca", request.ca, field="ca")
        call.resource["ca"] = authority.id
        call.detail |= {"shards": request.shards, "deltas": request.deltas}
        if not await self.authorities.configure(authority, shards=request.shards, deltas=request.deltas):
            raise ShardsOnlyGrow
        await self.revocation.try_publish(patient=False)
        return self.authority_view(authority.id)

    async def published(self, call: Call, request: PublishedRequest) -> Reply:
        """A certificate that its template publishes, DER."""
        name = request.certificate
        wanted = {"fingerprint": bytes.fromhex(name)} if len(name) == 64 else {"serial": name.rjust(32, "0")}
        found = await asyncio.to_thread(self._store.find_published, **wanted)
        if found is None or found.der is None:
            raise NotFound("certificate", name, field="certificate")
        return Reply(found.der, "application/pkix-cert", headers={"Cache-Control": "public, max-age=3600"})

    async def ocsp(self, call: Call, request: OcspQuery) -> Reply:
        """The status of certificates (RFC 6960), signed by whom the authority lets answer for it."""
        answer = await self.responder.answer(request.ca, request.body)
        # As the lists: a revocation changes the answer at once, which no cache should hide for long.
        return Reply(answer, "application/ocsp-response", headers={"Cache-Control": "public, no-transform, max-age=60"})

    async def authority_file(self, call: Call, request: CaRequest) -> Reply:
        """An authority's own certificate, DER."""
        authority = self.authorities.find(request.ca)
        if authority is None:
            raise NotFound("ca", request.ca)
        return Reply(authority.der, "application/pkix-cert", headers={"Cache-Control": "public, max-age=86400"})

    async def publish(self, call: Call, request: Empty) -> PublishedView:
        """Make the lists that are due now, without waiting for the periodic task."""
        made = await self.revocation.publish_due(patient=False)
        return PublishedView(
            numbers={f"{item.authority}{f'-{item.shard}' if item.shard else ''}": item.number for item in made}
        )

    # look

    async def verify(self, call: Call, request: VerifyRequest) -> VerifyView:
        """Whether a certificate is good for a purpose at a time, and if not, why. Nothing is ever fetched."""
        [leaf, *others] = certificates_in("certificate", request.certificate)
        if request.intermediates:
            others += certificates_in("intermediates", request.intermediates)
        return self.verify_certificate(
            leaf, others, request.at or call.now, Purpose(request.purpose) if request.purpose else None
        )

    async def authority_list(self, call: Call, request: Empty) -> AuthorityList:
        return AuthorityList(items=[self.authority_view(item.id) for item in self.authorities.all()])

    async def template_list(self, call: Call, request: Empty) -> TemplateList:
        return TemplateList(items=await asyncio.to_thread(self.templates.views, call.tenant))

    def verify_certificate(
        self, leaf: X509Certificate, others: list[X509Certificate], at: datetime, purpose: Purpose | None
    ) -> VerifyView:
        """Against our own roots; our issuing CAs are known, whatever the caller sends along."""
        known = [parse_certificate(item.der) for item in self.authorities.all()]
        anchors = [item for item in known if item.self_issued]
        try:
            chain = verify_chain(
                leaf, [*known, *others], anchors, at, purpose=purpose, revoked=lambda item: self.is_revoked(item, at)
            )
        except ChainError as error:
            text = REASON_TEXTS[error.reason]
            reason = Reason(code=error.reason, subject=error.subject, zh=text.zh, en=f"{text.en}: {error.text}")
            return VerifyView(valid=False, reasons=[reason], chain=[])
        return VerifyView(valid=True, reasons=[], chain=[str(item.subject) for item in chain.certificates])

    def is_revoked(self, certificate: X509Certificate, at: datetime) -> bool:
        """By our own register, which is fresher than any list. Revoked later than `at` does not count; suspended at
        that time does, though it was resumed since."""
        if self.authorities.of_certificate(certificate) is None:
            return False
        for item in self.authorities.all():
            if item.der == certificate.der:
                return self.authority_is_out(item.id, at)
        found = self._store.find_any(certificate.serial)
        return found is not None and self._store.out_since(found, at) is not None

    def authority_is_out(self, authority: str, at: datetime) -> bool:
        """Whether what one of our authorities signed is not to be relied upon at that time."""
        end = self._store.authority_end(authority)
        return end is not None and end.counts_at(at)

    def registered(self, serial: int) -> Certificate | None:
        """Of whatever tenant: for the platform's own questions."""
        return self._store.find_any(serial)

    def claimed(self, tenant: str, reference: str) -> list[Certificate]:
        """What was issued for an application, or under another room's reference; the signing certificate first."""
        return self._store.claimed(tenant, [reference])

    def issued_between(self, tenant: str, start: datetime, end: datetime) -> list[Certificate]:
        return self._store.issued_between(tenant, start, end)

    def _own(self, serial: str, call: Call) -> Certificate:
        found = self._store.find(serial.rjust(32, "0"), call.require_tenant())
        if found is None:
            raise NotFound("certificate", serial, field="serial")
        if found.der is None:
            raise CertificateNotComplete
        return found

    def _chain_pem(self, certificate: Certificate) -> str:
        return certificates_pem(parse_certificate(item) for item in self.authorities.chain(certificate.authority))

    def authority_view(self, authority: str) -> AuthorityView:
        found = self.authorities.find(authority)
        if found is None:
            raise NotFound("ca", authority)
        certificate, successor = parse_certificate(found.der), self.authorities.successor(found)
        try:
            newest = self.revocation.newest(authority)
        except NotFound:
            newest = None
        return AuthorityView(
            ca=found.id,
            family=found.family.value,
            role=found.role.value,
            subject=str(certificate.subject),
            serial=serial_text(found.serial),
            not_before=certificate.not_before,
            not_after=certificate.not_after,
            fingerprint_sm3=certificate.fingerprint.hex(),
            shards=found.shards,
            deltas=found.deltas,
            state="revoked" if found.end else "succeeded" if successor else "active",
            successor=successor.id if successor else None,
            revoked_at=found.end.at if found.end else None,
            reason=found.end.reason.value if found.end else None,
            crl_url=self.authorities.crl_url(authority),
            ocsp_url=self.authorities.ocsp_url(authority),
            crl_number=newest.number if newest else None,
            crl_this_update=newest.this_update if newest else None,
            crl_next_update=newest.next_update if newest else None,
            pem=certificate.to_pem(),
        )


def _pem(certificate: Certificate) -> str:
    return parse_certificate(certificate.der or b"").to_pem()


def _file(body: bytes, content_type: str, name: str) -> Reply:
    return Reply(body, content_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})
