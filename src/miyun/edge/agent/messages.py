"""Messages of GB/T 35275 as pages make and read them with a key: signed, and enveloped for a certificate.

Nothing here says whether a certificate is trusted: an agent has no trust lists; the platform has."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from miyun.gm import rand, sm2, sm3, sm4
from miyun.gm.errors import DecryptionFailed, GmError, InvalidSignature
from miyun.wire import cms, oid
from miyun.wire.algorithm import DigestAlgorithm, SignatureAlgorithm
from miyun.wire.cms import Dialect
from miyun.wire.errors import DecodeError
from miyun.wire.x509 import Certificate

MAX_SIZE: Final = 1024 * 1024
_KEY: Final = 16


def sign(
    content: bytes, certificate: Certificate, sign: Callable[[bytes], bytes], at: datetime, *, detached: bool
) -> bytes:
    """SignedData whose signer is the certificate's key; what is signed are attributes, never the content itself."""
    attributes = cms.signed_attributes_to_sign(
        sm3.digest(content),
        dialect=Dialect.GBT35275,
        signing_time=at.replace(microsecond=0),
        signing_certificate=certificate,
        certificate_digest=DigestAlgorithm.SM3,
    )
    return cms.assemble(
        certificate=certificate,
        algorithm=SignatureAlgorithm.SM2_SM3,
        signature=sign(attributes),
        content=None if detached else content,
        signed_attributes=attributes,
        dialect=Dialect.GBT35275,
        certificates=(certificate,),
    )


def is_signed(message: bytes, content: bytes | None) -> bool:
    """Whether every signature of a message is its certificate's. `content`: of a detached one; of an attached one, when
    it is given, it has to be the same. Raises DecodeError."""
    try:
        cms.verify_signed_data(cms.parse_signed_data(message, max_size=MAX_SIZE), content=content)
    except InvalidSignature:
        return False
    return True


def envelope(content: bytes, certificate: Certificate, point: bytes) -> bytes:
    """EnvelopedData that the certificate's key opens; the content under a fresh key of SM4-CBC."""
    key, iv = rand.token(_KEY), rand.token(sm4.BLOCK_SIZE)
    recipient = cms.KeyTransRecipient.sm2(certificate, sm2.encrypt(point, key))
    return cms.build_enveloped_data([recipient], sm4.encrypt_cbc(key, iv, content), iv)


def open_envelope(message: bytes, certificate: Certificate, decrypt: Callable[[bytes], bytes]) -> bytes | None:
    """None when it is not for the certificate. Raises DecodeError, and DecryptionFailed whatever goes wrong."""
    info = cms.parse_enveloped_data(message, max_size=MAX_SIZE)
    encrypted = next((item.encrypted_key for item in info.recipients if item.is_for(certificate)), None)
    if encrypted is None:
        return None
    if info.content_algorithm != oid.SM4_CBC:
        raise DecodeError("SM4-CBC", field="contentEncryptionAlgorithm")
    try:
        key = decrypt(encrypted)
        return sm4.decrypt_cbc(key, info.iv, info.ciphertext)
    except GmError:
        raise DecryptionFailed from None
