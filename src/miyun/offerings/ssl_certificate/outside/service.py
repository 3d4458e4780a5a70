"""Orders of certificates from outside CAs: the request goes out, the certificate comes in, the state is known."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from miyun.core.errors import AlreadyExists, InvalidArgument, NotFound
from miyun.core.i18n import Text
from miyun.core.ids import new_id
from miyun.core.operation import Call, Reply
from miyun.core.ports import KeyDirectory, KeyRef
from miyun.gm.errors import InvalidSignature
from miyun.offerings.ssl_certificate.acme.order.service import csr_names
from miyun.offerings.ssl_certificate.errors import CertificateDoesNotFit, WrongOrderState
from miyun.offerings.ssl_certificate.messages import Page
from miyun.offerings.ssl_certificate.outside import messages as m
from miyun.offerings.ssl_certificate.outside.checks import check_chain, read_chain
from miyun.offerings.ssl_certificate.outside.client import AccountKey, AcmeClient, Fetch
from miyun.offerings.ssl_certificate.outside.model import (
    TRANSITIONS,
    OutsideAccount,
    OutsideCa,
    OutsideOrder,
    State,
    Way,
)
from miyun.offerings.ssl_certificate.store.outside import ORDERS, OutsideStore
from miyun.wire import base64url, jose, pem, pkcs10
from miyun.wire.cms import parse_enveloped_key
from miyun.wire.errors import DecodeError
from miyun.wire.x509 import Certificate

OWNER = "ssl_certificate"
_CHAIN = Text("证书", "the certificate")
_ENCRYPTION = Text("加密证书", "the encryption certificate")


class Outside:
    def __init__(
        self,
        *,
        store: OutsideStore,
        keys: KeyDirectory,
        fetch: Fetch,
        cas: Sequence[OutsideCa] = (),
        solves_dns: bool = False,
    ) -> None:
        self.store = store
        self._keys = keys
        self._fetch = fetch
        self._cas = {ca.name: ca for ca in cas}
        self._solves_dns = solves_dns

    async def list_cas(self, call: Call, request: Page) -> m.CaList:
        accounts = await asyncio.to_thread(self.store.accounts, call.require_tenant())
        held = {account.ca: account for account in accounts}
        return m.CaList(items=[m.CaView.of(ca, held.get(ca.name)) for ca in self._cas.values()])

    async def open_account(self, call: Call, request: m.OpenAccount) -> m.CaView:
        tenant, ca = call.require_tenant(), self._ca(request.ca)
        external = None
        if request.kid is not None and request.mac_key is not None:
            try:
                external = (request.kid, base64url.decode(request.mac_key.rstrip("="), "mac_key"))
            except DecodeError:
                raise InvalidArgument("mac_key", Text("应为 base64url", "it must be base64url")) from None
        if await asyncio.to_thread(self.store.account_at, tenant, ca.name) is not None:
            raise AlreadyExists(kind="account", name=ca.name, field="ca")
        made = await self._keys.create(tenant, "EC-P256", "sign", label=f"ACME {ca.name}", owner=OWNER)
        client = self._client(ca, await self._account_key(tenant, made.key))
        try:
            address = await client.register([f"mailto:{item}" for item in request.contact], external)
        except BaseException:
            await self._keys.destroy(KeyRef(tenant, made.key))
            raise
        account = OutsideAccount(new_id("oacc"), tenant, ca.name, made.key, address[:512], request.contact, call.now)
        if not await asyncio.to_thread(self.store.add_account, account):
            raise AlreadyExists(kind="account", name=ca.name, field="ca")
        call.resource.update(ca=ca.name, account=account.id, key=made.key)
        return m.CaView.of(ca, account)

    async def create(self, call: Call, request: m.CreateOrder, *, rehearsal: bool = False) -> m.OrderView:
        tenant = call.require_tenant()
        csr, names = _read_csr(request.csr)
        account, due = None, None
        if request.way == "acme":
            ca = self._ca(request.ca)
            account = await asyncio.to_thread(self.store.account_at, tenant, ca.name)
            if account is None:
                raise InvalidArgument("ca", Text("请先在该 CA 开立账号", "open an account at this CA first"))
            if request.solver == "dns-01" and not self._solves_dns:
                reason = Text("平台未配置 DNS 程序（acme.dns_program）", "no acme.dns_program is configured")
                raise InvalidArgument("solver", reason)
            if request.solver == "http-01" and any(name.startswith("*.") for name in names):
                raise InvalidArgument("solver", Text("通配符须用 dns-01", "a wildcard is proven by dns-01"))
            due = call.now
        if request.replaces is not None:
            await self._get(tenant, request.replaces, "replaces")
        order = OutsideOrder(
            id=new_id("ord"),
            tenant=tenant,
            instance=call.instance or "",
            way=Way(request.way),
            ca=request.ca,
            account=account.id if account else None,
            level=request.level,
            names=names,
            csr=csr.der,
            algorithm=csr.public_key.algorithm,
            solver=request.solver,
            state=State.ORDERED,
            created_at=call.now,
            due_at=due,
            replaces=request.replaces,
            rehearsal=rehearsal,
        )
        await asyncio.to_thread(self.store.add_order, order)
        call.resource["order"] = order.id
        call.detail.update(ca=order.ca, names=list(names[:20]), way=order.way)
        return m.OrderView.of(order)

    async def get(self, call: Call, request: m.OrderRef) -> m.OrderDetail:
        order = await self._get(call.require_tenant(), request.order)
        return m.OrderDetail(
            summary=m.OrderView.of(order),
            csr=pem.encode(pem.CERTIFICATE_REQUEST, order.csr),
            certificates=order.chain,
            encryption_certificates=order.encryption_chain,
            enveloped_key=order.enveloped_key,
        )

    async def list(self, call: Call, request: m.ListOrders) -> m.OrderList:
        if request.state is not None and request.state not in set(State):
            raise InvalidArgument("state", Text("没有此状态", f"it must be one of {', '.join(State)}"))
        sort = ORDERS.sort(request.sort)
        place = ORDERS.place(sort, request.cursor)
        tenant = call.require_tenant()
        found = await asyncio.to_thread(self.store.orders, tenant, request.state, sort, place, request.limit)
        page = ORDERS.page(sort, found, request.limit)
        return m.OrderList(items=[m.OrderView.of(order) for order in page.items], next_cursor=page.next_cursor)

    async def submit(self, call: Call, request: m.SubmitOrder) -> m.OrderView:
        """The request was handed to the CA by a person."""
        order = await self._by_hand(call, request.order)
        return await self._move(call, order, "submit", reference=request.reference)

    async def upload(self, call: Call, request: m.UploadOrder) -> m.OrderView:
        order = await self._by_hand(call, request.order)
        chain = read_chain(request.certificates, _CHAIN)
        csr = pkcs10.parse_csr(order.csr)
        check_chain(chain, key=csr.spki_der, names=order.names, now=call.now)
        encryption = ""
        if (request.encryption_certificates is None) != (request.enveloped_key is None):
            raise CertificateDoesNotFit(
                Text("加密证书与加密密钥须一并上传", "encryption certificate and enveloped key belong together")
            )
        if request.encryption_certificates is not None and request.enveloped_key is not None:
            pair = read_chain(request.encryption_certificates, _ENCRYPTION)
            check_chain(pair, key=None, names=order.names, now=call.now)
            _check_envelope(pair[0], request.enveloped_key)
            encryption = "".join(item.to_pem() for item in pair)
        return await self._issued(call, order, chain, encryption_chain=encryption, enveloped_key=request.enveloped_key)

    async def deployed(self, call: Call, request: m.DeployedOrder) -> m.OrderView:
        order = await self._get(call.require_tenant(), request.order)
        if order.rehearsal:
            raise WrongOrderState(state="rehearsal", field="order")
        return await self._move(call, order, "deploy", deployed_to=request.place)

    async def cancel(self, call: Call, request: m.OrderRef) -> m.OrderView:
        order = await self._get(call.require_tenant(), request.order)
        moved = await self._move(call, order, "cancel", due_at=None)
        await asyncio.to_thread(self.store.forget_responses, order.id)
        return moved

    async def response(self, call: Call, request: m.ResponseRef) -> Reply:
        """What proves a name to an outside CA (RFC 8555 8.3)."""
        content = await asyncio.to_thread(self.store.response, request.token)
        if content is None:
            raise NotFound("token", request.token[:40])
        return Reply(content.encode(), "application/octet-stream")

    # for the jobs process too

    async def client_of(self, order: OutsideOrder) -> AcmeClient:
        account = await asyncio.to_thread(self.store.account_at, order.tenant, order.ca)
        if account is None:
            raise NotFound("account", order.ca)
        return self._client(
            self._ca(order.ca), await self._account_key(order.tenant, account.key), address=account.address
        )

    async def finish(self, order: OutsideOrder, chain: Sequence[Certificate], now: datetime, **more: Any) -> bool:
        """Issued; what it replaces is renewed. False when it moved meanwhile."""
        values = {
            "state": State.ISSUED,
            "due_at": None,
            "error": "",
            "chain": "".join(item.to_pem() for item in chain),
            "serial": f"{chain[0].serial:X}",
            "not_after": chain[0].not_after,
            **more,
        }
        if not await asyncio.to_thread(self.store.change_order, order, **values):
            return False
        if order.replaces is not None:
            old = await asyncio.to_thread(self.store.order, order.tenant, order.replaces)
            if old is not None and "renew" in TRANSITIONS[old.state]:
                await asyncio.to_thread(self.store.change_order, old, state=State.RENEWED)
        await asyncio.to_thread(self.store.forget_responses, order.id)
        return True

    # inside

    async def _issued(self, call: Call, order: OutsideOrder, chain: Sequence[Certificate], **more: Any) -> m.OrderView:
        _allowed(order, "issue")
        call.resource["order"] = order.id
        if not await self.finish(order, chain, call.now, **more):
            raise WrongOrderState(state="changed", field="order")
        return m.OrderView.of(await self._get(order.tenant, order.id))

    async def _move(self, call: Call, order: OutsideOrder, verb: str, **values: Any) -> m.OrderView:
        target = _allowed(order, verb)
        call.resource["order"] = order.id
        if not await asyncio.to_thread(self.store.change_order, order, state=target, **values):
            raise WrongOrderState(state="changed", field="order")
        return m.OrderView.of(replace(order, state=target, **values))

    async def _by_hand(self, call: Call, order_id: str) -> OutsideOrder:
        order = await self._get(call.require_tenant(), order_id)
        if order.way is not Way.PAPER:
            raise WrongOrderState(state=f"{order.state}, acme", field="order")
        return order

    async def _get(self, tenant: str, order_id: str, field: str = "order") -> OutsideOrder:
        order = await asyncio.to_thread(self.store.order, tenant, order_id)
        if order is None:
            raise NotFound("order", order_id, field=field)
        return order

    def _ca(self, name: str) -> OutsideCa:
        try:
            return self._cas[name]
        except KeyError:
            known = ", ".join(self._cas) or "-"
            raise InvalidArgument(
                "ca", Text(f"平台未配置此 CA；可用：{known}", f"no such CA is configured; there are: {known}")
            ) from None

    async def _account_key(self, tenant: str, key: str) -> AccountKey:
        ref = KeyRef(tenant, key, version=1)
        info = await self._keys.info(ref)

        async def sign(message: bytes) -> bytes:
            [signature] = await self._keys.sign(ref, [message], scheme="ECDSA-SHA256")
            return jose.raw_signature(signature)

        assert info.public is not None, "a signing key has a public one"
        return AccountKey(jose.jwk_of_spki(info.public), sign)

    def _client(self, ca: OutsideCa, key: AccountKey, *, address: str = "") -> AcmeClient:
        tls = _trust(ca.ca_file) if ca.ca_file else None
        return AcmeClient(ca.name, ca.url, key, fetch=self._fetch, tls=tls, address=address)


def _allowed(order: OutsideOrder, verb: str) -> State:
    target = TRANSITIONS[order.state].get(verb)
    if target is None:
        raise WrongOrderState(state=order.state, field="order")
    return target


def _read_csr(text: str) -> tuple[pkcs10.CertificationRequest, tuple[str, ...]]:
    try:
        csr = pkcs10.parse_csr(text)
        csr.verify()
        names = tuple(sorted(name for _, name in csr_names(csr)))
    except DecodeError as error:
        raise InvalidArgument("csr", Text(f"无法读取：{error}", str(error))) from None
    except InvalidSignature:
        raise InvalidArgument("csr", Text("不是由其自身的密钥签名", "it is not signed by its own key")) from None
    if not names:
        raise InvalidArgument("csr", Text("没有域名或 IP 地址", "it names neither a domain nor an address"))
    return csr, names


def _check_envelope(certificate: Certificate, enveloped: bytes) -> None:
    try:
        key = parse_enveloped_key(enveloped)
    except DecodeError as error:
        raise CertificateDoesNotFit(Text(f"加密密钥无法读取：{error}", f"the enveloped key: {error}")) from None
    if key.point != certificate.public_key.point:
        raise CertificateDoesNotFit(
            Text("加密密钥不是加密证书的密钥", "the enveloped key is not that of the encryption certificate")
        )


@lru_cache(maxsize=16)
def _trust(file: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=file)
