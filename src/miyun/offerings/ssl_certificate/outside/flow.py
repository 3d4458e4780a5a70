"""Orders at outside ACME servers, one step at a time (RFC 8555 7.4): after a crash the next step is asked of the CA."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Protocol

from miyun.core.clock import Clock
from miyun.core.errors import MiyunError
from miyun.core.i18n import Text
from miyun.core.ledger.port import Entry, Ledger
from miyun.core.outbound import AddressRefused, OutboundFailed, is_address
from miyun.offerings.ssl_certificate.errors import CertificateDoesNotFit, OutsideCaRefused
from miyun.offerings.ssl_certificate.outside.checks import check_chain, read_chain
from miyun.offerings.ssl_certificate.outside.client import AcmeClient
from miyun.offerings.ssl_certificate.outside.model import LATER, MOMENT, PATIENCE, OutsideOrder, State
from miyun.offerings.ssl_certificate.outside.service import Outside
from miyun.wire import acme, pkcs10
from miyun.wire.acme import DNS_01

_AT_ONCE: Final = 8
_PROGRAM_SECONDS: Final = 120.0
# What a CA says of itself, and not of the order: it is asked again.
_TEMPORARY: Final = frozenset({"", "badNonce", "rateLimited", "serverInternal"})
log = logging.getLogger("miyun.acme")


class DnsSolver(Protocol):
    """Puts the record of dns-01 where the world sees it, and takes it away."""

    async def present(self, name: str, value: str) -> None:
        """Returns when it can be seen. Raises SolverFailed."""
        ...

    async def clean(self, name: str, value: str) -> None: ...


class SolverFailed(Exception):
    """`str()` says what went wrong."""


class ProgramSolver:
    """`PROGRAM present|clean NAME VALUE`, run without a shell; its exit status decides."""

    def __init__(self, program: str) -> None:
        self._program = program

    async def present(self, name: str, value: str) -> None:
        await self._run("present", name, value)

    async def clean(self, name: str, value: str) -> None:
        await self._run("clean", name, value)

    async def _run(self, *arguments: str) -> None:
        try:
            process = await asyncio.create_subprocess_exec(
                self._program,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            raise SolverFailed(f"{self._program}: {error.strerror}") from None
        try:
            async with asyncio.timeout(_PROGRAM_SECONDS):
                _, said = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise SolverFailed("the DNS program did not end in time") from None
        if process.returncode != 0:
            raise SolverFailed(said[-300:].decode("utf-8", "replace").strip() or f"status {process.returncode}")


class Flow:
    def __init__(self, *, outside: Outside, ledger: Ledger, clock: Clock, dns: DnsSolver | None = None) -> None:
        self._outside = outside
        self._store = outside.store
        self._ledger = ledger
        self._clock = clock
        self._dns = dns

    async def run_due(self) -> None:
        now = self._clock.now()
        for order in await asyncio.to_thread(self._store.expired_orders, now, 100):
            if await asyncio.to_thread(self._store.change_order, order, state=State.EXPIRED):
                await self._record(order, "expired", "ok")
        due = await asyncio.to_thread(self._store.due_orders, now, _AT_ONCE)
        await asyncio.gather(*(self._step(order) for order in due))

    async def _step(self, order: OutsideOrder) -> None:
        now = self._clock.now()
        try:
            await self._advance(order, await self._outside.client_of(order), now)
        except CertificateDoesNotFit as error:
            await self._fail(order, error.reason)
        except OutsideCaRefused as error:
            if error.kind in _TEMPORARY:
                await self._wait(order, now, error.message, error.retry_after)
            else:
                await self._fail(order, error.reason)
        except SolverFailed as error:
            await self._wait(order, now, Text(f"DNS 程序：{error}", f"the DNS program: {error}"))
        except (OutboundFailed, AddressRefused) as error:
            await self._wait(order, now, error.message)
        except MiyunError as error:
            await self._wait(order, now, error.message)
        except Exception:
            log.exception("the order %s failed", order.id)
            await self._wait(order, now, Text("内部错误", "internal error"))

    async def _advance(self, order: OutsideOrder, client: AcmeClient, now: datetime) -> None:
        if not order.reference:
            names = [("ip" if is_address(name) else "dns", name) for name in order.names]
            address, remote = await client.new_order(names)
            values = {"state": State.SUBMITTED, "reference": address[:512], "due_at": now, "error": ""}
            if await asyncio.to_thread(self._store.change_order, order, **values):
                await self._record(order, "submitted", "ok")
            return
        remote = await client.order(order.reference)
        if remote.status == "pending":
            await self._prove(order, remote, client, now)
        elif remote.status == "ready":
            await client.finalize(remote, order.csr)
            await self._later(order, now)
        elif remote.status == "valid" and remote.certificate is not None:
            text = (await client.download(remote.certificate)).decode("ascii", "replace")
            chain = read_chain(text, Text("证书", "the certificate"))
            key = pkcs10.parse_csr(order.csr).spki_der
            check_chain(chain, key=key, names=order.names, now=now)
            if await self._outside.finish(order, chain, now):
                await self._clean(order)
                await self._record(order, "issued", "ok", certificate=f"{chain[0].serial:X}")
        elif remote.status == "invalid":
            await self._fail(order, await self._why(remote, client))
        else:
            await self._later(order, now)

    async def _prove(self, order: OutsideOrder, remote: acme.Order, client: AcmeClient, now: datetime) -> None:
        progress: dict[str, Any] = dict(order.progress)
        for address in remote.authorizations[:100]:
            if address in progress:
                continue
            authorization = await client.authorization(address)
            if authorization.status != "pending":
                continue
            challenge = next((item for item in authorization.challenges if item.type == order.solver), None)
            if challenge is None:
                offered = ", ".join(item.type for item in authorization.challenges)
                reason = Text(f"CA 不提供 {order.solver}，只有 {offered}", f"the CA offers {offered} only")
                raise OutsideCaRefused(order.ca, reason, kind="challenge")
            expected = client.key_authorization(challenge.token)
            if order.solver == DNS_01:
                record = (f"_acme-challenge.{authorization.identifier.value}", acme.dns_value(expected))
                assert self._dns is not None, "orders by dns-01 are taken only where there is a program"
                await self._dns.present(*record)
                progress[address] = list(record)
            else:
                await asyncio.to_thread(self._store.put_response, challenge.token, order.id, expected)
                progress[address] = []
            await client.answer(challenge)
        await self._later(order, now, progress=progress)

    async def _why(self, remote: acme.Order, client: AcmeClient) -> Text:
        """Of a failed order: what its challenges say, which is more than the order does."""
        for address in remote.authorizations[:100]:
            for challenge in (await client.authorization(address)).challenges:
                if challenge.error:
                    return _detail(challenge.error)
        return _detail(remote.error or {})

    async def _later(self, order: OutsideOrder, now: datetime, **values: Any) -> None:
        if now - order.created_at > PATIENCE:
            await self._fail(order, Text("超过 7 天未签发", "it was not issued within 7 days"))
            return
        await asyncio.to_thread(self._store.change_order, order, due_at=now + MOMENT, error="", **values)

    async def _wait(self, order: OutsideOrder, now: datetime, reason: Text, seconds: int | None = None) -> None:
        if now - order.created_at > PATIENCE:
            await self._fail(order, reason)
            return
        due = max(now + LATER, now.fromtimestamp(now.timestamp() + min(seconds or 0, 86400), now.tzinfo))
        said = f"{reason.en} / {reason.zh}"[:1024]
        await asyncio.to_thread(self._store.change_order, order, due_at=due, error=said)

    async def _fail(self, order: OutsideOrder, reason: Text) -> None:
        said = reason.en if reason.en == reason.zh else f"{reason.en} / {reason.zh}"
        values = {"state": State.FAILED, "due_at": None, "error": said[:1024]}
        if await asyncio.to_thread(self._store.change_order, order, **values):
            await asyncio.to_thread(self._store.forget_responses, order.id)
            await self._clean(order)
            await self._record(order, "failed", "failed")

    async def _clean(self, order: OutsideOrder) -> None:
        records: Sequence[Any] = [record for record in order.progress.values() if record]
        for name, value in records if self._dns is not None else ():
            try:
                await self._dns.clean(name, value)  # type: ignore[union-attr]
            except SolverFailed as error:
                log.warning("the record %s of the order %s stays: %s", name, order.id, error)

    async def _record(self, order: OutsideOrder, event: str, outcome: str, **resource: str) -> None:
        await self._ledger.append(
            Entry(
                operation=f"ssl_certificate.order.{event}",
                outcome=outcome,
                at=self._clock.now(),
                tenant=order.tenant,
                instance=order.instance,
                role="system",
                resource={"order": order.id, **resource},
                detail={"ca": order.ca, "names": list(order.names[:20])},
            )
        )


def _detail(error: dict[str, Any]) -> Text:
    kind = str(error.get("type", "")).removeprefix(acme.ERROR_PREFIX)
    said = f"{kind}: {error.get('detail', '')}"[:900]
    return Text(said, said)
