"""Checking every signature of a SignedData."""

from __future__ import annotations

import dataclasses
import hmac
from collections.abc import Iterable

from miyun.gm.errors import InvalidSignature
from miyun.wire import spki
from miyun.wire.algorithm import DigestAlgorithm
from miyun.wire.cms.attribute import names_certificate
from miyun.wire.cms.signed_data import (
    SignedDataInfo,
    SignerInfo,
    missing_certificate,
    parse_signed_data,
    with_certificate,
)
from miyun.wire.errors import DecodeError
from miyun.wire.x509.certificate import Certificate


def verify_signed_data(
    message: bytes | SignedDataInfo,
    *,
    content: bytes | None = None,
    content_digest: bytes | None = None,
    certificates: Iterable[Certificate] = (),
) -> SignedDataInfo:
    """Reads and checks a message: content hash, attributes and signature of every signer (at least one).

    A detached signature needs `content`, or `content_digest` (its hash by the signer's digest algorithm, for content
    too large to hold; only for signatures with signed attributes). `certificates` are looked through for signers whose
    certificate the message leaves out. Whether a signer's certificate is trusted is the caller's question to
    `verify_chain`. Raises InvalidSignature or DecodeError; returns the message with its signers' certificates.
    """
    info = parse_signed_data(message) if isinstance(message, bytes) else message
    if info.content is not None:
        if content is not None and content != info.content:
            raise InvalidSignature
        content, content_digest = info.content, None
    if content is None and content_digest is None:
        raise DecodeError("the signature is detached; hand in the content that was signed", field="eContent")
    if not info.signers:
        raise DecodeError("nobody signed this message", field="signerInfos")
    pool = (*info.certificates, *certificates)
    signers = tuple(with_certificate(signer, pool) for signer in info.signers)
    digests: dict[DigestAlgorithm, bytes] = {}
    for signer in signers:
        if content is not None and signer.signed_attributes is not None:
            algorithm = signer.digest_algorithm
            if algorithm not in digests:
                digests[algorithm] = algorithm.digest(content)
            _check(signer, info, content, digests[algorithm])
        else:
            _check(signer, info, content, content_digest)
    return dataclasses.replace(info, signers=signers)


def _check(signer: SignerInfo, info: SignedDataInfo, content: bytes | None, digest: bytes | None) -> None:
    certificate = signer.certificate
    if certificate is None:
        raise missing_certificate(signer)
    if signer.signed_attributes is None:
        if info.content_type != info.dialect.data:
            # RFC 5652 5.3 demands attributes here; without them attributes signed elsewhere could pass as content.
            raise DecodeError("content other than data needs signed attributes", field="signedAttrs")
        if content is None:
            raise DecodeError("without signed attributes the whole content is needed, not its hash", field="eContent")
        signed = content
    else:
        if signer.message_digest is None or digest is None or not hmac.compare_digest(signer.message_digest, digest):
            raise InvalidSignature
        if signer.content_type != info.content_type or names_certificate(signer.attributes, certificate) is False:
            raise InvalidSignature
        signed = signer.signed_attributes
    spki.verify(certificate.spki_der, signer.algorithm, signed, signer.signature)
