"""Inside the VSM: the root, the states, and the keys in the clear.

unprovisioned → locked → operational; a failed self-test leads to failed, from where nothing leads back. A key is in the
clear only here, in a bounded least-recently-used store, and is overwritten when it leaves it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hmac import compare_digest
from typing import Final

from miyun.gm import intl, kdf, rand, selftest, sm2, sm3, sm4
from miyun.gm.errors import DecryptionFailed, GmError
from miyun.hsm.errors import InvalidRequest, MachineFailed, MachineLocked, UnknownKey
from miyun.hsm.port import ESCROWED, EnvelopeForm, KeyAlgorithm, KeyBinding, MachineState, WrappedKey
from miyun.hsm.soft import keys, shares
from miyun.hsm.soft.backup import RootBackup
from miyun.hsm.soft.home import Home, KeyFile, State
from miyun.hsm.soft.wrapping import ROOT_SIZE, StorageKey, handle_of

PURPOSES: Final = frozenset(
    {"access-key", "access-key-day", "session", "page-token", "key-backup", "acme-key", "acme-nonce"}
)
DESTROYED: Final = "destroyed"
UNUSABLE_STATES: Final = frozenset({"disabled", "pending_deletion", ESCROWED, DESTROYED})
"""A key bound to one of these signs, enciphers and deciphers nothing; but for the last two it can be bound anew."""

_MAX_DERIVED: Final = 64
_MAX_OPEN_KEYS: Final = 4096
_MAX_IDENTITIES: Final = 16


class UnknownHandle(Exception):
    """Send the wrapped key along: this process has not seen it, or has put it away."""


@dataclass(slots=True, repr=False, eq=False)
class OpenKey:
    """`secret` as `hsm.soft.keys` holds it; `public` the SubjectPublicKeyInfo."""

    algorithm: KeyAlgorithm
    binding: KeyBinding
    secret: bytearray
    public: bytes | None
    _za: dict[bytes, bytes] = field(default_factory=dict)
    _parsed: intl.PrivateKey | None = None
    _gcm: sm4.GcmKey | None = None
    _signer: sm2.Signer | None = None

    def parsed(self) -> intl.PrivateKey:
        """The key of an international algorithm, parsed at its first use."""
        if self._parsed is None:
            self._parsed = intl.load_private(self.secret)
        return self._parsed

    def gcm(self) -> sm4.GcmKey:
        """An SM4 key made ready for GCM at its first use; wiped when this key is dropped and nobody works with it."""
        if self._gcm is None:
            self._gcm = sm4.GcmKey(self.secret)
        return self._gcm

    def signer(self) -> sm2.Signer:
        """An SM2 key made ready for signing at its first use; wiped like `gcm`."""
        if self._signer is None:
            self._signer = sm2.signer(self.secret)
        return self._signer

    def za(self, user_id: bytes) -> bytes:
        """Z_A of this SM2 key for an identity (GB/T 32918.2, 5.5)."""
        value = self._za.get(user_id)
        if value is None:
            # The point is computed from d: the public key that came with the wrapped key is not authenticated.
            value = sm2.za(sm2.public_key(self.secret), user_id)
            if len(self._za) < _MAX_IDENTITIES:
                self._za[user_id] = value
        return value


class Vault:
    """Not thread-safe: lives on the event loop. `run_self_test` is replaced by tests only."""

    def __init__(
        self,
        *,
        name: str,
        home: Home,
        keyfile: KeyFile | None,
        max_open_keys: int = _MAX_OPEN_KEYS,
        run_self_test: Callable[[], object] = selftest.run,
    ) -> None:
        self.name = name
        self.started_at = datetime.now(UTC)
        self.state = MachineState.LOCKED
        self._home = home
        self._keyfile = keyfile
        self._stored: State | None = None
        self._root: bytearray | None = None
        self._storage: StorageKey | None = None
        self._shares: dict[int, shares.Share] = {}
        self._open: OrderedDict[bytes, OpenKey] = OrderedDict()
        self._retired: list[bytearray] = []
        self._max_open_keys = max_open_keys
        try:
            run_self_test()
        except Exception as error:  # whatever goes wrong in a self-test means that it was not passed
            self.state = MachineState.FAILED
            self.self_test = f"failed: {error}"
            return
        self.self_test = f"passed {datetime.now(UTC).isoformat(timespec='seconds')}"

    # --- root and states -----------------------------------------------------------------------------------------

    def open(self, *, provision: bool) -> None:
        """At start: read the state, and unlock by the key file when there is one with the right root. `provision`: a
        new VSM with a key file makes its root, or takes the one that lies there after a crash in between."""
        if self.state is MachineState.FAILED:
            return
        self._stored = self._home.load()
        root = self._keyfile.read() if self._keyfile else None
        if self._stored is None:
            self.state = MachineState.UNPROVISIONED
            if self._keyfile and provision:
                if root is None:
                    root = rand.token(ROOT_SIZE)
                    self._keyfile.write(root)
                self._establish(root, "keyfile")
        elif self._stored.protection == "keyfile" and root is not None:
            self._enter(root, self._stored)

    def provision(self, threshold: int, count: int) -> list[str]:
        """Make a root and hand out its shares; they are nowhere else. Refused when there is a root already."""
        self._require_unprovisioned()
        if not 2 <= threshold <= count <= shares.MAX_SHARES:
            raise InvalidRequest(
                "threshold", f"2 to {shares.MAX_SHARES} shares, the threshold between 2 and their number"
            )
        root = rand.token(ROOT_SIZE)
        parts = shares.split(root, threshold, count)
        self._establish(root, "shares", threshold, count)
        return [part.text() for part in parts]

    def submit_share(self, text: str) -> int:
        """Returns how many more are missing; 0 means unlocked."""
        if self.state is MachineState.FAILED:
            raise MachineFailed(self.self_test)
        stored = self._stored
        if stored is None or stored.protection != "shares":
            raise InvalidRequest("share", "this machine is not protected by shares")
        if self.state is MachineState.OPERATIONAL:
            return 0
        try:
            share = shares.parse(text)
        except ValueError as error:
            raise InvalidRequest("share", str(error)) from None
        if self._shares and next(iter(self._shares.values())).set_id != share.set_id:
            raise InvalidRequest("share", "the shares do not belong together")
        if share.threshold != stored.threshold:
            raise InvalidRequest("share", "not a share of this machine")
        self._shares[share.index] = share
        if len(self._shares) < stored.threshold:
            return stored.threshold - len(self._shares)
        given = list(self._shares.values())
        self._shares.clear()
        self._enter(shares.combine(given), stored)
        return 0

    @property
    def shares_missing(self) -> int:
        if self.state is not MachineState.LOCKED or self._stored is None or self._stored.protection != "shares":
            return 0
        return self._stored.threshold - len(self._shares)

    @property
    def root_description(self) -> str:
        if self._stored is None:
            return "none"
        if self._stored.protection == "shares":
            return f"{self._stored.threshold} of {self._stored.count} shares"
        return "keyfile (development)"

    def lock(self) -> None:
        """Put away the root and every key in the clear; `wipe_retired` overwrites them. A key file unlocks only at a
        restart."""
        self._shares.clear()
        self._retired += [key.secret for key in self._open.values()]
        self._open.clear()
        if self._storage and self._root:
            self._retired += [self._storage.key, self._root]
        self._root = self._storage = None
        if self.state is MachineState.OPERATIONAL:
            self.state = MachineState.LOCKED

    def backup(self) -> RootBackup:
        """What `export_root` enciphers under a passphrase."""
        stored = self._stored
        root = self._operational_root()
        assert stored is not None
        return RootBackup(root=bytes(root), state=stored)

    def restore(self, backup: RootBackup) -> None:
        """Take over the root of a backup: same shares, same wrapped keys. Refused when there is a root already."""
        self._require_unprovisioned()
        if not compare_digest(_check_value(backup.root), backup.state.check):
            raise InvalidRequest("blob", "the backup contradicts itself")
        if backup.state.protection == "keyfile":
            if self._keyfile is None:
                raise InvalidRequest("blob", "the backup is of a machine with a key file, and none is configured here")
            self._keyfile.write(backup.root)
        self._home.save(backup.state)
        self._stored = backup.state
        self._enter(backup.root, backup.state)

    def _require_unprovisioned(self) -> None:
        if self.state is MachineState.FAILED:
            raise MachineFailed(self.self_test)
        if self.state is not MachineState.UNPROVISIONED:
            raise InvalidRequest("machine", "it is provisioned already")

    def _establish(self, root: bytes, protection: str, threshold: int = 0, count: int = 0) -> None:
        secret, public = keys.generate(KeyAlgorithm.SM2)
        assert public is not None
        self._stored = State(
            name=self.name,
            protection=protection,
            threshold=threshold,
            count=count,
            check=_check_value(root),
            transport_blob=StorageKey(root).wrap(KeyAlgorithm.SM2, _transport_binding(self.name), secret),
            transport_public=public,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        self._home.save(self._stored)
        self._enter(root, self._stored)

    def _enter(self, root: bytes, stored: State) -> None:
        if not compare_digest(_check_value(root), stored.check):
            raise InvalidRequest("root", "this is the root of another machine")
        self._root = bytearray(root)
        self._storage = StorageKey(root)
        self.state = MachineState.OPERATIONAL

    def _operational_root(self) -> bytearray:
        if self.state is MachineState.FAILED:
            raise MachineFailed(self.self_test)
        if self._root is None:
            raise MachineLocked(self.state)
        return self._root

    def _operational(self) -> StorageKey:
        self._operational_root()
        assert self._storage is not None
        return self._storage

    def require_operational(self) -> None:
        """Raises MachineLocked or MachineFailed."""
        self._operational_root()

    # --- keys ------------------------------------------------------------------------------------------------------

    def generate(self, algorithm: KeyAlgorithm, binding: KeyBinding) -> WrappedKey:
        """May run in a worker thread: RSA takes seconds."""
        storage = self._operational()
        secret, public = keys.generate(algorithm)
        return _wrapped(storage, algorithm, binding, secret, public)

    def rebind(self, key: WrappedKey, binding: KeyBinding) -> WrappedKey:
        """Under its former binding the key is put away. Raises UnknownKey, WrongBinding, InvalidRequest."""
        storage = self._operational()
        if binding.tenant != key.binding.tenant:
            raise InvalidRequest("binding", "a key stays with its tenant")
        if key.binding.state == DESTROYED:
            raise InvalidRequest("key", "a destroyed key is not bound anew")
        if ESCROWED in (key.binding.state, binding.state) and binding.state not in (key.binding.state, DESTROYED):
            raise InvalidRequest("binding", "a key is escrowed from its beginning to its end, or never")
        wrapped = _wrapped(storage, key.algorithm, binding, storage.unwrap(key), key.public)
        former = self._open.pop(handle_of(key), None)
        if former is not None:
            self._retired.append(former.secret)
        return wrapped

    def envelope(self, key: WrappedKey, receiver: bytes, form: EnvelopeForm) -> bytes:
        """May run in a worker thread. Raises UnknownKey, WrongBinding, InvalidRequest."""
        storage = self._operational()
        if key.algorithm is not KeyAlgorithm.SM2 or key.binding.state != ESCROWED:
            raise InvalidRequest("key", "only an escrowed SM2 key is given away")
        secret = storage.unwrap(key)
        try:
            return keys.envelope(secret, receiver, form)
        finally:
            secret[:] = bytes(len(secret))

    def import_key(self, algorithm: KeyAlgorithm, binding: KeyBinding, enveloped: bytes) -> WrappedKey:
        storage = self._operational()
        transport = storage.unwrap(self._transport())
        try:
            material = sm2.decrypt(transport, enveloped)
        except (DecryptionFailed, GmError):
            raise InvalidRequest("enveloped", "not enciphered under this machine's transport key") from None
        finally:
            transport[:] = bytes(len(transport))
        secret, public = keys.read(algorithm, material)
        return _wrapped(storage, algorithm, binding, secret, public)

    def transport_public(self) -> bytes:
        self._operational()
        assert self._stored is not None
        return self._stored.transport_public

    def use(self, handle: bytes, wrapped: WrappedKey | None) -> OpenKey:
        """The key in the clear. Raises UnknownHandle, UnknownKey, WrongBinding, InvalidRequest."""
        storage = self._operational()
        key = self._open.get(handle)
        if key is not None:
            self._open.move_to_end(handle)
            return key
        if wrapped is None:
            raise UnknownHandle
        if wrapped.binding.state in UNUSABLE_STATES:
            raise InvalidRequest("key", f"a key in the state {wrapped.binding.state} cannot be used")
        if handle_of(wrapped) != handle:
            raise UnknownKey("the handle is not this key's")
        key = OpenKey(wrapped.algorithm, wrapped.binding, storage.unwrap(wrapped), wrapped.public)
        self._open[handle] = key
        if len(self._open) > self._max_open_keys:
            _, oldest = self._open.popitem(last=False)
            if len(self._retired) < self._max_open_keys:
                self._retired.append(oldest.secret)
        return key

    def wipe_retired(self) -> None:
        """Overwrite keys that were put away. Only while no worker thread computes: it might be using one of them."""
        for secret in self._retired:
            secret[:] = bytes(len(secret))
        self._retired.clear()

    @property
    def open_keys(self) -> int:
        return len(self._open)

    def derive(self, purpose: str, context: bytes, size: int) -> bytes:
        """As `hsm.port.Machine.derive` prescribes."""
        root = self._operational_root()
        if purpose not in PURPOSES:
            raise InvalidRequest("purpose", f"one of {', '.join(sorted(PURPOSES))}")
        if not 16 <= size <= _MAX_DERIVED:
            raise InvalidRequest("size", f"16 to {_MAX_DERIVED} octets")
        if purpose == "access-key-day":
            return _day_key(root, context)
        derived = _derived(root, purpose, context, size)
        return derived.hex().encode() if purpose == "access-key" else derived

    def _transport(self) -> WrappedKey:
        stored = self._stored
        assert stored is not None
        return WrappedKey(
            KeyAlgorithm.SM2, _transport_binding(stored.name), stored.transport_blob, stored.transport_public
        )


def _derived(root: bytearray, purpose: str, context: bytes, size: int) -> bytes:
    return kdf.hkdf(root, b"", purpose.encode() + b"\0" + context, size)


def _day_key(root: bytearray, context: bytes) -> bytes:
    access_key, _, day = context.rpartition(b":")
    if not access_key or len(day) != 8 or not day.isdigit():
        raise InvalidRequest("context", "an access key, a colon and YYYYMMDD")
    return sm3.hmac(_derived(root, "access-key", access_key, 32).hex().encode(), day)


def _check_value(root: bytes) -> bytes:
    return sm3.hmac(root, b"miyun vsm root check 1")[:16]


def _transport_binding(name: str) -> KeyBinding:
    return KeyBinding(tenant="", key=f"transport:{name}", version=1, state="transport")


def _wrapped(
    storage: StorageKey, algorithm: KeyAlgorithm, binding: KeyBinding, secret: bytearray, public: bytes | None
) -> WrappedKey:
    blob = storage.wrap(algorithm, binding, secret)
    secret[:] = bytes(len(secret))
    return WrappedKey(algorithm, binding, blob, public)
