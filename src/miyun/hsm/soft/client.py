"""The port to our VSM process: one connection per client process, many requests on it at a time.

After a restart of the VSM the connection comes back by itself. Requests that were on their way are sent again, except
key generation: whether it took place is unknown, an unacknowledged key is simply lost, and the caller is told so. The
VSM forgets opened keys when it restarts; a request whose handle it does not know goes again with the wrapped key.

What one turn of the event loop asks of one SM2 key goes as one request: the calls of a busy application meet here,
those of all keys and processes in the VSM's lanes.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import msgspec

from miyun.hsm import errors
from miyun.hsm.port import (
    CipherItem,
    CipherMode,
    Encrypted,
    EnvelopeForm,
    KeyAlgorithm,
    KeyBinding,
    MachineStatus,
    SignScheme,
    WrappedKey,
)
from miyun.hsm.soft import frames, wrapping
from miyun.hsm.soft.channel import Channel
from miyun.hsm.soft.frames import Opcode, Outcome
from miyun.hsm.soft.gathering import MOST, OCTETS, Gathered, Way

log = logging.getLogger("miyun.hsm.client")

_RETRY_FIRST: Final = 0.02
_RETRY_LAST: Final = 0.5
_MAX_UNSENT: Final = 64 * 1024 * 1024

_DIGEST_SIZE: Final = 32

_ERRORS: Final[dict[int, type[errors.MachineError]]] = {
    Outcome.LOCKED: errors.MachineLocked,
    Outcome.FAILED: errors.MachineFailed,
    Outcome.UNAVAILABLE: errors.MachineUnavailable,
    Outcome.UNKNOWN_KEY: errors.UnknownKey,
    Outcome.WRONG_BINDING: errors.WrongBinding,
    Outcome.DECRYPTION_FAILED: errors.DecryptionFailed,
}

_handle = lru_cache(maxsize=8192)(wrapping.handle_of)


@dataclass(slots=True, eq=False)
class _Pending:
    opcode: Opcode
    body: bytes = field(repr=False)
    future: asyncio.Future[bytes]
    deadline: float


class _UnknownHandle(Exception):
    pass


class SoftMachine:
    """Implements `hsm.port.Machine`. Lives on one event loop. `token` is what the VSM was started with.

    `patience`: seconds a request may take, restarts of the VSM included, before MachineUnavailable.
    """

    def __init__(self, path: str, *, token: bytes = b"", patience: float = 10.0) -> None:
        self._path = path
        self._token = token
        self._patience = patience
        self._channel: Channel | None = None
        self._pending: dict[int, _Pending] = {}
        self._gathered: dict[Way, Gathered] = {}
        self._signing: set[asyncio.Task[None]] = set()
        self._next_id = 0
        self._connecting: asyncio.Task[None] | None = None
        self._losses = 0  # connections in a row that broke without an answer
        self._closed = False
        self._loop: asyncio.AbstractEventLoop
        self._watch: asyncio.TimerHandle | None = None

    # --- the port --------------------------------------------------------------------------------------------------

    async def status(self) -> MachineStatus:
        return await self._ask(Opcode.STATUS, frames.Nothing())

    async def counters(self) -> dict[str, Any]:
        """Operations, connections, open keys, and per lane the batches, their fill and the queue."""
        return await self._ask(Opcode.COUNTERS, frames.Nothing())

    async def random(self, size: int) -> bytes:
        return await self._ask(Opcode.RANDOM, frames.Random(size))

    async def generate(self, algorithm: KeyAlgorithm, binding: KeyBinding) -> WrappedKey:
        return await self._ask(Opcode.GENERATE, frames.Generate(algorithm, binding))

    async def rebind(self, key: WrappedKey, binding: KeyBinding) -> WrappedKey:
        return await self._ask(Opcode.REBIND, frames.Rebind(key, binding))

    async def sign(
        self,
        key: WrappedKey,
        scheme: SignScheme,
        items: Sequence[bytes],
        *,
        prehashed: bool = False,
        user_id: bytes | None = None,
    ) -> list[bytes]:
        if not items:
            return []
        way = Way(_handle(key), prehashed, user_id)
        if scheme is SignScheme.SM2_SM3 and len(items) <= MOST and not (prehashed and _misfits(items)):
            octets = sum(map(len, items))
            if octets <= OCTETS:
                return await self._gather(way, key, items, octets)
        return await self._use(Opcode.SIGN, key, lambda wrapped: _to_sign(way, wrapped, scheme, list(items)))

    async def encrypt(self, key: WrappedKey, mode: CipherMode, items: Sequence[CipherItem]) -> list[Encrypted]:
        if not items:
            return []
        answer = await self._use(
            Opcode.ENCRYPT, key, lambda wrapped: frames.Cipher(_handle(key), wrapped, mode, _triples(items))
        )
        return [Encrypted(iv, data) for iv, data in answer]

    async def decrypt(self, key: WrappedKey, mode: CipherMode, items: Sequence[CipherItem]) -> list[bytes | None]:
        if not items:
            return []
        return await self._use(
            Opcode.DECRYPT, key, lambda wrapped: frames.Cipher(_handle(key), wrapped, mode, _triples(items))
        )

    async def public_decrypt(
        self, key: WrappedKey, items: Sequence[bytes], *, encoding: str = "asn1"
    ) -> list[bytes | None]:
        if not items:
            return []
        return await self._use(
            Opcode.PUBLIC_DECRYPT,
            key,
            lambda wrapped: frames.PublicDecrypt(_handle(key), wrapped, encoding, list(items)),
        )

    async def mac(self, key: WrappedKey, items: Sequence[bytes]) -> list[bytes]:
        if not items:
            return []
        return await self._use(Opcode.MAC, key, lambda wrapped: frames.Mac(_handle(key), wrapped, list(items)))

    async def wrap_new(
        self, key: WrappedKey, size: int, *, aad: bytes, with_plaintext: bool
    ) -> tuple[bytes | None, bytes]:
        return await self._use(
            Opcode.WRAP_NEW, key, lambda wrapped: frames.WrapNew(_handle(key), wrapped, size, aad, with_plaintext)
        )

    async def rewrap(
        self, old: WrappedKey, new: WrappedKey, mode: CipherMode, items: Sequence[CipherItem], new_aads: Sequence[bytes]
    ) -> list[Encrypted | None]:
        """`mode` is how `old` enciphered; the new ciphertexts are GCM of the new key's algorithm."""
        if not items:
            return []

        def request(wrapped: WrappedKey | None) -> frames.Rewrap:
            new_wrapped = new if wrapped else None
            return frames.Rewrap(
                _handle(old), wrapped, _handle(new), new_wrapped, mode, _triples(items), list(new_aads)
            )

        answer = await self._use(Opcode.REWRAP, old, request)
        return [None if pair is None else Encrypted(*pair) for pair in answer]

    async def transport_key(self) -> bytes:
        return await self._ask(Opcode.TRANSPORT_KEY, frames.Nothing())

    async def import_key(self, algorithm: KeyAlgorithm, binding: KeyBinding, enveloped: bytes) -> WrappedKey:
        return await self._ask(Opcode.IMPORT_KEY, frames.ImportKey(algorithm, binding, enveloped))

    async def envelope(self, key: WrappedKey, receiver: bytes, form: EnvelopeForm = EnvelopeForm.STANDARD) -> bytes:
        return await self._ask(Opcode.ENVELOPE, frames.Envelope(key, receiver, form))

    async def derive(self, purpose: str, context: bytes, size: int = 32) -> bytes:
        return await self._ask(Opcode.DERIVE, frames.Derive(purpose, context, size))

    # --- administration: only from a process of the platform's own user --------------------------------------------

    async def provision(self, threshold: int, count: int) -> list[str]:
        """Make the root of an unprovisioned VSM; answers the shares, which are kept nowhere."""
        return await self._ask(Opcode.PROVISION, frames.Provision(threshold, count))

    async def submit_share(self, text: str) -> int:
        """Answers how many shares are still missing."""
        return await self._ask(Opcode.SUBMIT_SHARE, frames.SubmitShare(text))

    async def lock(self) -> None:
        await self._ask(Opcode.LOCK, frames.Nothing())

    async def export_root(self, passphrase: str) -> bytes:
        """The root under a passphrase of at least 12 characters, for the backup of the whole platform."""
        return await self._ask(Opcode.EXPORT_ROOT, frames.ExportRoot(passphrase))

    async def restore_root(self, blob: bytes, passphrase: str) -> None:
        """On an unprovisioned VSM. Raises DecryptionFailed for a wrong passphrase."""
        await self._ask(Opcode.RESTORE_ROOT, frames.RestoreRoot(blob, passphrase))

    async def aclose(self) -> None:
        self._closed = True
        if self._watch:
            self._watch.cancel()
        if self._connecting:
            self._connecting.cancel()
        if self._channel:
            self._channel.close()
        for pending in self._pending.values():
            _fail(pending, errors.MachineUnavailable("closed"))
        self._pending.clear()

    # --- requests and replies --------------------------------------------------------------------------------------

    async def _use(self, opcode: Opcode, key: WrappedKey, request: Any) -> Any:
        """`request(None)` first; with the wrapped key when the VSM asks for it."""
        try:
            return await self._ask(opcode, request(None))
        except _UnknownHandle:
            pass
        try:
            return await self._ask(opcode, request(key))
        except _UnknownHandle:
            raise errors.MachineUnavailable("the machine does not keep the key") from None

    def _gather(self, way: Way, key: WrappedKey, items: Sequence[bytes], octets: int) -> asyncio.Future[list[bytes]]:
        loop = asyncio.get_running_loop()
        gathered = self._gathered.get(way)
        if gathered is None or len(gathered.items) + len(items) > MOST or gathered.octets + octets > OCTETS:
            gathered = self._gathered[way] = Gathered(way, key)
            task = loop.create_task(self._sign_gathered(gathered))  # begins when this turn of the loop has ended
            self._signing.add(task)
            task.add_done_callback(self._signing.discard)
        future: asyncio.Future[list[bytes]] = loop.create_future()
        gathered.add(items, octets, future)
        return future

    async def _sign_gathered(self, gathered: Gathered) -> None:
        way = gathered.way
        if self._gathered.get(way) is gathered:
            del self._gathered[way]
        try:
            signatures = await self._use(
                Opcode.SIGN,
                gathered.key,
                lambda wrapped: _to_sign(way, wrapped, SignScheme.SM2_SM3, gathered.items),
            )
        except Exception as error:  # whatever it is, nobody may wait for ever
            gathered.fail(error)
        else:
            gathered.answer(signatures)

    async def _ask(self, opcode: Opcode, request: frames.Message) -> Any:
        body = frames.encode(request)
        if len(body) > frames.MAX_BULK:
            raise errors.InvalidRequest("request", f"at most {frames.MAX_BULK} octets")
        if self._closed or (self._channel and self._channel.waiting > _MAX_UNSENT):
            raise errors.MachineUnavailable("too much is waiting")
        loop = self._loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._next_id = request_id = (self._next_id + 1) & 0xFFFFFFFF
        self._pending[request_id] = _Pending(opcode, body, future, loop.time() + self._patience)
        if self._channel:
            self._channel.send(opcode, request_id, body)
        else:
            self._connect()
        if self._watch is None:
            self._watch = self._loop.call_later(self._patience, self._look)
        try:
            answer = await future
        finally:
            self._pending.pop(request_id, None)
        return frames.REPLY_DECODERS[opcode](answer)

    def _look(self) -> None:
        """One timer for all requests, which are pending in the order of their deadlines."""
        self._watch = None
        now = self._loop.time()
        for pending in self._pending.values():
            if pending.deadline > now:
                self._watch = self._loop.call_at(pending.deadline, self._look)
                return
            _fail(pending, errors.MachineUnavailable("no answer in time"))

    def _frame(self, code: int, request_id: int, body: bytes) -> None:
        pending = self._pending.get(request_id)
        if pending is None or pending.future.done():
            return
        self._losses = 0
        if code == Outcome.OK:
            pending.future.set_result(body)
        elif code == Outcome.UNKNOWN_HANDLE:
            pending.future.set_exception(_UnknownHandle())
        else:
            pending.future.set_exception(_error(code, body))

    # --- connection ------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        if self._connecting is None and not self._closed:
            self._connecting = asyncio.get_running_loop().create_task(self._reconnect())

    async def _reconnect(self) -> None:
        """Until it succeeds or nobody waits any more: each request has its own deadline."""
        delay = _RETRY_FIRST
        try:
            while self._pending:
                try:
                    self._open()
                    return
                except OSError:
                    await asyncio.sleep(delay)
                    delay = min(delay * 2, _RETRY_LAST)
        finally:
            self._connecting = None

    def _open(self) -> None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            connection.connect(self._path)
        except OSError:
            connection.close()
            raise
        channel = Channel(connection, on_frame=self._frame, on_close=self._lost)
        self._channel = channel
        channel.send(Opcode.HELLO, 0, frames.encode(frames.Hello(self._token)))
        for request_id, pending in self._pending.items():
            channel.send(pending.opcode, request_id, pending.body)

    def _lost(self) -> None:
        self._channel = None
        for request_id, pending in list(self._pending.items()):
            if pending.opcode in frames.NOT_REPEATABLE:
                del self._pending[request_id]
                _fail(pending, errors.MachineUnavailable("the connection broke; whether the key was made is unknown"))
        if self._pending and not self._closed:
            log.warning("lost the VSM at %s with %d requests on their way", self._path, len(self._pending))
            # Not at once: a VSM that refuses us (token, user) would be asked in a tight circle.
            delay = min(_RETRY_FIRST * 2**self._losses, _RETRY_LAST)
            self._losses = min(self._losses + 1, 16)
            asyncio.get_running_loop().call_later(delay, self._connect)


def _fail(pending: _Pending, error: Exception) -> None:
    if not pending.future.done():
        pending.future.set_exception(error)


def _error(code: int, body: bytes) -> errors.MachineError:
    try:
        refusal = frames.decode_refusal(body)
    except msgspec.DecodeError:
        return errors.MachineUnavailable("unreadable answer")
    if code == Outcome.INVALID_REQUEST:
        return errors.InvalidRequest(refusal.field, refusal.reason)
    return _ERRORS.get(code, errors.MachineUnavailable)(refusal.reason)


def _misfits(items: Sequence[bytes]) -> bool:
    """Whether the VSM would refuse a digest, and with it all that goes along."""
    return any(len(item) != _DIGEST_SIZE for item in items)


def _to_sign(way: Way, wrapped: WrappedKey | None, scheme: SignScheme, items: list[bytes]) -> frames.Sign:
    return frames.Sign(way.handle, wrapped, scheme, items, way.prehashed, way.user_id)


def _triples(items: Sequence[CipherItem]) -> list[tuple[Any, bytes, bytes]]:
    return [(item.data, item.iv, item.aad) for item in items]
