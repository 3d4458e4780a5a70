"""Checking signatures: raw ones opaquely, those of messages with every reason."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cryptography.exceptions import InvalidSignature as Mismatch
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import load_der_public_key

from miyun.core.errors import InvalidArgument
from miyun.core.i18n import Text
from miyun.core.trust import TrustReason
from miyun.gm import intl, sm2
from miyun.gm.errors import GmError, InvalidSignature
from miyun.offerings.signature.model import REASONS, SUITE_OF_PUBLIC_KEY
from miyun.wire import spki
from miyun.wire.cms import Dialect, SignedDataInfo, SignerInfo, parse_signed_data, verify_signed_data
from miyun.wire.errors import DecodeError
from miyun.wire.spki import KeyAlgorithm, PublicKey
from miyun.wire.x509 import Certificate


@dataclass(frozen=True, slots=True)
class Finding:
    """A reason against a signature, and what it rests on; `detail` is English, as the check gives it."""

    code: str
    detail: str = ""
    subject: str = ""
    children: tuple[Finding, ...] = ()

    @property
    def text(self) -> Text:
        known = REASONS[self.code]
        return Text(known.zh, f"{known.en}: {self.detail}") if self.detail else known

    @classmethod
    def of(cls, reason: TrustReason) -> Finding:
        return cls(reason.code, reason.detail, reason.subject, tuple(map(cls.of, reason.children)))


@dataclass(frozen=True, slots=True)
class CheckedSigner:
    """`findings`: what is wrong with the signature itself; its certificate was not judged."""

    info: SignerInfo
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class CheckedMessage:
    findings: tuple[Finding, ...]
    signers: tuple[CheckedSigner, ...] = ()
    dialect: Dialect | None = None
    content: bytes | None = field(default=None, repr=False)
    certificates: tuple[Certificate, ...] = field(default=(), repr=False)


# --- raw -------------------------------------------------------------------------------------------------------------


def usable_key(encoded: bytes, name: str = "public_key") -> PublicKey:
    """Raises InvalidArgument for a key that cannot be read or does not sign here."""
    try:
        key = spki.parse_spki(encoded)
    except DecodeError as error:
        raise InvalidArgument(name, Text(f"无法解析：{error}", f"cannot be read: {error}")) from None
    if key.algorithm not in SUITE_OF_PUBLIC_KEY:
        raise InvalidArgument(name, Text("支持 SM2、P-256 与 RSA", "SM2, P-256 and RSA are supported"))
    return key


def verify_many(
    key: PublicKey, items: Sequence[tuple[bytes | None, bytes | None, bytes]], user_id: bytes
) -> list[bool]:
    """Items are (message, digest, signature), exactly one of message and digest given."""
    if key.algorithm is KeyAlgorithm.SM2 and key.point is not None:
        return _verify_sm2(key.point, items, user_id)
    return [_verify_other(key, *item) for item in items]


def _verify_sm2(point: bytes, items: Sequence[tuple[bytes | None, bytes | None, bytes]], user_id: bytes) -> list[bool]:
    try:
        prefix = sm2.za(point, user_id)
    except GmError:
        return [False] * len(items)
    digest = SUITE_OF_PUBLIC_KEY[KeyAlgorithm.SM2].digest
    triples = [
        (point, digest.digest(prefix + message) if message is not None else hashed or b"", signature)
        for message, hashed, signature in items
    ]
    return sm2.verify_digest_many(triples)


def _verify_other(key: PublicKey, message: bytes | None, digest: bytes | None, signature: bytes) -> bool:
    suite = SUITE_OF_PUBLIC_KEY[key.algorithm]
    try:
        if message is not None:
            spki.verify(key.der, suite.signature, message, signature)
        elif key.algorithm is KeyAlgorithm.EC_P256:
            intl.ecdsa_p256_verify_digest(key.der, digest or b"", signature)
        else:
            public = load_der_public_key(key.der)
            assert isinstance(public, RSAPublicKey), "the key was read as RSA"
            public.verify(signature, digest or b"", padding.PKCS1v15(), Prehashed(hashes.SHA256()))
    except (GmError, DecodeError, Mismatch, ValueError):
        return False
    return True


# --- messages --------------------------------------------------------------------------------------------------------


def check_message(encoded: bytes, content: bytes | None, digest: bytes | None) -> CheckedMessage:
    """The signature of every signer of a CMS message on its own; certificates are the trust directory's to judge."""
    try:
        info = parse_signed_data(encoded)
    except DecodeError as error:
        return CheckedMessage((Finding("malformed", str(error)),))
    if not info.signers:
        return CheckedMessage((Finding("no_signer"),), dialect=info.dialect)
    if info.content is None and content is None and digest is None:
        return CheckedMessage((Finding("no_content"),), dialect=info.dialect)
    if info.content is not None and content is not None and content != info.content:
        return CheckedMessage((Finding("digest"),), dialect=info.dialect, content=info.content)
    signers = tuple(_check_signer(info, signer, content, digest) for signer in info.signers)
    return CheckedMessage((), signers, info.dialect, info.content, info.certificates)


def _check_signer(
    info: SignedDataInfo, signer: SignerInfo, content: bytes | None, digest: bytes | None
) -> CheckedSigner:
    alone = replace(info, signers=(signer,))
    shown = content if info.content is None else info.content
    certificate = signer.certificate
    if certificate is None:
        return CheckedSigner(signer, (Finding("no_certificate", f"serial {signer.serial or 0:x}"),))
    try:
        verify_signed_data(alone, content=content, content_digest=digest if info.content is None else None)
    except DecodeError as error:
        return CheckedSigner(signer, (Finding("attributes", str(error)),))
    except InvalidSignature:
        return CheckedSigner(signer, (_why(info, signer, certificate, shown, digest),))
    return CheckedSigner(signer, ())


def _why(
    info: SignedDataInfo, signer: SignerInfo, certificate: Certificate, content: bytes | None, digest: bytes | None
) -> Finding:
    """What about a signature that does not verify is wrong; only to tell, never to accept."""
    signed = content
    if signer.signed_attributes is not None:
        found = signer.digest_algorithm.digest(content) if content is not None else digest
        if found is not None and not hmac.compare_digest(signer.message_digest or b"", found):
            return Finding("digest")
        if signer.content_type != info.content_type:
            return Finding("attributes", "contentType is not the message's")
        signed = signer.signed_attributes
    if signed is not None and spki.verifies_without_za(certificate.spki_der, signed, signer.signature):
        return Finding("no_za")
    return Finding("signature")
