"""EnvelopedKey of GB/T 35276 7.4: how a CA returns the encryption key pair of a double certificate."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from miyun.wire import der, oid
from miyun.wire.algorithm import read_identifier
from miyun.wire.errors import EncodeError

_MAX_SIZE: Final = 4096


@dataclass(frozen=True, slots=True)
class EnvelopedKey:
    """`encrypted_private_key` is the SM2 private key under a symmetric key, in ECB without padding;
    `encrypted_symmetric_key` is that key under the receiver's signing key, a whole DER SM2Cipher."""

    symmetric_algorithm: str
    encrypted_symmetric_key: bytes = field(repr=False)
    point: bytes
    """04‖x‖y of the encryption key pair."""
    encrypted_private_key: bytes = field(repr=False)

    def encode(self) -> bytes:
        """EnvelopedKey DER. Raises EncodeError."""
        if len(self.point) != 65 or self.point[0] != 4:
            raise EncodeError("65 octets 04‖x‖y", field="sm2PublicKey")
        if self.encrypted_symmetric_key[:1] != b"\x30":
            raise EncodeError("a DER SM2Cipher", field="symEncryptedKey")
        return der.sequence(
            der.sequence(der.oid(self.symmetric_algorithm)),
            self.encrypted_symmetric_key,
            der.bit_string(self.point),
            der.bit_string(self.encrypted_private_key),
        )


def parse_enveloped_key(encoded: bytes) -> EnvelopedKey:
    """Reads one EnvelopedKey. The bare SM4 identifier is taken for SM4-ECB (trap T8). Raises DecodeError.

    The private key has 32 octets, or 64 where the sender pads it with zeros on the left as SDF's slots do.
    """
    outer = der.Reader(encoded, field="EnvelopedKey", max_size=_MAX_SIZE)
    reader = outer.enter()
    outer.end()
    algorithm, _ = read_identifier(reader, "symAlgID")
    if algorithm == oid.SM4:
        algorithm = oid.SM4_ECB
    key = reader.raw_of(der.SEQUENCE, "symEncryptedKey")
    point = reader.bit_string("sm2PublicKey")
    if len(point) != 65 or point[0] != 4:
        raise reader.fail("65 octets 04‖x‖y", "sm2PublicKey")
    private = reader.bit_string("sm2EncryptedPrivateKey")
    if len(private) not in (32, 64):
        raise reader.fail("32 or 64 octets", "sm2EncryptedPrivateKey")
    reader.end()
    return EnvelopedKey(algorithm, key, point, private)
