"""Online certificate status protocol (RFC 6960): requests, responses, and what a responder signs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from functools import lru_cache
from typing import Final

from miyun.gm import sm3
from miyun.gm.errors import InvalidSignature
from miyun.wire import der, oid, spki
from miyun.wire.algorithm import SignatureAlgorithm, read_identifier, read_signature_algorithm
from miyun.wire.crl import Reason
from miyun.wire.errors import DecodeError, EncodeError
from miyun.wire.name import Name
from miyun.wire.x509 import extension
from miyun.wire.x509.certificate import Certificate, parse_certificate
from miyun.wire.x509.extension import Extension

MAX_REQUEST: Final = 16 * 1024
MAX_RESPONSE: Final = 256 * 1024
MAX_QUESTIONS: Final = 32
MAX_NONCE: Final = 128
"""Octets (RFC 9654 2.1)."""

_BASIC: Final = der.oid(oid.OCSP_BASIC)
HASHES: Final = {oid.SHA1: 20, oid.SHA256: 32, oid.SM3: 32}
"""By which questions name the issuer, and the octets of each."""


class Status(IntEnum):
    """OCSPResponseStatus (RFC 6960 4.2.1)."""

    SUCCESSFUL = 0
    MALFORMED_REQUEST = 1
    INTERNAL_ERROR = 2
    TRY_LATER = 3
    SIG_REQUIRED = 5
    UNAUTHORIZED = 6


@dataclass(frozen=True, slots=True)
class CertId:
    """Which certificate is asked for. `der` is kept as received: the answer repeats it octet by octet."""

    hash_oid: str
    issuer_name_hash: bytes
    issuer_key_hash: bytes
    serial: int
    der: bytes = field(repr=False, compare=False)

    @classmethod
    def of(cls, issuer: Certificate, serial: int, hash_oid: str = oid.SHA1) -> CertId:
        """SHA-1 names the issuer, it secures nothing: it is what every responder understands."""
        name_hash, key_hash = _issuer_hashes(issuer.der, hash_oid)
        encoded = der.sequence(
            der.sequence(der.oid(hash_oid), der.NULL if hash_oid == oid.SHA1 else b""),
            der.octet_string(name_hash),
            der.octet_string(key_hash),
            der.integer(serial),
        )
        return cls(hash_oid, name_hash, key_hash, serial, encoded)

    def is_by(self, issuer: Certificate) -> bool:
        """Whether `issuer` is whom the hashes name."""
        return (self.issuer_name_hash, self.issuer_key_hash) == _issuer_hashes(issuer.der, self.hash_oid)


@dataclass(frozen=True, slots=True)
class OcspRequest:
    """A request as read. Its optional signature is not looked at: whoever asks is answered."""

    questions: tuple[CertId, ...]
    nonce: bytes | None = None

    def encode(self) -> bytes:
        """OCSPRequest DER, unsigned."""
        questions = der.sequence(*(der.sequence(item.der) for item in self.questions))
        return der.sequence(der.sequence(questions, _nonce_extensions(2, self.nonce)))


def parse_request(encoded: bytes) -> OcspRequest:
    """Reads an OCSPRequest of at most 32 questions. Raises DecodeError."""
    outer = der.Reader(encoded, field="OCSPRequest", max_size=MAX_REQUEST)
    reader = outer.enter()
    outer.end()
    tbs = reader.enter(der.SEQUENCE, "tbsRequest")
    if reader.peek() == 0xA0:
        reader.raw("optionalSignature")
    reader.end()
    if (version := tbs.enter_if(0xA0, "version")) is not None:
        if version.integer("version") != 0:
            raise tbs.fail("only version 1 is known", "version")
        version.end()
    if tbs.peek() == 0xA1:
        tbs.raw("requestorName")
    listed = tbs.enter(der.SEQUENCE, "requestList")
    questions: list[CertId] = []
    while listed.more:
        if len(questions) == MAX_QUESTIONS:
            raise listed.fail(f"at most {MAX_QUESTIONS} certificates", "requestList")
        single = listed.enter(der.SEQUENCE, "Request")
        questions.append(_read_cert_id(single))
        if (holder := single.enter_if(0xA0, "singleRequestExtensions")) is not None:
            _refuse_critical(extension.read_extensions(holder))
            holder.end()
        single.end()
    if not questions:
        raise listed.fail("asks for nothing", "requestList")
    nonce = None
    if (holder := tbs.enter_if(0xA2, "requestExtensions")) is not None:
        nonce = _read_nonce(extension.read_extensions(holder))
        holder.end()
    tbs.end()
    return OcspRequest(tuple(questions), nonce)


@dataclass(frozen=True, slots=True)
class SingleResponse:
    """The status of one certificate: `known` and not `revoked_at` is good. Times are aware."""

    cert_id: CertId
    this_update: datetime
    next_update: datetime | None
    known: bool = True
    revoked_at: datetime | None = None
    reason: Reason = Reason.UNSPECIFIED

    @property
    def good(self) -> bool:
        return self.known and self.revoked_at is None

    def encode(self) -> bytes:
        if not self.known:
            status = der.implicit(2, b"")
        elif self.revoked_at is None:
            status = der.implicit(0, b"")
        else:
            reason = b""
            if self.reason is not Reason.UNSPECIFIED:
                reason = der.explicit(0, der.integer(self.reason, der.ENUMERATED))
            status = der.explicit(1, der.generalized_time(self.revoked_at) + reason)
        following = b""
        if self.next_update is not None:
            if self.next_update <= self.this_update:
                raise EncodeError("not after thisUpdate", field="nextUpdate")
            following = der.explicit(0, der.generalized_time(self.next_update))
        return der.sequence(self.cert_id.der, status, der.generalized_time(self.this_update), following)


@dataclass(frozen=True, slots=True)
class ResponseData:
    """What a responder signs. `responder_key_hash`: SHA-1 over its public key (RFC 6960 4.2.1, byKey)."""

    responder_key_hash: bytes
    produced_at: datetime
    responses: tuple[SingleResponse, ...]
    nonce: bytes | None = None

    def encode(self) -> bytes:
        """ResponseData DER: the message to be signed."""
        return der.sequence(
            der.explicit(2, der.octet_string(self.responder_key_hash)),
            der.generalized_time(self.produced_at),
            der.sequence(*(item.encode() for item in self.responses)),
            _nonce_extensions(1, self.nonce),
        )


def responder_key_hash(certificate: Certificate) -> bytes:
    return hashlib.sha1(_public_bits(certificate), usedforsecurity=False).digest()


def assemble_response(
    data: bytes, algorithm: SignatureAlgorithm, signature: bytes, certificates: Iterable[Certificate] = ()
) -> bytes:
    """A successful OCSPResponse from what `ResponseData.encode` gave and its signature."""
    carried = b"".join(item.der for item in certificates)
    basic = der.sequence(
        data,
        algorithm.identifier,
        der.bit_string(signature),
        der.explicit(0, der.sequence(carried)) if carried else b"",
    )
    content = der.sequence(_BASIC, der.octet_string(basic))
    return der.sequence(der.integer(Status.SUCCESSFUL, der.ENUMERATED), der.explicit(0, content))


def error_response(status: Status) -> bytes:
    """An OCSPResponse that tells why there is no answer."""
    if status is Status.SUCCESSFUL:
        raise EncodeError("a successful response needs its content", field="responseStatus")
    return der.sequence(der.integer(status, der.ENUMERATED))


@dataclass(frozen=True, slots=True)
class BasicResponse:
    """A successful response as read, nothing verified yet."""

    data_der: bytes = field(repr=False)
    responder_name: Name | None
    responder_key_hash: bytes | None
    produced_at: datetime
    responses: tuple[SingleResponse, ...]
    nonce: bytes | None
    algorithm: SignatureAlgorithm
    signature: bytes = field(repr=False)
    certificates: tuple[Certificate, ...] = field(repr=False)

    def verify(self, issuer: Certificate, at: datetime) -> Certificate:
        """Who signed: `issuer` itself, or whom it authorised by id-kp-OCSPSigning (RFC 6960 4.2.2.2).

        Raises InvalidSignature, or DecodeError naming what does not fit.
        """
        for candidate in (issuer, *self.certificates):
            if not self._is_responder(candidate):
                continue
            if candidate is not issuer:
                _check_delegation(candidate, issuer, at)
            spki.verify(candidate.spki_der, self.algorithm, self.data_der, self.signature)
            return candidate
        raise DecodeError("no certificate of the responder that it names", field="responderID")

    def status_of(self, issuer: Certificate, serial: int, at: datetime) -> SingleResponse:
        """The answer for a certificate of `issuer`, when it is fresh. Raises DecodeError."""
        for item in self.responses:
            if item.cert_id.serial == serial and item.cert_id.is_by(issuer):
                if item.this_update > at:
                    raise DecodeError("not yet valid", field="thisUpdate")
                if item.next_update is not None and item.next_update < at:
                    raise DecodeError("out of date", field="nextUpdate")
                return item
        raise DecodeError("does not speak of the certificate", field="responses")

    def _is_responder(self, certificate: Certificate) -> bool:
        if self.responder_key_hash is not None:
            return responder_key_hash(certificate) == self.responder_key_hash
        return self.responder_name is not None and self.responder_name.matches(certificate.subject)


def parse_response(encoded: bytes) -> tuple[Status, BasicResponse | None]:
    """Reads an OCSPResponse; the content is there when it was successful. Raises DecodeError."""
    outer = der.Reader(encoded, field="OCSPResponse", max_size=MAX_RESPONSE)
    reader = outer.enter()
    outer.end()
    code = reader.integer("responseStatus", der.ENUMERATED)
    if code not in Status._value2member_map_:
        raise reader.fail(f"no such status {code}", "responseStatus")
    status = Status(code)
    holder = reader.enter_if(0xA0, "responseBytes")
    reader.end()
    if (status is Status.SUCCESSFUL) != (holder is not None):
        raise reader.fail("status and content contradict each other", "responseStatus")
    if holder is None:
        return status, None
    content = holder.enter(der.SEQUENCE, "ResponseBytes")
    holder.end()
    if content.oid("responseType") != oid.OCSP_BASIC:
        raise content.fail("only id-pkix-ocsp-basic is known", "responseType")
    basic = content.octet_string("response")
    content.end()
    return status, _read_basic(basic)


def _read_basic(encoded: bytes) -> BasicResponse:
    outer = der.Reader(encoded, field="BasicOCSPResponse")
    reader = outer.enter()
    outer.end()
    data = reader.raw_of(der.SEQUENCE, "tbsResponseData")
    algorithm = read_signature_algorithm(reader)
    signature = reader.bit_string("signature")
    certificates: list[Certificate] = []
    if (holder := reader.enter_if(0xA0, "certs")) is not None:
        listed = holder.enter(der.SEQUENCE, "certs")
        holder.end()
        while listed.more:
            certificates.append(parse_certificate(listed.raw_of(der.SEQUENCE, "certs")))
    reader.end()
    tbs = der.Reader(data, field="ResponseData").enter()
    if (version := tbs.enter_if(0xA0, "version")) is not None:
        if version.integer("version") != 0:
            raise tbs.fail("only version 1 is known", "version")
        version.end()
    name = key_hash = None
    if (by_name := tbs.enter_if(0xA1, "byName")) is not None:
        name = Name.read(by_name, "byName")
        by_name.end()
    elif (by_key := tbs.enter_if(0xA2, "byKey")) is not None:
        key_hash = by_key.octet_string("byKey")
        by_key.end()
    else:
        raise tbs.fail("byName or byKey", "responderID")
    produced_at = tbs.time("producedAt")
    responses: list[SingleResponse] = []
    listed = tbs.enter(der.SEQUENCE, "responses")
    while listed.more:
        responses.append(_read_single(listed))
    nonce = None
    if (holder := tbs.enter_if(0xA1, "responseExtensions")) is not None:
        nonce = _read_nonce(extension.read_extensions(holder))
        holder.end()
    tbs.end()
    return BasicResponse(
        data, name, key_hash, produced_at, tuple(responses), nonce, algorithm, signature, tuple(certificates)
    )


def _read_single(listed: der.Reader) -> SingleResponse:
    single = listed.enter(der.SEQUENCE, "SingleResponse")
    cert_id = _read_cert_id(single)
    known, revoked_at, reason = True, None, Reason.UNSPECIFIED
    tag = single.peek()
    if tag in (0x80, 0x82):
        if single.read(tag, "certStatus"):
            raise single.fail("NULL", "certStatus")
        known = tag == 0x80
    else:
        revoked = single.enter(0xA1, "certStatus")
        revoked_at = revoked.time("revocationTime")
        if (holder := revoked.enter_if(0xA0, "revocationReason")) is not None:
            code = holder.integer("revocationReason", der.ENUMERATED)
            holder.end()
            if code not in Reason._value2member_map_:
                raise revoked.fail(f"no such reason {code}", "revocationReason")
            reason = Reason(code)
        revoked.end()
    this_update = single.time("thisUpdate")
    next_update = None
    if (holder := single.enter_if(0xA0, "nextUpdate")) is not None:
        next_update = holder.time("nextUpdate")
        holder.end()
    if (holder := single.enter_if(0xA1, "singleExtensions")) is not None:
        _refuse_critical(extension.read_extensions(holder))
        holder.end()
    single.end()
    return SingleResponse(cert_id, this_update, next_update, known, revoked_at, reason)


def _read_cert_id(reader: der.Reader) -> CertId:
    whole = reader.raw_of(der.SEQUENCE, "CertID")
    inner = der.Reader(whole, field="CertID").enter()
    hash_oid, parameters = read_identifier(inner, "hashAlgorithm")
    if hash_oid not in HASHES or parameters not in (b"", der.NULL):
        raise inner.fail("SHA-1, SHA-256 or SM3", "hashAlgorithm")
    name_hash, key_hash = inner.octet_string("issuerNameHash"), inner.octet_string("issuerKeyHash")
    if {len(name_hash), len(key_hash)} != {HASHES[hash_oid]}:
        raise inner.fail(f"{HASHES[hash_oid]} octets", "issuerNameHash")
    serial = inner.integer("serialNumber")
    inner.end()
    return CertId(hash_oid, name_hash, key_hash, serial, whole)


def _nonce_extensions(number: int, nonce: bytes | None) -> bytes:
    if nonce is None:
        return b""
    return der.explicit(number, der.sequence(Extension(oid.OCSP_NONCE, False, der.octet_string(nonce)).encode()))


def _read_nonce(extensions: Sequence[Extension]) -> bytes | None:
    """Other critical extensions are refused, others passed over."""
    nonce = None
    for item in extensions:
        if item.oid == oid.OCSP_NONCE:
            inner = der.Reader(item.value, field="nonce")
            nonce = inner.octet_string("nonce")
            inner.end()
            if not 1 <= len(nonce) <= MAX_NONCE:
                raise DecodeError(f"1 to {MAX_NONCE} octets", field="nonce")
    _refuse_critical(item for item in extensions if item.oid != oid.OCSP_NONCE)
    return nonce


def _refuse_critical(extensions: Iterable[Extension]) -> None:
    for item in extensions:
        if item.critical:
            raise DecodeError(f"unknown critical extension {item.oid}", field="extensions")


def _check_delegation(responder: Certificate, issuer: Certificate, at: datetime) -> None:
    if oid.KP_OCSP_SIGNING not in (responder.ext_key_usage or ()):
        raise DecodeError("the responder is not authorised by its issuer", field="extKeyUsage")
    if not responder.issuer.matches(issuer.subject):
        raise DecodeError("the responder's certificate is another issuer's", field="issuer")
    if not responder.not_before <= at <= responder.not_after:
        raise DecodeError("the responder's certificate is out of date", field="validity")
    try:
        responder.verify_signed_by(issuer)
    except InvalidSignature:
        raise DecodeError("the responder's certificate is not signed by the issuer", field="signature") from None


def _public_bits(certificate: Certificate) -> bytes:
    """The content of the BIT STRING subjectPublicKey."""
    reader = der.Reader(certificate.spki_der).enter()
    reader.raw()
    return reader.bit_string()


@lru_cache(maxsize=64)
def _issuer_hashes(issuer: bytes, hash_oid: str) -> tuple[bytes, bytes]:
    certificate = parse_certificate(issuer)
    parts = certificate.subject.encode(), _public_bits(certificate)
    if hash_oid == oid.SM3:
        return sm3.digest(parts[0]), sm3.digest(parts[1])
    name = {oid.SHA1: "sha1", oid.SHA256: "sha256"}[hash_oid]
    first, second = (hashlib.new(name, part, usedforsecurity=False).digest() for part in parts)
    return first, second
