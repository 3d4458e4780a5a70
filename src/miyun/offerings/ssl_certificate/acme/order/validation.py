"""Proof of names (RFC 8555 8.3, 8.4), run by the jobs process: the web workers ask nobody outside."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Sequence
from typing import Final, Protocol

from miyun.core.clock import Clock
from miyun.core.errors import MiyunError
from miyun.core.i18n import Text
from miyun.core.ledger.port import Entry, Ledger
from miyun.core.outbound import AddressPolicy, AddressRefused, OutboundFailed, fetch
from miyun.offerings.ssl_certificate.acme.limits import failure_subject
from miyun.offerings.ssl_certificate.acme.order.caa import Asked, CaaRecord, permits, relevant
from miyun.offerings.ssl_certificate.model import (
    ATTEMPTS,
    CAA_LIFETIME,
    KEEP_ORDERS,
    RETRY,
    WINDOWS,
    AccountStatus,
    Authorization,
    Challenge,
    Counted,
)
from miyun.offerings.ssl_certificate.store.accounts import AccountStore
from miyun.offerings.ssl_certificate.store.orders import OrderStore
from miyun.wire import acme
from miyun.wire.acme import HTTP_01

_AT_ONCE: Final = 32
_OF_TENANT: Final = 8
_SECONDS: Final = 10.0
_LARGEST: Final = 8 * 1024
_SWEPT: Final = 500  # at a time: what it costs does not grow with what is there
log = logging.getLogger("miyun.acme")


class Dns(Protocol):
    """The pluggable resolver of dns-01, and of the names that http-01 asks."""

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """Raises OSError."""
        ...

    async def txt(self, name: str) -> list[str]:
        """Raises DnsFailed when no name server answers; no record is an empty list."""
        ...

    async def caa(self, name: str) -> list[CaaRecord]:
        """As `txt`."""
        ...


class DnsFailed(Exception):
    """`str()` says what went wrong."""


class NotProven(Exception):
    """`again`: the other side did not answer, which may change."""

    def __init__(self, kind: str, reason: Text, *, again: bool = False) -> None:
        super().__init__(reason.en)
        self.kind = kind
        self.reason = reason
        self.again = again


class Validation:
    def __init__(
        self,
        *,
        store: OrderStore,
        accounts: AccountStore,
        ledger: Ledger,
        clock: Clock,
        policy: AddressPolicy,
        dns: Dns,
        base_url: str,
        http_port: int = 80,
        caa_domains: Sequence[str] = (),
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._ledger = ledger
        self._clock = clock
        # a redirect may lead to the usual ports besides (Boulder's rule), and nowhere else
        self._policy = AddressPolicy(policy.allow, frozenset({http_port, 80, 443}))
        self._dns = dns
        self._base_url = base_url
        self._http_port = http_port
        self._caa_domains = tuple(caa_domains)

    async def run_due(self) -> None:
        """Every challenge that waits, a bounded number at a time, and of a tenant: names that do not answer keep nobody
        else's waiting."""
        running: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                due = await asyncio.to_thread(
                    self._store.due_challenges,
                    self._clock.now(),
                    _AT_ONCE - len(running),
                    each=_OF_TENANT,
                    but=list(running),
                )
                for challenge, item in due:
                    running[challenge.id] = asyncio.create_task(self._run(challenge, item))
                if not running:
                    return
                done, _ = await asyncio.wait(running.values(), timeout=1, return_when=asyncio.FIRST_COMPLETED)
                for name in [name for name, task in running.items() if task in done]:
                    running.pop(name).result()
        finally:
            for task in running.values():
                task.cancel()

    async def sweep(self) -> None:
        """Forget old orders and events."""
        now = self._clock.now()
        oldest = now - max(WINDOWS.values())
        while await asyncio.to_thread(self._store.sweep, now - KEEP_ORDERS, oldest, _SWEPT) >= _SWEPT:
            await asyncio.sleep(0)

    async def _run(self, challenge: Challenge, item: Authorization) -> None:
        account = await asyncio.to_thread(self._accounts.account, item.account)
        assert account is not None, "accounts are not removed"
        expected = acme.key_authorization(item.token, account.thumbprint)
        failed: NotProven | None = None
        try:
            if account.status is not AccountStatus.VALID:
                raise NotProven("unauthorized", Text("账号已停用", "the account is deactivated"))
            async with asyncio.timeout(_SECONDS + 5):
                await (self._http(item, expected) if challenge.kind == HTTP_01 else self._dns_record(item, expected))
                await self._caa(item, challenge.kind)
        except NotProven as refusal:
            failed = refusal
        except TimeoutError:
            failed = NotProven("connection", Text("验证超时", "no answer in time"), again=True)
        except Exception:  # one name's proof must not keep the others waiting
            log.exception("the proof of %s failed", item.name)
            failed = NotProven("serverInternal", Text("内部错误", "internal error"), again=True)
        now = self._clock.now()
        if failed is not None and failed.again and challenge.attempts + 1 < ATTEMPTS:
            await asyncio.to_thread(self._store.postpone_challenge, challenge.id, now + RETRY)
            return
        error = None
        if failed is not None:
            status = 400 if failed.kind in ("connection", "dns", "tls") else 403
            error = acme.problem(failed.kind, f"{item.name}: {failed.reason.en} / {failed.reason.zh}", status)
            subject = failure_subject(item.account, item.name)
            await asyncio.to_thread(self._store.note, [(Counted.FAILURE, subject)], now)
        await self._ledger.append(
            Entry(
                operation="ssl_certificate.acme.validated",
                outcome="refused" if failed else "ok",
                code=failed.kind if failed else "",
                at=now,
                tenant=item.tenant,
                instance=account.instance,
                binding=account.binding,
                principal=account.id,
                role="system",
                resource={"order": item.order_id, "authorization": item.id},
                detail={"name": item.name, "way": challenge.kind},
            )
        )
        until = now + CAA_LIFETIME if self._caa_domains and item.name_type == "dns" else None
        await asyncio.to_thread(self._store.finish_challenge, challenge, item, now, error, until=until)

    async def _http(self, item: Authorization, expected: str) -> None:
        host = f"[{item.name}]" if ":" in item.name else item.name
        url = f"http://{host}:{self._http_port}{acme.CHALLENGE_PATH}{item.token}"
        try:
            fetched = await fetch(
                url, self._policy, max_bytes=_LARGEST, timeout=_SECONDS, tls=_anybody(), resolver=self._dns.addresses
            )
        except AddressRefused as error:
            reason = Text(f"地址不被允许：{error.values['address']}", f"{error.values['address']} is not allowed")
            raise NotProven("rejectedIdentifier", reason) from None
        except OutboundFailed as error:
            kind = error.kind if error.kind in ("dns", "tls") else "connection"
            raise NotProven(kind, Text(error.message.zh, f"{url}: {error.message.en}"), again=True) from None
        except MiyunError as error:
            raise NotProven("connection", error.message, again=True) from None
        if fetched.status != 200:
            raise NotProven(
                "unauthorized", Text(f"{url} 回答 {fetched.status}", f"{url} answers {fetched.status}, not 200")
            )
        if fetched.body.rstrip() != expected.encode():
            raise NotProven(
                "incorrectResponse", Text(f"{url} 的内容不符", f"{url} does not hold the key authorization")
            )

    async def _dns_record(self, item: Authorization, expected: str) -> None:
        name = f"_acme-challenge.{item.name}"
        try:
            found = await self._dns.txt(name)
        except DnsFailed as error:
            raise NotProven("dns", Text(f"无法查询 {name}", f"{name}: {error}"), again=True) from None
        if acme.dns_value(expected) not in found:
            again = not found  # it may not be everywhere yet
            reason = Text(f"{name} 没有所需的 TXT 记录", f"{name} has no TXT record with the expected value")
            raise NotProven("incorrectResponse" if found else "dns", reason, again=again)

    async def _caa(self, item: Authorization, method: str) -> None:
        """Whether the name's owner lets us issue; asked after the proof, so that nobody is asked for nothing."""
        if not self._caa_domains or item.name_type != "dns":
            return
        asked = Asked(self._caa_domains, item.wildcard, f"{self._base_url}/acme/account/{item.account}", method)
        try:
            found, place = await relevant(item.name, self._dns.caa)
        except DnsFailed as error:
            raise NotProven("dns", Text("无法查询 CAA 记录", f"CAA of {item.name}: {error}"), again=True) from None
        if not permits(found, asked):
            reason = Text(f"{place} 的 CAA 记录不允许本机构签发", f"CAA records of {place} do not let this CA issue")
            raise NotProven("caa", reason)


def _anybody() -> ssl.SSLContext:
    """A redirect to https proves no more than http: whose certificate it is does not matter (RFC 8555 8.3)."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
