"""PBES2 and PBKDF2 (RFC 8018, GM/T 0091): what a password enciphers.

Made with SM4-CBC and HMAC-SM3; read also with AES-CBC and the HMACs that other programs use.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from miyun.gm import kdf, sm4
from miyun.gm.errors import DecryptionFailed
from miyun.wire import der, oid
from miyun.wire.errors import DecodeError, EncodeError

MAX_ITERATIONS: Final = 1_000_000  # of a whole file
_BLOCK: Final = 16
_SM4_KEY: Final = 16

PBES2: Final = "1.2.840.113549.1.5.13"
PBKDF2: Final = "1.2.840.113549.1.5.12"
_AES_CBC: Final = {
    "2.16.840.1.101.3.4.1.2": 16,
    "2.16.840.1.101.3.4.1.22": 24,
    "2.16.840.1.101.3.4.1.42": 32,
}
_HMACS: Final = {
    "1.2.840.113549.2.7": "sha1",
    "1.2.840.113549.2.9": "sha256",
    "1.2.840.113549.2.10": "sha384",
    "1.2.840.113549.2.11": "sha512",
    # GM/T 0091 gives HMAC-SM3 two identifiers; GM/T 0006 and the correction to come know the first one only.
    oid.HMAC_SM3: "sm3",
    oid.HMAC_SM3_OPENSSL: "sm3",
}


@dataclass(frozen=True, slots=True)
class Pbes2:
    """`cipher` is the OID of SM4-CBC or of AES-CBC."""

    salt: bytes
    iterations: int
    iv: bytes
    cipher: str = oid.SM4_CBC
    hmac: str = oid.HMAC_SM3

    def encode(self) -> bytes:
        """AlgorithmIdentifier DER, of SM4. Raises EncodeError."""
        if self.cipher != oid.SM4_CBC:
            raise EncodeError("only SM4-CBC is made", field="encryptionScheme")
        function = der.sequence(
            der.oid(PBKDF2),
            der.sequence(
                der.octet_string(self.salt),
                der.integer(self.iterations),
                der.sequence(der.oid(self.hmac), der.NULL),
            ),
        )
        scheme = der.sequence(der.oid(self.cipher), der.octet_string(self.iv))
        return der.sequence(der.oid(PBES2), der.sequence(function, scheme))

    def encrypt(self, password: str, plain: bytes) -> bytes:
        return sm4.encrypt_cbc(self._key(password, _SM4_KEY), self.iv, plain)

    def decrypt(self, password: str, data: bytes) -> bytes:
        """Raises DecryptionFailed."""
        if not data or len(data) % _BLOCK:
            raise DecryptionFailed
        if self.cipher == oid.SM4_CBC:
            return sm4.decrypt_cbc(self._key(password, _SM4_KEY), self.iv, data)
        key = self._key(password, _AES_CBC[self.cipher])
        decryptor = Cipher(algorithms.AES(key), modes.CBC(self.iv)).decryptor()
        unpadder = padding.PKCS7(_BLOCK * 8).unpadder()
        try:
            return unpadder.update(decryptor.update(data) + decryptor.finalize()) + unpadder.finalize()
        except ValueError:
            raise DecryptionFailed from None

    def _key(self, password: str, size: int) -> bytes:
        secret, digest = password.encode(), _HMACS[self.hmac]
        if digest == "sm3":
            return kdf.pbkdf2(secret, self.salt, self.iterations, size)
        return hashlib.pbkdf2_hmac(digest, secret, self.salt, self.iterations, size)


def read_pbes2(reader: der.Reader) -> Pbes2:
    """The next AlgorithmIdentifier. Raises DecodeError for a scheme that is not taken: older ones are too weak."""
    identifier = reader.enter(der.SEQUENCE, "encryptionAlgorithm")
    if (kind := identifier.oid("encryptionAlgorithm")) != PBES2:
        raise identifier.fail(f"{kind} is not PBES2", "encryptionAlgorithm")
    parameters = identifier.enter(der.SEQUENCE, "PBES2-params")
    identifier.end()
    function = parameters.enter(der.SEQUENCE, "keyDerivationFunc")
    if (kind := function.oid("keyDerivationFunc")) != PBKDF2:
        raise function.fail(f"{kind} is not PBKDF2", "keyDerivationFunc")
    derivation = function.enter(der.SEQUENCE, "PBKDF2-params")
    function.end()
    salt = derivation.octet_string("salt")
    iterations = derivation.integer("iterationCount")
    length = derivation.integer("keyLength") if derivation.more and derivation.peek() == der.INTEGER else None
    hmac = "1.2.840.113549.2.7"
    if derivation.more:
        prf = derivation.enter(der.SEQUENCE, "prf")
        hmac = prf.oid("prf")
        if prf.more:
            prf.null("prf")
        prf.end()
    derivation.end()
    scheme = parameters.enter(der.SEQUENCE, "encryptionScheme")
    parameters.end()
    cipher = scheme.oid("encryptionScheme")
    cipher = oid.SM4_CBC if cipher == oid.SM4 else cipher  # as CFCA's programs name it
    iv = scheme.octet_string("iv")
    scheme.end()
    size = _SM4_KEY if cipher == oid.SM4_CBC else _AES_CBC.get(cipher)
    if size is None or hmac not in _HMACS:
        raise DecodeError(f"{cipher} with {hmac} is not taken", field="encryptionScheme")
    if len(iv) != _BLOCK or not 1 <= len(salt) <= 1024 or length not in (None, size):
        raise DecodeError("a salt, IV or length that does not fit", field="PBES2-params")
    if not 1 <= iterations <= MAX_ITERATIONS:
        raise DecodeError(f"1 to {MAX_ITERATIONS}", field="iterationCount")
    return Pbes2(salt, iterations, iv, cipher, hmac)
