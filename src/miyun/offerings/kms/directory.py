"""`core.ports.KeyDirectory`: what other rooms may do with a tenant's keys, which they never see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from miyun.core.errors import InvalidArgument
from miyun.core.i18n import Text
from miyun.core.machine import machine_errors
from miyun.core.ports import KeyInfo, KeyRef
from miyun.hsm.port import CipherItem, CipherMode, KeyAlgorithm, Machine, SignScheme, WrappedKey
from miyun.offerings.kms.lifecycle import KeyLifecycle
from miyun.offerings.kms.model import KeyRecord, KeyUsage
from miyun.offerings.kms.records import KeyRecords, version_for_decryption
from miyun.offerings.kms.uses import Uses

_IV: Final = {
    CipherMode.SM4_GCM: 12,
    CipherMode.AES_256_GCM: 12,
    CipherMode.SM4_CBC: 16,
    CipherMode.SM4_CTR: 16,
}
_ALGORITHM_SCHEMES: Final = {
    KeyAlgorithm.SM2: {SignScheme.SM2_SM3},
    KeyAlgorithm.EC_P256: {SignScheme.ECDSA_SHA256},
    KeyAlgorithm.RSA_2048: {SignScheme.RSA_SHA256, SignScheme.RSA_PSS_SHA256},
    KeyAlgorithm.RSA_3072: {SignScheme.RSA_SHA256, SignScheme.RSA_PSS_SHA256},
}
_SCHEMES: Final = {scheme.value: scheme for scheme in SignScheme}
_COUNTED: Final = frozenset({CipherMode.SM4_GCM, CipherMode.AES_256_GCM})
_MODE_ALGORITHM: Final = {
    CipherMode.SM4_GCM: KeyAlgorithm.SM4,
    CipherMode.SM4_CBC: KeyAlgorithm.SM4,
    CipherMode.SM4_CTR: KeyAlgorithm.SM4,
    CipherMode.AES_256_GCM: KeyAlgorithm.AES_256,
}


class KeyDirectoryService:
    """Raises NotFound, KeyNotEnabled, KeyUsageMismatch, KeyVersionRetired, KeyWornOut, InvalidArgument, MachineLocked,
    Unavailable."""

    def __init__(self, *, records: KeyRecords, lifecycle: KeyLifecycle, machine: Machine, uses: Uses) -> None:
        self._uses = uses
        self._records = records
        self._lifecycle = lifecycle
        self._machine = machine

    async def create(
        self, tenant: str, algorithm: str, usage: str, *, label: str, owner: str, applications: Sequence[str] = ()
    ) -> KeyInfo:
        try:
            kinds = KeyAlgorithm(algorithm), KeyUsage(usage)
        except ValueError:
            raise InvalidArgument("algorithm", Text("不支持的算法或用途", "no such algorithm or usage")) from None
        key = await self._lifecycle.create(tenant, *kinds, label=label, owner=owner, applications=applications)
        return _info(await self._records.get(tenant, key.id), key.version)

    async def info(self, ref: KeyRef) -> KeyInfo:
        """Of a key in any state."""
        record = await self._records.get(ref.tenant, ref.key, application=ref.application)
        version = record.key.version if ref.version is None else ref.version
        if version not in record.versions:
            version = version_for_decryption(record, version)
        return _info(record, version)

    async def sign(
        self,
        ref: KeyRef,
        messages: Sequence[bytes],
        *,
        scheme: str,
        prehashed: bool = False,
        user_id: bytes | None = None,
    ) -> list[bytes]:
        record = await self._records.usable(ref.tenant, ref.key, KeyUsage.SIGN, application=ref.application)
        kind = _SCHEMES.get(scheme)
        if kind is None or kind not in _ALGORITHM_SCHEMES.get(record.key.algorithm, ()):
            fitting = "、".join(sorted(_ALGORITHM_SCHEMES.get(record.key.algorithm, ())))
            raise InvalidArgument("scheme", Text(f"该密钥支持：{fitting}", f"this key signs by: {fitting}"))
        key = _for_new(record, ref.version)
        with machine_errors():
            return await self._machine.sign(key, kind, messages, prehashed=prehashed, user_id=user_id)

    async def encrypt(self, ref: KeyRef, mode: str, items: Sequence[tuple[bytes, bytes, bytes]]) -> list[bytes]:
        record = await self._usable(ref, KeyUsage.ENCRYPT)
        kind = _mode(record, mode)
        key = _for_new(record, ref.version)
        if kind in _COUNTED:
            await self._uses.take(record.key.id, key.binding.version, len(items))
        with machine_errors():
            encrypted = await self._machine.encrypt(key, kind, [CipherItem(data, iv, aad) for data, iv, aad in items])
        return [item.iv + item.data for item in encrypted]

    async def decrypt(self, ref: KeyRef, mode: str, items: Sequence[tuple[bytes, bytes]]) -> list[bytes | None]:
        record = await self._usable(ref, KeyUsage.ENCRYPT, KeyUsage.WRAP)
        kind = _mode(record, mode)
        key = record.wrapped[version_for_decryption(record, ref.version)]
        size = _IV[kind]
        whole = [CipherItem(data[size:], data[:size], aad) if len(data) >= size else None for data, aad in items]
        with machine_errors():
            answers = iter(await self._machine.decrypt(key, kind, [item for item in whole if item is not None]))
        return [None if item is None else next(answers) for item in whole]

    async def public_decrypt(
        self, ref: KeyRef, ciphertexts: Sequence[bytes], *, encoding: str = "asn1"
    ) -> list[bytes | None]:
        record = await self._usable(ref, KeyUsage.ENCRYPT)
        key = record.wrapped[version_for_decryption(record, ref.version)]
        if key.algorithm is not KeyAlgorithm.SM2:
            raise InvalidArgument("key", Text("需要 SM2 加密密钥", "an SM2 encryption key is needed"))
        with machine_errors():
            return await self._machine.public_decrypt(key, ciphertexts, encoding=encoding)

    async def data_key(self, ref: KeyRef, *, size: int, aad: bytes, with_plaintext: bool) -> tuple[bytes | None, bytes]:
        record = await self._usable(ref, KeyUsage.ENCRYPT, KeyUsage.WRAP)
        _authenticated_mode(record)
        key = _for_new(record, ref.version)
        await self._uses.take(record.key.id, key.binding.version, 1)
        with machine_errors():
            return await self._machine.wrap_new(key, size, aad=aad, with_plaintext=with_plaintext)

    async def rewrap(
        self, old: KeyRef, new: KeyRef, mode: str, items: Sequence[tuple[bytes, bytes]], new_aads: Sequence[bytes]
    ) -> list[bytes | None]:
        usages = (KeyUsage.ENCRYPT, KeyUsage.WRAP)
        source = await self._usable(old, *usages)
        target = await self._usable(new, *usages, field="new_key")
        kind = _mode(source, mode)
        _authenticated_mode(target, field="new_key")
        if source.key.usage is KeyUsage.ENCRYPT and target.key.usage is KeyUsage.WRAP:
            raise InvalidArgument(
                "new_key", Text("数据不能改由“包装”用途的密钥加密", "data cannot go under a key for wrapping only")
            )
        from_key = source.wrapped[version_for_decryption(source, old.version)]
        to_key = _for_new(target, new.version)
        size = _IV[kind]
        whole = [CipherItem(data[size:], data[:size], aad) if len(data) >= size else None for data, aad in items]
        good = [item for item in whole if item is not None]
        aads = [aad for item, aad in zip(whole, new_aads, strict=True) if item is not None]
        await self._uses.take(target.key.id, to_key.binding.version, len(good))
        with machine_errors():
            answers = iter(await self._machine.rewrap(from_key, to_key, kind, good, aads))
        rewrapped = [None if item is None else next(answers) for item in whole]
        return [None if answer is None else answer.iv + answer.data for answer in rewrapped]

    async def _usable(self, ref: KeyRef, *usages: KeyUsage, field: str = "key") -> KeyRecord:
        return await self._records.usable(ref.tenant, ref.key, *usages, application=ref.application, field=field)

    async def destroy(self, ref: KeyRef) -> None:
        """At once, without the waiting time of a scheduled deletion: for rooms that own the key, and for the exit."""
        await self._lifecycle.destroy_now(ref.tenant, ref.key, reason="owner")


def _info(record: KeyRecord, version: int) -> KeyInfo:
    key = record.key
    return KeyInfo(
        key=key.id,
        version=version,
        algorithm=key.algorithm.value,
        state=key.state.value,
        public=record.versions[version].public,
        usage=key.usage.value,
    )


def _for_new(record: KeyRecord, version: int | None) -> WrappedKey:
    """For signing and encrypting: the current version, or a named one that may still decrypt."""
    return record.wrapped[version_for_decryption(record, version)]


def _mode(record: KeyRecord, mode: str) -> CipherMode:
    fitting = [kind for kind, algorithm in _MODE_ALGORITHM.items() if algorithm is record.key.algorithm]
    if mode not in fitting:
        names = "、".join(fitting) or "—"
        raise InvalidArgument("mode", Text(f"该密钥支持：{names}", f"this key encrypts by: {names}"))
    return CipherMode(mode)


def _authenticated_mode(record: KeyRecord, *, field: str = "key") -> None:
    if record.key.algorithm not in (KeyAlgorithm.SM4, KeyAlgorithm.AES_256):
        raise InvalidArgument(field, Text("需要 SM4 或 AES-256 密钥", "an SM4 or AES-256 key is needed"))
