"""The hierarchies: a root and an issuing CA per family. Issuing keys are in the platform's machine; root keys in one of
their own that runs only for a ceremony, so that what serves the network cannot sign by them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from threading import Lock

from miyun.core.clock import Clock
from miyun.core.ledger.port import Entry, Ledger
from miyun.core.machine import machine_errors
from miyun.core.ports import AUTHORITY_TOPIC
from miyun.hsm.port import Machine
from miyun.offerings.certificate.errors import (
    AuthorityEndedAlready,
    AuthorityMissing,
    AuthoritySucceeded,
    RootsOffline,
)
from miyun.offerings.certificate.model import (
    BACKDATE,
    HIERARCHIES,
    ISSUING_LIFETIME,
    ROOT_LIFETIME,
    Authority,
    AuthorityEnd,
    AuthorityReason,
    AuthorityRole,
    Family,
    authority_id,
    key_binding,
    serial_text,
)
from miyun.offerings.certificate.store import CertificateStore
from miyun.wire.spki import parse_spki
from miyun.wire.x509 import (
    Certificate,
    Extension,
    TbsCertificate,
    assemble,
    authority_info_access,
    authority_key_identifier,
    basic_constraints,
    crl_distribution_points,
    key_usage,
    parse_certificate,
    subject_key_identifier,
)

Ceremony = Callable[[], AbstractAsyncContextManager[Machine]]
"""Opens the machine with the root keys. Raises RootsOffline when only its operators can."""


class Authorities:
    """Loads authorities once, and again when they were configured, and signs with their keys."""

    def __init__(
        self,
        *,
        store: CertificateStore,
        machine: Machine,
        ceremony: Ceremony,
        clock: Clock,
        ledger: Ledger,
        base_url: str,
    ) -> None:
        self._store = store
        self._machine = machine
        self.ceremony = ceremony
        self._clock = clock
        self._ledger = ledger
        self._base_url = base_url.rstrip("/")
        self._known: Mapping[str, Authority] = {}
        self._forgotten = 0
        self._keeping = Lock()
        self._addresses: Sequence[str] = ()
        ledger.on_invalidate(self._forget)

    @property
    def complete(self) -> bool:
        return all(_newest(self._below(family)) is not None for family in HIERARCHIES)

    async def create(self, roots: Machine) -> None:
        """Create every hierarchy that does not exist, and a successor of an issuing authority that was revoked without
        one. Safe to repeat and to run in several processes at once."""
        self.forget()
        for family in HIERARCHIES:
            root = await self._ensure(family, AuthorityRole.ROOT, None, roots)
            below = self._below(family)  # read once: between two looks another process may make the first
            if _newest(below) is None:
                await self._ensure(family, AuthorityRole.ISSUING, root, roots, _next(below))

    async def succeed(self, authority: Authority, roots: Machine) -> Authority:
        """A successor of an issuing authority, which issues from now on. Raises AuthoritySucceeded when it has one."""
        self.forget()
        below = self._below(authority.family)  # read once, as in `create`
        newest = _newest(below)
        if newest is None or newest.id != authority.id:
            raise AuthoritySucceeded(authority.id)
        root = self.find(authority.parent or "")
        return await self._ensure(authority.family, AuthorityRole.ISSUING, root, roots, _next(below))

    async def end(self, authority: Authority, reason: AuthorityReason) -> None:
        """It is revoked, for every process at once, and issues nothing more. Its root tells of it in a ceremony.
        Raises AuthorityEndedAlready."""
        now = self._clock.now()
        if not await asyncio.to_thread(self._store.end_authority, authority.id, AuthorityEnd(now, reason)):
            raise AuthorityEndedAlready(authority.id)
        await self.announce(authority.id)
        await self._record("certificate.ca.revoke", authority, now, {"reason": reason.value})

    async def announce(self, authority: str) -> None:
        """Every process reads what is known of authorities anew."""
        self.forget()
        await self._ledger.invalidate(AUTHORITY_TOPIC, authority)

    def successor(self, authority: Authority) -> Authority | None:
        """Which issues in its place."""
        newest = _newest(self._below(authority.family))
        issuing = authority.role is AuthorityRole.ISSUING
        return newest if issuing and newest is not None and newest.id != authority.id else None

    def all(self) -> list[Authority]:
        known = self._known
        return list((known if len(known) >= 2 * len(HIERARCHIES) else self._load()).values())

    def find(self, authority: str) -> Authority | None:
        # One that is not known another process may have made just now.
        return self._known.get(authority) or self._load().get(authority)

    def issuing(self, family: Family) -> Authority:
        """Whose certificates are issued now. Raises AuthorityMissing before bootstrap, and after a revocation until
        there is a successor."""
        found = _newest(self._below(family))
        if found is None:
            raise AuthorityMissing(authority_id(family, AuthorityRole.ISSUING))
        return found

    def anchors(self) -> list[bytes]:
        return [item.der for item in self.all() if item.role is AuthorityRole.ROOT]

    def intermediates(self) -> list[bytes]:
        return [item.der for item in self.all() if item.role is AuthorityRole.ISSUING]

    def chain(self, authority: str) -> tuple[bytes, ...]:
        """DER of the authority and those above it, root last."""
        chain: list[bytes] = []
        current = self.find(authority)
        while current is not None:
            chain.append(current.der)
            current = self.find(current.parent) if current.parent else None
        return tuple(chain)

    def of_certificate(self, certificate: Certificate) -> Authority | None:
        """Which of our authorities issued it, by name and key identifier. Its signature is not looked at."""
        for item in self.all():
            own = parse_certificate(item.der)
            if own.subject.matches(certificate.issuer) and (
                certificate.authority_key_identifier in (None, own.subject_key_identifier)
            ):
                return item
        return None

    def crl_url(self, authority: str, shard: int = 0, *, delta: bool = False, base: str = "") -> str:
        """Of a shard's lists; of 0, which is no shard, of all that were issued while there were none. `base`: what
        this platform's address was then."""
        name = f"{authority}{f'-{shard}' if shard else ''}{'.delta' if delta else ''}"
        return f"{base or self._base_url}/crl/{name}.crl"

    async def addresses(self) -> Sequence[str]:
        """Of this platform, as certificates name it, the present one among them."""
        if not self._addresses:
            now = self._clock.now()
            self._addresses = await asyncio.to_thread(self._store.remember_address, self._base_url, now)
        return self._addresses

    def certificate_url(self, authority: str) -> str:
        return f"{self._base_url}/ca/{authority}.cer"

    def ocsp_url(self, authority: str) -> str:
        return f"{self._base_url}/ocsp/{authority}"

    async def sign(self, authority: Authority, to_be_signed: bytes, roots: Machine | None = None) -> bytes:
        """The whole signed structure (certificate, CRL) from its to-be-signed part; by a root in a ceremony only."""
        [signed] = await self.sign_many(authority, [to_be_signed], roots)
        return signed

    async def sign_many(
        self, authority: Authority, to_be_signed: Sequence[bytes], roots: Machine | None = None
    ) -> list[bytes]:
        """As `sign`, all of them by one request to the machine."""
        machine = roots if authority.role is AuthorityRole.ROOT else self._machine
        if machine is None:
            raise RootsOffline
        hierarchy = authority.hierarchy
        with machine_errors():
            signatures = await machine.sign(authority.key, hierarchy.scheme, to_be_signed)
        pairs = zip(to_be_signed, signatures, strict=True)
        return [assemble(tbs, hierarchy.signature, signature) for tbs, signature in pairs]

    async def new_serial(self) -> int:
        [serial] = await self.new_serials(1)
        return serial

    async def new_serials(self, count: int) -> list[int]:
        """Positive, 16 octets, 126 bits of them random (RFC 5280 4.1.2.2)."""
        with machine_errors():
            octets = await self._machine.random(16 * count)
        return [int.from_bytes(octets[at : at + 16], "big") >> 2 | 1 << 126 for at in range(0, len(octets), 16)]

    async def configure(self, authority: Authority, *, shards: int, deltas: bool) -> bool:
        """Over how many lists its certificates are spread from now on, and whether delta lists are made. False for
        fewer lists than before."""
        done = await asyncio.to_thread(self._store.configure_authority, authority.id, shards=shards, deltas=deltas)
        if done:
            await self.announce(authority.id)
        return done

    def forget(self) -> None:
        with self._keeping:
            self._forgotten += 1
            self._known = {}

    def _load(self) -> Mapping[str, Authority]:
        """In whatever thread: what was read before an invalidation is not kept after it."""
        before = self._forgotten
        found = {item.id: item for item in self._store.authorities()}
        with self._keeping:
            if before == self._forgotten:
                self._known = found
        return found

    def _forget(self, topic: str, key: str) -> None:
        if topic in (AUTHORITY_TOPIC, "*"):
            self.forget()

    def _below(self, family: Family) -> list[Authority]:
        """Its issuing authorities, those that ended among them."""
        return [item for item in self.all() if item.family is family and item.role is AuthorityRole.ISSUING]

    async def _ensure(
        self, family: Family, role: AuthorityRole, parent: Authority | None, roots: Machine, generation: int = 1
    ) -> Authority:
        name = authority_id(family, role, generation)
        if (found := self.find(name)) is not None:
            return found
        hierarchy = HIERARCHIES[family]
        with machine_errors():
            key = await (self._machine if parent else roots).generate(hierarchy.key, key_binding(name))
        if key.public is None:
            raise AuthorityMissing(name)
        now = self._clock.now()
        serial = await self.new_serial()
        signer_key = parent.key if parent else key
        tbs = TbsCertificate(
            serial=serial,
            issuer=hierarchy.root,
            subject=hierarchy.issuing_name(generation) if parent else hierarchy.root,
            not_before=now - BACKDATE,
            not_after=now + (ISSUING_LIFETIME if parent else ROOT_LIFETIME),
            spki=key.public,
            signature_algorithm=hierarchy.signature,
            extensions=self._extensions(key.public, parent),
        ).encode()
        with machine_errors():
            [signature] = await roots.sign(signer_key, hierarchy.scheme, [tbs])
        authority = Authority(
            id=name,
            family=family,
            role=role,
            parent=parent.id if parent else None,
            key=key,
            serial=serial,
            der=assemble(tbs, hierarchy.signature, signature),
            created_at=now,
            generation=generation,
        )
        if await asyncio.to_thread(self._store.add_authority, authority):
            await self._record("certificate.ca.create", authority, now, {})
        await self.announce(name)
        found = self.find(name)  # whoever was first made the one that stands
        if found is None:
            raise AuthorityMissing(name)
        return found

    def _extensions(self, public: bytes, parent: Authority | None) -> tuple[Extension, ...]:
        own = parse_spki(public).key_identifier
        common = (subject_key_identifier(own), key_usage("keyCertSign", "cRLSign"))
        if parent is None:
            return (basic_constraints(True, 1), *common)
        above = parse_certificate(parent.der).subject_key_identifier
        return (
            basic_constraints(True, 0),
            *common,
            authority_key_identifier(above or b""),
            crl_distribution_points([self.crl_url(parent.id)]),
            authority_info_access(ocsp=[self.ocsp_url(parent.id)], ca_issuers=[self.certificate_url(parent.id)]),
        )

    async def _record(self, operation: str, authority: Authority, now: datetime, detail: Mapping[str, str]) -> None:
        await self._ledger.append(
            Entry(
                operation=operation,
                outcome="ok",
                at=now,
                role="system",
                resource={"ca": authority.id, "certificate": serial_text(authority.serial)},
                detail=detail,
            )
        )


def _newest(below: Sequence[Authority]) -> Authority | None:
    """Of those that were not revoked."""
    return max((item for item in below if item.end is None), key=lambda item: item.generation, default=None)


def _next(below: Sequence[Authority]) -> int:
    return max((item.generation for item in below), default=0) + 1
