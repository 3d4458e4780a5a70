"""Encryption keys: made in the machine, escrowed before they are certified, given out under the holder's own key."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime

from miyun.core.errors import InvalidArgument
from miyun.core.i18n import Text
from miyun.core.ids import new_id
from miyun.core.machine import machine_errors
from miyun.hsm.port import EnvelopeForm, KeyAlgorithm, Machine
from miyun.offerings.certificate.escrow.model import EscrowedKey, escrow_binding
from miyun.offerings.certificate.escrow.store import EscrowStore
from miyun.offerings.certificate.issuance import Issuance, Issued, Order
from miyun.offerings.certificate.model import key_digest
from miyun.offerings.certificate.weak_keys import usable_key
from miyun.wire.spki import KeyAlgorithm as PublicKeyAlgorithm


@dataclass(frozen=True, slots=True)
class Pair:
    """`enveloped_key` is the SM2EnvelopedKey (GB/T 35276 7.4) to the signing certificate's key."""

    signing: Issued
    encryption: Issued
    enveloped_key: bytes


class KeyCentre:
    def __init__(self, *, store: EscrowStore, machine: Machine, issuance: Issuance) -> None:
        self._store = store
        self._machine = machine
        self._issuance = issuance

    async def issue_pair(self, order: Order, at: datetime) -> Pair:
        """Both certificates, and the private key of the second for the holder of the first.

        Raises InvalidArgument naming the field of the order that does not fit, MachineLocked."""
        self.check(order)
        escrowed = await self.key_for(order, at)
        [signing, encryption] = await self._issuance.issue(replace(order, encryption_spki=escrowed.key.public), at)
        return Pair(signing, encryption, await self.envelope(escrowed, order.spki))

    async def with_key(self, order: Order, at: datetime) -> Order:
        """The order for both certificates, its encryption key made and escrowed. Raises as `issue_pair`."""
        self.check(order)
        escrowed = await self.key_for(order, at)
        return replace(order, encryption_spki=escrowed.key.public)

    def check(self, order: Order) -> None:
        """Nothing is escrowed for an order that cannot be issued. Raises InvalidArgument."""
        template = self._issuance.check(order)
        if not template.pair:
            raise InvalidArgument("template", Text("该模板没有加密证书", "this template has no encryption certificate"))
        if usable_key("public_key", order.spki).algorithm is not PublicKeyAlgorithm.SM2:
            raise InvalidArgument(
                "public_key",
                Text(
                    "密钥管理中心只为 SM2 申请生成加密密钥；其他算法请自备加密公钥",
                    "the key-management centre makes encryption keys for SM2 only; bring your own of other algorithms",
                ),
            )

    async def key_for(self, order: Order, at: datetime) -> EscrowedKey:
        """A new key, escrowed; for an application the one that was made for it before."""
        if (found := await self._kept_for(order)) is not None:
            return found
        escrow = new_id("esc")
        with machine_errors():
            key = await self._machine.generate(KeyAlgorithm.SM2, escrow_binding(order.tenant, escrow))
        digest = key_digest(key.public or b"")
        made = EscrowedKey(escrow, order.tenant, str(order.subject)[:1024], key, digest, at, order.application)
        if await asyncio.to_thread(self._store.add, made):
            return made
        found = await self._kept_for(order)
        assert found is not None, "it was kept a moment ago, and keys are not removed"
        return found

    async def _kept_for(self, order: Order) -> EscrowedKey | None:
        if not order.tenant or not order.application:
            return None
        return await asyncio.to_thread(self._store.of_application, order.tenant, order.application)

    async def kept(self, tenant: str, digest: str) -> EscrowedKey | None:
        """The escrowed key of a certificate, by its `key_digest`."""
        return await asyncio.to_thread(self._store.of_key, tenant, digest)

    async def envelope(
        self, escrowed: EscrowedKey, receiver: bytes, form: EnvelopeForm = EnvelopeForm.STANDARD
    ) -> bytes:
        with machine_errors():
            return await self._machine.envelope(escrowed.key, receiver, form)
