"""Whatever octets arrive, the answer is a token or a refusal in the standard's form."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from miyun.gm import sm3
from miyun.offerings.timestamp import protocol
from miyun.offerings.timestamp.errors import TimestampRejected
from miyun.offerings.timestamp.model import POLICIES
from miyun.wire.algorithm import DigestAlgorithm
from miyun.wire.tsp import MessageImprint, PKIStatus, build_request, parse_response

VALID = [
    build_request(MessageImprint.of(DigestAlgorithm.SM3, sm3.digest(b"x")), nonce=1 << 63),
    build_request(MessageImprint.of(DigestAlgorithm.SHA256, hashlib.sha256(b"x").digest()), policy=POLICIES["rsa"].oid),
    build_request(MessageImprint.of(DigestAlgorithm.SHA512, hashlib.sha512(b"x").digest()), cert_req=False),
]
POLICY = st.sampled_from([*POLICIES, "other", ""])


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    body = bytearray(draw(st.sampled_from(VALID)))
    for _ in range(draw(st.integers(0, 4))):
        body[draw(st.integers(0, len(body) - 1))] = draw(st.integers(0, 255))
    return bytes(body[: draw(st.integers(0, len(body)))])


@given(st.one_of(st.binary(max_size=200), damaged()), POLICY)
def test_a_request_is_read_or_refused_by_the_standard(body: bytes, policy: str) -> None:
    try:
        request = protocol.decode(body, {"policy": policy})
    except TimestampRejected as refusal:
        reply = protocol.error(refusal)
        response = parse_response(reply.body)
        assert reply.status == 200
        assert response.status is PKIStatus.REJECTION
        assert response.failure_bits == 1 << refusal.failure
    else:
        assert request.policy in POLICIES
