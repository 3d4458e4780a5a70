"""ACME accounts (RFC 8555 7.3), and the external account keys by which tenants let them be opened."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final

import msgspec

from miyun.core.errors import InvalidArgument, NotFound
from miyun.core.i18n import Text
from miyun.core.ids import new_id
from miyun.core.operation import Call, Reply
from miyun.core.ports import Bindings
from miyun.offerings.ssl_certificate import messages as m
from miyun.offerings.ssl_certificate.acme.account.authentication import (
    mac_key,
    malformed,
    no_account,
    read,
    read_key,
    verify,
)
from miyun.offerings.ssl_certificate.acme.limits import RateLimits
from miyun.offerings.ssl_certificate.acme.nonces import Deriver
from miyun.offerings.ssl_certificate.errors import AcmeConflict, AcmeKeyTaken, AcmeRefused, AcmeUnauthorized
from miyun.offerings.ssl_certificate.model import Account, AccountStatus, Counted, ExternalKey
from miyun.offerings.ssl_certificate.store.accounts import ACCOUNTS, KEYS, AccountStore
from miyun.offerings.ssl_certificate.store.orders import OrderStore
from miyun.wire import acme, base64url, jose
from miyun.wire.acme import Change, KeyChange, NewAccount
from miyun.wire.errors import DecodeError

ORDERS_PAGE: Final = 100
_JSON: Final = "application/json"


class Accounts:
    def __init__(
        self,
        *,
        store: AccountStore,
        orders: OrderStore,
        bindings: Bindings,
        limits: RateLimits,
        machine: Deriver,
        base_url: str,
    ) -> None:
        self._store = store
        self._orders = orders
        self._bindings = bindings
        self._limits = limits
        self._machine = machine
        self._base_url = base_url

    # by people and applications of the tenant

    async def create_key(self, call: Call, request: m.CreateExternalKey) -> m.ExternalKeyMade:
        tenant = call.require_tenant()
        bound = await asyncio.to_thread(self._bindings.of_application, request.application)
        fitting = [b for b in bound if b.tenant == tenant and b.instance == call.instance]
        if not any(b.tenant == tenant for b in bound):
            raise NotFound("application", request.application)
        if not fitting:
            reason = Text(
                "该应用未接入本 SSL 证书服务", "this application is not bound to this SSL certificate service"
            )
            raise InvalidArgument("application", reason)
        if request.expires_at is not None and request.expires_at <= call.now:
            raise InvalidArgument("expires_at", Text("须晚于现在", "must be later than now"))
        name, secret = await self._drawn()
        key = ExternalKey(
            id=name,
            tenant=tenant,
            application=request.application,
            binding=fitting[0].binding,
            instance=fitting[0].instance,
            name=request.name,
            created_at=call.now,
            expires_at=request.expires_at,
            revoked_at=None,
        )
        await asyncio.to_thread(self._store.add_key, key)
        call.resource["external_key"] = key.id
        return m.ExternalKeyMade(
            external_key=key.id,
            mac_key=secret,
            directory=f"{self._base_url}/acme/directory",
            expires_at=key.expires_at,
        )

    async def _drawn(self) -> tuple[str, str]:
        """Name and MAC key of a new external key. One in 64 would begin with a hyphen: programs that are given it as
        an argument, certbot among them, take it for an option."""
        while True:
            name = new_id("eab")
            secret = base64url.encode(await mac_key(self._machine, name))
            if not secret.startswith("-"):
                return name, secret

    async def list_keys(self, call: Call, request: m.Sorted) -> m.ExternalKeyList:
        sort = KEYS.sort(request.sort)
        place = KEYS.place(sort, request.cursor)
        found = await asyncio.to_thread(self._store.keys, call.require_tenant(), sort, place, request.limit)
        page = KEYS.page(sort, found, request.limit)
        return m.ExternalKeyList(items=[m.ExternalKeyView.of(key) for key in page.items], next_cursor=page.next_cursor)

    async def revoke_key(self, call: Call, request: m.ExternalKeyRef) -> m.ExternalKeyView:
        call.resource["external_key"] = request.external_key
        key = await asyncio.to_thread(self._store.revoke_key, call.require_tenant(), request.external_key, call.now)
        if key is None:
            raise NotFound("external_key", request.external_key)
        return m.ExternalKeyView.of(key)

    async def list_accounts(self, call: Call, request: m.Sorted) -> m.AccountList:
        sort = ACCOUNTS.sort(request.sort)
        place = ACCOUNTS.place(sort, request.cursor)
        found = await asyncio.to_thread(self._store.accounts, call.require_tenant(), sort, place, request.limit)
        page = ACCOUNTS.page(sort, found, request.limit)
        return m.AccountList(items=[m.AccountView.of(item) for item in page.items], next_cursor=page.next_cursor)

    async def end_account(self, call: Call, request: m.AccountRef) -> m.AccountView:
        """The tenant ends it; its certificates stay."""
        call.resource["account"] = request.acme_account
        tenant = call.require_tenant()
        if not await asyncio.to_thread(self._store.deactivate_account, tenant, request.acme_account):
            raise NotFound("acme_account", request.acme_account)
        account = await asyncio.to_thread(self._store.account, request.acme_account)
        assert account is not None, "accounts are not removed"
        return m.AccountView.of(account)

    # by the protocol

    async def create(self, call: Call, request: m.AcmeRequest) -> Reply:
        """`call.principal` is the account that its key has already, or the external account key."""
        jws = read(request.body)
        payload = _payload(jws.payload, NewAccount)
        if not call.principal.id.startswith("eab_"):
            account = await self.of(call)
            return self._reply(account, status=200)
        external = await asyncio.to_thread(self._store.key, call.principal.id)
        assert external is not None, "it was just found"
        await asyncio.to_thread(self._limits.check_account, external.id, call.now)
        key = read_key(jws.header.get("jwk"))
        account = Account(
            id=new_id("acct"),
            tenant=external.tenant,
            application=external.application,
            binding=external.binding,
            instance=external.instance,
            external_key=external.id,
            thumbprint=key.thumbprint,
            jwk=key.json,
            contact=_contact(payload.contact),
            status=AccountStatus.VALID,
            created_at=call.now,
        )
        if not await asyncio.to_thread(self._store.add_account, account):
            found = await asyncio.to_thread(self._store.account_of_key, key.thumbprint)
            assert found is not None, "its key was there a moment ago, and accounts are not removed"
            return self._reply(found, status=200)
        await asyncio.to_thread(self._orders.note, [(Counted.ACCOUNT, external.id)], call.now)
        call.resource.update(account=account.id, external_key=external.id)
        return self._reply(account, status=201)

    async def change(self, call: Call, request: m.AcmeAccountRequest) -> Reply:
        account = await self.of(call)
        if request.account != account.id:
            raise AcmeUnauthorized("unauthorized", Text("不是本账号", "it is another account"))
        call.resource["account"] = account.id
        if not request.body:
            return self._reply(account)
        payload = _payload(request.body, Change)
        if payload.status is not None:
            if payload.status != "deactivated":
                raise AcmeRefused(
                    "malformed", Text("状态只能改为 deactivated", "status can be set to deactivated only")
                )
            account = replace(account, status=AccountStatus.DEACTIVATED)
            await asyncio.to_thread(self._store.change_account, account.id, status=account.status)
            call.detail["status"] = account.status
        elif payload.contact is not None:
            account = replace(account, contact=_contact(payload.contact))
            await asyncio.to_thread(self._store.change_account, account.id, contact=list(account.contact))
        return self._reply(account)

    async def list_orders(self, call: Call, request: m.AcmeOrdersRequest) -> Reply:
        account = await self.of(call)
        if request.account != account.id:
            raise AcmeUnauthorized("unauthorized", Text("不是本账号", "it is another account"))
        found = await asyncio.to_thread(self._orders.orders_of, account.id, request.after, ORDERS_PAGE + 1)
        shown = found[:ORDERS_PAGE]
        body = {"orders": [f"{self._base_url}/acme/order/{order}" for order in shown]}
        headers = {}
        if len(found) > len(shown):
            following = f"{self._base_url}/acme/account/{account.id}/orders/{shown[-1]}"
            headers["link"] = f'<{self._base_url}/acme/directory>;rel="index", <{following}>;rel="next"'
        return Reply(msgspec.json.encode(body), _JSON, headers=headers)

    async def change_key(self, call: Call, request: m.AcmeRequest) -> Reply:
        """RFC 8555 7.3.5: the new key signs that it takes over from the old one."""
        account = await self.of(call)
        try:
            inner = jose.parse_jws(request.body)
        except DecodeError as error:
            raise malformed(error) from None
        address = f"{self._base_url}/acme/key-change"
        if "jwk" not in inner.header or "nonce" in inner.header or inner.header.get("url") != address:
            reason = Text(
                "内层 JWS 须含 jwk，url 与外层相同，且没有 nonce",
                "the inner JWS needs jwk and the url of the outer one, and no nonce",
            )
            raise AcmeRefused("malformed", reason)
        key = read_key(inner.header["jwk"])
        verify(inner, key)
        payload = _payload(inner.payload, KeyChange)
        if payload.account != self._address(account):
            raise AcmeRefused("malformed", Text("内层 JWS 所指账号不同", "the inner JWS is about another account"))
        if read_key(payload.old_key).thumbprint != account.thumbprint:
            raise AcmeRefused("malformed", Text("oldKey 不是账号现在的密钥", "oldKey is not the account's key"))
        changed = await asyncio.to_thread(self._store.change_key, account, key.thumbprint, key.json)
        if not changed:
            holder = await asyncio.to_thread(self._store.account_of_key, key.thumbprint)
            if holder is not None:
                raise AcmeKeyTaken(self._address(holder))
            raise AcmeConflict("malformed", Text("账号密钥刚刚已更换", "the account's key has just been changed"))
        call.resource["account"] = account.id
        return self._reply(replace(account, thumbprint=key.thumbprint, jwk=key.json))

    async def of(self, call: Call) -> Account:
        """The account that calls. Raises AcmeAccountMissing for whoever is none."""
        account = await asyncio.to_thread(self._store.account, call.principal.id)
        if account is None or account.tenant != call.tenant:
            raise no_account()
        return account

    def _address(self, account: Account) -> str:
        return f"{self._base_url}/acme/account/{account.id}"

    def _reply(self, account: Account, *, status: int = 200) -> Reply:
        body = {
            "status": account.status,
            "contact": account.contact,
            "orders": f"{self._address(account)}/orders",
            "key": msgspec.Raw(account.jwk),
        }
        return Reply(msgspec.json.encode(body), _JSON, status=status, headers={"location": self._address(account)})


def _payload(data: bytes, kind: type[acme.T]) -> acme.T:
    try:
        return acme.read_payload(data, kind)
    except DecodeError as error:
        raise malformed(error) from None


def _contact(given: list[str]) -> tuple[str, ...]:
    for contact in given:
        scheme, _, address = contact.partition(":")
        if scheme != "mailto":
            raise AcmeRefused("unsupportedContact", Text("只接受 mailto", "only mailto is taken"))
        local, separator, domain = address.partition("@")
        if not separator or not local or "." not in domain or len(address) > 254 or not address.isascii():
            raise AcmeRefused("invalidContact", Text("不是电子邮件地址", "it is not an e-mail address"))
        if any(character in address for character in ',?&"<> '):
            raise AcmeRefused("invalidContact", Text("只能是一个地址", "it must be one plain address"))
    if len(given) > 10:
        raise AcmeRefused("invalidContact", Text("至多 10 个", "at most 10"))
    return tuple(given)
