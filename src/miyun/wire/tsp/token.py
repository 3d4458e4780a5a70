"""Reading responses and tokens (RFC 3161 2.4.2) and verifying tokens."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from miyun.gm.errors import InvalidSignature
from miyun.wire import der, oid
from miyun.wire.cms.attribute import names_certificate
from miyun.wire.cms.signed_data import SignedDataInfo, parse_signed_data
from miyun.wire.cms.verify import verify_signed_data
from miyun.wire.errors import DecodeError
from miyun.wire.name import Name
from miyun.wire.tsp.request import MessageImprint, TimeStampReq, read_imprint
from miyun.wire.tsp.status import PKIStatus
from miyun.wire.tsp.template import Accuracy
from miyun.wire.x509 import general_name
from miyun.wire.x509.certificate import Certificate
from miyun.wire.x509.chain import Chain, Purpose, verify_chain
from miyun.wire.x509.extension import Extension, read_extensions

MAX_TOKEN: Final = 1024 * 1024


class Mismatch(StrEnum):
    """In what a good token differs from what the verifier expects."""

    IMPRINT = "imprint"
    NONCE = "nonce"
    POLICY = "policy"
    SIGNER = "signer"


class TimeStampMismatch(ValueError):
    """The token is not for this data, request or policy; `reason` says which."""

    def __init__(self, reason: Mismatch, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class TstInfo:
    """What a TSA states."""

    policy: str
    message_imprint: MessageImprint
    serial: int
    gen_time: datetime
    accuracy: Accuracy | None
    ordering: bool
    nonce: int | None
    tsa: general_name.GeneralName | None
    extensions: tuple[Extension, ...]


@dataclass(frozen=True, slots=True)
class TimeStampResp:
    """A response as read; `token` is a whole ContentInfo when granted."""

    status: PKIStatus
    texts: tuple[str, ...]
    failure_bits: int
    """PKIFailureInfo: bit n set when failure n is given."""
    token: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class TimeStampInfo:
    """A verified token: its statement and the signer's path."""

    tst_info: TstInfo
    chain: Chain

    @property
    def gen_time(self) -> datetime:
        return self.tst_info.gen_time

    @property
    def serial(self) -> int:
        return self.tst_info.serial

    @property
    def policy(self) -> str:
        return self.tst_info.policy


def parse_response(encoded: bytes, *, max_size: int = MAX_TOKEN) -> TimeStampResp:
    """Reads a TimeStampResp. Raises DecodeError, also when status and token contradict each other."""
    outer = der.Reader(encoded, field="TimeStampResp", max_size=max_size)
    reader = outer.enter()
    outer.end()
    info = reader.enter(der.SEQUENCE, "PKIStatusInfo")
    code = info.integer("status")
    if code not in PKIStatus._value2member_map_:
        raise info.fail(f"no such status {code}", "status")
    texts: list[str] = []
    if (strings := info.enter_if(der.SEQUENCE, "statusString")) is not None:
        while strings.more:
            texts.append(strings.text())
    failure = info.named_bits("failInfo") if info.more else 0
    info.end()
    token = reader.raw_of(der.SEQUENCE, "timeStampToken") if reader.more else None
    reader.end()
    status = PKIStatus(code)
    if (status in (PKIStatus.GRANTED, PKIStatus.GRANTED_WITH_MODS)) != (token is not None):
        raise reader.fail("status and token contradict each other", "status")
    return TimeStampResp(status, tuple(texts), failure, token)


def parse_tst_info(encoded: bytes) -> TstInfo:
    """Reads a TSTInfo. Raises DecodeError."""
    outer = der.Reader(encoded, field="TSTInfo")
    reader = outer.enter()
    outer.end()
    if reader.integer("version") != 1:
        raise reader.fail("only version 1 is known", "version")
    policy = reader.oid("policy")
    imprint = read_imprint(reader)
    serial = reader.integer("serialNumber")
    if reader.peek() != der.GENERALIZED_TIME:
        raise reader.fail("GeneralizedTime", "genTime")
    gen_time = reader.time("genTime")
    accuracy = _read_accuracy(reader.enter_if(der.SEQUENCE, "accuracy"))
    ordering = reader.boolean("ordering") if reader.peek() == der.BOOLEAN else False
    nonce = reader.integer("nonce") if reader.peek() == der.INTEGER else None
    tsa = None
    if (holder := reader.enter_if(0xA0, "tsa")) is not None:
        tsa = general_name.read(holder)
        holder.end()
    extensions: tuple[Extension, ...] = ()
    if reader.peek() == 0xA1:
        content = reader.read(0xA1, "extensions")
        extensions = read_extensions(der.Reader(der.tlv(der.SEQUENCE, content), field="extensions"))
    reader.end()
    return TstInfo(policy, imprint, serial, gen_time, accuracy, ordering, nonce, tsa, extensions)


def _read_accuracy(reader: der.Reader | None) -> Accuracy | None:
    if reader is None:
        return None
    seconds = reader.integer("seconds") if reader.peek() == der.INTEGER else None
    millis = reader.integer("millis", 0x80) if reader.peek() == 0x80 else None
    micros = reader.integer("micros", 0x81) if reader.peek() == 0x81 else None
    reader.end()
    return Accuracy(seconds, millis, micros)


def parse_token(encoded: bytes) -> tuple[TstInfo, SignedDataInfo]:
    """Reads a TimeStampToken without verifying it. Raises DecodeError."""
    signed = parse_signed_data(encoded, max_size=MAX_TOKEN)
    if signed.content_type != oid.TST_INFO or signed.content is None:
        raise DecodeError("holds no TSTInfo", field="eContentType")
    if len(signed.signers) != 1:
        raise DecodeError("a token has exactly one signer", field="signerInfos")
    return parse_tst_info(signed.content), signed


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A token whose own signature is right; whether its signer is to be trusted was not asked."""

    tst_info: TstInfo
    certificate: Certificate
    certificates: tuple[Certificate, ...]
    """All that came with it."""


def check_token(
    token: bytes,
    *,
    digest: bytes | None = None,
    message: bytes | None = None,
    certificates: Iterable[Certificate] = (),
    policy: str | None = None,
    nonce: int | None = None,
) -> SignedToken:
    """As `verify_token`, without its path. Raises InvalidSignature, TimeStampMismatch or DecodeError."""
    if (digest is None) == (message is None):
        raise TypeError("a token is verified for either digest or message")
    info, signed = parse_token(token)
    imprint = info.message_imprint
    expected = digest if message is None else imprint.algorithm.digest(message)
    if expected is None or not hmac.compare_digest(imprint.digest, expected):
        raise TimeStampMismatch(Mismatch.IMPRINT, "the token is for other data")
    if policy is not None and info.policy != policy:
        raise TimeStampMismatch(Mismatch.POLICY, f"made under policy {info.policy}")
    if nonce is not None and info.nonce != nonce:
        raise TimeStampMismatch(Mismatch.NONCE, "the token answers another request")
    verified = verify_signed_data(signed, certificates=certificates)
    signer = verified.signers[0]
    certificate = signer.certificate
    if certificate is None or signer.signed_attributes is None:
        raise InvalidSignature
    if names_certificate(signer.attributes, certificate) is None:
        # Without it (RFC 3161 2.4.1, RFC 5816) another certificate of the same key could be put in its place.
        raise TimeStampMismatch(Mismatch.SIGNER, "the token does not name its signing certificate")
    if info.tsa is not None and not _is_name_of(info.tsa, certificate):
        raise TimeStampMismatch(Mismatch.SIGNER, "the named TSA is not the signer")
    return SignedToken(info, certificate, verified.certificates)


def verify_token(
    token: bytes,
    *,
    anchors: Iterable[Certificate],
    digest: bytes | None = None,
    message: bytes | None = None,
    certificates: Iterable[Certificate] = (),
    at: datetime | None = None,
    policy: str | None = None,
    nonce: int | None = None,
    revoked: Callable[[Certificate], bool] | None = None,
) -> TimeStampInfo:
    """Verifies a token over `digest` or `message` (exactly one of them) against trusted `anchors`.

    The path is checked at the token's own time, or at the aware time `at`. `certificates` help when the token was made
    without. `policy` and `nonce` are compared when given. Raises InvalidSignature, ChainError, TimeStampMismatch or
    DecodeError.
    """
    pool = tuple(certificates)
    signed = check_token(token, digest=digest, message=message, certificates=pool, policy=policy, nonce=nonce)
    chain = verify_chain(
        signed.certificate,
        (*signed.certificates, *pool),
        anchors,
        at or signed.tst_info.gen_time,
        purpose=Purpose.TIME_STAMPING,
        revoked=revoked,
    )
    return TimeStampInfo(signed.tst_info, chain)


def _is_name_of(tsa: general_name.GeneralName, certificate: Certificate) -> bool:
    """Whether the TSTInfo's tsa is a subject name of the signer's certificate (RFC 3161 2.4.2)."""
    if isinstance(tsa.value, Name) and tsa.value.matches(certificate.subject):
        return True
    return tsa in certificate.subject_alt_names


def verify_response(
    encoded: bytes,
    request: TimeStampReq,
    *,
    anchors: Iterable[Certificate],
    certificates: Iterable[Certificate] = (),
    at: datetime | None = None,
) -> TimeStampInfo:
    """As `verify_token`, for the response to `request`: imprint, nonce and policy must be the request's."""
    response = parse_response(encoded)
    if response.token is None:
        raise DecodeError(f"not granted: status {response.status.name}", field="status")
    imprint = request.message_imprint
    if parse_token(response.token)[0].message_imprint != imprint:
        raise TimeStampMismatch(Mismatch.IMPRINT, "the token is for other data")
    return verify_token(
        response.token,
        anchors=anchors,
        digest=imprint.digest,
        certificates=certificates,
        at=at,
        policy=request.policy,
        nonce=request.nonce,
    )
