"""Certificates after their issue: download, revocation, when to renew (RFC 8555 7.4.2, 7.6, RFC 9773)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

import msgspec

from miyun.core.i18n import Text
from miyun.core.operation import Call, Reply
from miyun.core.ports import CertificateIssuer
from miyun.offerings.ssl_certificate import messages as m
from miyun.offerings.ssl_certificate.acme.account.authentication import malformed
from miyun.offerings.ssl_certificate.acme.account.service import Accounts
from miyun.offerings.ssl_certificate.acme.order.documents import JSON, moment
from miyun.offerings.ssl_certificate.errors import AcmeNotFound, AcmeRefused, AcmeUnauthorized
from miyun.offerings.ssl_certificate.store.orders import OrderStore
from miyun.wire import acme, base64url
from miyun.wire.acme import Revocation
from miyun.wire.errors import DecodeError
from miyun.wire.x509 import parse_certificate

# CRLReason that a subscriber may give (RFC 5280 5.3.1)
_REASONS: Final = {
    0: "unspecified",
    1: "key_compromise",
    3: "affiliation_changed",
    4: "superseded",
    5: "cessation_of_operation",
    9: "privilege_withdrawn",
}
ASK_AGAIN: Final = 6 * 3600


class Certificates:
    def __init__(self, *, store: OrderStore, accounts: Accounts, issuer: CertificateIssuer) -> None:
        self._store = store
        self._accounts = accounts
        self._issuer = issuer

    async def fetch(self, call: Call, request: m.AcmeCertificateRequest) -> Reply:
        account = await self._accounts.of(call)
        order = await asyncio.to_thread(self._store.order, account.id, request.order)
        if order is None:
            raise _missing()
        call.resource["order"] = order.id
        if request.part == "enveloped-key":
            if order.enveloped_key is None:
                raise _missing()
            return Reply(order.enveloped_key, acme.ENVELOPED_KEY_TYPE)
        serial = order.encryption_certificate if request.part == "encryption" else order.certificate
        if serial is None:
            raise _missing()
        issued = await self._issuer.chain_of(int(serial))
        # the root stays away: a client trusts its own copy or none (RFC 8555 9.1)
        chain = (issued.der, *issued.chain[:-1]) if len(issued.chain) > 1 else (issued.der, *issued.chain)
        pem = "".join(parse_certificate(item).to_pem() for item in chain)
        return Reply(pem.encode(), acme.CHAIN_TYPE)

    async def revoke(self, call: Call, request: m.AcmeRequest) -> Reply:
        """By the account that got it, or one that has proven all of its names; who signs with the certificate's own
        key was told as the account that got it."""
        account = await self._accounts.of(call)
        try:
            payload = acme.read_payload(request.body, Revocation)
            certificate = parse_certificate(base64url.decode(payload.certificate, "certificate"))
        except DecodeError as error:
            raise malformed(error) from None
        found = await asyncio.to_thread(self._store.certificate_of_print, certificate.fingerprint.hex())
        own = found is not None and found.account == account.id
        if found is None or not (
            own or await asyncio.to_thread(self._store.holds_all, account.id, found.names, call.now)
        ):
            reason_text = Text(
                "不是本账号的证书，其名称也未由本账号全部验证",
                "no certificate of this account, nor has it proven all of its names",
            )
            raise AcmeUnauthorized("unauthorized", reason_text)
        reason = _REASONS.get(payload.reason or 0)
        if reason is None:
            known = ", ".join(map(str, _REASONS))
            raise AcmeRefused("badRevocationReason", Text(f"原因应为 {known}", f"the reason must be one of {known}"))
        if not own:  # who has the names knows nothing of the key
            reason = "cessation_of_operation"
        call.resource["certificate"] = f"{certificate.serial:X}"
        call.detail["reason"] = reason
        done = await self._issuer.revoke(certificate.serial, reason, call.now)
        await asyncio.to_thread(self._store.mark_revoked, found.serial, call.now)
        if not done:
            raise AcmeRefused("alreadyRevoked", Text("该证书已吊销", "the certificate is revoked already"))
        return Reply(b"", JSON)

    async def renewal(self, call: Call, request: m.AcmeRenewalRequest) -> Reply:
        """The window in which to renew: the last third of the life, and at once what was revoked."""
        try:
            identifier = str(acme.parse_certificate_id(request.certificate))
        except DecodeError as error:
            raise malformed(error) from None
        found = await asyncio.to_thread(self._store.certificate, identifier)
        if found is None:
            raise _missing()
        if found.revoked_at is not None or await self._issuer.is_revoked(int(found.serial)):
            start = (found.revoked_at or call.now) - timedelta(days=1)
            end = start + timedelta(hours=1)
        else:
            life = found.not_after - found.not_before
            start = found.not_after - life / 3
            end = start + min(life / 10, timedelta(days=2))
        body = {"suggestedWindow": {"start": moment(start), "end": moment(end)}}
        return Reply(msgspec.json.encode(body), JSON, headers={"retry-after": str(ASK_AGAIN)})


def _missing() -> AcmeNotFound:
    return AcmeNotFound("malformed", Text("没有这个对象", "there is no such thing of this account"))
