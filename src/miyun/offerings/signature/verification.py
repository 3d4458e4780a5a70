"""Judging signatures: raw ones opaquely, messages with every reason. Nothing is fetched; only our roots are trusted."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from cryptography.exceptions import InvalidSignature as Mismatch
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import load_der_public_key

from miyun.core.errors import InvalidArgument
from miyun.core.i18n import Text
from miyun.gm import intl, sm2
from miyun.gm.errors import GmError, InvalidSignature
from miyun.offerings.signature.model import CHAIN_REFUSED, REASONS, SUITE_OF_PUBLIC_KEY
from miyun.wire import spki
from miyun.wire.cms import Dialect, SignedDataInfo, SignerInfo, parse_signed_data, verify_signed_data
from miyun.wire.errors import DecodeError
from miyun.wire.spki import KeyAlgorithm, PublicKey
from miyun.wire.x509 import Certificate, ChainError, ChainReason, Purpose, verify_chain


@dataclass(frozen=True, slots=True)
class Finding:
    """A reason against a signature; `detail` is English, as the check gives it."""

    code: str
    detail: str = ""

    @property
    def text(self) -> Text:
        known = REASONS.get(self.code, CHAIN_REFUSED)
        return Text(known.zh, f"{known.en}: {self.detail}") if self.detail else known


@dataclass(frozen=True, slots=True)
class Trust:
    """What paths are built from, and the time they are judged at."""

    anchors: tuple[Certificate, ...]
    intermediates: tuple[Certificate, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class JudgedChain:
    """Either a path, leaf first and anchor last, or why there is none."""

    finding: Finding | None
    path: tuple[Certificate, ...] = ()


@dataclass(frozen=True, slots=True)
class JudgedSigner:
    """`path`: leaf first, anchor last; empty when there is no acceptable one."""

    info: SignerInfo
    findings: tuple[Finding, ...]
    path: tuple[Certificate, ...] = ()


@dataclass(frozen=True, slots=True)
class JudgedMessage:
    findings: tuple[Finding, ...]
    signers: tuple[JudgedSigner, ...] = ()
    dialect: Dialect | None = None
    content: bytes | None = field(default=None, repr=False)

    @property
    def valid(self) -> bool:
        return not self.findings and bool(self.signers) and not any(item.findings for item in self.signers)


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


def chain_of(certificate: Certificate, others: Sequence[Certificate], trust: Trust) -> JudgedChain:
    """The path of a signer's certificate, or why there is none."""
    try:
        chain = verify_chain(
            certificate, (*trust.intermediates, *others), trust.anchors, trust.at, purpose=Purpose.SIGNATURE
        )
    except ChainError as error:
        code = "chain_signature" if error.reason is ChainReason.SIGNATURE else error.reason.value
        return JudgedChain(Finding(code, str(error)))
    return JudgedChain(None, chain.certificates)


# --- messages --------------------------------------------------------------------------------------------------------


def judge_message(encoded: bytes, content: bytes | None, digest: bytes | None, trust: Trust) -> JudgedMessage:
    """Every signer of a CMS message on its own; revocation is the caller's to ask about each path."""
    try:
        info = parse_signed_data(encoded)
    except DecodeError as error:
        return JudgedMessage((Finding("malformed", str(error)),))
    if not info.signers:
        return JudgedMessage((Finding("no_signer"),), dialect=info.dialect)
    if info.content is None and content is None and digest is None:
        return JudgedMessage((Finding("no_content"),), dialect=info.dialect)
    if info.content is not None and content is not None and content != info.content:
        return JudgedMessage((Finding("digest"),), dialect=info.dialect, content=info.content)
    signers = tuple(_judge_signer(info, signer, content, digest, trust) for signer in info.signers)
    return JudgedMessage((), signers, info.dialect, info.content)


def _judge_signer(
    info: SignedDataInfo, signer: SignerInfo, content: bytes | None, digest: bytes | None, trust: Trust
) -> JudgedSigner:
    alone = replace(info, signers=(signer,))
    shown = content if info.content is None else info.content
    certificate = signer.certificate
    findings: list[Finding] = []
    if certificate is None:
        return JudgedSigner(signer, (Finding("no_certificate", f"serial {signer.serial or 0:x}"),))
    try:
        verify_signed_data(alone, content=content, content_digest=digest if info.content is None else None)
    except DecodeError as error:
        findings.append(Finding("attributes", str(error)))
    except InvalidSignature:
        findings.append(_why(info, signer, certificate, shown, digest))
    chain = chain_of(certificate, info.certificates, trust)
    if chain.finding is not None:
        findings.append(chain.finding)
    return JudgedSigner(signer, tuple(findings), chain.path)


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
