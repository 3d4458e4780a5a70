"""`core.ports.EvidenceSigner`: the platform's own signature on anchors of the ledger and on the dossier."""

from __future__ import annotations

import asyncio

from miyun.core.clock import Clock
from miyun.core.errors import Unavailable
from miyun.core.i18n import Text
from miyun.core.ledger.port import Entry, Ledger
from miyun.core.machine import machine_errors
from miyun.core.ports import CertificateIssuer
from miyun.hsm.port import Machine
from miyun.offerings.signature.model import EVIDENCE_RENEW_BEFORE, SUITES, EvidenceKey, evidence_binding
from miyun.offerings.signature.signing import finish, prepare
from miyun.offerings.signature.store import SignatureStore
from miyun.wire.x509 import parse_certificate

TOPIC = "signature.evidence"
_SUITE = SUITES["SM2"]


class EvidenceKeyMissing(Unavailable):
    text = Text("平台存证密钥尚未建立。", "The platform's evidence key is not set up yet.")
    remedy = Text("请由平台运维完成初始化。", "Have the platform operator finish the set-up.")


class PlatformEvidenceSigner:
    def __init__(
        self,
        *,
        store: SignatureStore,
        machine: Machine,
        issuer: CertificateIssuer,
        clock: Clock,
        ledger: Ledger,
    ) -> None:
        self._store = store
        self._machine = machine
        self._issuer = issuer
        self._clock = clock
        self._ledger = ledger
        self._current: EvidenceKey | None = None
        ledger.on_invalidate(self._forget)

    async def bootstrap(self) -> None:
        """A key and certificate, and new ones in their last year, or when they are revoked or their authority is. Safe
        to repeat and to run in several processes."""
        now = self._clock.now()
        keys = await asyncio.to_thread(self._store.evidence_keys)
        newest = keys[-1] if keys else None
        lasts = newest is not None and newest.not_after - now >= EVIDENCE_RENEW_BEFORE
        if newest is not None and lasts and not await self._issuer.is_revoked(newest.serial):
            return
        generation = newest.generation + 1 if newest else 1
        with machine_errors():
            key = await self._machine.generate(_SUITE.key, evidence_binding(generation))
        if key.public is None:
            raise EvidenceKeyMissing("evidence")
        issued = await self._issuer.issue(
            None, template="evidence", subject={"O": "Miyun", "CN": "Miyun Evidence"}, spki=key.public, at=now
        )
        made = EvidenceKey(
            generation=generation,
            key=key,
            serial=issued.serial,
            der=issued.der,
            chain=issued.chain,
            not_after=parse_certificate(issued.der).not_after,
            created_at=now,
        )
        if not await asyncio.to_thread(self._store.add_evidence_key, made):
            await self._issuer.revoke(issued.serial, "superseded", now)  # another process was first
            return
        await self._ledger.append(
            Entry(
                operation="signature.evidence_key.create",
                outcome="ok",
                at=now,
                role="system",
                resource={"certificate": f"{issued.serial:032x}"},
                detail={"generation": generation},
            )
        )
        await self._ledger.invalidate(TOPIC, str(generation))
        self._current = None

    async def sign_detached(self, content: bytes) -> bytes:
        """A detached CMS message (GB/T 35275), DER, with the certificates below the root. Raises MachineLocked."""
        current = self._key()
        certificate = parse_certificate(current.der)
        message = prepare(
            certificate,
            current.chain,
            _SUITE,
            content=content,
            digest=None,
            detached=True,
            dialect=_SUITE.dialect,
            at=self._clock.now(),
        )
        with machine_errors():
            [signature] = await self._machine.sign(current.key, _SUITE.scheme, [message.attributes])
        return finish(certificate, _SUITE, message, signature)

    def certificates(self) -> list[bytes]:
        """Every generation's certificate and those above it, DER, for the dossier."""
        return list(dict.fromkeys(der for item in self._store.evidence_keys() for der in (item.der, *item.chain)))

    def _key(self) -> EvidenceKey:
        if self._current is None or self._current.not_after <= self._clock.now():
            keys = self._store.evidence_keys()
            if not keys:
                raise EvidenceKeyMissing("evidence")
            self._current = keys[-1]
        return self._current

    def _forget(self, topic: str, key: str) -> None:
        if topic in (TOPIC, "*"):
            self._current = None
