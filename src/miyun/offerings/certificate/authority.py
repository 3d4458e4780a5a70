"""The hierarchies: a root and an issuing CA per family. Issuing keys are in the platform's machine; root keys in one of
their own that runs only for a ceremony, so that what serves the network cannot sign by them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime

from miyun.core.clock import Clock
from miyun.core.ledger.port import Entry, Ledger
from miyun.core.machine import machine_errors
from miyun.hsm.port import Machine
from miyun.offerings.certificate.errors import AuthorityMissing, RootsOffline
from miyun.offerings.certificate.model import (
    BACKDATE,
    HIERARCHIES,
    ISSUING_LIFETIME,
    ROOT_LIFETIME,
    Authority,
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
TOPIC = "certificate.authority"


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
        self._addresses: Sequence[str] = ()
        ledger.on_invalidate(self._forget)

    @property
    def complete(self) -> bool:
        return len(self.all()) == 2 * len(HIERARCHIES)

    async def create(self, roots: Machine) -> None:
        """Create every hierarchy that does not exist. Safe to repeat and to run in several processes at once."""
        for family in HIERARCHIES:
            root = await self._ensure(family, AuthorityRole.ROOT, None, roots)
            await self._ensure(family, AuthorityRole.ISSUING, root, roots)

    def all(self) -> list[Authority]:
        if len(self._known) < 2 * len(HIERARCHIES):
            self._known = {item.id: item for item in self._store.authorities()}
        return list(self._known.values())

    def find(self, authority: str) -> Authority | None:
        if authority not in self._known:
            self.all()
        return self._known.get(authority)

    def issuing(self, family: Family) -> Authority:
        """Raises AuthorityMissing before bootstrap."""
        wanted = authority_id(family, AuthorityRole.ISSUING)
        found = self.find(wanted)
        if found is None:
            raise AuthorityMissing(wanted)
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
            await self._ledger.invalidate(TOPIC, authority.id)
        return done

    def _forget(self, topic: str, key: str) -> None:
        if topic in (TOPIC, "*"):
            self._known = {}

    async def _ensure(self, family: Family, role: AuthorityRole, parent: Authority | None, roots: Machine) -> Authority:
        name = authority_id(family, role)
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
            subject=hierarchy.issuing if parent else hierarchy.root,
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
        )
        if await asyncio.to_thread(self._store.add_authority, authority):
            await self._record(authority, now)
        self._known = {}
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

    async def _record(self, authority: Authority, now: datetime) -> None:
        await self._ledger.append(
            Entry(
                operation="certificate.ca.create",
                outcome="ok",
                at=now,
                role="system",
                resource={"ca": authority.id, "certificate": serial_text(authority.serial)},
            )
        )
