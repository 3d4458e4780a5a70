"""The two spellings of one message syntax: RFC 5652 and GB/T 35275."""

from __future__ import annotations

from enum import Enum

from miyun.wire import der, oid
from miyun.wire.algorithm import SignatureAlgorithm


class Dialect(Enum):
    """Content types of the syntax. GB/T 35275 has its own identifiers and always SignedData version 1."""

    RFC5652 = (oid.DATA, oid.SIGNED_DATA, oid.ENVELOPED_DATA)
    GBT35275 = (oid.GM_DATA, oid.GM_SIGNED_DATA, oid.GM_ENVELOPED_DATA)

    def __init__(self, data: str, signed_data: str, enveloped_data: str) -> None:
        self.data = data
        self.signed_data = signed_data
        self.enveloped_data = enveloped_data

    def signature_identifier(self, algorithm: SignatureAlgorithm) -> bytes:
        """SignerInfo's signatureAlgorithm. GB/T 35275 names SM2 alone (…301.1); RFC readers know SM2-with-SM3;
        for RSA RFC 5754 3.2 wants rsaEncryption."""
        if self is Dialect.GBT35275 and algorithm is SignatureAlgorithm.SM2_SM3:
            return der.sequence(der.oid(oid.SM2_SIGN))
        if algorithm.scheme == "rsa":
            return der.sequence(der.oid(oid.RSA_ENCRYPTION), der.NULL)
        return algorithm.identifier


def dialect_of(content_type: str) -> Dialect | None:
    """The dialect that a ContentInfo's type belongs to, None for a type that is neither."""
    for dialect in Dialect:
        if content_type in (dialect.data, dialect.signed_data, dialect.enveloped_data):
            return dialect
    return None
