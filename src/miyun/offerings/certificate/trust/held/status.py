"""What is known of a certificate's revocation at a time, and what that rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from miyun.core.trust import Status, TrustReason
from miyun.offerings.certificate.trust.held.store import HeldStore
from miyun.offerings.certificate.trust.model import OCSP_LIFETIME, HeldAnswer, HeldList
from miyun.wire.revoked import Reason, RevokedEntry
from miyun.wire.x509 import Certificate
from miyun.wire.x509.distribution import IssuingDistributionPoint, read_issuing_distribution_point

_ENDLESS = timedelta(days=1)  # how long a list without nextUpdate is relied upon


@dataclass(frozen=True, slots=True)
class Known:
    """`good`, or `stale` and `bearable`, may be relied upon; otherwise `reason` says why not."""

    status: Status
    reason: TrustReason | None = None
    bearable: bool = False

    @property
    def usable(self) -> bool:
        return self.status == "good" or (self.status == "stale" and self.bearable)


def unknown(subject: str, because: TrustReason) -> Known:
    return Known("unknown", TrustReason("status_unknown", subject, (because,)))


def revoked(subject: str, at: datetime, by: TrustReason) -> Known:
    return Known("revoked", TrustReason("revoked", subject, (by,), f"since {at.isoformat()}"))


def by_list(
    store: HeldStore,
    authority: str,
    held: Mapping[str, HeldList],
    certificate: Certificate,
    at: datetime,
    stale: timedelta,
) -> Known:
    """`held`: the authority's lists by kind, a complete one among them; `authority`: its name, for the reason."""
    subject = str(certificate.subject)
    base, delta = held["base"], held.get("delta")
    point = read_issuing_distribution_point(base.extension) if base.extension else IssuingDistributionPoint()
    if not point.covers(certificate):
        return unknown(subject, TrustReason("not_covered", authority))
    if delta is not None and not _goes_with(delta, base):
        delta = None
    newest = delta or base
    source = TrustReason("list", authority, (), f"number {newest.number}, made {newest.this_update.isoformat()}")
    found = _entry(store, base, delta, certificate.serial)
    if found is not None and found.time <= at:
        return revoked(subject, found.time, source)
    if newest.this_update > certificate.not_after:  # what has expired is taken off the lists
        return unknown(subject, TrustReason("not_covered", authority, (), "made after the certificate had expired"))
    return _fresh(subject, newest.next_update or newest.this_update + _ENDLESS, at, stale, source)


def by_answer(authority: str, answer: HeldAnswer, certificate: Certificate, at: datetime, stale: timedelta) -> Known:
    """From an OCSP answer, when there is one."""
    subject = str(certificate.subject)
    if answer.this_update is None:
        return unknown(subject, TrustReason("ocsp_unavailable", authority, (), answer.error))
    source = TrustReason("ocsp", authority, (), f"made {answer.this_update.isoformat()}")
    if answer.revoked_at is not None and answer.revoked_at <= at:
        return revoked(subject, answer.revoked_at, source)
    if not answer.known:
        return unknown(subject, TrustReason("ocsp", authority, (), "the responder does not know the certificate"))
    return _fresh(subject, until(answer), at, stale, source)


def until(answer: HeldAnswer) -> datetime:
    """When an answer that was given ends."""
    assert answer.this_update is not None
    return answer.next_update or answer.this_update + OCSP_LIFETIME


def _fresh(subject: str, ends: datetime, at: datetime, stale: timedelta, source: TrustReason) -> Known:
    """Older information than the time that is asked about, by more than it may be, tells nothing about it."""
    if ends >= at:
        return Known("good")
    reason = TrustReason("status_stale", subject, (source,), f"until {ends.isoformat()}")
    return Known("stale", reason, bearable=ends + stale >= at)


def _goes_with(delta: HeldList, base: HeldList) -> bool:
    """RFC 5280 5.2.4: the complete list is not older than what the delta builds on, and not newer than the delta."""
    if delta.base_number is None or delta.number is None or base.number is None:
        return False
    return delta.base_number <= base.number <= delta.number and delta.extension == base.extension


def _entry(store: HeldStore, base: HeldList, delta: HeldList | None, serial: int) -> RevokedEntry | None:
    found = store.entry(delta.id, serial) if delta is not None else None
    if found is not None:
        return None if found.reason is Reason.REMOVE_FROM_CRL else found
    return store.entry(base.id, serial)
