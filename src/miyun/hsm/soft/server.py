"""The VSM's side of the socket: who may connect, what each frame asks, which lane does it."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hmac import compare_digest
from typing import Any, Final

import msgspec

from miyun.gm import rand
from miyun.gm.ciphertext import check_encoding
from miyun.gm.errors import GmError
from miyun.gm.providers import provider
from miyun.hsm import errors
from miyun.hsm.port import CipherItem, KeyAlgorithm, MachineState, MachineStatus, SignScheme
from miyun.hsm.soft import backup, frames, kernels
from miyun.hsm.soft.batch import FULL_LANES, Job, Lane
from miyun.hsm.soft.channel import Channel
from miyun.hsm.soft.frames import Opcode, Outcome
from miyun.hsm.soft.vault import OpenKey, UnknownHandle, Vault

log = logging.getLogger("miyun.hsm.soft")

MAX_ITEMS: Final = 4096
MAX_RANDOM: Final = 1024 * 1024
_MAX_PENDING: Final = 1024  # requests of one connection that may wait before it is not read any further
_MAX_UNSENT: Final = 16 * 1024 * 1024
_WIPE_EVERY: Final = 1.0
_PER_SIGNATURE: Final = 60e-6  # first guesses of cost; the lanes learn the real ones
_PER_OCTET: Final = 4e-9
_ITEM_OCTETS: Final = 256  # an item's fixed cost, expressed in octets

_OPCODES: Final = {int(opcode): opcode for opcode in Opcode}
_OUTCOMES: Final[dict[type[Exception], Outcome]] = {
    UnknownHandle: Outcome.UNKNOWN_HANDLE,
    errors.MachineLocked: Outcome.LOCKED,
    errors.MachineFailed: Outcome.FAILED,
    errors.MachineUnavailable: Outcome.UNAVAILABLE,
    errors.UnknownKey: Outcome.UNKNOWN_KEY,
    errors.WrongBinding: Outcome.WRONG_BINDING,
    errors.InvalidRequest: Outcome.INVALID_REQUEST,
    errors.DecryptionFailed: Outcome.DECRYPTION_FAILED,
}


class Connection:
    """One client. Replies may be sent in any order."""

    def __init__(self, server: Server, connection: socket.socket, *, administrator: bool) -> None:
        self.administrator = administrator
        self.greeted = False
        self._server = server
        self._pending = 0
        self._paused = False
        self.channel = Channel(connection, on_frame=self._frame, on_close=lambda: server.forget(self))

    def _frame(self, code: int, request_id: int, body: bytes) -> None:
        self._pending += 1
        if self._pending >= _MAX_PENDING or self.channel.waiting > _MAX_UNSENT:
            self._paused = True
            self.channel.pause()
        self._server.serve(self, code, request_id, body)

    def reply(self, request_id: int, value: Any) -> None:
        self._answer(Outcome.OK, request_id, frames.encode(value))

    def refuse(self, request_id: int, error: Exception) -> None:
        outcome = _OUTCOMES.get(type(error))
        if outcome is None:
            if isinstance(error, GmError):
                # What the checks before the lanes let through and an algorithm refuses: a malformed key or input.
                error = errors.InvalidRequest("request", "refused by the algorithm")
                outcome = Outcome.INVALID_REQUEST
            else:
                log.error("a request failed", exc_info=error)
                outcome = Outcome.UNAVAILABLE
        field = error.field if isinstance(error, errors.InvalidRequest) else ""
        reason = error.reason if isinstance(error, errors.InvalidRequest) else type(error).__name__
        self._answer(outcome, request_id, frames.encode(frames.Refusal(field, reason)))

    def _answer(self, outcome: Outcome, request_id: int, body: bytes) -> None:
        self._pending -= 1
        self.channel.send(outcome, request_id, body)
        if self._paused and self._pending < _MAX_PENDING // 2 and self.channel.waiting <= _MAX_UNSENT:
            self._paused = False
            self.channel.resume()


class Server:
    """Serves one vault on one listening socket."""

    def __init__(
        self,
        vault: Vault,
        listener: socket.socket,
        *,
        allowed: frozenset[int],
        administrators: frozenset[int],
        token: bytes,
        facts: dict[str, Any] | None = None,
    ) -> None:
        self._vault = vault
        self._listener = listener
        self._allowed = allowed | administrators
        self._administrators = administrators
        self._token = token
        self._facts = facts or {}
        self._loop = asyncio.get_running_loop()
        self._workers = max(1, os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="vsm")
        self._lanes: dict[tuple[Opcode, str], Lane] = {}
        self._connections: set[Connection] = set()
        self._in_flight = 0
        self._operations = 0
        self._handlers: dict[Opcode, Callable[[Connection, int, Any], None]] = {
            Opcode.STATUS: self._status,
            Opcode.COUNTERS: self._counters,
            Opcode.RANDOM: self._random,
            Opcode.GENERATE: self._generate,
            Opcode.REBIND: self._rebind,
            Opcode.SIGN: self._sign,
            Opcode.ENCRYPT: self._encrypt,
            Opcode.DECRYPT: self._decrypt,
            Opcode.PUBLIC_DECRYPT: self._public_decrypt,
            Opcode.MAC: self._mac,
            Opcode.WRAP_NEW: self._wrap_new,
            Opcode.REWRAP: self._rewrap,
            Opcode.TRANSPORT_KEY: self._transport_key,
            Opcode.IMPORT_KEY: self._import_key,
            Opcode.DERIVE: self._derive,
            Opcode.PROVISION: self._provision,
            Opcode.SUBMIT_SHARE: self._submit_share,
            Opcode.LOCK: self._lock,
            Opcode.EXPORT_ROOT: self._export_root,
            Opcode.RESTORE_ROOT: self._restore_root,
            Opcode.ENVELOPE: self._envelope,
        }

    def start(self) -> None:
        self._listener.setblocking(False)
        self._loop.add_reader(self._listener, self._accept)
        self._wiper = self._loop.call_later(_WIPE_EVERY, self._wipe)

    def stop(self) -> None:
        self._loop.remove_reader(self._listener)
        self._wiper.cancel()
        for connection in list(self._connections):
            connection.channel.close()
        self._pool.shutdown(wait=True)
        self._vault.lock()
        self._vault.wipe_retired()

    def forget(self, connection: Connection) -> None:
        self._connections.discard(connection)

    # --- connections -----------------------------------------------------------------------------------------------

    def _accept(self) -> None:
        try:
            accepted, _ = self._listener.accept()
        except OSError:
            return
        credentials = accepted.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        pid, uid, _ = struct.unpack("3i", credentials)
        if uid not in self._allowed:
            log.warning("refused a connection of process %d of user %d", pid, uid)
            accepted.close()
            return
        self._connections.add(Connection(self, accepted, administrator=uid in self._administrators))

    def serve(self, connection: Connection, code: int, request_id: int, body: bytes) -> None:
        """One frame. What is no request of ours ends the connection; a request that cannot be read is refused."""
        opcode = _OPCODES.get(code)
        if opcode is None:
            connection.channel.close()
            return
        try:
            request = frames.REQUEST_DECODERS[opcode](body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            connection.refuse(request_id, errors.InvalidRequest("request", f"not a request {opcode.name}"))
            return
        if opcode is Opcode.HELLO:
            if compare_digest(request.token, self._token):
                connection.greeted = True
                connection.reply(request_id, None)
            else:
                connection.channel.close()
            return
        if not connection.greeted or (opcode in frames.ADMINISTRATIVE and not connection.administrator):
            connection.channel.close()
            return
        self._operations += 1
        try:
            self._handlers[opcode](connection, request_id, request)
        except Exception as error:
            connection.refuse(request_id, error)

    # --- lanes -----------------------------------------------------------------------------------------------------

    def _lane(self, opcode: Opcode, kind: str, kernel: Callable[[], Callable[[list[Any]], list[Any]]]) -> Lane:
        lane = self._lanes.get((opcode, kind))
        if lane is None:
            costly = opcode in (Opcode.SIGN, Opcode.PUBLIC_DECRYPT)
            lane = self._lanes[opcode, kind] = Lane(
                kernel(),
                self._pool,
                workers=self._workers,
                seconds_per_unit=_PER_SIGNATURE if costly else _PER_OCTET,
                side_by_side=FULL_LANES if kind == SignScheme.SM2_SM3 else 1,
            )
        return lane

    def _submit(
        self, lane: Lane, connection: Connection, request_id: int, key: OpenKey, items: Sequence[Any], units: int
    ) -> None:
        def done(outcome: list[Any] | Exception) -> None:
            self._in_flight -= 1
            if isinstance(outcome, Exception):
                connection.refuse(request_id, outcome)
            else:
                connection.reply(request_id, outcome)

        self._in_flight += 1
        lane.submit(Job(items, units, done, key.binding.tenant))

    def _thread(self, connection: Connection, request_id: int, function: Callable[[], Any]) -> None:
        """For single, slow work."""

        def done(future: asyncio.Future[Any]) -> None:
            self._in_flight -= 1
            error = future.exception()
            if error is None:
                connection.reply(request_id, future.result())
            else:
                connection.refuse(request_id, error if isinstance(error, Exception) else RuntimeError("cancelled"))

        self._in_flight += 1
        self._loop.run_in_executor(self._pool, function).add_done_callback(done)

    def _wipe(self) -> None:
        if self._in_flight == 0:
            self._vault.wipe_retired()
        self._wiper = self._loop.call_later(_WIPE_EVERY, self._wipe)

    # --- requests --------------------------------------------------------------------------------------------------

    def _status(self, connection: Connection, request_id: int, request: frames.Nothing) -> None:
        vault = self._vault
        connection.reply(
            request_id,
            MachineStatus(
                name=vault.name,
                state=vault.state,
                provider="" if vault.state is MachineState.FAILED else provider().name,
                root=vault.root_description,
                self_test=vault.self_test,
                shares_missing=vault.shares_missing,
                started_at=vault.started_at.isoformat(timespec="seconds"),
                operations=self._operations,
            ),
        )

    def _counters(self, connection: Connection, request_id: int, request: frames.Nothing) -> None:
        lanes = {
            f"{opcode.name.lower()}.{kind}" if kind else opcode.name.lower(): {
                "batches": lane.counters.batches,
                "requests": lane.counters.jobs,
                "items": lane.counters.items,
                "largest_batch": lane.counters.largest,
                "deepest_queue": lane.counters.deepest,
                "waiting": lane.depth,
                "threaded": lane.counters.threaded,
                "waited_seconds": lane.counters.waited,
                "longest_wait_seconds": lane.counters.longest,
                "busy_seconds": lane.counters.busy,
            }
            for (opcode, kind), lane in self._lanes.items()
        }
        connection.reply(
            request_id,
            {
                "operations": self._operations,
                "connections": len(self._connections),
                "in_flight": self._in_flight,
                "open_keys": self._vault.open_keys,
                "lanes": lanes,
                **self._facts,
            },
        )

    def _random(self, connection: Connection, request_id: int, request: frames.Random) -> None:
        self._vault.require_operational()
        if not 1 <= request.size <= MAX_RANDOM:
            raise errors.InvalidRequest("size", f"1 to {MAX_RANDOM} octets")
        connection.reply(request_id, rand.token(request.size))

    def _generate(self, connection: Connection, request_id: int, request: frames.Generate) -> None:
        self._thread(connection, request_id, lambda: self._vault.generate(request.algorithm, request.binding))

    def _rebind(self, connection: Connection, request_id: int, request: frames.Rebind) -> None:
        connection.reply(request_id, self._vault.rebind(request.key, request.binding))

    def _sign(self, connection: Connection, request_id: int, request: frames.Sign) -> None:
        _check_count(request.items)
        key = self._vault.use(request.handle, request.wrapped)
        scheme = request.scheme
        items = kernels.sign_items(key, scheme, request.items, prehashed=request.prehashed, user_id=request.user_id)
        lane = self._lane(Opcode.SIGN, scheme, lambda: kernels.sign_kernel(scheme))
        self._submit(lane, connection, request_id, key, items, len(items))

    def _encrypt(self, connection: Connection, request_id: int, request: frames.Cipher) -> None:
        key, mode = self._vault.use(request.handle, request.wrapped), request.mode
        items = kernels.encrypt_items(key, mode, _cipher_items(request.items))
        lane = self._lane(Opcode.ENCRYPT, mode, lambda: kernels.encrypt_kernel(mode))
        self._submit(lane, connection, request_id, key, items, _octets(items))

    def _decrypt(self, connection: Connection, request_id: int, request: frames.Cipher) -> None:
        key, mode = self._vault.use(request.handle, request.wrapped), request.mode
        items = kernels.decrypt_items(key, mode, _cipher_items(request.items))
        lane = self._lane(Opcode.DECRYPT, mode, lambda: kernels.decrypt_kernel(mode))
        self._submit(lane, connection, request_id, key, items, _octets(items))

    def _public_decrypt(self, connection: Connection, request_id: int, request: frames.PublicDecrypt) -> None:
        _check_count(request.items)
        key = self._vault.use(request.handle, request.wrapped)
        if key.algorithm is not KeyAlgorithm.SM2:
            raise errors.InvalidRequest("key", "only an SM2 key decrypts")
        try:
            check_encoding(request.encoding)
        except GmError as error:
            raise errors.InvalidRequest("encoding", str(error)) from None
        encoding = request.encoding
        lane = self._lane(Opcode.PUBLIC_DECRYPT, encoding, lambda: kernels.public_decrypt_kernel(encoding))
        self._submit(lane, connection, request_id, key, [(key, item) for item in request.items], len(request.items))

    def _mac(self, connection: Connection, request_id: int, request: frames.Mac) -> None:
        _check_count(request.items)
        key = self._vault.use(request.handle, request.wrapped)
        if key.algorithm is not KeyAlgorithm.HMAC_SM3:
            raise errors.InvalidRequest("key", f"a MAC needs an HMAC-SM3 key, not {key.algorithm}")
        lane = self._lane(Opcode.MAC, "", lambda: kernels.mac_kernel)
        units = sum(len(item) + _ITEM_OCTETS for item in request.items)
        self._submit(lane, connection, request_id, key, [(key, item) for item in request.items], units)

    def _wrap_new(self, connection: Connection, request_id: int, request: frames.WrapNew) -> None:
        key = _symmetric(self._vault.use(request.handle, request.wrapped))
        if not 16 <= request.size <= 64:
            raise errors.InvalidRequest("size", "16 to 64 octets")
        connection.reply(request_id, kernels.wrap_new(key, request.size, request.aad, request.with_plaintext))

    def _rewrap(self, connection: Connection, request_id: int, request: frames.Rewrap) -> None:
        old = self._vault.use(request.handle, request.wrapped)
        new = _symmetric(self._vault.use(request.new_handle, request.new_wrapped))
        if len(request.items) != len(request.new_aads):
            raise errors.InvalidRequest("new_aads", "one for each item")
        mode, aads = request.mode, request.new_aads
        items = kernels.decrypt_items(old, mode, _cipher_items(request.items))
        self._thread(connection, request_id, lambda: kernels.rewrap(items, mode, new, aads))

    def _transport_key(self, connection: Connection, request_id: int, request: frames.Nothing) -> None:
        connection.reply(request_id, self._vault.transport_public())

    def _import_key(self, connection: Connection, request_id: int, request: frames.ImportKey) -> None:
        connection.reply(request_id, self._vault.import_key(request.algorithm, request.binding, request.enveloped))

    def _derive(self, connection: Connection, request_id: int, request: frames.Derive) -> None:
        connection.reply(request_id, self._vault.derive(request.purpose, request.context, request.size))

    def _envelope(self, connection: Connection, request_id: int, request: frames.Envelope) -> None:
        self._thread(connection, request_id, lambda: self._vault.envelope(request.key, request.receiver, request.form))

    # --- administration --------------------------------------------------------------------------------------------

    def _provision(self, connection: Connection, request_id: int, request: frames.Provision) -> None:
        connection.reply(request_id, self._vault.provision(request.threshold, request.count))

    def _submit_share(self, connection: Connection, request_id: int, request: frames.SubmitShare) -> None:
        connection.reply(request_id, self._vault.submit_share(request.text))

    def _lock(self, connection: Connection, request_id: int, request: frames.Nothing) -> None:
        self._vault.lock()
        connection.reply(request_id, None)

    def _export_root(self, connection: Connection, request_id: int, request: frames.ExportRoot) -> None:
        content = self._vault.backup()
        self._thread(connection, request_id, lambda: backup.encipher(content, request.passphrase))

    def _restore_root(self, connection: Connection, request_id: int, request: frames.RestoreRoot) -> None:
        # On the loop: restoring happens on a machine that serves nobody yet.
        self._vault.restore(backup.decipher(request.blob, request.passphrase))
        connection.reply(request_id, None)


def _check_count(items: Sequence[Any]) -> None:
    if not 1 <= len(items) <= MAX_ITEMS:
        raise errors.InvalidRequest("items", f"1 to {MAX_ITEMS}")


def _cipher_items(items: Sequence[tuple[Any, bytes, bytes]]) -> list[CipherItem]:
    _check_count(items)
    return [CipherItem(data, iv, aad) for data, iv, aad in items]


def _octets(items: Sequence[kernels.CryptItem]) -> int:
    return sum(len(data) + len(aad) + _ITEM_OCTETS for _, _, data, aad in items)


def _symmetric(key: OpenKey) -> OpenKey:
    if key.algorithm not in kernels.AUTHENTICATED_MODE:
        raise errors.InvalidRequest("key", f"wrapping needs an SM4 or AES-256 key, not {key.algorithm}")
    return key
