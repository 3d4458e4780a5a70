from __future__ import annotations

import asyncio
import hashlib

import pytest
from tests.rooms import Rooms
from tests.standin import call_of

from miyun.core.errors import (
    ClockUntrusted,
    InternalError,
    MachineLocked,
    MiyunError,
    NotEntitled,
    QuotaExceeded,
    TooLarge,
    Unauthenticated,
)
from miyun.offerings.timestamp import protocol
from miyun.offerings.timestamp.errors import TimestampRejected
from miyun.offerings.timestamp.model import POLICIES
from miyun.wire import der, oid
from miyun.wire.algorithm import DigestAlgorithm
from miyun.wire.tsp import FailureInfo, MessageImprint, PKIStatus, TimeStampResp, build_request, parse_response

GOOD = build_request(MessageImprint.of(DigestAlgorithm.SHA256, hashlib.sha256(b"x").digest()))
SHA1 = der.sequence(
    der.integer(1),
    der.sequence(der.sequence(der.oid(oid.SHA1), der.NULL), der.octet_string(bytes(20))),
)
MD5 = der.sequence(
    der.integer(1),
    der.sequence(der.sequence(der.oid("1.2.840.113549.2.5"), der.NULL), der.octet_string(bytes(16))),
)
VERSION_2 = GOOD.replace(b"\x02\x01\x01", b"\x02\x01\x02", 1)
SHORT_DIGEST = der.sequence(
    der.integer(1), der.sequence(der.sequence(der.oid(oid.SHA256), der.NULL), der.octet_string(bytes(31)))
)
EXTENSION = der.sequence(
    der.integer(1),
    der.sequence(der.sequence(der.oid(oid.SHA256), der.NULL), der.octet_string(bytes(32))),
    der.tlv(0xA0, der.sequence(der.oid("1.2.3.4"), der.octet_string(b"x"))),
)
OTHER_POLICY = build_request(MessageImprint.of(DigestAlgorithm.SHA256, bytes(32)), policy=POLICIES["rsa"].oid)
FOREIGN_HASH = build_request(MessageImprint.of(DigestAlgorithm.SM3, bytes(32)))


def rendered(error: MiyunError) -> tuple[int, TimeStampResp]:
    reply = protocol.error(error)
    assert reply.content_type == "application/timestamp-reply"
    response = parse_response(reply.body)
    assert response.status is PKIStatus.REJECTION
    assert response.token is None
    assert any("一" <= ch <= "鿿" for ch in response.texts[0]), "the text speaks Chinese too"
    return reply.status, response


@pytest.mark.parametrize(
    ("policy", "body", "failure"),
    [
        ("ecdsa", b"", FailureInfo.BAD_DATA_FORMAT),
        ("ecdsa", b"not DER", FailureInfo.BAD_DATA_FORMAT),
        ("ecdsa", GOOD[:-3], FailureInfo.BAD_DATA_FORMAT),
        ("ecdsa", GOOD + b"\x00", FailureInfo.BAD_DATA_FORMAT),
        ("ecdsa", SHORT_DIGEST, FailureInfo.BAD_DATA_FORMAT),
        ("ecdsa", VERSION_2, FailureInfo.BAD_REQUEST),
        ("ecdsa", SHA1, FailureInfo.BAD_ALG),
        ("ecdsa", MD5, FailureInfo.BAD_ALG),
        ("ecdsa", FOREIGN_HASH, FailureInfo.BAD_ALG),
        ("sm2", GOOD, FailureInfo.BAD_ALG),
        ("ecdsa", EXTENSION, FailureInfo.UNACCEPTED_EXTENSION),
        ("ecdsa", OTHER_POLICY, FailureInfo.UNACCEPTED_POLICY),
        ("nobody", GOOD, FailureInfo.UNACCEPTED_POLICY),
    ],
)
def test_a_bad_request_is_refused_before_it_costs_quota_with_its_failure(
    policy: str, body: bytes, failure: FailureInfo
) -> None:
    with pytest.raises(TimestampRejected) as refused:
        protocol.decode(body, {"policy": policy})
    status, response = rendered(refused.value)
    assert status == 200
    assert response.failure_bits == 1 << failure


@pytest.mark.parametrize(
    ("error", "status", "bits"),
    [
        (QuotaExceeded(retry_after=60, used=10_000, limit=10_000, meter="timestamp.tokens"), 429, 0),
        (Unauthenticated(), 401, 0),
        (NotEntitled(service="timestamp"), 403, 0),
        (ClockUntrusted(), 503, 1 << FailureInfo.TIME_NOT_AVAILABLE),
        (MachineLocked(), 503, 1 << FailureInfo.SYSTEM_FAILURE),
        (InternalError(), 500, 1 << FailureInfo.SYSTEM_FAILURE),
        (TooLarge(field="body", limit="16 KiB"), 413, 1 << FailureInfo.BAD_DATA_FORMAT),
    ],
)
def test_what_concerns_http_keeps_its_status(error: MiyunError, status: int, bits: int) -> None:
    found, response = rendered(error)
    assert (found, response.failure_bits) == (status, bits)


def test_a_good_request_passes_through(rooms: Rooms) -> None:
    request = protocol.decode(GOOD, {"policy": "ecdsa"})
    reply = protocol.encode(asyncio.run(rooms.timestamp.rfc3161(call_of("ten_a", rooms.clock), request)))
    assert parse_response(reply.body).status is PKIStatus.GRANTED
