"""What every provider of GM algorithms offers to the modules `sm2`, `sm3`, `sm4` and `kdf`.

Callers of `miyun.gm` use those modules, which check every argument first; a provider trusts lengths and types. Byte
strings are big-endian as in the standards: private keys and digests 32 bytes, public points 65 bytes (04‖x‖y),
signatures DER (SEQUENCE of r and s, strict), SM2 ciphertexts raw 04‖x‖y‖C3‖C2, SM4 keys 16 bytes.
"""

from collections.abc import Sequence
from typing import Protocol

Buffer = bytes | bytearray | memoryview


class Hash(Protocol):
    """An SM3 computation in progress."""

    digest_size: int
    block_size: int
    name: str

    def update(self, data: Buffer, /) -> None: ...
    def digest(self) -> bytes: ...
    def copy(self) -> "Hash": ...


class Provider(Protocol):
    """One implementation of all GM algorithms of this package."""

    name: str
    """ipp-mb, ipp, openssl or portable"""
    notes: tuple[str, ...]
    """what an operator should know about this provider on this machine"""
    supplemented: tuple[str, ...]
    """operations it lacks and another implementation does for it, as "operation: by whom" """

    # SM3, GB/T 32905; HMAC, GB/T 15852.2
    def sm3(self, data: Buffer) -> bytes: ...
    def sm3_many(self, items: Sequence[Buffer]) -> list[bytes]: ...
    def sm3_new(self) -> Hash: ...
    def hmac(self, key: Buffer, data: Buffer) -> bytes: ...
    def hmac_many(self, key: Buffer, items: Sequence[Buffer]) -> list[bytes]: ...
    def pbkdf2(self, password: Buffer, salt: Buffer, iterations: int, length: int) -> bytes: ...

    # SM2, GB/T 32918
    def sm2_public_key(self, d: Buffer) -> bytes: ...
    def sm2_generate(self, count: int) -> list[tuple[bytes, bytes]]: ...
    def sm2_on_curve(self, public: Buffer) -> bool: ...
    def sm2_multiply(self, d: Buffer, public: Buffer) -> bytes:
        """d·P as 04‖x‖y; InvalidKey when P is not on the curve."""
        ...

    def sm2_sign(self, items: Sequence[tuple[Buffer, Buffer]]) -> list[bytes]:
        """Sign (d, e) pairs."""
        ...

    def sm2_sign_messages(self, d: Buffer, za: bytes, messages: Sequence[Buffer]) -> list[bytes]:
        """Sign SM3(za‖message) of each message with one key."""
        ...

    def sm2_verify(self, items: Sequence[tuple[Buffer, Buffer, Buffer]]) -> list[bool]:
        """Verify (public, e, signature) triples."""
        ...

    def sm2_verify_messages(self, items: Sequence[tuple[Buffer, Buffer, Buffer]], user_id: Buffer) -> list[bool]:
        """Verify (public, message, signature) triples under one user ID."""
        ...

    def sm2_encrypt(self, public: Buffer, plaintext: Buffer) -> bytes: ...
    def sm2_decrypt(self, d: Buffer, items: Sequence[Buffer]) -> list[bytes | None]: ...

    # SM4, GB/T 32907 and GB/T 17964; GCM, GB/T 36624
    def sm4_ecb(self, key: Buffer, data: Buffer, encrypt: bool) -> bytes: ...
    def sm4_cbc(self, key: Buffer, iv: Buffer, data: Buffer, encrypt: bool) -> bytes: ...
    def sm4_ctr(self, key: Buffer, iv: Buffer, data: Buffer) -> bytes: ...
    def sm4_gcm_encrypt(
        self, key: Buffer, items: Sequence[tuple[Buffer, Buffer, Buffer]], tag_size: int
    ) -> list[bytes]:
        """Encrypt (nonce, data, aad) triples to ciphertext‖tag."""
        ...

    def sm4_gcm_decrypt(
        self, key: Buffer, items: Sequence[tuple[Buffer, Buffer, Buffer]], tag_size: int
    ) -> list[bytes | None]:
        """Decrypt (nonce, ciphertext‖tag, aad) triples; None where the tag is wrong."""
        ...

    # Known-answer tests only: the caller supplies what is otherwise random.
    def sm2_sign_kat(self, d: bytes, e: bytes, k: bytes) -> bytes: ...
    def sm2_encrypt_kat(self, public: bytes, plaintext: bytes, k: bytes) -> bytes: ...
