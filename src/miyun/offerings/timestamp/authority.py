"""Signing keys of the policies: made once, renewed yearly, kept ready with everything pre-encoded."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from miyun.core.clock import Clock
from miyun.core.errors import Unavailable
from miyun.core.i18n import Text
from miyun.core.ledger.port import Entry, Ledger
from miyun.core.machine import machine_errors
from miyun.core.ports import CertificateIssuer
from miyun.hsm.port import Machine
from miyun.offerings.timestamp.model import POLICIES, RENEW_BEFORE, Policy, Token, Tsa, key_binding
from miyun.offerings.timestamp.store import TimestampStore
from miyun.wire.tsp import MessageImprint, TokenTemplate, TstInfoTemplate
from miyun.wire.x509 import Certificate, parse_certificate

TOPIC = "timestamp.tsa"


class TsaMissing(Unavailable):
    text = Text("时间戳签名证书不可用：{part}。", "The time-stamping certificate is not available: {part}.")
    remedy = Text("请由平台运维检查初始化与证书有效期。", "Have the platform operator check set-up and validity.")


@dataclass(frozen=True, slots=True)
class Signer:
    """A policy ready to sign."""

    policy: Policy
    tsa: Tsa
    info: TstInfoTemplate = field(repr=False)
    frame: TokenTemplate = field(repr=False)

    @classmethod
    def of(cls, tsa: Tsa) -> Signer:
        policy = POLICIES[tsa.policy]
        certificate = parse_certificate(tsa.der)
        # The root stays out: a verifier has it, and each token would carry it in vain.
        chain = tuple(parse_certificate(item) for item in tsa.chain[:-1])
        return cls(
            policy,
            tsa,
            TstInfoTemplate(policy.oid, policy.accuracy, certificate.subject),
            TokenTemplate(policy.signature, (certificate, *chain)),
        )


class TimestampAuthorities:
    def __init__(
        self,
        *,
        store: TimestampStore,
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
        self._signers: Mapping[str, Signer] | None = None
        ledger.on_invalidate(self._forget)

    async def bootstrap(self) -> None:
        """A key and certificate for every policy without one, or whose key has signed for its year, or whose
        certificate is revoked or of an authority that is."""
        now = self._clock.now()
        newest = {tsa.policy: tsa for tsa in await asyncio.to_thread(self._store.newest_tsas)}
        for policy in POLICIES.values():
            current = newest.get(policy.slug)
            if (
                current is None
                or current.not_after - now < RENEW_BEFORE
                or await self._issuer.is_revoked(current.serial)
            ):
                await self._make(policy, current.generation + 1 if current else 1, now)

    def signer(self, policy: str) -> Signer:
        """Raises TsaMissing before bootstrap and when the certificate is out of date."""
        if self._signers is None:
            self._signers = {tsa.policy: Signer.of(tsa) for tsa in self._store.newest_tsas()}
        found = self._signers.get(policy)
        if found is None or found.tsa.not_after <= self._clock.now():
            self._signers = None
            raise TsaMissing(policy)
        return found

    def certificates(self) -> list[Certificate]:
        """Every TSA certificate ever used and those above: for tokens that came without."""
        found = {der for tsa in self._store.all_tsas() for der in (tsa.der, *tsa.chain)}
        return [parse_certificate(der) for der in found]

    def all(self) -> list[Tsa]:
        return self._store.all_tsas()

    async def sign(
        self,
        signer: Signer,
        serial: int,
        gen_time: datetime,
        imprint: MessageImprint,
        nonce: int | None,
        include_certificates: bool,
    ) -> Token:
        info = signer.info.encode(serial, gen_time, imprint, nonce)
        attributes = signer.frame.to_be_signed(info)
        with machine_errors():
            [signature] = await self._machine.sign(signer.tsa.key, signer.policy.scheme, [attributes])
        return Token(
            signer.frame.assemble(info, attributes, signature, include_certificates),
            signer.policy.slug,
            serial,
            gen_time,
        )

    async def _make(self, policy: Policy, generation: int, now: datetime) -> None:
        with machine_errors():
            key = await self._machine.generate(policy.key, key_binding(policy.slug, generation))
        if key.public is None:
            raise TsaMissing(policy.slug)
        issued = await self._issuer.issue(
            None,
            template="tsa",
            subject={"O": "Miyun", "CN": policy.common_name},
            spki=key.public,
            at=now,
        )
        tsa = Tsa(
            policy=policy.slug,
            generation=generation,
            key=key,
            serial=issued.serial,
            der=issued.der,
            chain=issued.chain,
            not_after=parse_certificate(issued.der).not_after,
            created_at=now,
        )
        if not await asyncio.to_thread(self._store.add_tsa, tsa):
            await self._issuer.revoke(issued.serial, "superseded", now)  # another process was first
            return
        await self._ledger.append(
            Entry(
                operation="timestamp.tsa.create",
                outcome="ok",
                at=now,
                role="system",
                resource={"policy": policy.slug, "certificate": f"{issued.serial:032x}"},
                detail={"generation": generation},
            )
        )
        await self._ledger.invalidate(TOPIC, policy.slug)
        self._signers = None

    def _forget(self, topic: str, key: str) -> None:
        if topic in (TOPIC, "*"):
            self._signers = None
