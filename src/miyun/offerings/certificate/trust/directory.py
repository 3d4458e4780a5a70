"""`core.trust.TrustDirectory`: the verdict on a certificate by the tenant's trust lists."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from miyun.core.clock import Clock
from miyun.core.trust import OWN_LIST, Level, Status, TrustMaterial, TrustReason, TrustVerdict
from miyun.offerings.certificate.trust.held.status import Known, by_answer, by_list, unknown, until
from miyun.offerings.certificate.trust.held.store import HeldStore
from miyun.offerings.certificate.trust.model import OCSP_PATIENCE, HeldAnswer, HeldList, TrustedAuthority
from miyun.offerings.certificate.trust.own import OwnAuthorities
from miyun.offerings.certificate.trust.store import TrustStore
from miyun.wire.errors import DecodeError
from miyun.wire.x509 import Certificate, ChainError, ChainReason, Purpose, parse_certificate, verify_chain

_POLL: Final = 0.1
_RETRY: Final = timedelta(seconds=30)  # a responder that failed is asked again after so long
_WORST: Final[tuple[Status, ...]] = ("revoked", "unknown", "stale", "good")
MAX_EXTRA: Final = 32


@dataclass(frozen=True, slots=True)
class _Trusted:
    """What paths are built from, by the certificates' octets."""

    anchors: tuple[Certificate, ...]
    intermediates: tuple[Certificate, ...]
    sources: dict[bytes, list[TrustedAuthority]]


@dataclass(frozen=True, slots=True)
class _Path:
    """Leaf first, anchor last."""

    certificates: tuple[Certificate, ...]
    sources: dict[bytes, list[TrustedAuthority]]


@dataclass(slots=True)
class _Look:
    """One look at the revocation of a path. `asks`: answers that are wanted of responders first."""

    at: datetime
    now: datetime
    stale: timedelta
    sources: dict[bytes, list[TrustedAuthority]]
    held: dict[str, dict[str, HeldList]]
    asking: bool
    asks: set[tuple[str, int]] = field(default_factory=set)


class PlatformTrust:
    def __init__(
        self,
        *,
        store: TrustStore,
        held: HeldStore,
        own: OwnAuthorities,
        clock: Clock,
        patience: float = OCSP_PATIENCE,
    ) -> None:
        self._store = store
        self._held = held
        self._own = own
        self._clock = clock
        self._patience = patience

    async def judge(
        self,
        tenant: str | None,
        certificate: bytes,
        *,
        extra: Sequence[bytes] = (),
        lists: Sequence[str] = (),
        at: datetime,
        purpose: str,
        level: Level,
        stale: timedelta = timedelta(0),
    ) -> TrustVerdict:
        now = self._clock.now()
        try:
            leaf = parse_certificate(certificate)
        except DecodeError as error:
            return TrustVerdict(False, (), (TrustReason("unreadable", "", (), str(error)),), "unchecked", now)
        if level is Level.TIME:
            reasons = _out_of_time(leaf, at)
            return TrustVerdict(not reasons, (leaf.der,), reasons, "unchecked", now)
        path = await asyncio.to_thread(self._path, tenant, leaf, extra, lists, at, purpose)
        if isinstance(path, tuple):
            return TrustVerdict(False, (), path, "unchecked", now)
        chain = tuple(item.der for item in path.certificates)
        if level is Level.CHAIN:
            return TrustVerdict(True, chain, (), "unchecked", now)
        known, asks = await asyncio.to_thread(self._look, path, level, at, now, stale, True)
        if asks:
            await self._ask(asks, now)
            known, _ = await asyncio.to_thread(self._look, path, level, at, now, stale, False)
        against = tuple(item.reason for item in known if item.reason is not None and not item.usable)
        status: Status = min((item.status for item in known), key=_WORST.index, default="good")
        return TrustVerdict(not against, chain, against, status, now)

    async def material(self, tenant: str | None, chain: Sequence[bytes], *, lists: Sequence[str] = ()) -> TrustMaterial:
        path = [parse_certificate(item) for item in chain]
        crls: list[bytes] = []
        answers: list[bytes] = []
        missing: list[str] = []
        trusted = await asyncio.to_thread(self._trusted, tenant, lists or (OWN_LIST,))
        sources = trusted.sources if isinstance(trusted, _Trusted) else {}
        for certificate, issuer in pairwise(path):
            own = await self._own.material(certificate, issuer)
            if own is None:
                own = await asyncio.to_thread(self._held_material, certificate, sources.get(issuer.der, ()))
            crls += own.lists
            answers += own.answers
            if not own.lists and not own.answers:
                missing.append(str(certificate.subject))
        return TrustMaterial(tuple(crls), tuple(answers), tuple(missing))

    def _held_material(self, certificate: Certificate, authorities: Sequence[TrustedAuthority]) -> TrustMaterial:
        """An answer about it, else its issuer's lists."""
        for authority in authorities:
            answer = self._held.answer(authority.id, certificate.serial)
            if answer is not None and answer.der:
                return TrustMaterial((), (answer.der,))
        held = self._held.held([authority.id for authority in authorities])
        whole = (self._held.whole(crl.id) for kinds in held.values() for crl in kinds.values())
        return TrustMaterial(tuple(item for item in whole if item), ())

    # paths

    def _path(
        self,
        tenant: str | None,
        leaf: Certificate,
        extra: Sequence[bytes],
        lists: Sequence[str],
        at: datetime,
        purpose: str,
    ) -> _Path | tuple[TrustReason, ...]:
        trusted = self._trusted(tenant, lists or (OWN_LIST,))
        if isinstance(trusted, tuple):
            return trusted
        others = [item for item in map(_readable, extra[:MAX_EXTRA]) if item is not None]
        try:
            chain = verify_chain(
                leaf,
                (*trusted.intermediates, *others),
                trusted.anchors,
                at,
                purpose=Purpose(purpose) if purpose else None,
            )
        except ChainError as error:
            children = tuple(TrustReason(_code(item), item.subject, (), item.text) for item in error.others)
            return (TrustReason(_code(error), error.subject, children, error.text),)
        return _Path(chain.certificates, trusted.sources)

    def _trusted(self, tenant: str | None, names: Sequence[str]) -> _Trusted | tuple[TrustReason, ...]:
        own = OWN_LIST in names
        named = [name for name in names if name != OWN_LIST]
        found = self._store.authorities_of(tenant, named) if named and tenant is not None else {}
        missing = tuple(TrustReason("no_such_list", name) for name in named if name not in found)
        if missing:
            return missing
        anchors = [parse_certificate(item) for item in (self._own.anchors() if own else ())]
        between = [parse_certificate(item) for item in (self._own.intermediates() if own else ())]
        sources: dict[bytes, list[TrustedAuthority]] = {}
        for item in (item for items in found.values() for item in items):
            sources.setdefault(item.der, []).append(item)
            (anchors if item.anchor else between).append(parse_certificate(item.der))
        return _Trusted(tuple(anchors), tuple(between), sources)

    # revocation

    def _look(
        self, path: _Path, level: Level, at: datetime, now: datetime, stale: timedelta, asking: bool
    ) -> tuple[list[Known], set[tuple[str, int]]]:
        """What is known of every certificate below the anchor, the anchor's own first."""
        ids = [item.id for issuer in path.certificates[1:] for item in path.sources.get(issuer.der, ())]
        look = _Look(at, now, stale, path.sources, self._held.held(ids), asking)
        pairs = list(pairwise(path.certificates))
        known = [
            self._known(look, certificate, issuer, online=level is Level.OCSP and certificate is path.certificates[0])
            for certificate, issuer in reversed(pairs)
        ]
        return known, look.asks

    def _known(self, look: _Look, certificate: Certificate, issuer: Certificate, *, online: bool) -> Known:
        own = self._own.status(certificate, issuer, look.at)
        if own is not None:
            return own
        authorities = look.sources.get(issuer.der, [])
        if online:
            return self._by_answers(look, authorities, certificate, issuer, "no_responder")
        best: Known | None = None
        for authority in authorities:
            held = look.held.get(authority.id, {})
            if "base" in held:
                found = by_list(self._held, authority.subject, held, certificate, look.at, look.stale)
                if found.usable or found.status == "revoked":
                    return found
                best = best or found
        if any(authority.ocsp_url for authority in authorities):
            answered = self._by_answers(look, authorities, certificate, issuer, "no_responder")
            if answered.usable or answered.status == "revoked" or best is None:
                return answered
        if best is not None:
            return best
        sourced = any(authority.crl_url for authority in authorities)
        because = TrustReason("not_fetched" if sourced else "no_source", str(issuer.subject))
        return unknown(str(certificate.subject), because)

    def _by_answers(
        self,
        look: _Look,
        authorities: Sequence[TrustedAuthority],
        certificate: Certificate,
        issuer: Certificate,
        otherwise: str,
    ) -> Known:
        best = unknown(str(certificate.subject), TrustReason(otherwise, str(issuer.subject)))
        for authority in (item for item in authorities if item.ocsp_url):
            answer = self._held.answer(authority.id, certificate.serial)
            if look.asking and _is_wanted(answer, look.now):
                look.asks.add((authority.id, certificate.serial))
            if answer is None:
                because = TrustReason("ocsp_unavailable", authority.subject)
                best = unknown(str(certificate.subject), because)
                continue
            best = by_answer(authority.subject, answer, certificate, look.at, look.stale)
            if best.usable or best.status == "revoked":
                return best
        return best

    async def _ask(self, asks: set[tuple[str, int]], now: datetime) -> None:
        """Have the jobs process bring answers, and wait for them as long as a caller may be kept waiting."""
        for authority, serial in asks:
            await asyncio.to_thread(self._held.ask, authority, serial, now)
        left = set(asks)
        for _ in range(int(self._patience / _POLL)):
            await asyncio.sleep(_POLL)
            left = {ask for ask in left if await asyncio.to_thread(self._still_waits, *ask)}
            if not left:
                return

    def _still_waits(self, authority: str, serial: int) -> bool:
        answer = self._held.answer(authority, serial)
        return answer is not None and answer.waiting


def _code(error: ChainError) -> str:
    """A signature in the path is not the signature that somebody verifies."""
    return "chain_signature" if error.reason is ChainReason.SIGNATURE else error.reason.value


def _is_wanted(answer: HeldAnswer | None, now: datetime) -> bool:
    """None was given, or it has ended; but not just after a try that failed."""
    if answer is None or answer.waiting:
        return True
    if answer.error and answer.answered_at is not None and answer.answered_at > now - _RETRY:
        return False
    return answer.this_update is None or until(answer) < now


def _readable(encoded: bytes) -> Certificate | None:
    """What cannot be read cannot help; the path is built without it."""
    try:
        return parse_certificate(encoded)
    except DecodeError:
        return None


def _out_of_time(certificate: Certificate, at: datetime) -> tuple[TrustReason, ...]:
    subject = str(certificate.subject)
    if at < certificate.not_before:
        return (TrustReason("not_yet_valid", subject, (), f"valid only from {certificate.not_before.isoformat()}"),)
    if at > certificate.not_after:
        return (TrustReason("expired", subject, (), f"expired on {certificate.not_after.isoformat()}"),)
    return ()
