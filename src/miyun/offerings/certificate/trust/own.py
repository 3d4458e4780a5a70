"""The platform's own authorities as a trust list: their status comes from the register, fresher than any list."""

from __future__ import annotations

from datetime import datetime

from miyun.core.trust import TrustMaterial, TrustReason
from miyun.offerings.certificate.authority import Authorities
from miyun.offerings.certificate.model import AuthorityRole
from miyun.offerings.certificate.responder import OcspResponder
from miyun.offerings.certificate.revocation import Revocation
from miyun.offerings.certificate.store import CertificateStore
from miyun.offerings.certificate.trust.held.status import Known, revoked, unknown
from miyun.wire.ocsp import CertId, OcspRequest
from miyun.wire.x509 import Certificate


class OwnAuthorities:
    def __init__(
        self, *, authorities: Authorities, store: CertificateStore, revocation: Revocation, responder: OcspResponder
    ) -> None:
        self._authorities = authorities
        self._store = store
        self._revocation = revocation
        self._responder = responder

    def anchors(self) -> list[bytes]:
        return self._authorities.anchors()

    def intermediates(self) -> list[bytes]:
        return self._authorities.intermediates()

    def status(self, certificate: Certificate, issuer: Certificate, at: datetime) -> Known | None:
        """None when the issuer is none of ours."""
        known = {item.der: item.id for item in self._authorities.all()}
        if issuer.der not in known:
            return None
        subject, by = str(certificate.subject), TrustReason("register", str(issuer.subject))
        if certificate.der in known:
            end = self._store.authority_end(known[certificate.der])
            return revoked(subject, end.at, by) if end is not None and end.counts_at(at) else Known("good")
        found = self._store.find_any(certificate.serial)
        if found is None or found.der != certificate.der:
            return unknown(subject, TrustReason("not_registered", str(issuer.subject)))
        if (since := self._store.out_since(found, at)) is not None:
            return revoked(subject, since, by)
        return Known("good")

    async def material(self, certificate: Certificate, issuer: Certificate) -> TrustMaterial | None:
        """The responder's answer about it, or the list of a root; None when the issuer is none of ours."""
        authority = next((item for item in self._authorities.all() if item.der == issuer.der), None)
        if authority is None:
            return None
        if authority.role is AuthorityRole.ISSUING:
            asked = OcspRequest((CertId.of(issuer, certificate.serial),))
            return TrustMaterial((), (await self._responder.answer(authority.id, asked.encode()),))
        return TrustMaterial((self._revocation.newest(authority.id).der,), ())
