"""From the octets of a TimeStampReq to what is asked, or to the refusal that RFC 3161 wants."""

from __future__ import annotations

from functools import lru_cache

from miyun.core.i18n import Text
from miyun.offerings.timestamp.errors import TimestampRejected, rejected
from miyun.offerings.timestamp.messages import Rfc3161Request
from miyun.offerings.timestamp.model import DIGESTS, HASH_NAMES, POLICIES, Policy
from miyun.wire.tsp import FailureInfo, MessageImprint, RequestError, TimeStampReq, parse_request


def read_request(request: Rfc3161Request) -> tuple[Policy, TimeStampReq]:
    """Raises TimestampRejected. The protocol edge asks first (so that a bad request costs no quota), then the service;
    the second time is a look-up."""
    return _read(request.policy, request.body)


@lru_cache(maxsize=256)
def _read(slug: str, body: bytes) -> tuple[Policy, TimeStampReq]:
    policy = POLICIES.get(slug)
    if policy is None:
        known = ", ".join(POLICIES)
        raise TimestampRejected(
            FailureInfo.UNACCEPTED_POLICY,
            Text(f"没有这个策略；可用：{known}", f"no such policy; one of {known}"),
            field="policy",
        )
    try:
        asked = parse_request(body)
    except RequestError as error:
        raise rejected(error) from None
    if asked.policy is not None and asked.policy != policy.oid:
        raise TimestampRejected(
            FailureInfo.UNACCEPTED_POLICY,
            Text(f"此地址的策略是 {policy.oid}", f"the policy at this address is {policy.oid}"),
            field="reqPolicy",
        )
    if asked.extensions:
        # RFC 3161 2.4.1: also one that is not critical.
        name = asked.extensions[0].oid
        raise TimestampRejected(
            FailureInfo.UNACCEPTED_EXTENSION,
            Text(f"不支持扩展 {name}", f"extension {name} is not supported"),
            field="extensions",
        )
    check_hash(policy, asked.message_imprint)
    return policy, asked


def check_hash(policy: Policy, imprint: MessageImprint) -> None:
    """Raises TimestampRejected unless the policy takes the imprint's hash."""
    if imprint.algorithm not in policy.digests:
        accepted = ", ".join(HASH_NAMES[item] for item in DIGESTS.values() if item in policy.digests)
        raise TimestampRejected(
            FailureInfo.BAD_ALG,
            Text(f"该策略接受的杂凑算法：{accepted}", f"this policy takes {accepted}"),
            field="hash_algorithm",
        )
