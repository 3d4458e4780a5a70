"""Stand-ins for a room's neighbours: a machine over `miyun.gm`, a ledger in memory, a clock that is set by hand.

They serve tests of one room's behaviour. What the real machine and ledger promise is tested with the real ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import load_der_private_key

from miyun.core.clock import SHANGHAI
from miyun.core.errors import NotFound, ReplayedRequest
from miyun.core.ledger.port import Admission, Entry, Receipt, Settled, Usage
from miyun.core.operation import Call, Principal, Role
from miyun.core.ports import KeyInfo, KeyRef
from miyun.core.storage.database import Database, metadata
from miyun.gm import intl, rand, sm2, sm3
from miyun.hsm.errors import MachineLocked, UnknownKey, WrongBinding
from miyun.hsm.port import ESCROWED, EnvelopeForm, KeyAlgorithm, KeyBinding, SignScheme, WrappedKey
from miyun.hsm.soft import keys as hsm_keys
from miyun.wire.spki import sm2_spki

START = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)


@dataclass
class HandClock:
    """Stands still until told."""

    at: datetime = START

    def now(self) -> datetime:
        return self.at

    def advance(self, **parts: float) -> None:
        self.at += timedelta(**parts)


@cache
def rsa_key(number: int, bits: int) -> bytes:
    """RSA keys are slow to make: every test's n-th key is the same."""
    return intl.rsa_generate(bits)


class StandInMachine:
    """Signs and makes keys; a wrapped key's blob is only a number. `locked` makes every call fail."""

    def __init__(self) -> None:
        self.locked = False
        self.signed = 0
        self._keys: dict[bytes, tuple[KeyBinding, KeyAlgorithm, bytes]] = {}
        self._rsa = 0

    async def random(self, size: int) -> bytes:
        self._check()
        return rand.token(size)

    async def generate(self, algorithm: KeyAlgorithm, binding: KeyBinding) -> WrappedKey:
        self._check()
        if algorithm is KeyAlgorithm.SM2:
            [(secret, point)] = sm2.generate_many(1)
            public = sm2_spki(point)
        elif algorithm is KeyAlgorithm.EC_P256:
            secret = intl.ecdsa_p256_generate()
            public = intl.public_key(secret)
        else:
            secret = rsa_key(self._rsa, 2048 if algorithm is KeyAlgorithm.RSA_2048 else 3072)
            self._rsa += 1
            public = intl.public_key(secret)
        blob = rand.token(16)
        self._keys[blob] = (binding, algorithm, secret)
        return WrappedKey(algorithm, binding, blob, public)

    async def envelope(self, key: WrappedKey, receiver: bytes, form: EnvelopeForm = EnvelopeForm.STANDARD) -> bytes:
        self._check()
        binding, _, secret = self._keys[key.blob]
        assert binding == key.binding and binding.state == ESCROWED
        return hsm_keys.envelope(bytearray(secret), receiver, form)

    async def sign(
        self,
        key: WrappedKey,
        scheme: SignScheme,
        items: Sequence[bytes],
        *,
        prehashed: bool = False,
        user_id: bytes | None = None,
    ) -> list[bytes]:
        self._check()
        try:
            binding, _, secret = self._keys[key.blob]
        except KeyError:
            raise UnknownKey from None
        if binding != key.binding:
            raise WrongBinding
        self.signed += len(items)
        return [_sign(secret, scheme, item, prehashed, user_id) for item in items]

    async def derive(self, purpose: str, context: bytes, size: int = 32) -> bytes:
        self._check()
        return sm3.hmac(purpose.encode(), context)[:size]

    def _check(self) -> None:
        if self.locked:
            raise MachineLocked


def _sign(secret: bytes, scheme: SignScheme, item: bytes, prehashed: bool, user_id: bytes | None) -> bytes:
    if scheme is SignScheme.SM2_SM3:
        return sm2.sign_digest(secret, item) if prehashed else sm2.sign(secret, item, user_id or sm2.DEFAULT_ID)
    if scheme is SignScheme.ECDSA_SHA256:
        return intl.ecdsa_p256_sign_digest(secret, item) if prehashed else intl.ecdsa_p256_sign(secret, item)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    how = pss if scheme is SignScheme.RSA_PSS_SHA256 else padding.PKCS1v15()
    return _loaded(secret).sign(item, how, Prehashed(hashes.SHA256()) if prehashed else hashes.SHA256())


@cache
def _loaded(secret: bytes) -> RSAPrivateKey:
    """Loading an RSA key checks its primes, a tenth of a second each time."""
    key = load_der_private_key(secret, None)
    assert isinstance(key, RSAPrivateKey)
    return key


class StandInKeys:
    """A key directory of signing keys: one version each until `rotate`."""

    def __init__(self, machine: StandInMachine) -> None:
        self._machine = machine
        self.keys: dict[tuple[str, str], list[WrappedKey]] = {}
        self.states: dict[tuple[str, str], str] = {}

    async def create(
        self, tenant: str, algorithm: str, usage: str, *, label: str, owner: str, applications: Sequence[str] = ()
    ) -> KeyInfo:
        key = f"key_{len(self.keys)}"
        self.keys[tenant, key] = []
        self.states[tenant, key] = "enabled"
        await self.rotate(tenant, key, algorithm)
        return await self.info(KeyRef(tenant, key))

    async def rotate(self, tenant: str, key: str, algorithm: str) -> None:
        versions = self.keys[tenant, key]
        binding = KeyBinding(tenant, key, len(versions) + 1, "enabled")
        versions.append(await self._machine.generate(KeyAlgorithm(algorithm), binding))

    async def info(self, ref: KeyRef) -> KeyInfo:
        wrapped = self._find(ref)
        state = self.states[ref.tenant, ref.key]
        return KeyInfo(ref.key, wrapped.binding.version, wrapped.algorithm.value, state, wrapped.public, "sign")

    async def sign(
        self,
        ref: KeyRef,
        messages: Sequence[bytes],
        *,
        scheme: str,
        prehashed: bool = False,
        user_id: bytes | None = None,
    ) -> list[bytes]:
        return await self._machine.sign(
            self._find(ref), SignScheme(scheme), messages, prehashed=prehashed, user_id=user_id
        )

    async def destroy(self, ref: KeyRef) -> None:
        del self.keys[ref.tenant, ref.key]

    def _find(self, ref: KeyRef) -> WrappedKey:
        try:
            versions = self.keys[ref.tenant, ref.key]
        except KeyError:
            raise NotFound("key", ref.key) from None
        return versions[(ref.version or len(versions)) - 1]


class AnyApplications:
    """Every tenant has whatever application is named, but for those called "app_foreign…"."""

    async def get(self, tenant: str, application: str) -> object:
        if application.startswith("app_foreign"):
            raise NotFound("application", application)
        return application


@dataclass
class StandInLedger:
    """Keeps entries in memory; usage is counted from them."""

    entries: list[Entry] = field(default_factory=list)
    callbacks: list[Callable[[str, str], None]] = field(default_factory=list)
    nonces: set[str] = field(default_factory=set)

    async def settle(self, admission: Admission, entry: Entry) -> Settled:
        if admission.nonce in self.nonces:
            raise ReplayedRequest
        self.nonces |= {admission.nonce} if admission.nonce else set()
        return Settled(await self.append(entry))

    async def append(self, entry: Entry, ticket: Any = None, *, answer: bytes | None = None) -> Receipt:
        self.entries.append(entry)
        return Receipt(len(self.entries) - 1, bytes(32), bytes(32))

    async def usage(self, *, instances: Sequence[str], start: datetime, end: datetime) -> list[Usage]:
        counted: dict[tuple[str, str, datetime], list[int]] = {}
        for entry in self.entries:
            if entry.instance in instances and entry.meter and start <= entry.at < end:
                window = entry.at.astimezone(SHANGHAI).replace(minute=0, second=0, microsecond=0).astimezone(UTC)
                row = counted.setdefault((entry.instance, entry.meter, window), [0, 0])
                row[0 if entry.outcome == "ok" else 1] += entry.units or 1
        return [Usage(i, m, w, units=u, refused=r, over=0) for (i, m, w), (u, r) in sorted(counted.items())]

    async def invalidate(self, topic: str, key: str) -> None:
        for callback in self.callbacks:
            callback(topic, key)

    listening = True

    def on_invalidate(self, callback: Callable[[str, str], None]) -> None:
        self.callbacks.append(callback)

    def operations(self) -> Iterator[str]:
        return (entry.operation for entry in self.entries)


def database_in(folder: Path) -> Database:
    """A fresh SQLite database with every table that is imported."""
    (folder / "test.db").write_bytes(_empty(len(metadata.tables)))
    return Database(f"sqlite:///{folder / 'test.db'}")


@cache
def _empty(tables: int) -> bytes:
    """Its file: making the tables takes longer than most tests."""
    with TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/test.db")
        metadata.create_all(database.engine)
        database.close()
        return (Path(folder) / "test.db").read_bytes()


def call_of(
    tenant: str | None, clock: HandClock, *, role: Role = Role.TENANT_SECURITY, instance: str | None = "ins_1"
) -> Call:
    """A call as the pipeline makes it."""
    principal = Principal("pri_1", role, "某人", tenant=tenant, application="app_1" if tenant else None)
    return Call(principal, "req_1", clock.now(), "zh", tenant=tenant, instance=instance)


def ceremony(roots: Any) -> Any:
    """The machine of the root keys, at hand for every ceremony."""
    return lambda: nullcontext(roots)
