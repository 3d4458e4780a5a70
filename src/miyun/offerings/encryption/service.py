"""Use cases of encryption. Keys are used through the key directory alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from miyun.core.errors import DecryptionFailed, FailedPrecondition, InvalidArgument, MiyunError
from miyun.core.i18n import Text
from miyun.core.ledger.port import Ledger
from miyun.core.operation import Call
from miyun.core.ports import KeyDirectory, KeyInfo, KeyRef
from miyun.gm import sm2
from miyun.hsm.port import KeyAlgorithm
from miyun.offerings.encryption import messages as m
from miyun.offerings.encryption import streaming
from miyun.offerings.encryption.errors import CompatibilityNotAcknowledged, not_a_container
from miyun.offerings.encryption.model import COMPATIBILITY_MODES, DEFAULT_MODES, IV_SIZES, Mode
from miyun.offerings.encryption.segments import BadHeader, Incomplete, parse_header
from miyun.offerings.encryption.spool import Spool
from miyun.wire import versioned
from miyun.wire.errors import DecodeError
from miyun.wire.spki import parse_spki

Work = Callable[[int | None, Sequence[int], Sequence[bytes]], Awaitable[list[bytes | None]]]
"""(key version or None, indices of the items, iv ‖ ciphertext of each) → a result each, None for one that failed."""

_SM2_ENCODINGS: Final = ("asn1", "c1c3c2", "c1c2c3")


class EncryptionService:
    """`spool`: where streams wait until they are whole (only ciphertext); None is the system's temporary folder."""

    def __init__(self, *, keys: KeyDirectory, ledger: Ledger, spool: Path | None = None) -> None:
        self.keys = keys
        self.ledger = ledger
        self._spool_folder = spool

    # --- one value -------------------------------------------------------------------------------------------------

    async def encrypt(self, call: Call, request: m.EncryptRequest) -> m.EncryptView:
        info = await self._info(call, request.key)
        mode = _mode(call, info, request.mode, compatibility=request.compatibility)
        if mode in COMPATIBILITY_MODES and request.associated_data:
            raise _no_associated_data(mode)
        (body,) = await self.keys.encrypt(
            _ref(call, info.key, info.version), mode, [(request.plaintext, b"", request.associated_data)]
        )
        if request.raw or mode in COMPATIBILITY_MODES:
            iv, ciphertext = body[: IV_SIZES[mode]], body[IV_SIZES[mode] :]
        else:
            iv, ciphertext = None, versioned.pack(info.version, body)
        return m.EncryptView(
            key=info.key,
            version=info.version,
            mode=mode.value,
            ciphertext=ciphertext,
            iv=iv,
            compatibility=mode in COMPATIBILITY_MODES,
        )

    async def decrypt(self, call: Call, request: m.DecryptRequest) -> m.DecryptView:
        info = await self._info(call, request.key)
        mode = _mode(call, info, request.mode, compatibility=request.compatibility)
        if mode in COMPATIBILITY_MODES and request.associated_data:
            raise _no_associated_data(mode)
        version, body = _body(mode, request.ciphertext, request.iv, request.version)
        ref = _ref(call, info.key, version)
        (plaintext,) = await self.keys.decrypt(ref, mode, [(body, request.associated_data)])
        if plaintext is None:
            raise DecryptionFailed
        return m.DecryptView(
            key=info.key, version=info.version if version is None else version, mode=mode.value, plaintext=plaintext
        )

    # --- batches ---------------------------------------------------------------------------------------------------

    async def encrypt_batch(self, call: Call, request: m.EncryptBatchRequest) -> m.CiphertextBatch:
        info = await self._info(call, request.key)
        mode = _mode(call, info, request.mode)
        bodies = await self.keys.encrypt(
            _ref(call, info.key, info.version),
            mode,
            [(item.plaintext, b"", item.associated_data) for item in request.items],
        )
        return m.CiphertextBatch(
            key=info.key,
            version=info.version,
            mode=mode.value,
            items=[
                m.CiphertextResult(ciphertext=versioned.pack(info.version, body), reference=item.reference)
                for item, body in zip(request.items, bodies, strict=True)
            ],
        )

    async def decrypt_batch(self, call: Call, request: m.DecryptBatchRequest) -> m.PlaintextBatch:
        """One bad item does not fail the others."""
        info = await self._info(call, request.key)
        mode = _mode(call, info, request.mode)
        items = [(item.ciphertext, None, None) for item in request.items]

        async def decrypt(version: int | None, chosen: Sequence[int], bodies: Sequence[bytes]) -> list[bytes | None]:
            ref = _ref(call, info.key, version)
            pairs = zip(bodies, chosen, strict=True)
            return await self.keys.decrypt(ref, mode, [(b, request.items[i].associated_data) for b, i in pairs])

        outcomes = await _by_version(info, mode, items, decrypt)
        return m.PlaintextBatch(
            key=info.key,
            mode=mode.value,
            items=[
                m.PlaintextResult(plaintext=plaintext, error=error, reference=item.reference)
                for item, (plaintext, error) in zip(request.items, outcomes, strict=True)
            ],
        )

    async def reencrypt(self, call: Call, request: m.ReencryptRequest) -> m.CiphertextBatch:
        """Inside the machine: no plaintext is seen, neither by the caller nor here. For old ciphertexts in any mode."""
        info = await self._info(call, request.key)
        mode = _mode(call, info, request.mode, compatibility=True)
        target = info
        if request.new_key is not None:
            target = await self.keys.info(_ref(call, request.new_key))
            call.resource["new_key"] = target.key
            if target.algorithm not in DEFAULT_MODES:
                raise _needs_symmetric("new_key")
        items = [(item.ciphertext, item.iv, item.version) for item in request.items]

        async def rewrap(version: int | None, chosen: Sequence[int], bodies: Sequence[bytes]) -> list[bytes | None]:
            picked = [request.items[index] for index in chosen]
            return await self.keys.rewrap(
                _ref(call, info.key, version),
                _ref(call, target.key, target.version),
                mode,
                [(body, item.associated_data) for body, item in zip(bodies, picked, strict=True)],
                [i.associated_data if i.new_associated_data is None else i.new_associated_data for i in picked],
            )

        outcomes = await _by_version(info, mode, items, rewrap)
        new_mode = DEFAULT_MODES[target.algorithm]
        return m.CiphertextBatch(
            key=target.key,
            version=target.version,
            mode=new_mode.value,
            items=[
                m.CiphertextResult(
                    ciphertext=None if body is None else versioned.pack(target.version, body),
                    error=error,
                    reference=item.reference,
                )
                for item, (body, error) in zip(request.items, outcomes, strict=True)
            ],
        )

    # --- envelopes and streams -------------------------------------------------------------------------------------

    async def envelope_encrypt(self, call: Call, request: m.EnvelopeEncryptRequest) -> m.EnvelopeView:
        info = await self._info(call, request.key)
        header, segments = await streaming.begin(
            self.keys, _ref(call, info.key, info.version), info, request.associated_data
        )
        envelope = await asyncio.to_thread(streaming.encrypt_whole, header, segments, request.plaintext)
        return m.EnvelopeView(key=info.key, version=info.version, envelope=envelope)

    async def envelope_decrypt(self, call: Call, request: m.EnvelopeDecryptRequest) -> m.DecryptView:
        if request.key is not None:
            await self._info(call, request.key)
        try:
            header, size = parse_header(request.envelope)
        except (BadHeader, Incomplete):
            raise not_a_container("envelope") from None
        info, (segments,) = await streaming.resume(
            self.keys, _ref(call, request.key or header.key, header.version), header, request.associated_data
        )
        call.resource["key"] = info.key
        plaintext = await asyncio.to_thread(streaming.decrypt_whole, header, segments, request.envelope[size:])
        return m.DecryptView(key=info.key, version=header.version, mode=Mode.SM4_GCM.value, plaintext=plaintext)

    async def stream_encrypt(self, call: Call, request: m.StreamEncryptRequest) -> AsyncIterator[bytes]:
        info = await self._info(call, request.key)
        header, segments = await streaming.begin(
            self.keys, _ref(call, info.key, info.version), info, request.associated_data
        )
        spool = Spool(self._spool_folder)
        try:
            await spool.fill(streaming.encrypt_stream(header, segments, _incoming(call)))
        except BaseException:
            spool.close()
            raise
        return spool.chunks()

    async def stream_decrypt(self, call: Call, request: m.StreamDecryptRequest) -> AsyncIterator[bytes]:
        """Checked as it arrives and decrypted when it is whole: no plaintext of a damaged container is given out."""
        if request.key is not None:
            await self._info(call, request.key)
        body = _incoming(call)
        header, rest = await streaming.read_header(body, field="body")
        info, (check, decrypt) = await streaming.resume(
            self.keys, _ref(call, request.key or header.key, header.version), header, request.associated_data, passes=2
        )
        call.resource["key"] = info.key
        spool = Spool(self._spool_folder)
        try:
            await spool.fill(streaming.verified_stream(header, check, rest, body))
        except BaseException:
            spool.close()
            decrypt.close()
            raise
        return streaming.decrypt_stream(header, decrypt, bytearray(), spool.chunks())

    # --- SM2 -------------------------------------------------------------------------------------------------------

    async def sm2_encrypt(self, call: Call, request: m.Sm2EncryptRequest) -> m.Sm2CiphertextView:
        info = await self._info(call, request.key)
        if info.algorithm != KeyAlgorithm.SM2 or info.usage != "encrypt" or info.public is None:
            raise _needs_sm2()
        if info.state != "enabled":  # only the public key is needed here, so the directory is not asked for a use
            raise FailedPrecondition(state=info.state, field="key")
        point = parse_spki(info.public).point
        assert point is not None
        ciphertext = await asyncio.to_thread(sm2.encrypt, point, request.plaintext, request.encoding)
        return m.Sm2CiphertextView(key=info.key, version=info.version, encoding=request.encoding, ciphertext=ciphertext)

    async def sm2_decrypt(self, call: Call, request: m.Sm2DecryptRequest) -> m.Sm2PlaintextView:
        info = await self._info(call, request.key)
        if info.algorithm != KeyAlgorithm.SM2:
            raise _needs_sm2()
        version = info.version if request.version is None else request.version
        ref = _ref(call, info.key, version)
        # C3 authenticates the plaintext, so at most one encoding can succeed.
        candidates = _SM2_ENCODINGS if request.encoding == "auto" else (request.encoding,)
        for encoding in candidates:
            (plaintext,) = await self.keys.public_decrypt(ref, [request.ciphertext], encoding=encoding)
            if plaintext is not None:
                call.detail["encoding"] = encoding
                return m.Sm2PlaintextView(key=info.key, version=version, encoding=encoding, plaintext=plaintext)
        raise DecryptionFailed

    async def _info(self, call: Call, reference: str) -> KeyInfo:
        info = await self.keys.info(_ref(call, reference))
        call.resource["key"] = info.key
        return info


def _ref(call: Call, key: str, version: int | None = None) -> KeyRef:
    return KeyRef(call.require_tenant(), key, version, call.application)


def _mode(call: Call, info: KeyInfo, wanted: str | None, *, compatibility: bool = False) -> Mode:
    if info.algorithm not in DEFAULT_MODES:
        raise _needs_symmetric("key")
    mode = DEFAULT_MODES[info.algorithm] if wanted is None else Mode(wanted)
    if mode in COMPATIBILITY_MODES and not compatibility:
        raise CompatibilityNotAcknowledged(mode=mode.value, field="compatibility")
    call.detail["mode"] = mode.value
    return mode


def _no_associated_data(mode: Mode) -> InvalidArgument:
    return InvalidArgument(
        "associated_data", Text(f"{mode} 不认证附加数据，请用 GCM", f"{mode} does not authenticate it: use GCM")
    )


def _needs_symmetric(field: str) -> InvalidArgument:
    return InvalidArgument(field, Text("需要 SM4 或 AES-256 密钥", "an SM4 or AES-256 key is needed"))


def _needs_sm2() -> InvalidArgument:
    return InvalidArgument("key", Text("需要用途为加密的 SM2 密钥", "an SM2 key for encryption is needed"))


def _body(mode: Mode, ciphertext: bytes, iv: bytes | None, version: int | None) -> tuple[int | None, bytes]:
    """(key version, iv ‖ ciphertext). Raises InvalidArgument."""
    if iv is not None:
        if len(iv) != IV_SIZES[mode]:
            size = IV_SIZES[mode]
            raise InvalidArgument("iv", Text(f"{mode} 的 IV 为 {size} 字节", f"{size} octets for {mode}"))
        return version, iv + ciphertext
    if mode in COMPATIBILITY_MODES:
        raise InvalidArgument("iv", Text(f"{mode} 须给出 IV", f"{mode} needs the iv"))
    try:
        return versioned.unpack(ciphertext)
    except DecodeError:
        raise not_a_container("ciphertext") from None


async def _by_version(
    info: KeyInfo, mode: Mode, items: Sequence[tuple[bytes, bytes | None, int | None]], work: Work
) -> list[tuple[bytes | None, str | None]]:
    """(result, error code) per item. `work` gets the items of one key version at a time."""
    outcomes: list[tuple[bytes | None, str | None]] = [(None, "InvalidArgument")] * len(items)
    groups: dict[int | None, list[tuple[int, bytes]]] = {}
    for index, (ciphertext, iv, version) in enumerate(items):
        try:
            number, body = _body(mode, ciphertext, iv, version)
        except InvalidArgument:
            continue
        groups.setdefault(number, []).append((index, body))
    for number, group in groups.items():
        chosen = [index for index, _ in group]
        try:
            answers = await work(number, chosen, [body for _, body in group])
        except MiyunError as error:
            # What is wrong with the key itself is wrong for the whole call; a version may be wrong for its items only.
            if error.status >= 500 or number in (None, info.version):
                raise
            answers = [None] * len(group)
            code = error.code
        else:
            code = "DecryptionFailed"
        for index, answer in zip(chosen, answers, strict=True):
            outcomes[index] = (answer, code if answer is None else None)
    return outcomes


def _incoming(call: Call) -> AsyncIterator[bytes]:
    assert call.body is not None, "the edge gives a stream to operations that declare one"
    return aiter(call.body)
