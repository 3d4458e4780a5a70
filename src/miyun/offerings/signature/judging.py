"""Whether a signature is to be relied upon: itself, its certificate by the trust lists, its time-stamp."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from miyun.core.operation import Call
from miyun.core.trust import OWN_LIST, Level, Status, TrustDirectory
from miyun.gm.errors import InvalidSignature
from miyun.offerings.signature.messages import Judged
from miyun.offerings.signature.verification import CheckedSigner, Finding, check_message
from miyun.wire import oid
from miyun.wire.cms import Dialect, SignerInfo
from miyun.wire.errors import DecodeError
from miyun.wire.tsp import TimeStampMismatch, check_token
from miyun.wire.x509 import Certificate, Purpose, parse_certificate


@dataclass(frozen=True, slots=True)
class Policy:
    """What a verifier asks for. Without `at`, a time-stamp's time counts, else now."""

    tenant: str | None
    now: datetime
    level: Level = Level.REVOCATION
    lists: tuple[str, ...] = ()
    stale: timedelta = timedelta(0)
    at: datetime | None = None


def policy_of(call: Call, request: Judged) -> Policy:
    return Policy(
        tenant=call.require_tenant(),
        now=call.now,
        level=Level(request.level),
        lists=tuple(request.lists),
        stale=timedelta(hours=request.stale_hours),
        at=request.at,
    )


@dataclass(frozen=True, slots=True)
class Standing:
    """Of a certificate; `path`: leaf first, anchor last, empty when there is none."""

    findings: tuple[Finding, ...]
    status: Status
    path: tuple[Certificate, ...] = ()


@dataclass(frozen=True, slots=True)
class Proof:
    """A time-stamp over a signature. It proves `time` when there are no findings."""

    findings: tuple[Finding, ...]
    time: datetime | None = None
    authority: str = ""
    path: tuple[Certificate, ...] = ()


@dataclass(frozen=True, slots=True)
class JudgedSigner:
    info: SignerInfo
    findings: tuple[Finding, ...]
    standing: Standing | None = None
    proof: Proof | None = None
    judged_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class JudgedMessage:
    findings: tuple[Finding, ...]
    signers: tuple[JudgedSigner, ...] = ()
    dialect: Dialect | None = None
    content: bytes | None = field(default=None, repr=False)

    @property
    def valid(self) -> bool:
        return not self.findings and bool(self.signers) and not any(item.findings for item in self.signers)


class Judge:
    def __init__(self, trust: TrustDirectory) -> None:
        self._trust = trust

    async def message(
        self, encoded: bytes, content: bytes | None, digest: bytes | None, policy: Policy
    ) -> JudgedMessage:
        """Every signer of a CMS message."""
        checked = await asyncio.to_thread(check_message, encoded, content, digest)
        signers = [await self._signer(item, checked.certificates, policy) for item in checked.signers]
        return JudgedMessage(checked.findings, tuple(signers), checked.dialect, checked.content)

    async def certificate(
        self, leaf: Certificate, others: Sequence[Certificate], policy: Policy, at: datetime
    ) -> Standing:
        verdict = await self._trust.judge(
            policy.tenant,
            leaf.der,
            extra=[item.der for item in others],
            lists=policy.lists,
            at=at,
            purpose=Purpose.SIGNATURE.value,
            level=policy.level,
            stale=policy.stale,
        )
        path = tuple(map(parse_certificate, verdict.chain))
        return Standing(tuple(map(Finding.of, verdict.reasons)), verdict.revocation, path)

    async def proof(self, token: bytes, stamped: bytes, policy: Policy) -> Proof:
        """Whether a token is about `stamped`, by an authority that is trusted now: of the chosen lists, or ours."""
        try:
            signed = await asyncio.to_thread(check_token, token, message=stamped)
        except TimeStampMismatch as error:
            return Proof((Finding("timestamp_data", str(error)),))
        except InvalidSignature:
            return Proof((Finding("timestamp_signature"),))
        except DecodeError as error:
            return Proof((Finding("malformed", str(error)),))
        verdict = await self._trust.judge(
            policy.tenant,
            signed.certificate.der,
            extra=[item.der for item in signed.certificates],
            lists=tuple(dict.fromkeys((*policy.lists, OWN_LIST))),
            at=policy.now,
            purpose=Purpose.TIME_STAMPING.value,
            level=max(policy.level, Level.CHAIN, key=list(Level).index),
            stale=policy.stale,
        )
        subject = str(signed.certificate.subject)
        path = tuple(map(parse_certificate, verdict.chain))
        return Proof(tuple(map(Finding.of, verdict.reasons)), signed.tst_info.gen_time, subject, path)

    async def _signer(
        self, checked: CheckedSigner, certificates: Sequence[Certificate], policy: Policy
    ) -> JudgedSigner:
        info = checked.info
        if info.certificate is None:
            return JudgedSigner(info, checked.findings)
        proof = None
        if (tokens := info.unsigned_attributes.get(oid.TIME_STAMP_TOKEN)) is not None:
            proof = await self.proof(tokens[0], info.signature, policy) if tokens else None
        proven = proof.time if proof is not None and not proof.findings else None
        at = policy.at or proven or policy.now
        standing = await self.certificate(info.certificate, certificates, policy, at)
        against = standing.findings
        if against and proof is not None and proof.findings and policy.at is None:
            # Had the time-stamp been a proof, the certificate might have been good at its time.
            against += (Finding("timestamp", subject=proof.authority, children=proof.findings),)
        return JudgedSigner(info, (*checked.findings, *against), standing, proof, at)
