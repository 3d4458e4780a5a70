"""RFC 3161 over HTTP (section 3.4): every answer is a TimeStampResp, refusals included."""

from __future__ import annotations

from collections.abc import Mapping

from miyun.core.errors import ClockUntrusted, InvalidArgument, MiyunError, TooLarge
from miyun.core.operation import Reply
from miyun.core.protocol import ProtocolRoute
from miyun.offerings.timestamp.errors import TimestampRejected
from miyun.offerings.timestamp.messages import Rfc3161Request
from miyun.offerings.timestamp.reading import read_request
from miyun.wire.tsp import FailureInfo, PKIStatus, response_rejected

QUERY = "application/timestamp-query"
REPLY = "application/timestamp-reply"


def decode(body: bytes, path: Mapping[str, str]) -> Rfc3161Request:
    """Raises TimestampRejected."""
    request = Rfc3161Request(policy=path["policy"], body=body)
    read_request(request)
    return request


def encode(result: Reply) -> Reply:
    return result


def error(refusal: MiyunError) -> Reply:
    """The response of status rejection.

    What RFC 3161 has a failure for is an answer like any other: status 200. What concerns HTTP (login, quota, load)
    keeps its own status, so that clients and proxies know whether to come back.
    """
    text = f"{refusal.message.en} {refusal.advice.en} / {refusal.message.zh}{refusal.advice.zh}"
    body = response_rejected(PKIStatus.REJECTION, _failure(refusal), text)
    return Reply(body, REPLY, status=200 if isinstance(refusal, TimestampRejected) else refusal.status)


def _failure(refusal: MiyunError) -> FailureInfo | None:
    if isinstance(refusal, TimestampRejected):
        return refusal.failure
    if isinstance(refusal, ClockUntrusted):
        return FailureInfo.TIME_NOT_AVAILABLE
    if isinstance(refusal, TooLarge):
        return FailureInfo.BAD_DATA_FORMAT
    if isinstance(refusal, InvalidArgument) or refusal.status == 415:
        return FailureInfo.BAD_REQUEST
    # PKIFailureInfo has no bit for login, permission and quota; the text and the HTTP status tell.
    return FailureInfo.SYSTEM_FAILURE if refusal.status >= 500 else None


ROUTES: tuple[ProtocolRoute, ...] = (
    ProtocolRoute(
        method="POST",
        path="/tsa/{policy}",
        operation_id="timestamp.rfc3161",
        decode=decode,
        encode=encode,
        error=error,
        content_types=(QUERY,),
    ),
)
