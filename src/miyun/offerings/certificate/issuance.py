"""From orders to certificates: checked against their template, linted, their serial numbers taken durably, signed,
registered. Many go the way together: one transaction each to take the numbers and to register what was signed, one
request to the machine for each authority."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from miyun.core.clock import Clock
from miyun.core.errors import InvalidArgument, MiyunError, Unavailable
from miyun.core.i18n import Text
from miyun.gm import sm3
from miyun.offerings.certificate.authority import Authorities
from miyun.offerings.certificate.checks import (
    check_subject,
    sort_names,
    subject_of,
)
from miyun.offerings.certificate.derived.service import Templates
from miyun.offerings.certificate.errors import AuthorityMissing, ClaimLost, KeyRefused
from miyun.offerings.certificate.model import (
    AHEAD,
    BACKDATE,
    FAMILY_OF_KEY,
    Authority,
    AuthorityEnded,
    ClaimsTaken,
    Completion,
    KeysInUse,
    Reservation,
    Usage,
    key_digest,
)
from miyun.offerings.certificate.profile import Profiles
from miyun.offerings.certificate.store import CertificateStore
from miyun.offerings.certificate.templates import Template
from miyun.offerings.certificate.weak_keys import usable_key
from miyun.wire.name import Name
from miyun.wire.spki import PublicKey
from miyun.wire.x509 import parse_certificate

__all__ = ("Issuance", "Issued", "Order", "subject_of")

_ATTEMPTS: Final = 3
_TURN: Final = 16  # orders that are worked on before others get their turn
_KEY_FIELDS: Final = {Usage.SIGN: "public_key", Usage.ENCRYPT: "encryption_public_key"}


@dataclass(frozen=True, slots=True)
class Order:
    """What to certify. `subject` and `spki` are checked by `Issuance.issue`; possession of the key is not."""

    tenant: str | None
    template: str
    subject: Name
    spki: bytes
    names: tuple[str, ...] = ()
    days: int | None = None
    encryption_spki: bytes | None = None
    application: str | None = None  # for a certificate, which this answers
    not_before: datetime | None = None  # from when on, and until when, where it matters: instead of `days`
    not_after: datetime | None = None
    authority: str | None = None  # by which it has to be issued; otherwise by the one of its key's family


@dataclass(frozen=True, slots=True)
class Issued:
    serial: int
    der: bytes
    authority: str


@dataclass(slots=True)
class _Work:
    """An order on its way. It ends with certificates, or with what it is refused for."""

    order: Order
    template: Template
    keys: list[tuple[Usage, PublicKey]]
    authority: Authority
    not_before: datetime
    not_after: datetime
    rows: list[Reservation] = field(default_factory=list)
    drafts: list[bytes] = field(default_factory=list)
    issued: list[Issued] = field(default_factory=list)


class Issuance:
    """`trusted_time` raises ClockUntrusted while the platform's time may not be stated to others."""

    def __init__(
        self,
        *,
        store: CertificateStore,
        authorities: Authorities,
        templates: Templates,
        clock: Clock,
        trusted_time: Callable[[], object],
    ) -> None:
        self._store = store
        self._trusted_time = trusted_time
        self._authorities = authorities
        self._templates = templates
        self._clock = clock
        self._profiles = Profiles(authorities)

    async def issue(self, order: Order, at: datetime) -> list[Issued]:
        """The signing certificate and, when an encryption key came along, its twin of the same validity.

        Raises InvalidArgument naming the field of the order that the template does not allow, KeyRefused, LintRefused.
        """
        [outcome] = await self.issue_many([order], at)
        if isinstance(outcome, MiyunError):
            raise outcome
        return outcome

    async def issue_many(self, orders: Sequence[Order], at: datetime) -> list[list[Issued] | MiyunError]:
        """As `issue`, each for itself: what one order is refused for does not keep the others. Raises what concerns all
        of them: a locked machine, a full disk, a clock that was stepped. Then nothing is issued."""
        # the platform's own are made without: the clock's guard itself begins with a certificate
        if any(order.tenant is not None for order in orders):
            self._trusted_time()
        outcomes: dict[int, list[Issued] | MiyunError] = {}
        works: dict[int, _Work] = {}
        known: dict[tuple[str | None, str], Template] = {}
        for place, order in enumerate(orders):
            if place % _TURN == _TURN - 1:
                await asyncio.sleep(0)
            try:
                which = (order.tenant, order.template)
                if which not in known:
                    known[which] = self._templates.of(*which)
                works[place] = self._begin(order, known[which], at)
            except MiyunError as error:
                outcomes[place] = error
        outcomes |= await self._reserve(works, at)
        await self._sign(works)
        completions = [
            Completion(item.serial, item.der, sm3.digest(item.der)) for work in works.values() for item in work.issued
        ]
        lost = set[int]()
        if completions:
            lost = await asyncio.to_thread(self._store.complete, completions, self._clock.now())
        for place, work in works.items():
            signed = [item.serial for item in work.issued]
            outcomes[place] = work.issued if lost.isdisjoint(signed) else ClaimLost(signed)
        return [outcomes[place] for place in range(len(orders))]

    def check(self, order: Order) -> Template:
        """All that can be told before anything is made. Raises InvalidArgument."""
        template = self._templates.of(order.tenant, order.template)
        self._check(order, template)
        return template

    def template(self, tenant: str | None, slug: str) -> Template:
        """What a tenant may ask for, by the platform's or its own template. Raises InvalidArgument."""
        return self._templates.for_tenant(tenant, slug)

    def _check(self, order: Order, template: Template) -> None:
        check_subject(order.subject, template)
        if any(parse_certificate(item.der).subject.matches(order.subject) for item in self._authorities.all()):
            raise InvalidArgument(
                "subject", Text("与认证机构的名称相同", "is the name of one of the certification authorities")
            )
        key = usable_key("public_key", order.spki)
        if (family := FAMILY_OF_KEY[key.algorithm]) not in template.families:
            text = ", ".join(sorted(template.families))
            raise InvalidArgument(
                "public_key", Text(f"该模板只用于 {text} 密钥", f"a key of {family}: this template is for {text}")
            )
        _days(template, order.days)
        sort_names(order.names, template)

    def _begin(self, order: Order, template: Template, at: datetime) -> _Work:
        self._check(order, template)
        keys = [(Usage.SIGN, usable_key("public_key", order.spki))]
        if order.encryption_spki is not None:
            keys.append((Usage.ENCRYPT, _encryption_key(template, order, keys[0][1])))
        authority = self._issuer(order, keys[0][1])
        begin, end = _term(template, order, at)
        own = parse_certificate(authority.der)
        begin, end = max(begin, own.not_before), min(end, own.not_after)  # it may be younger than the call
        return _Work(order, template, keys, authority, begin.replace(microsecond=0), end.replace(microsecond=0))

    def _issuer(self, order: Order, key: PublicKey) -> Authority:
        if order.authority is None:
            return self._authorities.issuing(FAMILY_OF_KEY[key.algorithm])
        named = self._authorities.find(order.authority)
        if named is None:
            raise AuthorityMissing(order.authority)
        return named

    async def _reserve(self, works: dict[int, _Work], at: datetime) -> dict[int, MiyunError]:
        """Gives every work its numbers, durably, and what is to be signed. Takes out of `works` what is refused."""
        # A clash of 126 random bits is next to impossible, but cheap to handle: a broken random source must not make
        # two certificates of one number. Keys that are in use take their orders out; the others try again.
        refused = await self._number(works, at)
        attempts = 1
        while works:
            rows = [row for work in works.values() for row in work.rows]
            try:
                if await asyncio.to_thread(self._store.reserve, rows):
                    break
            except AuthorityEnded:  # and this process did not hear of it yet
                self._authorities.forget()
                raise Unavailable("ca") from None
            except KeysInUse as error:
                refused |= _take_out(works, error)
                continue
            except ClaimsTaken as error:
                taken = {place for place, work in works.items() if work.order.application in error.applications}
                refused |= {place: ClaimLost() for place in taken}
                for place in taken:
                    del works[place]
                continue
            if attempts == _ATTEMPTS:
                raise Unavailable("serial")
            attempts += 1
            refused |= await self._number(works, at)
        return refused

    async def _number(self, works: dict[int, _Work], at: datetime) -> dict[int, MiyunError]:
        refused: dict[int, MiyunError] = {}
        count = sum(len(work.keys) for work in works.values())
        serials = await self._authorities.new_serials(count) if count else []
        for turn, (place, work) in enumerate(list(works.items())):
            if turn % _TURN == _TURN - 1:
                await asyncio.sleep(0)
            try:
                self._draft(work, [serials.pop() for _ in work.keys], at)
            except MiyunError as error:
                refused[place] = error
                del works[place]
        return refused

    def _draft(self, work: _Work, serials: list[int], at: datetime) -> None:
        """Raises LintRefused, or InvalidArgument for what cannot be encoded."""
        order, template, authority = work.order, work.template, work.authority
        work.rows, work.drafts = [], []
        text = str(order.subject)
        for index, (serial, (usage, key)) in enumerate(zip(serials, work.keys, strict=True)):
            row = Reservation(
                serial=serial,
                tenant=order.tenant,
                authority=authority.id,
                shard=1 + serial % authority.shards if authority.shards else 0,
                template=template.slug,
                usage=usage,
                subject=text,
                names=order.names,
                key=key_digest(key.der),
                published=template.published,
                not_before=work.not_before,
                not_after=work.not_after,
                allocated_at=at,
                application=order.application,
                pair=serials[1 - index] if len(serials) == 2 else None,  # one certificate of a pair names the other
            )
            work.rows.append(row)
            work.drafts.append(self._profiles.draft(row, template, order.subject, key, authority))

    async def _sign(self, works: dict[int, _Work]) -> None:
        by_authority: defaultdict[str, list[_Work]] = defaultdict(list)
        for work in works.values():
            by_authority[work.authority.id].append(work)
        for group in by_authority.values():
            authority = group[0].authority
            signed = iter(
                await self._authorities.sign_many(authority, [draft for work in group for draft in work.drafts])
            )
            for work in group:
                work.issued = [Issued(row.serial, next(signed), authority.id) for row in work.rows]


def _take_out(works: dict[int, _Work], error: KeysInUse) -> dict[int, MiyunError]:
    """The orders of keys in use."""
    refused: dict[int, MiyunError] = {}
    for place, work in works.items():
        if (row := next((row for row in work.rows if row.key in error.uses), None)) is not None:
            refused[place] = KeyRefused(_KEY_FIELDS[row.usage], error.uses[row.key])
    for place in refused:
        del works[place]
    return refused


def _term(template: Template, order: Order, at: datetime) -> tuple[datetime, datetime]:
    begin = order.not_before or at - BACKDATE
    end = order.not_after or (order.not_before or at) + timedelta(days=_days(template, order.days))
    if not at - BACKDATE <= begin <= at + AHEAD:
        hours = AHEAD.total_seconds() / 3600
        raise InvalidArgument(
            "not_before", Text(f"应为现在至 {hours:g} 小时内", f"must lie within {hours:g} hours from now")
        )
    if not max(begin, at) < end <= max(begin, at) + timedelta(days=template.max_days):
        raise InvalidArgument(
            "not_after",
            Text(f"应晚于生效时间，至多 {template.max_days} 天", f"must follow, within {template.max_days} days"),
        )
    return begin, end


def _days(template: Template, days: int | None) -> int:
    if days is None:
        return template.days
    if not 1 <= days <= template.max_days:
        raise InvalidArgument(
            "days", Text(f"应为 1 至 {template.max_days} 天", f"must be from 1 to {template.max_days}")
        )
    return days


def _encryption_key(template: Template, order: Order, signing: PublicKey) -> PublicKey:
    if not template.pair:
        raise InvalidArgument(
            "encryption_public_key", Text("该模板没有加密证书", "this template has no encryption certificate")
        )
    key = usable_key("encryption_public_key", order.encryption_spki or b"")
    if key.algorithm is not signing.algorithm:
        raise InvalidArgument(
            "encryption_public_key",
            Text("须与签名公钥同一算法", "must be of the same algorithm as the signing key"),
        )
    if key.der == signing.der:
        raise InvalidArgument(
            "encryption_public_key",
            Text("双证书须使用两对不同的密钥", "the two certificates of a pair need two different keys"),
        )
    return key
