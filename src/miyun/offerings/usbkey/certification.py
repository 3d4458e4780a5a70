"""Certificates for what is in a USB key: applied for by one person, reviewed by another, fetched, written."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final, Protocol

from miyun.core.ids import new_id
from miyun.core.operation import Call
from miyun.core.ports import CertificateIssuer, FiledPair, IssuedPair, PairDesk
from miyun.gm import sm2
from miyun.gm.errors import GmError
from miyun.offerings.usbkey import messages as m
from miyun.offerings.usbkey.errors import (
    UsbKeyCertificatesNotFetched,
    UsbKeyHasNoApplication,
    UsbKeyProofInvalid,
    UsbKeyStateConflict,
)
from miyun.offerings.usbkey.model import CERTIFIED, RENEWABLE, TRANSITIONS, Action, Event, Key, State
from miyun.offerings.usbkey.store import UsbKeyStore
from miyun.wire.spki import sm2_spki
from miyun.wire.x509 import parse_certificate

PROOF_LABEL: Final = b"miyun usbkey"
Find = Callable[[Call, str], Awaitable[Key]]


class Move(Protocol):
    async def __call__(self, call: Call, key: Key, action: Action, note: str = "", **values: Any) -> Key: ...


class Certification:
    def __init__(
        self, *, store: UsbKeyStore, desk: PairDesk, issuer: CertificateIssuer, find: Find, move: Move
    ) -> None:
        self._store = store
        self._desk = desk
        self._issuer = issuer
        self._find = find
        self._move = move

    async def certify(self, call: Call, request: m.CertifyRequest) -> m.FiledAnswer:
        """An application for the signing key that the USB key made. One that was open before ends with it."""
        key = await self._find(call, request.usbkey)
        _check(key, TRANSITIONS[Action.PERSONALISE][0])
        _check_proof(key, request)
        await self.abandon(call, key, "cessation_of_operation")
        filed = await self._desk.apply(
            call,
            template=request.template,
            subject=request.subject,
            spki=sm2_spki(request.public_key),
            names=request.names,
            days=request.days,
            note=_note(key),
        )
        return await self._filed(call, key, filed, "apply")

    async def renew(self, call: Call, request: m.KeyRequest) -> m.FiledAnswer:
        """The keys stay; their certificates get another term, after the same review."""
        key = await self._find(call, request.usbkey)
        _check(key, RENEWABLE)
        if key.signing_serial is None:
            raise UsbKeyStateConflict(key.state)
        await self.abandon(call, key, "cessation_of_operation", keep=True)
        filed = await self._desk.renew(call, serial=key.signing_serial, note=_note(key))
        return await self._filed(call, key, filed, "renew")

    async def fetch(self, call: Call, request: m.KeyRequest) -> m.CertificatesAnswer:
        """How the application stands, and once they are issued the certificates, to be written into the key. What it
        had before is revoked. Can be repeated until they are written."""
        key = await self._find(call, request.usbkey)
        call.units = 0
        _check(key, CERTIFIED)
        if key.application is None:
            raise UsbKeyHasNoApplication
        filed = await self._desk.filed(call, key.application)
        if filed.pair is None:
            return m.CertificatesAnswer(filed=_answer(key, filed))
        if key.signing_serial != filed.pair.signing.serial:
            await self._take(call, key, filed.pair)
            call.units = 1
        call.detail["certificate"] = f"{filed.pair.signing.serial:x}"
        return m.CertificatesAnswer(
            filed=_answer(key, filed),
            signing_certificate=filed.pair.signing.der,
            encryption_certificate=filed.pair.encryption.der,
            enveloped_key=filed.pair.enveloped_key,
            chain=list(filed.pair.signing.chain),
        )

    async def written(self, call: Call, request: m.NotedRequest) -> Key:
        """The operator's program has written the certificates."""
        key = await self._find(call, request.usbkey)
        _check(key, CERTIFIED)
        filed = await self._desk.filed(call, key.application) if key.application else None
        if not key.serials or (filed is not None and not _is_of(key, filed)):
            raise UsbKeyCertificatesNotFetched
        event = _event(call, key, "written", request.note)
        if key.state is State.ISSUED:  # renewed in its holder's hands
            if not await asyncio.to_thread(self._store.set_application, key, None, event):
                raise UsbKeyStateConflict((await self._find(call, key.id)).state)
            return await self._find(call, key.id)
        return await self._move(call, key, Action.PERSONALISE, request.note, application=None)

    async def abandon(self, call: Call, key: Key, reason: str, *, keep: bool = False) -> None:
        """Nobody is to have what was applied for; `keep`: unless these are the key's certificates by now."""
        if key.application is None:
            return
        filed = await self._desk.filed(call, key.application)
        if keep and _is_of(key, filed):
            return
        await self._desk.abandon(call, key.application, reason)

    async def _filed(self, call: Call, key: Key, filed: FiledPair, what: str) -> m.FiledAnswer:
        answer = _answer(key, filed)
        if answer.single_person:
            call.detail["single_person"] = True
            what = f"{what}_alone"
        event = _event(call, key, what, filed.application)
        if not await asyncio.to_thread(self._store.set_application, key, filed.application, event):
            await self._desk.abandon(call, filed.application, "cessation_of_operation")
            raise UsbKeyStateConflict((await self._find(call, key.id)).state)
        call.resource |= {"usbkey": key.id, "application": filed.application}
        return answer

    async def _take(self, call: Call, key: Key, pair: IssuedPair) -> None:
        """The key's certificates are these from now on."""
        signing = parse_certificate(pair.signing.der)
        await self.revoke(key, "superseded", call.now)  # before it forgets them: where this fails, it is fetched again
        kept = await asyncio.to_thread(
            self._store.set_certificates,
            key,
            signing=pair.signing.serial,
            encryption=pair.encryption.serial,
            signing_fingerprint=signing.fingerprint.hex(),
            subject=str(signing.subject)[:1024],
            expires_at=min(signing.not_after, parse_certificate(pair.encryption.der).not_after),
            reminded_at=None,
        )
        if not kept:  # it was lost or taken back meanwhile, which revokes them; or applied for anew
            raise UsbKeyStateConflict((await self._find(call, key.id)).state)

    async def revoke(self, key: Key, reason: str, at: datetime) -> None:
        for serial in key.serials:
            await self._issuer.revoke(serial, reason, at)


def proof_message(usbkey: str, public_key: bytes) -> bytes:
    """What the key's own signing key signs to be certified."""
    return b"\0".join((PROOF_LABEL, usbkey.encode(), public_key))


def _check_proof(key: Key, request: m.CertifyRequest) -> None:
    try:
        sm2.verify(request.public_key, proof_message(key.id, request.public_key), request.proof)
    except GmError:
        raise UsbKeyProofInvalid from None


def _check(key: Key, states: frozenset[State]) -> None:
    if key.state not in states:
        raise UsbKeyStateConflict(key.state)


def _is_of(key: Key, filed: FiledPair) -> bool:
    return filed.pair is not None and filed.pair.signing.serial == key.signing_serial


def _note(key: Key) -> str:
    """What the reviewer sees of it."""
    return f"智能密码钥匙 USB key {key.serial} ({key.id})"


def _event(call: Call, key: Key, what: str, note: str = "") -> Event:
    return Event(new_id("uke"), key.tenant, key.id, call.now, what, call.principal.id, note[:500])


def _answer(key: Key, filed: FiledPair) -> m.FiledAnswer:
    return m.FiledAnswer(
        usbkey=key.id,
        application=filed.application,
        state=filed.state,
        reviewer=filed.reviewer,
        reason=filed.reason,
        single_person=filed.reviewer is None and filed.state in ("approved", "issued"),
    )
