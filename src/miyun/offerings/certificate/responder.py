"""Certificate status on demand (RFC 6960): who answers for an authority, and answers signed once and given often."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from miyun.core.clock import Clock
from miyun.core.errors import NotFound
from miyun.core.ledger.port import Entry, Ledger
from miyun.core.machine import machine_errors
from miyun.core.ports import AUTHORITY_TOPIC, REVOKED_TOPIC
from miyun.core.tenancy.cache import RowCache
from miyun.hsm.port import Machine
from miyun.offerings.certificate.authority import Authorities
from miyun.offerings.certificate.errors import OcspRefused, ResponderMissing
from miyun.offerings.certificate.issuance import Issuance, Order
from miyun.offerings.certificate.model import (
    OCSP_KEEP,
    OCSP_LIFETIME,
    RESPONDER_RENEW,
    ROOT_CRL_LIFETIME,
    Authority,
    AuthorityEnd,
    AuthorityRole,
    Responder,
    RevocationReason,
    responder_binding,
    serial_text,
)
from miyun.offerings.certificate.revocation import Revocation
from miyun.offerings.certificate.store import CertificateStore
from miyun.wire.crl import Reason
from miyun.wire.errors import DecodeError
from miyun.wire.name import Name
from miyun.wire.ocsp import (
    HASHES,
    CertId,
    OcspRequest,
    ResponseData,
    SingleResponse,
    Status,
    assemble_response,
    parse_request,
    responder_key_hash,
)
from miyun.wire.x509 import Certificate, parse_certificate

TOPIC = "certificate.responder"
_CACHED = 16_384  # certificates whose answers are kept ready, of one to two KiB each
_FORMS = 3  # of asking for one of them: SHA-1, SHA-256, SM3


@dataclass(frozen=True, slots=True)
class _Ready:
    """A responder with what every answer of it carries."""

    responder: Responder
    certificate: Certificate = field(repr=False)
    key_hash: bytes = field(repr=False)

    @classmethod
    def of(cls, responder: Responder) -> _Ready:
        certificate = parse_certificate(responder.der)
        return cls(responder, certificate, responder_key_hash(certificate))


async def _none_yet() -> dict[tuple[str, bytes], bytes]:
    return {}


class OcspResponder:
    """An answer to one question without a nonce is kept until the certificate is revoked, or for half an hour. Without
    the ledger, that tells of revocations, none is: every answer is made anew from the register."""

    def __init__(
        self,
        *,
        store: CertificateStore,
        machine: Machine,
        authorities: Authorities,
        issuance: Issuance,
        revocation: Revocation,
        clock: Clock,
        ledger: Ledger,
    ) -> None:
        self._store = store
        self._machine = machine
        self._authorities = authorities
        self._issuance = issuance
        self._revocation = revocation
        self._clock = clock
        self._ledger = ledger
        self._ready: Mapping[str, _Ready] | None = None
        self._kept: RowCache[int, dict[tuple[str, bytes], bytes]] = RowCache(
            size=_CACHED, seconds=OCSP_KEEP.total_seconds()
        )
        ledger.on_invalidate(self._forget)

    async def renew(self) -> None:
        """A key and certificate for every issuing authority without one that lasts. One that was revoked signs no
        more certificates; its responder answers as long as it lasts. Safe to repeat and to run in several processes
        at once."""
        now = self._clock.now()
        newest = {item.authority: item for item in await asyncio.to_thread(self._store.responders)}
        for authority in self._authorities.all():
            if authority.role is not AuthorityRole.ISSUING or authority.end is not None:
                continue
            current = newest.get(authority.id)
            if current is None or current.not_after - now < RESPONDER_RENEW:
                await self._make(authority, current.generation + 1 if current else 1, now)

    async def sign_for_root(self, root: Authority, roots: Machine) -> None:
        """What a root says of the authorities below it, in a ceremony and until the next: its key is not there to
        answer, and no other that is may speak for it, since the machine that has those is what a root revokes."""
        issuer, hierarchy = parse_certificate(root.der), root.hierarchy
        now = self._clock.now().replace(microsecond=0)
        until = now + ROOT_CRL_LIFETIME
        below = {item.serial: item.end for item in self._store.authorities() if item.parent == root.id}
        asked = {(serial, by): CertId.of(issuer, serial, by) for serial in below for by in HASHES}
        drafts = [
            ResponseData(
                responder_key_hash(issuer), now, (_of_authority(question, now, until, below[serial]),)
            ).encode()
            for (serial, _), question in asked.items()
        ]
        with machine_errors():
            signatures = await roots.sign(root.key, hierarchy.scheme, drafts)
        answers = {
            place: assemble_response(draft, hierarchy.signature, signature)
            for place, draft, signature in zip(asked, drafts, signatures, strict=True)
        }
        await asyncio.to_thread(self._store.keep_root_answers, root.id, answers, until)

    async def answer(self, ca: str, encoded: bytes) -> bytes:
        """The OCSPResponse. Raises NotFound, OcspRefused, ResponderMissing, MachineLocked, Unavailable."""
        authority = self._authorities.find(ca)
        if authority is None:
            raise NotFound("ca", ca)
        try:
            request = parse_request(encoded)
        except DecodeError as error:
            raise OcspRefused(
                Status.MALFORMED_REQUEST, f"{error.field}: {error.message} (octet {error.offset})"
            ) from None
        issuer = parse_certificate(authority.der)
        if not all(question.is_by(issuer) for question in request.questions):
            raise OcspRefused(Status.UNAUTHORIZED, f"not issued by {ca}")
        if authority.role is AuthorityRole.ROOT:
            return await self._of_root(authority, request)
        if request.nonce is None and len(request.questions) == 1 and self._ledger.listening:
            return await self._keep(authority, request.questions[0])
        return await self._sign(authority, request, [await self._status(authority, item) for item in request.questions])

    async def _of_root(self, root: Authority, request: OcspRequest) -> bytes:
        """Without the nonce that was sent, as answers that were made before have none (RFC 6960 2.5, 4.4.1)."""
        question, now = request.questions[0], self._clock.now()
        found = await asyncio.to_thread(self._store.root_answer, root.id, question.serial, question.hash_oid, now)
        if found is None or len(request.questions) > 1:
            raise OcspRefused(Status.UNAUTHORIZED, f"{root.id} has answers about the authorities below it, one each")
        return found

    async def _keep(self, authority: Authority, question: CertId) -> bytes:
        place = (authority.id, question.der)
        # Loaded through the cache, so that a revocation in the meantime lets the answer go that was begun before it.
        kept = await self._kept.load(question.serial, _none_yet)
        assert kept is not None
        found = kept.get(place)
        if found is None:
            single = await self._status(authority, question)
            found = await self._sign(authority, OcspRequest((question,)), [single])
            if not single.known:  # numbers that nobody issued are too many to be remembered
                self._kept.drop(question.serial)
            elif len(kept) < _FORMS:
                kept[place] = found
        return found

    async def _status(self, authority: Authority, question: CertId) -> SingleResponse:
        now = self._clock.now().replace(microsecond=0)
        found = await asyncio.to_thread(self._store.find_any, question.serial)
        until = now + OCSP_LIFETIME
        if found is None or found.authority != authority.id or found.der is None:
            return SingleResponse(question, now, until, known=False)
        end = await asyncio.to_thread(self._store.authority_end, authority.id)
        if end is not None and end.compromised and (found.revoked_at is None or found.revoked_at > end.at):
            # Of all that it issued (RFC 6960 2.7): nobody can tell its own signatures from the others.
            return SingleResponse(question, now, until, revoked_at=end.at, reason=Reason.CA_COMPROMISE)
        reason = found.reason.crl_reason if found.reason else Reason.UNSPECIFIED
        return SingleResponse(question, now, until, revoked_at=found.revoked_at, reason=reason)

    async def _sign(self, authority: Authority, request: OcspRequest, answers: list[SingleResponse]) -> bytes:
        ready = self._responder(authority.id)
        produced = answers[0].this_update
        data = ResponseData(ready.key_hash, produced, tuple(answers), request.nonce).encode()
        hierarchy = authority.hierarchy
        with machine_errors():
            [signature] = await self._machine.sign(ready.responder.key, hierarchy.scheme, [data])
        return assemble_response(data, hierarchy.signature, signature, [ready.certificate])

    def _responder(self, authority: str) -> _Ready:
        if self._ready is None:
            self._ready = {item.authority: _Ready.of(item) for item in self._store.responders()}
        found = self._ready.get(authority)
        if found is None or found.responder.not_after <= self._clock.now():
            self._ready = None
            raise ResponderMissing(authority)
        return found

    async def _make(self, authority: Authority, generation: int, now: datetime) -> None:
        with machine_errors():
            key = await self._machine.generate(authority.hierarchy.key, responder_binding(authority.id, generation))
        if key.public is None:
            raise ResponderMissing(authority.id)
        subject = Name.of(("C", "CN"), ("O", "Miyun"), ("CN", f"Miyun OCSP {authority.family.value.upper()}"))
        [issued] = await self._issuance.issue(Order(None, "ocsp", subject, key.public, authority=authority.id), now)
        responder = Responder(
            authority=authority.id,
            generation=generation,
            key=key,
            serial=issued.serial,
            der=issued.der,
            not_after=parse_certificate(issued.der).not_after,
            created_at=now,
        )
        added = await asyncio.to_thread(self._store.add_responder, responder)
        if not added:  # another process was first
            await self._revocation.revoke(issued.serial, RevocationReason.SUPERSEDED, now)
        await self._ledger.append(
            Entry(
                operation="certificate.responder.create",
                outcome="ok" if added else "failed",
                at=now,
                role="system",
                resource={"ca": authority.id, "certificate": serial_text(issued.serial)},
                detail={"generation": generation},
            )
        )
        if added:
            await self._ledger.invalidate(TOPIC, authority.id)

    def _forget(self, topic: str, key: str) -> None:
        if topic == REVOKED_TOPIC:
            self._kept.drop(int(key))
        elif topic in (
            TOPIC,
            AUTHORITY_TOPIC,
            "*",
        ):  # "*": the ledger was out of reach, and anything may have changed meanwhile
            self._ready = None
            self._kept.clear()


def _of_authority(question: CertId, now: datetime, until: datetime, end: AuthorityEnd | None) -> SingleResponse:
    if end is None:
        return SingleResponse(question, now, until)
    return SingleResponse(question, now, until, revoked_at=end.at, reason=end.reason.crl_reason)
