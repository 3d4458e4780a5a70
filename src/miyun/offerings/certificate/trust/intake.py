"""Taking in a revocation list of an outside authority, uploaded or fetched: only what that authority signed, never an
older one than is held."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from miyun.core.ids import new_id
from miyun.gm.errors import InvalidSignature
from miyun.offerings.certificate.trust.held.store import HeldStore
from miyun.offerings.certificate.trust.model import WHOLE, HeldList, TrustedAuthority
from miyun.wire import oid, pem
from miyun.wire.crl import CertificateList, parse_crl
from miyun.wire.errors import DecodeError
from miyun.wire.x509 import parse_certificate

_UNDERSTOOD: Final = frozenset({oid.DELTA_CRL_INDICATOR, oid.ISSUING_DISTRIBUTION_POINT})
_AHEAD: Final = timedelta(minutes=5)  # of the authority's clock before ours


@dataclass(frozen=True, slots=True)
class Refusal(Exception):
    """Why a list is not taken, in plain English."""

    text: str


class Intake:
    def __init__(self, held: HeldStore) -> None:
        self._held = held

    def take(self, authority: TrustedAuthority, encoded: bytes, source: str, now: datetime) -> HeldList:
        """Checks and keeps a list; the same list again changes nothing. Raises DecodeError, Refusal."""
        if encoded.lstrip()[:5] == b"-----":
            encoded = pem.decode(encoded, pem.CRL)
        crl = parse_crl(encoded)
        try:
            crl.verify(parse_certificate(authority.der), understood=_UNDERSTOOD)
        except InvalidSignature:
            raise Refusal("not signed by this authority") from None
        except DecodeError as error:
            raise Refusal(str(error)) from None
        if crl.this_update > now + _AHEAD:
            raise Refusal(f"made in the future: {crl.this_update.isoformat()}")
        if not crl.scope.usable:
            raise Refusal("it is indirect, for attribute certificates, or for some reasons only")
        item = _held(authority, crl, source, now)
        former = self._held.held([authority.id]).get(authority.id, {}).get(item.kind)
        if former is not None:
            if _is_older(item, former):
                raise Refusal(f"older than the list that is held (number {former.number})")
            if (item.number, item.this_update) == (former.number, former.this_update):
                return former
        self._held.hold(item, crl.entries)
        return item


def _held(authority: TrustedAuthority, crl: CertificateList, source: str, now: datetime) -> HeldList:
    return HeldList(
        id=new_id("crl"),
        authority=authority.id,
        kind="base" if crl.base_number is None else "delta",
        number=crl.crl_number,
        base_number=crl.base_number,
        this_update=crl.this_update,
        next_update=crl.next_update,
        entries=len(crl.entries),
        extension=next((x.value for x in crl.extensions if x.oid == oid.ISSUING_DISTRIBUTION_POINT), b""),
        source=source,
        held_at=now,
        der=crl.der if len(crl.der) <= WHOLE else b"",
    )


def _is_older(item: HeldList, former: HeldList) -> bool:
    if item.number is not None and former.number is not None and item.number != former.number:
        return item.number < former.number
    return item.this_update < former.this_update
