"""Use cases of the timestamp room: issue by RFC 3161 and JSON, Merkle batches, verify, status of clock and quota."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

from miyun.core.clock import SHANGHAI, Clock
from miyun.core.errors import InvalidArgument
from miyun.core.i18n import Text
from miyun.core.ledger.port import Entry, Ledger, Usage
from miyun.core.operation import Call, Empty, Reply
from miyun.core.ports import CertificateIssuer
from miyun.hsm.port import Machine
from miyun.offerings.timestamp import messages as m
from miyun.offerings.timestamp.authority import TimestampAuthorities
from miyun.offerings.timestamp.clock_guard import ClockGuard, boot_time
from miyun.offerings.timestamp.merkle import tree
from miyun.offerings.timestamp.model import (
    CLOCK_REASONS,
    CONFIRMED,
    DIGESTS,
    HASH_NAMES,
    KEEP_DRIFT,
    POLICIES,
    ClockState,
    Drift,
    Policy,
    Reading,
    TimeSource,
    Token,
    default_policy,
    source_reason,
)
from miyun.offerings.timestamp.reading import check_hash, read_request
from miyun.offerings.timestamp.serials import SerialNumbers
from miyun.offerings.timestamp.store import TimestampStore
from miyun.offerings.timestamp.verification import Examined, Finding, examine, token_in
from miyun.wire.algorithm import DigestAlgorithm
from miyun.wire.tsp import Accuracy, MessageImprint, response_granted
from miyun.wire.x509 import parse_certificate

METER = "timestamp.tokens"
CLOCK_TOPIC = "timestamp.clock"
_NO_SOURCE = Text(
    "未配置外部时间源：时间仅以本机内核时钟为准，并监测其连续性",
    "no external time source configured: the time is this machine's kernel clock, watched for continuity only",
)
_POLICY_BY_OID = {policy.oid: policy for policy in POLICIES.values()}


class TimestampService:
    """`limit_of` tells the hourly limit of the instance a call is charged to; None of it shows no limit.

    `minimum`: how many of the `source`'s servers must agree; 0 is the majority."""

    def __init__(
        self,
        *,
        store: TimestampStore,
        machine: Machine,
        issuer: CertificateIssuer,
        clock: Clock,
        ledger: Ledger,
        tolerance: float = 1.0,
        source: TimeSource | None = None,
        minimum: int = 0,
        limit_of: Callable[[Call], Awaitable[int | None]] | None = None,
        monotonic: Callable[[], float] = boot_time,
    ) -> None:
        self._store = store
        self._issuer = issuer
        self._clock = clock
        self._ledger = ledger
        self._source = source
        self._limit_of = limit_of
        self.authorities = TimestampAuthorities(store=store, machine=machine, issuer=issuer, clock=clock, ledger=ledger)
        self.guard = ClockGuard(
            clock=clock,
            recent=store.recent_drift,
            tolerance=tolerance,
            minimum=0 if source is None else minimum or len(source.names) // 2 + 1,
            monotonic=monotonic,
        )
        self._serials = SerialNumbers(clock=clock, take_epoch=store.take_epoch)
        self._was_trusted = True
        ledger.on_invalidate(self._on_invalidate)

    async def bootstrap(self) -> None:
        """Keys and certificates of every policy. Safe to repeat and to run in several processes at once."""
        await self.authorities.bootstrap()

    # issue

    async def rfc3161(self, call: Call, request: m.Rfc3161Request) -> Reply:
        """A TimeStampReq in, a granted TimeStampResp out; refusals are raised and rendered by `protocol`."""
        policy, asked = read_request(request)
        token = await self.issue_token(policy, asked.message_imprint, asked.nonce, asked.cert_req)
        _note(call, token)
        return Reply(response_granted(token.der), "application/timestamp-reply")

    async def issue(self, call: Call, request: m.IssueRequest) -> m.TokenView:
        algorithm = DIGESTS[request.hash_algorithm]
        policy = POLICIES[request.policy] if request.policy else default_policy(algorithm)
        token = await self.issue_token(
            policy, imprint_of(algorithm, request.digest), _nonce(request.nonce), request.include_certificate
        )
        _note(call, token)
        return _token_view(token, algorithm)

    async def issue_batch(self, call: Call, request: m.BatchRequest) -> m.BatchView:
        """One signature for many digests; every item gets a proof that leads to the token."""
        policy = POLICIES[request.policy]
        size = policy.tree.size
        for index, item in enumerate(request.items):
            if len(item.digest) != size:
                raise InvalidArgument(f"items[{index}].digest", Text(f"应为 {size} 字节", f"must have {size} octets"))
        digests = [item.digest for item in request.items]
        root, paths = await asyncio.to_thread(tree, policy.tree.digest, digests)
        token = await self.issue_token(policy, MessageImprint.of(policy.tree, root), None, request.include_certificate)
        _note(call, token)
        call.detail["items"] = len(digests)
        return m.BatchView(
            token=_token_view(token, policy.tree),
            root=root,
            tree_hash=HASH_NAMES[policy.tree],  # type: ignore[arg-type]
            items=[
                m.BatchEntry(
                    reference=item.reference, proof=m.BatchProof(index=index, size=len(digests), path=paths[index])
                )
                for index, item in enumerate(request.items)
            ],
        )

    async def issue_token(
        self, policy: Policy, imprint: MessageImprint, nonce: int | None, include_certificates: bool
    ) -> Token:
        """Raises ClockUntrusted, TsaMissing, TimestampRejected for a hash that the policy does not take."""
        check_hash(policy, imprint)
        signer = self.authorities.signer(policy.slug)
        serial = await self._serials.next()
        return await self.authorities.sign(signer, serial, self.guard.time(), imprint, nonce, include_certificates)

    # verify

    async def verify(self, call: Call, request: m.VerifyRequest) -> m.VerifyView:
        """The token's statement, and every reason not to believe it. Only our own roots are trusted."""
        if (request.data is None) == (request.digest is None):
            raise InvalidArgument("digest", Text("data 与 digest 二选一", "give either data or digest"))
        token = token_in(request.token)
        if isinstance(token, Finding):
            return _verify_view(Examined(token))
        anchors = [parse_certificate(der) for der in await self._issuer.trust_anchors()]
        examined = await asyncio.to_thread(
            examine,
            token,
            digest=request.digest,
            data=request.data,
            proof=request.proof,
            nonce=_nonce(request.nonce),
            anchors=anchors,
            certificates=self.authorities.certificates(),
            at=request.at,
        )
        for certificate in examined.path[:-1]:
            if await self._issuer.is_revoked(certificate.serial, examined.info.gen_time if examined.info else None):
                examined = Examined(Finding("revoked", str(certificate.subject)), examined.info, examined.path)
        return _verify_view(examined)

    # clock

    async def status(self, call: Call, request: Empty) -> m.StatusView:
        return m.StatusView(
            clock=self._clock_view(),
            policies=[
                _policy_view(policy, self.authorities.signer(policy.slug).tsa.der) for policy in POLICIES.values()
            ],
            hour=await self._hour(call),
        )

    async def measure(self) -> None:
        """One measurement of clock and sources into the drift history; for the jobs process."""
        readings = await self._source.readings() if self._source is not None else []
        now = self._clock.now()
        recent = await asyncio.to_thread(self._store.recent_drift)
        # The clock went back past a recorded time, perhaps while nothing ran. A row now would hide that.
        if not recent or recent[-1].at <= now + timedelta(seconds=self.guard.tolerance):
            rows = [self.guard.continuity(now)]
            rows += [Drift(now, item.source, item.offset, self._within(item.offset), item.reason) for item in readings]
            await asyncio.to_thread(self._store.add_drift, rows)
            await asyncio.to_thread(self._store.forget_drift, now - KEEP_DRIFT)
        self.guard.reread()
        state = await asyncio.to_thread(self.guard.state)
        if state.trusted is not self._was_trusted:
            self._was_trusted = state.trusted
            await self._record(state, now)

    async def confirm_clock(self, call: Call, request: m.ConfirmRequest) -> m.ClockView:
        """An operator vouches for the time after a step, naming a reference. Tokens are issued again: at once without
        external sources, else when they have confirmed it."""
        off = abs((request.observed - call.now).total_seconds())
        # Someone reads a clock and types: what counts is that the date and minute are right.
        if off > 60:
            raise InvalidArgument(
                "observed", Text(f"与本机时钟相差 {off:.0f} 秒", f"differs from this machine's clock by {off:.0f} s")
            )
        call.detail.update(reference=request.reference, difference=round(off, 3))
        await asyncio.to_thread(self._store.add_drift, [Drift(self._clock.now(), CONFIRMED, 0.0, True)])
        self.guard.rebase()
        await self._ledger.invalidate(CLOCK_TOPIC, CONFIRMED)
        return self._clock_view()

    async def drift(self, call: Call, request: m.DriftRequest) -> m.DriftList:
        if request.end - request.start > timedelta(days=31):
            raise InvalidArgument("end", Text("一次最多查询 31 天", "at most 31 days at a time"))
        rows = await asyncio.to_thread(self._store.drift_between, request.start, request.end)
        return m.DriftList(
            items=[
                m.DriftView(
                    at=row.at, source=row.source, offset_seconds=row.offset, trusted=row.trusted, reason=row.reason
                )
                for row in rows
            ]
        )

    def drift_history(self, start: datetime, end: datetime) -> list[Drift]:
        return self._store.drift_between(start, end)

    @property
    def source_note(self) -> Text:
        """How good the time is, in a sentence for status and evidence."""
        if self._source is None:
            return _NO_SOURCE
        names, minimum = self._source.names, self.guard.minimum
        return Text(
            f"外部时间源（NTP）：{'、'.join(names)}；其中至少 {minimum} 个须彼此一致",
            f"external time sources (NTP): {', '.join(names)}; at least {minimum} of them must agree",
        )

    async def usage(self, instance: str, start: datetime, end: datetime) -> list[Usage]:
        """Tokens per clock hour, from the ledger."""
        found = await self._ledger.usage(instances=[instance], start=start, end=end)
        return [item for item in found if item.meter == METER]

    async def _hour(self, call: Call) -> m.HourView | None:
        if call.instance is None:
            return None
        start = call.now.astimezone(SHANGHAI).replace(minute=0, second=0, microsecond=0).astimezone(UTC)
        end = start + timedelta(hours=1)
        used = sum(item.units for item in await self.usage(call.instance, start, end))
        limit = await self._limit_of(call) if self._limit_of is not None else None
        left = None if limit is None else max(0, limit - used)
        return m.HourView(start=start, end=end, used=used, limit=limit, left=left)

    def _clock_view(self) -> m.ClockView:
        state = self.guard.state()
        why, note = CLOCK_REASONS[state.reason], self.source_note
        return m.ClockView(
            trusted=state.trusted,
            reason=state.reason,
            reason_zh=why.zh,
            reason_en=why.en,
            external=self._source is not None,
            note_zh=note.zh,
            note_en=note.en,
            step_seconds=round(state.step, 6),
            tolerance_seconds=self.guard.tolerance,
            sources=[_source_view(item) for item in state.readings],
            measured_at=state.measured_at,
        )

    async def _record(self, state: ClockState, at: datetime) -> None:
        sources = {
            item.source: item.reason if item.offset is None else round(item.offset, 6) for item in state.readings
        }
        await self._ledger.append(
            Entry(
                operation="timestamp.clock.trusted" if state.trusted else "timestamp.clock.untrusted",
                outcome="ok" if state.trusted else "failed",
                at=at,
                role="system",
                detail={"reason": state.reason, "step": round(state.step, 6), "sources": sources},
            )
        )

    def _within(self, offset: float | None) -> bool:
        return offset is not None and abs(offset) <= self.guard.tolerance

    def _on_invalidate(self, topic: str, key: str) -> None:
        if topic == CLOCK_TOPIC:
            self.guard.rebase()


def _source_view(reading: Reading) -> m.SourceView:
    text = source_reason(reading.reason)
    return m.SourceView(
        source=reading.source,
        offset_seconds=reading.offset,
        reason=reading.reason,
        reason_zh=text.zh,
        reason_en=text.en,
    )


def imprint_of(algorithm: DigestAlgorithm, digest: bytes) -> MessageImprint:
    """Raises InvalidArgument unless the digest has its algorithm's length."""
    if len(digest) != algorithm.size:
        name = HASH_NAMES[algorithm]
        raise InvalidArgument(
            "digest", Text(f"{name} 应为 {algorithm.size} 字节", f"{name} has {algorithm.size} octets")
        )
    return MessageImprint.of(algorithm, digest)


def _nonce(text: str) -> int | None:
    return int(text) if text else None


def _note(call: Call, token: Token) -> None:
    call.resource.update(policy=token.policy, serial=f"{token.serial:x}")


def _token_view(token: Token, algorithm: DigestAlgorithm) -> m.TokenView:
    return m.TokenView(
        token=token.der,
        policy=token.policy,
        policy_oid=POLICIES[token.policy].oid,
        serial=f"{token.serial:x}",
        gen_time=token.gen_time,
        hash_algorithm=HASH_NAMES[algorithm],  # type: ignore[arg-type]
    )


def _milliseconds(accuracy: Accuracy | None) -> int | None:
    if accuracy is None:
        return None
    return (accuracy.seconds or 0) * 1000 + (accuracy.millis or 0) + (1 if accuracy.micros else 0)


def _policy_view(policy: Policy, certificate: bytes) -> m.PolicyView:
    parsed = parse_certificate(certificate)
    names: Sequence[str] = [name for name, item in DIGESTS.items() if item in policy.digests]
    return m.PolicyView(
        policy=policy.slug,
        oid=policy.oid,
        name_zh=policy.name.zh,
        name_en=policy.name.en,
        hash_algorithms=list(names),  # type: ignore[arg-type]
        accuracy_ms=_milliseconds(policy.accuracy) or 0,
        tsa=str(parsed.subject),
        certificate_pem=parsed.to_pem(),
        not_after=parsed.not_after,
    )


def _verify_view(examined: Examined) -> m.VerifyView:
    finding, info = examined.finding, examined.info
    reasons = [m.Reason(code=finding.code, zh=finding.text.zh, en=finding.text.en)] if finding.code else []
    if info is None:
        return m.VerifyView(valid=not reasons, reasons=reasons)
    policy = _POLICY_BY_OID.get(info.policy)
    signer = examined.path[0] if examined.path else None
    return m.VerifyView(
        valid=not reasons,
        reasons=reasons,
        gen_time=info.gen_time,
        accuracy_ms=_milliseconds(info.accuracy),
        serial=f"{info.serial:x}",
        policy=policy.slug if policy else "",
        policy_oid=info.policy,
        hash_algorithm=HASH_NAMES[info.message_imprint.algorithm],
        digest=info.message_imprint.digest,
        nonce=str(info.nonce) if info.nonce is not None else "",
        tsa=str(signer.subject) if signer else "",
        tsa_serial=f"{signer.serial:032x}" if signer else "",
    )
