"""Session keys, digests and MACs (GM/T 0016, 7.6): whole at once or piece by piece.

A piece whose answer does not fit the caller's buffer changes nothing, so that it can be given again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from miyun.gm import sm2, sm3, sm4, sm4_modes
from miyun.gm.errors import DecryptionFailed, GmError
from miyun.gm.providers.port import Hash
from miyun.hsm.token.frames import Function
from miyun.hsm.token.refusal import Refused
from miyun.hsm.token.session import Answer, Session, serves
from miyun.hsm.token.vault import wipe
from miyun.wire.skf import Algorithm, Sar

SESSION_ALGORITHMS: Final = frozenset(
    {Algorithm.SM4_ECB, Algorithm.SM4_CBC, Algorithm.SM4_CFB, Algorithm.SM4_OFB, Algorithm.SM4_MAC}
)
_STREAMING: Final = frozenset({Algorithm.SM4_CFB, Algorithm.SM4_OFB})
_BLOCK: Final = sm4.BLOCK_SIZE
_PKCS5: Final = 1
_FEEDBACK: Final = (0, 128)


@dataclass(frozen=True, slots=True, repr=False)
class Cipher:
    """A computation between two pieces: `chain` is the next block's IV, `rest` what has not filled a block."""

    algorithm: int
    key: bytearray
    encrypt: bool
    padded: bool
    chain: bytes
    rest: bytes = b""

    def update(self, data: bytes, *, final: bool) -> tuple[bytes, Cipher]:
        """The answer, and the computation as it goes on. Raises Refused."""
        data = self.rest + data
        if final:
            return self._finish(data), self
        keep = len(data) % _BLOCK
        if self.padded and not self.encrypt and not keep and data:
            keep = _BLOCK  # it may be the last one, whose padding is taken off
        whole, rest = data[: len(data) - keep], data[len(data) - keep :]
        answer, chain = self._blocks(whole)
        return answer, Cipher(self.algorithm, self.key, self.encrypt, self.padded, chain, rest)

    def _finish(self, data: bytes) -> bytes:
        if self.padded and self.encrypt:
            fill = _BLOCK - len(data) % _BLOCK
            data += bytes((fill,)) * fill
        elif self.algorithm not in _STREAMING and (len(data) % _BLOCK or (self.padded and not data)):
            raise Refused(Sar.INDATALENERR)
        answer, _ = self._blocks(data)
        if self.padded and not self.encrypt:
            try:
                return sm4.unpad(answer)
            except DecryptionFailed:
                raise Refused(Sar.DECRYPTPADERR) from None
        return answer

    def _blocks(self, data: bytes) -> tuple[bytes, bytes]:
        if not data:
            return b"", self.chain
        if self.algorithm == Algorithm.SM4_ECB:
            return (sm4.encrypt_ecb if self.encrypt else sm4.decrypt_ecb)(self.key, data), self.chain
        if self.algorithm == Algorithm.SM4_CBC:
            work = sm4.encrypt_cbc if self.encrypt else sm4.decrypt_cbc
            answer = work(self.key, self.chain, data, padding=None)
            return answer, (answer if self.encrypt else data)[-_BLOCK:]
        if self.algorithm == Algorithm.SM4_CFB:
            answer = (sm4_modes.encrypt_cfb if self.encrypt else sm4_modes.decrypt_cfb)(self.key, self.chain, data)
            return answer, (answer if self.encrypt else data)[-_BLOCK:]
        answer = sm4_modes.ofb(self.key, self.chain, data)
        return answer, bytes(a ^ b for a, b in zip(answer[-_BLOCK:], data[-_BLOCK:], strict=True))


@dataclass(slots=True, repr=False)
class SessionKey:
    """`ciphers` by direction: True encrypts."""

    algorithm: int
    key: bytearray
    ciphers: dict[bool, Cipher] = field(default_factory=dict)

    def wipe(self) -> None:
        wipe(self.key)


@dataclass(slots=True, repr=False)
class Mac:
    """CBC-MAC over SM4 from an IV: the last block."""

    cipher: Cipher
    last: bytes = b""

    def update(self, data: bytes) -> None:
        answer, self.cipher = self.cipher.update(data, final=False)
        self.last = answer[-_BLOCK:] or self.last

    def final(self, data: bytes) -> bytes:
        answer, _ = self.cipher.update(data, final=True)
        value = answer[-_BLOCK:] or self.last
        if not value:
            raise Refused(Sar.INDATALENERR)
        return value

    def wipe(self) -> None:
        wipe(self.cipher.key)


@dataclass(slots=True, repr=False)
class Digest:
    """Of nothing any more once it was answered."""

    hasher: Hash | None


# --- enciphering -----------------------------------------------------------------------------------------------------


@serves(Function.CIPHER_INIT)
def cipher_init(session: Session, handle: int, encrypt: int, iv: bytes, padding: int, feedback: int) -> Answer:
    held = session.held(handle, SessionKey)
    if held.algorithm == Algorithm.SM4_MAC:
        raise Refused(Sar.KEYUSAGEERR)
    if held.algorithm != Algorithm.SM4_ECB and len(iv) != _BLOCK:
        raise Refused(Sar.INVALIDPARAMERR)
    if padding not in (0, _PKCS5) or feedback not in _FEEDBACK:
        raise Refused(Sar.NOTSUPPORTYETERR)
    padded = padding == _PKCS5 and held.algorithm not in _STREAMING
    held.ciphers[bool(encrypt)] = Cipher(held.algorithm, held.key, bool(encrypt), padded, iv)
    return ()


@serves(Function.CIPHER_UPDATE)
def cipher_update(session: Session, handle: int, encrypt: int, data: bytes, capacity: int, query: int) -> Answer:
    held, cipher = _cipher(session, handle, encrypt)
    answer, following = cipher.update(data, final=False)
    if query:
        return (len(answer), b"")
    _fits(answer, capacity)
    held.ciphers[bool(encrypt)] = following
    return (len(answer), answer)


@serves(Function.CIPHER_FINAL)
def cipher_final(session: Session, handle: int, encrypt: int, data: bytes, capacity: int, query: int) -> Answer:
    """`data` is that of the forms that do all at once."""
    held, cipher = _cipher(session, handle, encrypt)
    answer, _ = cipher.update(data, final=True)
    if query:
        return (len(answer), b"")
    _fits(answer, capacity)
    del held.ciphers[bool(encrypt)]
    return (len(answer), answer)


def _cipher(session: Session, handle: int, encrypt: int) -> tuple[SessionKey, Cipher]:
    held = session.held(handle, SessionKey)
    cipher = held.ciphers.get(bool(encrypt))
    if cipher is None:
        raise Refused(Sar.NOTINITIALIZEERR)
    return held, cipher


def _fits(answer: bytes, capacity: int) -> None:
    if len(answer) > capacity:
        raise Refused(Sar.BUFFER_TOO_SMALL, len(answer))


# --- digests ---------------------------------------------------------------------------------------------------------


@serves(Function.DIGEST_INIT)
def digest_init(session: Session, algorithm: int, point: bytes, user_id: bytes) -> Answer:
    """With a public key the digest begins with Z_A of it and the identity, as SM2 signs (GB/T 32918.2)."""
    if algorithm != Algorithm.SM3:
        raise Refused(Sar.NOTSUPPORTYETERR)
    if point and not user_id:
        raise Refused(Sar.INVALIDPARAMERR)
    try:
        start = sm2.za(b"\4" + point, user_id) if point else b""
    except GmError:
        raise Refused(Sar.INDATAERR) from None
    return (session.give(Digest(sm3.new(start))),)


@serves(Function.DIGEST_UPDATE)
def digest_update(session: Session, handle: int, data: bytes) -> Answer:
    held = session.held(handle, Digest)
    if held.hasher is None:
        raise Refused(Sar.HASHOBJERR)
    held.hasher.update(data)
    return ()


@serves(Function.DIGEST_FINAL)
def digest_final(session: Session, handle: int, data: bytes) -> Answer:
    """The object is used up; its handle stays until it is closed."""
    held = session.held(handle, Digest)
    if held.hasher is None:
        raise Refused(Sar.HASHOBJERR)
    held.hasher.update(data)
    digest, held.hasher = held.hasher.digest(), None
    return (digest,)


# --- MACs ------------------------------------------------------------------------------------------------------------


@serves(Function.MAC_INIT)
def mac_init(session: Session, handle: int, iv: bytes, padding: int) -> Answer:
    held = session.held(handle, SessionKey)
    if iv and len(iv) != _BLOCK:
        raise Refused(Sar.INVALIDPARAMERR)
    if padding not in (0, _PKCS5):
        raise Refused(Sar.NOTSUPPORTYETERR)
    key = bytearray(held.key)
    cipher = Cipher(Algorithm.SM4_CBC, key, True, padding == _PKCS5, iv or bytes(_BLOCK))
    return (session.give(Mac(cipher)),)


@serves(Function.MAC_UPDATE)
def mac_update(session: Session, handle: int, data: bytes) -> Answer:
    session.held(handle, Mac).update(data)
    return ()


@serves(Function.MAC_FINAL)
def mac_final(session: Session, handle: int, data: bytes) -> Answer:
    return (session.held(handle, Mac).final(data),)
