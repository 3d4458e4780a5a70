"""Time-stamp protocol: RFC 3161, RFC 5816, with the error numbers of GM/T 0033."""

from miyun.wire.tsp.request import MessageImprint, RequestError, TimeStampReq, build_request, parse_request
from miyun.wire.tsp.status import FailureInfo, PKIStatus, StfError
from miyun.wire.tsp.template import Accuracy, TokenTemplate, TstInfoTemplate, response_granted, response_rejected
from miyun.wire.tsp.token import (
    Mismatch,
    SignedToken,
    TimeStampInfo,
    TimeStampMismatch,
    TimeStampResp,
    TstInfo,
    check_token,
    parse_response,
    parse_token,
    parse_tst_info,
    verify_response,
    verify_token,
)

__all__ = [
    "Accuracy",
    "FailureInfo",
    "MessageImprint",
    "Mismatch",
    "PKIStatus",
    "RequestError",
    "SignedToken",
    "StfError",
    "TimeStampInfo",
    "TimeStampMismatch",
    "TimeStampReq",
    "TimeStampResp",
    "TokenTemplate",
    "TstInfo",
    "TstInfoTemplate",
    "build_request",
    "check_token",
    "parse_request",
    "parse_response",
    "parse_token",
    "parse_tst_info",
    "response_granted",
    "response_rejected",
    "verify_response",
    "verify_token",
]
