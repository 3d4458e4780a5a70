"""Who sent an ACME request: the JWS is the proof (RFC 8555 6.2), an external account key says for which binding."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Final

import msgspec

from miyun.core.access import Authenticated, MessageCredential
from miyun.core.errors import NotFound
from miyun.core.i18n import Text
from miyun.core.machine import machine_errors
from miyun.core.operation import Operation, Principal, Role
from miyun.core.ports import ApplicationDirectory
from miyun.offerings.ssl_certificate.acme.nonces import Deriver, Nonces, bad_nonce
from miyun.offerings.ssl_certificate.errors import (
    AcmeAccountEnded,
    AcmeAccountMissing,
    AcmeRefused,
    AcmeUnauthorized,
)
from miyun.offerings.ssl_certificate.model import Account, AccountStatus, ExternalKey
from miyun.offerings.ssl_certificate.store.accounts import AccountStore
from miyun.offerings.ssl_certificate.store.orders import OrderStore
from miyun.wire import acme, base64url, jose
from miyun.wire.acme import NewAccount, Revocation
from miyun.wire.errors import DecodeError
from miyun.wire.x509 import parse_certificate

NEW_ACCOUNT: Final = "ssl_certificate.acme.account.create"
REVOKE: Final = "ssl_certificate.acme.certificate.revoke"


class AcmeAuthentication:
    """`authenticate` is the room's judge of message credentials (`core.access.Judge`)."""

    def __init__(
        self,
        *,
        accounts: AccountStore,
        orders: OrderStore,
        applications: ApplicationDirectory,
        nonces: Nonces,
        machine: Deriver,
        base_url: str,
    ) -> None:
        self._accounts = accounts
        self._orders = orders
        self._applications = applications
        self._nonces = nonces
        self._machine = machine
        self._base_url = base_url

    async def authenticate(self, credential: MessageCredential, operation: Operation, now: datetime) -> Authenticated:
        """Raises AcmeRefused and its kin, MachineLocked."""
        jws = read(credential.body)
        if jws.algorithm not in jose.ALGORITHMS:
            known = ", ".join(jose.ALGORITHMS)
            raise AcmeRefused("badSignatureAlgorithm", Text(f"只接受 {known}", f"only {known} are accepted"))
        if jws.header.get("url") != self._base_url + credential.path:
            raise AcmeUnauthorized(
                "unauthorized", Text("JWS 的 url 不是所请求的地址", "the url of the JWS is not the address asked for")
            )
        nonce = jws.header.get("nonce")
        if nonce is None:
            raise bad_nonce()
        until = await self._nonces.check(nonce, now)
        principal, instance = await self._principal(jws, operation, now)
        return Authenticated(principal, nonce=f"acme:{nonce}", nonce_expires=until.timestamp(), instance=instance)

    async def _principal(self, jws: jose.Jws, operation: Operation, now: datetime) -> tuple[Principal, str]:
        if ("jwk" in jws.header) == ("kid" in jws.header):
            raise AcmeRefused("malformed", Text("jwk 与 kid 须有且只有一个", "there must be one of jwk and kid"))
        if "kid" in jws.header:
            if operation.id == NEW_ACCOUNT:
                raise AcmeRefused("malformed", Text("新建账号须用 jwk", "a new account is asked for with jwk"))
            account = await self._named(jws)
        else:
            key = read_key(jws.header["jwk"])
            verify(jws, key)
            if operation.id == NEW_ACCOUNT:
                found = await asyncio.to_thread(self._accounts.account_of_key, key.thumbprint)
                if found is None:
                    external = await self._external(jws, key, now)
                    return _principal(external.id, external), external.instance
                account = found
            elif operation.id == REVOKE:  # whoever has its key, whatever became of the account (7.6)
                account = await self._owner(jws, key)
                return _principal(account.id, account), account.instance
            else:
                raise AcmeRefused("malformed", Text("须用 kid 指明账号", "the account must be named by kid"))
        if account.status is not AccountStatus.VALID:
            raise AcmeAccountEnded("unauthorized", Text("账号已停用", "the account is deactivated"))
        await self._check_application(account.tenant, account.application)
        return _principal(account.id, account), account.instance

    async def _named(self, jws: jose.Jws) -> Account:
        kid, prefix = jws.header["kid"], f"{self._base_url}/acme/account/"
        account = None
        if isinstance(kid, str) and kid.startswith(prefix):
            account = await asyncio.to_thread(self._accounts.account, kid.removeprefix(prefix))
        if account is None:
            raise no_account()
        verify(jws, jose.parse_jwk(msgspec.json.decode(account.jwk)))
        return account

    async def _owner(self, jws: jose.Jws, key: jose.PublicJwk) -> Account:
        """Of a certificate whose own key signed its revocation."""
        try:
            certificate = parse_certificate(base64url.decode(_payload(jws, Revocation).certificate, "certificate"))
        except DecodeError as error:
            raise malformed(error) from None
        found = await asyncio.to_thread(self._orders.certificate_of_print, certificate.fingerprint.hex())
        account = await asyncio.to_thread(self._accounts.account, found.account) if found else None
        if account is None or certificate.spki_der != key.spki:
            raise AcmeUnauthorized(
                "unauthorized", Text("签名密钥不是该证书的密钥", "it is not signed by the certificate's key")
            )
        return account

    async def _external(self, jws: jose.Jws, key: jose.PublicJwk, now: datetime) -> ExternalKey:
        payload = _payload(jws, NewAccount)
        if payload.only_return_existing:
            raise no_account()
        if payload.external_account_binding is None:
            raise AcmeUnauthorized(
                "externalAccountRequired",
                Text(
                    "须以外部账号密钥（EAB）绑定，由租户签发",
                    "an external account key (EAB), which the tenant issues, is required",
                ),
            )
        inner = read(payload.external_account_binding)
        kid = inner.header.get("kid")
        external = await asyncio.to_thread(self._accounts.key, kid) if isinstance(kid, str) else None
        refused = AcmeUnauthorized(
            "unauthorized",
            Text("外部账号密钥无效、已吊销或签名不符", "the external account key is not known, ended, or did not sign"),
        )
        if external is None or inner.header.get("url") != jws.header["url"] or "nonce" in inner.header:
            raise refused
        try:
            inner.verify_mac(await mac_key(self._machine, external.id))
        except jose.WrongSignature:
            raise refused from None
        if not external.holds(now) or not _same_key(inner.payload, key):
            raise refused
        await self._check_application(external.tenant, external.application)
        return external

    async def _check_application(self, tenant: str, application: str) -> None:
        try:
            active = (await self._applications.get(tenant, application)).state == "active"
        except NotFound:
            active = False
        if not active:
            raise AcmeUnauthorized("unauthorized", Text("所属应用已停用", "its application is disabled"))


async def mac_key(machine: Deriver, key_id: str) -> bytes:
    """Of an external account key."""
    with machine_errors():
        return await machine.derive("acme-key", key_id.encode())


def read(body: bytes | dict[str, object]) -> jose.Jws:
    """Raises AcmeRefused (malformed)."""
    try:
        return jose.parse_jws(body)
    except DecodeError as error:
        raise malformed(error) from None


def read_key(value: object) -> jose.PublicJwk:
    """Raises AcmeRefused (badPublicKey, malformed)."""
    try:
        return jose.parse_jwk(value)
    except jose.WeakKey as error:
        raise AcmeRefused("badPublicKey", Text(f"公钥不被接受：{error}", f"{error}")) from None
    except DecodeError as error:
        raise malformed(error) from None


def verify(jws: jose.Jws, key: jose.PublicJwk) -> None:
    """Raises AcmeRefused."""
    if jws.algorithm != key.algorithm:
        raise AcmeRefused(
            "badSignatureAlgorithm", Text(f"该密钥须用 {key.algorithm}", f"this key signs with {key.algorithm}")
        )
    try:
        jws.verify(key)
    except jose.WrongSignature:
        raise AcmeRefused("malformed", Text("JWS 签名不符", "the signature of the JWS is not by its key")) from None


def malformed(error: DecodeError) -> AcmeRefused:
    return AcmeRefused("malformed", Text(f"无法读取：{error}", str(error)))


def no_account() -> AcmeAccountMissing:
    return AcmeAccountMissing("accountDoesNotExist", Text("没有这个账号", "there is no such account"))


def _payload(jws: jose.Jws, kind: type[acme.T]) -> acme.T:
    try:
        return acme.read_payload(jws.payload, kind)
    except DecodeError as error:
        raise malformed(error) from None


def _same_key(payload: bytes, key: jose.PublicJwk) -> bool:
    try:
        return jose.parse_jwk(msgspec.json.decode(payload)).thumbprint == key.thumbprint
    except (msgspec.DecodeError, UnicodeDecodeError, DecodeError):
        return False


def _principal(identifier: str, owner: Account | ExternalKey) -> Principal:
    return Principal(
        id=identifier, role=Role.APPLICATION, name=identifier, tenant=owner.tenant, application=owner.application
    )
