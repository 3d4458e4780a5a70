"""Orders of the ACME server: names, their proof, finalisation (RFC 8555 7.4, 7.5)."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from miyun.core.errors import MiyunError
from miyun.core.i18n import Text
from miyun.core.ids import new_id
from miyun.core.operation import Call, Reply
from miyun.core.outbound import is_address
from miyun.gm import rand
from miyun.gm.errors import InvalidSignature
from miyun.offerings.ssl_certificate import messages as m
from miyun.offerings.ssl_certificate.acme.account.authentication import malformed
from miyun.offerings.ssl_certificate.acme.account.service import Accounts
from miyun.offerings.ssl_certificate.acme.domains import is_public
from miyun.offerings.ssl_certificate.acme.limits import RateLimits
from miyun.offerings.ssl_certificate.acme.order.documents import Documents
from miyun.offerings.ssl_certificate.acme.order.issuing import Issuing, renewed_names
from miyun.offerings.ssl_certificate.errors import AcmeConflict, AcmeNotFound, AcmeRefused, AcmeUnauthorized, Subproblem
from miyun.offerings.ssl_certificate.model import (
    AHEAD,
    DEFAULT_PROFILE,
    ORDER_LIFETIME,
    PROFILES,
    Account,
    AcmeOrder,
    Authorization,
    AuthorizationStatus,
    Challenge,
    ChallengeStatus,
    Counted,
    OrderStatus,
    Profile,
)
from miyun.offerings.ssl_certificate.store.orders import AUTHORIZATIONS, ORDERS, OrderStore
from miyun.wire import acme, base64url, jose, oid, pkcs10
from miyun.wire.acme import DNS_01, HTTP_01, Change, Finalize, Identifier, NewOrder
from miyun.wire.errors import DecodeError
from miyun.wire.x509.extension import read_general_names

log = logging.getLogger("miyun.acme")
TOKEN_OCTETS: Final = 32
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


class Orders:
    def __init__(
        self, *, store: OrderStore, accounts: Accounts, limits: RateLimits, issuing: Issuing, base_url: str
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._limits = limits
        self._issuing = issuing
        self._documents = Documents(base_url)

    async def list_all(self, call: Call, request: m.Sorted) -> m.AcmeOrderList:
        """For the tenant's people."""
        sort = ORDERS.sort(request.sort)
        place = ORDERS.place(sort, request.cursor)
        found = await asyncio.to_thread(self._store.orders, call.require_tenant(), sort, place, request.limit)
        page = ORDERS.page(sort, found, request.limit)
        return m.AcmeOrderList(items=[m.AcmeOrderView.of(order) for order in page.items], next_cursor=page.next_cursor)

    async def list_authorizations(self, call: Call, request: m.Sorted) -> m.AuthorizationList:
        """For the tenant's people."""
        sort = AUTHORIZATIONS.sort(request.sort)
        place = AUTHORIZATIONS.place(sort, request.cursor)
        tenant = call.require_tenant()
        found = await asyncio.to_thread(self._store.all_authorizations, tenant, sort, place, request.limit)
        page = AUTHORIZATIONS.page(sort, found, request.limit)
        items = [m.AuthorizationView.of(item, call.now) for item in page.items]
        return m.AuthorizationList(items=items, next_cursor=page.next_cursor)

    async def create(self, call: Call, request: m.AcmeRequest) -> Reply:
        account = await self._accounts.of(call)
        payload = _payload(request.body, NewOrder)
        names = self._names(payload.identifiers)
        profile = payload.profile or DEFAULT_PROFILE
        if profile not in PROFILES:
            known = ", ".join(PROFILES)
            raise AcmeRefused(
                "invalidProfile", Text(f"没有此 profile；可用：{known}", f"no such profile; one of {known}")
            )
        term = _term(payload, PROFILES[profile], call.now)
        order, authorizations, challenges = await asyncio.to_thread(
            self._prepare, account, names, profile, term, payload.replaces, call.now
        )
        await asyncio.to_thread(self._store.add_order, order, authorizations, challenges)
        await asyncio.to_thread(self._store.note, [(Counted.ORDER, account.id)], call.now)
        call.resource.update(order=order.id, account=account.id)
        call.detail["names"] = [name for _, name in names][:20]
        return self._documents.order(order, authorizations, status=201)

    async def view(self, call: Call, request: m.AcmeOrderRequest) -> Reply:
        order = await self._order(call, request.order)
        authorizations = await asyncio.to_thread(self._store.authorizations_of, order.id)
        return self._documents.order(_aged(order, call.now), authorizations)

    async def finalize(self, call: Call, request: m.AcmeOrderRequest) -> Reply:
        order = _aged(await self._order(call, request.order), call.now)
        account = await self._accounts.of(call)
        call.resource.update(order=order.id, account=account.id)
        if order.status is not OrderStatus.READY:
            raise AcmeUnauthorized(
                "orderNotReady", Text(f"订单处于 {order.status} 状态", f"the order is {order.status}, not ready")
            )
        csr = self._csr(order, account, _payload(request.body, Finalize))
        names = [name for _, name in order.names]
        renewed = await asyncio.to_thread(renewed_names, self._store, order.replaces)
        await asyncio.to_thread(self._limits.check_names, order.tenant, names, renewed, call.now)
        if not await asyncio.to_thread(
            self._store.move_order, order.id, OrderStatus.READY, OrderStatus.PROCESSING, began_at=call.now
        ):
            raise AcmeUnauthorized("orderNotReady", Text("订单正在办理", "the order is being worked on"))
        try:
            done = await self._issuing.issue(order, csr.spki_der, call.now)
        except MiyunError as error:
            # with a certificate that could not be noted it goes on processing: the task notes it
            if not isinstance(error, AcmeRefused) and not await self._issuing.is_issued(order):
                await self._give_back(order)
            raise _refusal(error) from error
        assert done.certificate is not None
        call.resource["certificate"] = f"{int(done.certificate):X}"
        call.detail.update(names=names[:20], profile=order.profile)
        authorizations = await asyncio.to_thread(self._store.authorizations_of, order.id)
        return self._documents.order(done, authorizations)

    async def authorization(self, call: Call, request: m.AcmeAuthorizationRequest) -> Reply:
        account = await self._accounts.of(call)
        item = await asyncio.to_thread(self._store.authorization, account.id, request.authorization)
        if item is None:
            raise not_found()
        if request.body:
            payload = _payload(request.body, Change)
            if payload.status != "deactivated":
                raise AcmeRefused(
                    "malformed", Text("状态只能改为 deactivated", "status can be set to deactivated only")
                )
            reason = acme.problem("unauthorized", "an authorization was deactivated", 403)
            await asyncio.to_thread(self._store.deactivate_authorization, item, reason)
            call.resource["authorization"] = item.id
            item = replace(item, status=AuthorizationStatus.DEACTIVATED)
        challenges = await asyncio.to_thread(self._store.challenges_of, item.id)
        return self._documents.authorization(item, challenges, call.now)

    async def challenge(self, call: Call, request: m.AcmeChallengeRequest) -> Reply:
        """An empty object says that the proof is in place; an empty body only asks how it went."""
        account = await self._accounts.of(call)
        challenge = await asyncio.to_thread(self._store.challenge, account.id, request.challenge)
        if challenge is None:
            raise not_found()
        item = await asyncio.to_thread(self._store.authorization, account.id, challenge.authorization)
        assert item is not None, "challenges go with their authorization"
        if request.body:
            _payload(request.body, dict)
            if item.shown(call.now) is not AuthorizationStatus.PENDING:
                status = item.shown(call.now)
                raise AcmeRefused("malformed", Text(f"授权处于 {status} 状态", f"the authorization is {status}"))
            if await asyncio.to_thread(self._store.start_challenge, challenge.id, call.now):
                challenge = replace(challenge, status=ChallengeStatus.PROCESSING, due_at=call.now)
            call.resource["challenge"] = challenge.id
        return self._documents.challenge(challenge, item)

    # inside

    def _names(self, identifiers: Sequence[Identifier]) -> tuple[tuple[str, str], ...]:
        """In their usual form, each once. Raises AcmeRefused, with a subproblem for each name that is wrong."""
        wrong: list[Subproblem] = []
        names: dict[tuple[str, str], None] = {}
        for identifier in identifiers:
            try:
                name, wildcard = acme.read_identifier(identifier)
            except DecodeError as error:
                kind = "unsupportedIdentifier" if error.field == "type" else "rejectedIdentifier"
                reason = Text(f"名称不被接受：{error.message}", error.message)
                wrong.append(Subproblem(kind, reason, identifier.type[:16], identifier.value[:253]))
            else:
                if is_public(name):
                    reason = Text("公共后缀之下的名称属于众人", "a public suffix: names under it are everybody's")
                    wrong.append(Subproblem("rejectedIdentifier", reason, identifier.type, identifier.value[:253]))
                names[identifier.type, f"*.{name.removeprefix('*.')}" if wildcard else name] = None
        if wrong:
            kind = wrong[0].kind if len({item.kind for item in wrong}) == 1 else "malformed"
            raise AcmeRefused(kind, wrong[0].reason, subproblems=wrong)
        if not 0 < len(names) <= self._limits.limits.names:
            most = self._limits.limits.names
            raise AcmeRefused("malformed", Text(f"名称应有 1 至 {most} 个", f"an order has 1 to {most} names"))
        return tuple(names)

    def _prepare(
        self,
        account: Account,
        names: tuple[tuple[str, str], ...],
        profile: str,
        term: tuple[datetime | None, datetime | None],
        replaces: str | None,
        now: datetime,
    ) -> tuple[AcmeOrder, list[Authorization], list[Challenge]]:
        if replaces is not None:
            self._check_replaced(account, names, replaces)
        self._limits.check_order(account.id, now)
        plain = [name for _, name in names]
        self._limits.check_failures(account.id, plain, now)
        self._limits.check_names(account.tenant, plain, renewed_names(self._store, replaces), now)
        expires_at = min(now + ORDER_LIFETIME, term[1] or datetime.max.replace(tzinfo=UTC))
        order = AcmeOrder(
            id=new_id("aord"),
            tenant=account.tenant,
            account=account.id,
            status=OrderStatus.PENDING,
            names=names,
            profile=profile,
            expires_at=expires_at,
            created_at=now,
            replaces=replaces,
            not_before=term[0],
            not_after=term[1],
        )
        authorizations: list[Authorization] = []
        challenges: list[Challenge] = []
        for kind, name in names:
            item = Authorization(
                id=new_id("authz"),
                tenant=account.tenant,
                account=account.id,
                order_id=order.id,
                name_type=kind,
                name=name.removeprefix("*."),
                wildcard=name.startswith("*."),
                status=AuthorizationStatus.PENDING,
                token=base64url.encode(rand.token(TOKEN_OCTETS)),
                expires_at=expires_at,
            )
            authorizations.append(item)
            challenges += [
                Challenge(new_id("chall"), account.tenant, account.id, item.id, way, ChallengeStatus.PENDING)
                for way in ways_of(item)
            ]
        return order, authorizations, challenges

    def _check_replaced(self, account: Account, names: tuple[tuple[str, str], ...], replaces: str) -> None:
        """RFC 9773 5: of this account, one name at least in common, not replaced yet."""
        try:
            acme.parse_certificate_id(replaces)
        except DecodeError as error:
            raise malformed(error) from None
        old = self._store.certificate(replaces)
        if old is None or old.account != account.id:
            raise AcmeUnauthorized("unauthorized", Text("所替换的证书不属于本账号", "no certificate of this account"))
        if old.replaced_by is not None:
            raise AcmeConflict("alreadyReplaced", Text("该证书已被替换", "the certificate was replaced already"))
        if not {name for _, name in names} & set(old.names):
            raise AcmeRefused(
                "malformed", Text("与所替换的证书没有相同名称", "no name in common with what it replaces")
            )

    def _csr(self, order: AcmeOrder, account: Account, payload: Finalize) -> pkcs10.CertificationRequest:
        """Raises AcmeRefused (badCSR, badPublicKey)."""
        try:
            csr = pkcs10.parse_csr(base64url.decode(payload.csr, "csr"))
            csr.verify()
            asked = csr_names(csr)
        except DecodeError as error:
            raise bad_csr(Text(f"无法读取：{error}", str(error))) from None
        except InvalidSignature:
            raise bad_csr(Text("不是由其自身的密钥签名", "it is not signed by its own key")) from None
        wanted = set(order.names)
        if asked != wanted:
            raise bad_csr(Text("名称与订单不一致", "its names are not exactly those of the order"))
        profile = PROFILES[order.profile]
        if csr.public_key.algorithm not in profile.keys:
            known = ", ".join(sorted(profile.keys))
            raise AcmeRefused(
                "badPublicKey", Text(f"该 profile 的密钥应为 {known}", f"this profile takes {known} keys")
            )
        if csr.spki_der == jose.parse_jwk(_json(account.jwk)).spki:
            raise AcmeRefused("badPublicKey", Text("不能使用账号密钥", "the account's own key is not to be certified"))
        return csr

    async def _order(self, call: Call, order_id: str) -> AcmeOrder:
        account = await self._accounts.of(call)
        order = await asyncio.to_thread(self._store.order, account.id, order_id)
        if order is None:
            raise not_found()
        return order

    async def _give_back(self, order: AcmeOrder) -> None:
        await asyncio.to_thread(self._store.move_order, order.id, OrderStatus.PROCESSING, OrderStatus.READY)


def ways_of(item: Authorization) -> tuple[str, ...]:
    """A wildcard is proven in the DNS only (RFC 8555 8: http-01 shows control of one host), an address by HTTP only."""
    if item.name_type == "ip":
        return (HTTP_01,)
    return (DNS_01,) if item.wildcard else (HTTP_01, DNS_01)


def csr_names(csr: pkcs10.CertificationRequest) -> set[tuple[str, str]]:
    """Of the alternative names and the common name. Raises DecodeError for a kind that is no server's name."""
    names: set[tuple[str, str]] = set()
    common = csr.subject.get("CN")
    if common:
        names.add(_name("ip" if is_address(common) else "dns", common))
    alternative = csr.extension(oid.SUBJECT_ALT_NAME)
    for item in read_general_names(alternative.value, "subjectAltName") if alternative else ():
        if item.kind not in ("dns", "ip"):
            raise DecodeError(f"a name of kind {item.kind}", field="subjectAltName")
        names.add(_name(item.kind, str(item.value)))
    return names


def _name(kind: str, value: str) -> tuple[str, str]:
    name, wildcard = acme.read_identifier(Identifier(kind, value))
    return kind, f"*.{name.removeprefix('*.')}" if wildcard else name


def _term(payload: NewOrder, profile: Profile, now: datetime) -> tuple[datetime | None, datetime | None]:
    """The dates that were asked for. Raises AcmeRefused for those that no certificate of ours has."""
    begin, end = _moment("notBefore", payload.not_before), _moment("notAfter", payload.not_after)
    start = max(begin or now, now)
    if start > now + AHEAD or (end is not None and not start < end <= start + timedelta(days=profile.days)):
        hours = AHEAD.total_seconds() / 3600
        reason = Text(
            f"notBefore 至多在 {hours:g} 小时后，notAfter 应在其后 {profile.days} 天内",
            f"notBefore is at most {hours:g} hours ahead, and notAfter follows it within {profile.days} days",
        )
        raise AcmeRefused("malformed", reason)
    return begin, end


def _moment(name: str, text: str | None) -> datetime | None:
    """Of RFC 3339."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text.upper()) if _MOMENT.fullmatch(text) else None
        if found is not None:
            return found.astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError):
        pass
    raise AcmeRefused("malformed", Text(f"{name} 应为 RFC 3339 的时间", f"{name} is no time of RFC 3339"))


def _refusal(error: MiyunError) -> MiyunError:
    """What the CA refuses of a request is told in ACME's words (RFC 8555 7.4)."""
    if isinstance(error, AcmeRefused) or error.status >= 500:
        return error
    if error.field in ("public_key", "encryption_public_key"):
        return AcmeRefused("badPublicKey", error.message)
    return bad_csr(error.message)


def _aged(order: AcmeOrder, now: datetime) -> AcmeOrder:
    """An open order past its time is invalid, though nobody has written it down."""
    if order.status in (OrderStatus.PENDING, OrderStatus.READY) and now >= order.expires_at:
        return replace(order, status=OrderStatus.INVALID, error=acme.problem("malformed", "the order expired", 400))
    return order


def _payload(data: bytes, kind: type[acme.T]) -> acme.T:
    try:
        return acme.read_payload(data, kind)
    except DecodeError as error:
        raise malformed(error) from None


def _json(data: bytes) -> Any:
    return acme.read_payload(data, dict)


def bad_csr(reason: Text) -> AcmeRefused:
    return AcmeRefused("badCSR", reason)


def not_found() -> AcmeNotFound:
    return AcmeNotFound("malformed", Text("没有这个对象", "there is no such thing of this account"))
