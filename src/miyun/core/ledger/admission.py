"""Admission: nonces, idempotency keys and quota of requests that are about to run, and their tickets.

A ticket ends once: its record becomes durable, it is released, or its connection goes away. An idempotency key is
reserved by a durable record before the ticket is handed out; a reservation that never ended is in doubt.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import UTC, datetime

from miyun.core.errors import (
    Conflict,
    IdempotencyMismatch,
    InDoubt,
    InvalidArgument,
    MiyunError,
    Overloaded,
    QuotaExceeded,
    Unavailable,
)
from miyun.core.i18n import Text
from miyun.core.ledger.answers import KEEP_SECONDS, Answers
from miyun.core.ledger.commit import Done, Pending
from miyun.core.ledger.nonces import Nonces
from miyun.core.ledger.port import Admission, QuotaAsk, Receipt, Ticket
from miyun.core.ledger.quota import Grant, Quota
from miyun.core.ledger.record import HOUR, RELEASE, RESERVATION, Line, hour_of, identity, timestamp
from miyun.core.ledger.sidecar import Kept, Sidecar

TICKETS_PER_OWNER = 50_000
_COMPLETED = Text(
    "使用该幂等键的请求已经完成，其应答未予保存；请查询资源现状",
    "the request with this idempotency key was completed and its answer is not kept; look up the resource",
)
_RUNNING = Text("使用该幂等键的请求仍在执行", "the request with this idempotency key is still running")


@dataclass(slots=True, eq=False)
class Held:
    """What a ticket stands for."""

    number: int
    owner: Hashable
    nonce: bytes = b""
    expires: int = 0
    key: bytes = b""
    print: bytes = b""
    reserved: int = 0
    grant: Grant | None = None
    committing: bool = False  # its record is on the way to the disk
    orphan: bool = False  # its connection went away meanwhile


@dataclass(frozen=True, slots=True)
class _Flight:
    print: bytes
    ended: asyncio.Future[None]


class Admissions:
    """`submit` is the committer's; `patience` bounds, in seconds, every wait for another request to end."""

    submit: Callable[[Pending], None]

    def __init__(self, sidecar: Sidecar, answers: Answers, now: Callable[[], float], patience: float) -> None:
        self.quota = Quota(sidecar.quota, now)
        self.nonces = Nonces()
        self._sidecar = sidecar
        self._answers = answers
        self._now = now
        self._patience = patience
        self._owned: dict[Hashable, dict[int, Held]] = {}
        self._flights: dict[bytes, _Flight] = {}
        self._number = int(time.time()) << 24  # a ticket of an earlier run is never mistaken for one of this run

    def restore(self, horizon: int) -> None:
        """Nonces of the checkpoint; those of later records come by `applied`."""
        self.nonces.horizon = horizon
        for nonce, expires in self._sidecar.nonces(self._now()):
            self.nonces.restore(nonce, expires)

    # tickets

    def admit(self, admission: Admission, owner: Hashable) -> Ticket | asyncio.Future[Ticket]:
        now = self._now()
        if admission.quota is not None and admission.quota.units < 0:
            raise InvalidArgument("units", Text("不能为负数", "must not be negative"))
        if len(self._owned.get(owner, ())) >= TICKETS_PER_OWNER:
            raise Overloaded(retry_after=1)
        self._number += 1
        held = Held(self._number, owner)
        if admission.nonce is not None:
            held.nonce, held.expires = identity(admission.nonce), -int(-admission.nonce_expires // 1)
            self.nonces.use(held.nonce, held.expires, now)
            self._sidecar.delta.add_nonce(held.nonce, held.expires)
        if admission.idempotency is None:
            if admission.quota is None:
                return self._hold(held)
            held.grant = self.quota.take(admission.quota, hour_of(now))
            if held.grant is not None:
                return self._hold(held)
        return asyncio.ensure_future(self._admit_waiting(admission, held))

    def adopt(self, admission: Admission, window: int, owner: Hashable) -> Held:
        """Take over the ticket of a connection that broke while its operation ran, if nothing speaks against it."""
        self._number += 1
        held = Held(self._number, owner, print=admission.fingerprint)
        if admission.nonce is not None:
            held.nonce, held.expires = identity(admission.nonce), -int(-admission.nonce_expires // 1)
        if admission.idempotency is not None:
            held.key = identity(admission.idempotency)
            kept = self._kept(held.key)
            if kept is None or kept.settled or kept.print != held.print or held.key in self._flights:
                raise Unavailable("ledger")
            held.reserved = kept.reserved
        if admission.quota is not None:
            try:
                held.grant = self.quota.take(admission.quota, window)
            except QuotaExceeded as error:
                raise Unavailable("ledger") from error
            if held.grant is None:
                raise Unavailable("ledger")
        if held.key:
            self._take_off(held)
        self._hold(held)
        return held

    def take(self, number: int, owner: Hashable) -> Held:
        """The ticket whose record is now to be written. Raises Unavailable when it has ended."""
        held = self._owned.get(owner, {}).get(number)
        if held is None or held.committing:
            raise Unavailable("ledger")
        return held

    def pending(self, held: Held, line: Line, answer: bytes | None, done: Done) -> Pending:
        """The record that settles the ticket."""
        held.committing = True
        if held.nonce:
            line.nonce, line.expires = held.nonce.hex(), held.expires
        if held.key:
            line.key, line.print, line.reserved = held.key.hex(), held.print.hex(), held.reserved
        if held.grant is not None:
            line.account, line.window = held.grant.account, held.grant.window
        return Pending(line, done, held=held, answer=answer if held.key else None)

    def release(self, number: int, owner: Hashable, *, in_doubt: bool) -> asyncio.Future[None] | None:
        held = self._owned.get(owner, {}).get(number)
        if held is None or held.committing:
            return None
        self._let_go(held)
        if not held.key:
            return None
        if in_doubt:
            self._land(held.key)
            return None
        return asyncio.ensure_future(self._give_back(held))

    def drop(self, owner: Hashable) -> None:
        for held in list(self._owned.get(owner, {}).values()):
            if held.committing:
                held.orphan = True
            else:
                self._let_go(held)
                if held.key:
                    self._land(held.key)
        if not self._owned.get(owner):
            self._owned.pop(owner, None)

    # what the committer tells

    def finish(self, held: Held, line: Line) -> None:
        """The record is being numbered: fix what depends on the records before it."""
        if held.grant is not None:
            line.over = self.quota.commit(held.grant, _units(line))

    def failed(self, held: Held, line: Line) -> None:
        """The record was not written: the ticket is as before."""
        if held.grant is not None:
            self.quota.uncommit(held.grant, _units(line))
        held.committing = False
        if held.orphan:
            self.drop(held.owner)

    def applied(self, line: Line, held: Held | None, *, replay: bool) -> None:
        delta = self._sidecar.delta
        if replay:
            if line.nonce and line.expires >= self._now():
                self.nonces.restore(bytes.fromhex(line.nonce), line.expires)
                delta.add_nonce(bytes.fromhex(line.nonce), line.expires)
            if line.account:
                spent = self._sidecar.quota(line.account, line.window) + _units(line)
                delta.quota[line.account, line.window] = spent
        if held is not None and held.grant is not None:
            delta.quota[line.account, line.window] = self.quota.settle(held.grant, _units(line))
            held.grant = None
        if line.key:
            key = bytes.fromhex(line.key)
            if line.op == RELEASE:
                delta.kept[key] = None
            else:
                answer = (line.answer[0], line.answer[1], line.answer[2]) if line.answer else None
                settled = line.op != RESERVATION
                delta.kept[key] = Kept(bytes.fromhex(line.print), settled, line.reserved, answer)
        if held is not None:
            self._let_go(held)
            if held.key:
                self._land(held.key)

    # inside

    def _hold(self, held: Held) -> Ticket:
        self._owned.setdefault(held.owner, {})[held.number] = held
        grant = held.grant
        if grant is None:
            return Ticket(held.number)
        return Ticket(held.number, window=grant.window, used=grant.used, over=grant.over)

    def _let_go(self, held: Held) -> None:
        owned = self._owned.get(held.owner)
        if owned is not None:
            owned.pop(held.number, None)
            if not owned:
                del self._owned[held.owner]
        if held.grant is not None:
            self.quota.release(held.grant)
            held.grant = None

    async def _admit_waiting(self, admission: Admission, held: Held) -> Ticket:
        if admission.idempotency is not None:
            answer = await self._claim(admission.idempotency, admission.fingerprint, held)
            if answer is not None:
                return Ticket(held.number, replay=answer)
        submitted = False
        try:
            if admission.quota is not None:
                held.grant = await self._take(admission.quota)
            if held.key:
                held.reserved = int(self._now())
                reserved = self._write(RESERVATION, held)
                submitted = True
                await reserved
        except BaseException as error:
            self._let_go(held)
            if submitted and isinstance(error, asyncio.CancelledError):
                # Nobody got the ticket, so nothing was executed; the release follows the reservation in the queue.
                await asyncio.shield(asyncio.ensure_future(self._give_back(held)))
            elif held.key:
                self._land(held.key)
            raise
        return self._hold(held)

    async def _claim(self, idempotency: str, fingerprint: bytes, held: Held) -> bytes | None:
        """Make the key ours (None), or return the stored answer. Waits for another request with the same key."""
        key = identity(idempotency)
        deadline = time.monotonic() + self._patience
        while (flight := self._flights.get(key)) is not None:
            if flight.print != fingerprint:
                raise IdempotencyMismatch
            left = deadline - time.monotonic()
            if left <= 0:
                raise Conflict(_RUNNING)
            await asyncio.wait((flight.ended,), timeout=left)
        kept = self._kept(key)
        if kept is not None:
            if kept.print != fingerprint:
                raise IdempotencyMismatch
            if not kept.settled:
                raise InDoubt
            answer = self._answers.read(kept.answer) if kept.answer else None
            if answer is None:
                raise Conflict(_COMPLETED)
            return answer
        held.key, held.print = key, fingerprint
        self._take_off(held)
        return None

    async def _take(self, ask: QuotaAsk) -> Grant:
        deadline = time.monotonic() + self._patience
        while True:
            now = self._now()
            window = hour_of(now)
            grant = self.quota.take(ask, window)
            if grant is not None:
                return grant
            left = deadline - time.monotonic()
            if left <= 0:
                raise Overloaded(retry_after=1)
            grant = await self.quota.wait(ask, window, min(left, max(0.01, window + HOUR - now)))
            if grant is not None:
                return grant

    async def _give_back(self, held: Held) -> None:
        try:
            await self._write(RELEASE, held)
        finally:
            self._land(held.key)

    def _write(self, operation: str, held: Held) -> asyncio.Future[None]:
        """A record about the key itself; the future ends when it is durable."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done(result: Receipt | MiyunError) -> None:
            if future.done():
                return
            if isinstance(result, MiyunError):
                future.set_exception(result)
            else:
                future.set_result(None)

        at = datetime.fromtimestamp(self._now(), UTC)
        line = Line(seq=0, at=timestamp(at), op=operation, outcome="ok", key=held.key.hex(), reserved=held.reserved)
        line.print = held.print.hex()
        self.submit(Pending(line, done))
        return future

    def _kept(self, key: bytes) -> Kept | None:
        kept = self._sidecar.kept(key)
        return kept if kept is not None and kept.reserved + KEEP_SECONDS > self._now() else None

    def _take_off(self, held: Held) -> None:
        self._flights[held.key] = _Flight(held.print, asyncio.get_running_loop().create_future())

    def _land(self, key: bytes) -> None:
        flight = self._flights.pop(key, None)
        if flight is not None and not flight.ended.done():
            flight.ended.set_result(None)


def _units(line: Line) -> int:
    """Units that count against quota and appear in usage: those of what succeeded."""
    return line.units if line.outcome == "ok" else 0
