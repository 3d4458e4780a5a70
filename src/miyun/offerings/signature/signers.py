"""Signers: made in one call (key and certificate), found quickly, changed visibly to every worker."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import replace
from datetime import datetime

from miyun.core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, MiyunError, NotFound
from miyun.core.i18n import Text
from miyun.core.ids import new_id
from miyun.core.ledger.port import Ledger
from miyun.core.ports import AUTHORITY_TOPIC, REVOKED_TOPIC, CertificateIssuer, KeyDirectory, KeyInfo, KeyRef
from miyun.offerings.signature import messages as m
from miyun.offerings.signature.errors import (
    SignerCertificateExpired,
    SignerCertificateRevoked,
    SignerNotEnabled,
    SignerStateConflict,
)
from miyun.offerings.signature.model import SUITES, TRANSITIONS, Signer, SignerState
from miyun.offerings.signature.store import SignatureStore
from miyun.wire.x509 import parse_certificate

TOPIC = "signature.signer"
_CACHED = 4096


class Signers:
    def __init__(self, *, store: SignatureStore, keys: KeyDirectory, issuer: CertificateIssuer, ledger: Ledger) -> None:
        self._store = store
        self._keys = keys
        self._issuer = issuer
        self._ledger = ledger
        self._cache: OrderedDict[tuple[str, str], Signer] = OrderedDict()
        self._standing: set[int] = set()  # serial numbers that were seen not to be revoked; told when one is
        ledger.on_invalidate(self._forget)

    def find(self, tenant: str, ref: str) -> Signer:
        """By identifier or name. Raises NotFound, also for another tenant's."""
        found = self._cache.get((tenant, ref))
        if found is None:
            found = self._store.find_signer(tenant, ref)
            if found is None:
                raise NotFound("signer", ref)
            self._cache[tenant, ref] = found
            if len(self._cache) > _CACHED:
                self._cache.popitem(last=False)
        return found

    async def usable(self, tenant: str, ref: str, now: datetime) -> Signer:
        """Raises NotFound, SignerNotEnabled, SignerCertificateExpired, SignerCertificateRevoked."""
        signer = self.find(tenant, ref)
        if signer.state is not SignerState.ENABLED:
            raise SignerNotEnabled(field="signer", signer=signer.name, state=signer.state.value)
        if signer.not_after <= now:
            raise SignerCertificateExpired(
                field="signer", signer=signer.name, state=signer.not_after.date().isoformat()
            )
        if signer.serial not in self._standing:
            if await self._issuer.is_revoked(signer.serial):
                raise SignerCertificateRevoked(field="signer", signer=signer.name, state="revoked")
            if len(self._standing) >= _CACHED:
                self._standing.clear()
            self._standing.add(signer.serial)
        return signer

    async def create(self, tenant: str, request: m.CreateSigner, now: datetime) -> Signer:
        """Key (unless one is named), certificate, signer. What was made is taken back when a later part fails."""
        if await asyncio.to_thread(self._store.find_signer, tenant, request.name) is not None:
            raise AlreadyExists(field="name", kind="signer", name=request.name)
        if request.key and request.applications:
            reason = Text("已有密钥请用 kms.key.allow 开放", "an existing key is opened by kms.key.allow")
            raise InvalidArgument("applications", reason)
        if request.key:
            info = await self._keys.info(KeyRef(tenant, request.key))
        else:
            info = await self._keys.create(
                tenant,
                request.algorithm,
                "sign",
                label=request.name,
                owner="signature",
                applications=request.applications,
            )
        try:
            signer = await self._certify(tenant, request, info, now)
        except MiyunError:
            if not request.key:
                await self._keys.destroy(KeyRef(tenant, info.key))
            raise
        if not await asyncio.to_thread(self._store.add_signer, signer):
            await self._issuer.revoke(signer.serial, "superseded", now)
            if not request.key:
                await self._keys.destroy(KeyRef(tenant, info.key))
            raise AlreadyExists(field="name", kind="signer", name=request.name)
        return signer

    async def renew(self, tenant: str, request: m.RenewSigner, now: datetime) -> Signer:
        old = self.find(tenant, request.signer)
        if old.state is SignerState.RETIRED:
            raise SignerStateConflict(field="signer", signer=old.name, state=old.state.value, wanted="renewed")
        info = await self._keys.info(KeyRef(tenant, old.key))
        issued = await self._issuer.issue(
            tenant,
            template=old.template,
            subject=old.subject,
            spki=_public(info),
            days=request.days,
            at=now,
        )
        signer = replace(
            old,
            version=info.version,
            serial=issued.serial,
            der=issued.der,
            chain=issued.chain,
            not_after=parse_certificate(issued.der).not_after,
        )
        await asyncio.to_thread(self._store.set_certificate, signer)
        await self._changed(signer)
        if request.revoke_old:
            await self._issuer.revoke(old.serial, "superseded", now)
        return signer

    async def move(self, tenant: str, ref: str, wanted: SignerState, now: datetime) -> Signer:
        """Change the state; retiring revokes the certificate."""
        signer = self.find(tenant, ref)
        conflict = SignerStateConflict(
            field="signer", signer=signer.name, state=signer.state.value, wanted=wanted.value
        )
        if wanted not in TRANSITIONS[signer.state]:
            raise conflict
        if wanted is SignerState.RETIRED:
            # First the certificate: should the next step fail, retiring can be tried again.
            await self._issuer.revoke(signer.serial, "cessation_of_operation", now)
        if not await asyncio.to_thread(self._store.set_state, signer, wanted):
            raise conflict
        await self._changed(signer)
        return replace(signer, state=wanted)

    async def _certify(self, tenant: str, request: m.CreateSigner, info: KeyInfo, now: datetime) -> Signer:
        if info.algorithm not in SUITES or info.usage != "sign":
            raise InvalidArgument(
                "key", Text("须为 SM2、EC-P256 或 RSA 签名密钥", "must be an SM2, EC-P256 or RSA key")
            )
        if info.state != "enabled":
            raise FailedPrecondition(field="key", state=info.state)
        issued = await self._issuer.issue(
            tenant,
            template=request.template,
            subject=request.subject,
            spki=_public(info),
            days=request.days,
            at=now,
        )
        return Signer(
            id=new_id("sgn"),
            tenant=tenant,
            name=request.name,
            key=info.key,
            version=info.version,
            algorithm=info.algorithm,
            template=request.template,
            subject=dict(request.subject),
            state=SignerState.ENABLED,
            serial=issued.serial,
            der=issued.der,
            chain=issued.chain,
            not_after=parse_certificate(issued.der).not_after,
            created_at=now,
        )

    async def _changed(self, signer: Signer) -> None:
        self._drop(signer.id)
        await self._ledger.invalidate(TOPIC, signer.id)

    def _forget(self, topic: str, key: str) -> None:
        if topic == TOPIC:
            self._drop(key)
        elif topic == REVOKED_TOPIC:
            self._standing.discard(int(key))
        elif topic == AUTHORITY_TOPIC:
            self._standing.clear()
        elif topic == "*":  # the ledger was out of reach: anything may have changed meanwhile
            self._cache.clear()
            self._standing.clear()

    def _drop(self, signer: str) -> None:
        for place in [place for place, item in self._cache.items() if item.id == signer]:
            del self._cache[place]


def _public(info: KeyInfo) -> bytes:
    if info.public is None:
        raise InvalidArgument("key", Text("须为非对称密钥", "must be an asymmetric key"))
    return info.public
