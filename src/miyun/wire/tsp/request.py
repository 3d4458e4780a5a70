"""TimeStampReq (RFC 3161 2.4.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Final

from miyun.wire import der
from miyun.wire.algorithm import DigestAlgorithm, digest_by_oid, read_identifier
from miyun.wire.errors import DecodeError
from miyun.wire.tsp.status import FailureInfo
from miyun.wire.x509.extension import Extension, read_extensions

MAX_REQUEST: Final = 16 * 1024
MAX_NONCE_BITS: Final = 256
_VERSION: Final = der.integer(1)


class RequestError(DecodeError):
    """A request that cannot be granted; `failure_info` is what the response says."""

    def __init__(self, failure_info: FailureInfo, message: str, *, offset: int = 0, field: str = "") -> None:
        super().__init__(message, offset=offset, field=field)
        self.failure_info = failure_info


@cache
def _before_digest(algorithm: DigestAlgorithm) -> bytes:
    placeholder = bytes(algorithm.size)
    return der.sequence(algorithm.identifier, der.octet_string(placeholder)).removesuffix(placeholder)


@dataclass(frozen=True, slots=True)
class MessageImprint:
    """Hash of what is time-stamped. `der` is kept as received: the token repeats it octet by octet."""

    hash_oid: str
    digest: bytes
    der: bytes = field(repr=False, compare=False)

    @classmethod
    def of(cls, algorithm: DigestAlgorithm, digest: bytes) -> MessageImprint:
        """From a hash that the caller computed."""
        if len(digest) != algorithm.size:
            raise RequestError(FailureInfo.BAD_DATA_FORMAT, f"{algorithm.size} octets", field="hashedMessage")
        return cls(algorithm.oid, digest, _before_digest(algorithm) + digest)

    @property
    def algorithm(self) -> DigestAlgorithm:
        return digest_by_oid(self.hash_oid, "hashAlgorithm")


@dataclass(frozen=True, slots=True)
class TimeStampReq:
    message_imprint: MessageImprint
    policy: str | None
    nonce: int | None
    cert_req: bool
    extensions: tuple[Extension, ...] = ()


def read_imprint(reader: der.Reader) -> MessageImprint:
    """The next MessageImprint; the hash must be an accepted one and have its length."""
    whole = reader.raw_of(der.SEQUENCE, "messageImprint")
    inner = der.Reader(whole, field="messageImprint").enter()
    dotted, parameters = read_identifier(inner, "hashAlgorithm")
    digest = inner.octet_string("hashedMessage")
    inner.end()
    try:
        algorithm = digest_by_oid(dotted, "hashAlgorithm")
    except DecodeError as error:
        raise RequestError(FailureInfo.BAD_ALG, error.message, field="hashAlgorithm") from None
    if parameters not in (b"", der.NULL):
        raise RequestError(FailureInfo.BAD_ALG, "unexpected parameters", field="hashAlgorithm")
    if len(digest) != algorithm.size:
        raise RequestError(
            FailureInfo.BAD_DATA_FORMAT, f"{algorithm.size} octets for {algorithm.name}", field="hashedMessage"
        )
    return MessageImprint(dotted, digest, whole)


def parse_request(encoded: bytes, *, max_size: int = MAX_REQUEST) -> TimeStampReq:
    """Reads a TimeStampReq. Every failure is a RequestError with the PKIFailureInfo to answer."""
    try:
        return _parse(encoded, max_size)
    except RequestError:
        raise
    except DecodeError as error:
        raise RequestError(FailureInfo.BAD_DATA_FORMAT, error.message, offset=error.offset, field=error.field) from None


def _parse(encoded: bytes, max_size: int) -> TimeStampReq:
    outer = der.Reader(encoded, field="TimeStampReq", max_size=max_size)
    reader = outer.enter()
    outer.end()
    if reader.integer("version") != 1:
        raise RequestError(FailureInfo.BAD_REQUEST, "only version 1 is known", field="version")
    imprint = read_imprint(reader)
    policy = reader.oid("reqPolicy") if reader.peek() == der.OID else None
    nonce = reader.integer("nonce") if reader.peek() == der.INTEGER else None
    if nonce is not None and nonce.bit_length() > MAX_NONCE_BITS:
        raise RequestError(FailureInfo.BAD_DATA_FORMAT, f"at most {MAX_NONCE_BITS} bits", field="nonce")
    cert_req = reader.boolean("certReq") if reader.peek() == der.BOOLEAN else False
    extensions: tuple[Extension, ...] = ()
    if reader.peek() == 0xA0:
        # [0] IMPLICIT Extensions: the tag stands in for the SEQUENCE's.
        content = reader.read(0xA0, "extensions")
        extensions = read_extensions(der.Reader(der.tlv(der.SEQUENCE, content), field="extensions"))
    reader.end()
    return TimeStampReq(imprint, policy, nonce, cert_req, extensions)


def build_request(
    imprint: MessageImprint, *, policy: str | None = None, nonce: int | None = None, cert_req: bool = True
) -> bytes:
    """A client's TimeStampReq. The nonce, when given, is the caller's random number of 64 bits or more."""
    return der.sequence(
        _VERSION,
        imprint.der,
        der.oid(policy) if policy is not None else b"",
        der.integer(nonce) if nonce is not None else b"",
        der.TRUE if cert_req else b"",
    )
