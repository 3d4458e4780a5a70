"""Operations of the timestamp room."""

from __future__ import annotations

from miyun.core.i18n import Text
from miyun.core.operation import Duty, Empty, Meter, Operation, Reply, Role
from miyun.offerings.timestamp import messages as m
from miyun.offerings.timestamp.service import METER
from miyun.offerings.timestamp.service import TimestampService as S


def batch_size(request: m.BatchRequest, response: m.BatchView | None) -> int:
    """Every item of a Merkle batch counts: each gets evidence of its time."""
    return len(request.items)


_UNIT = Text("个", "timestamps")
TOKENS = Meter(METER, _UNIT, hourly_quota=True)
BATCH_TOKENS = Meter(METER, _UNIT, units=batch_size, hourly_quota=True)
VERIFICATIONS = Meter("timestamp.verifications", Text("次", "verifications"))

_APPLICATION = frozenset({Role.APPLICATION})
_READERS = frozenset(
    {
        Role.APPLICATION,
        Role.TENANT_SYSTEM,
        Role.TENANT_SECURITY,
        Role.TENANT_AUDIT,
        Role.TENANT_DEVELOPER,
        Role.SUPPLIER_STAFF,
        Role.SYSTEM,
    }
)
_OPERATORS = frozenset({Role.PLATFORM_SYSTEM})
_DIGEST = "ZsfwYSJBNXkJBpZUD9sMK5ywyoofWuE/YP5+3/VYOrE="

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="timestamp.rfc3161",
        summary=Text("RFC 3161 时间戳请求", "RFC 3161 timestamp request"),
        description=Text(
            "请求体为 DER 编码的 TimeStampReq；标准地址为 /tsa/{policy}，可用单一用途的 Basic 凭证。",
            "The body is a TimeStampReq in DER; the standard's address is /tsa/{policy}, open to Basic credentials.",
        ),
        method="POST",
        path="/timestamp/{policy}/rfc3161",
        request=m.Rfc3161Request,
        response=Reply,
        handler=S.rfc3161,
        roles=_APPLICATION,
        duty=Duty.USE,
        pure=True,
        meter=TOKENS,
        body="raw",
        reply="raw",
        content_types=("application/timestamp-query",),
        max_body=16 * 1024,
        example={
            "policy": "sm2",
            "body": "MDsCAQEwMDAMBggqgRzPVQGDEQUABCBmx/BhIkE1eQkGllQP2wwrnLDKih9a4T9g/n7f9Vg6sQIBAQEB/w==",
        },
    ),
    Operation(
        id="timestamp.issue",
        summary=Text("签发时间戳", "Issue a timestamp"),
        method="POST",
        path="/timestamp/tokens",
        request=m.IssueRequest,
        response=m.TokenView,
        handler=S.issue,
        roles=_APPLICATION,
        duty=Duty.USE,
        pure=True,
        meter=TOKENS,
        idempotent=True,
        example={"digest": _DIGEST, "hash_algorithm": "SM3", "policy": "sm2"},
    ),
    Operation(
        id="timestamp.issue_batch",
        summary=Text("批量签发（默克尔树，一次签名）", "Issue for many by one signature (Merkle tree)"),
        description=Text(
            "每个摘要得到通向同一时间戳的证明；每个摘要各计一个时间戳。",
            "Each digest gets a proof that leads to the one token; each digest counts as one timestamp.",
        ),
        method="POST",
        path="/timestamp/batches",
        request=m.BatchRequest,
        response=m.BatchView,
        handler=S.issue_batch,
        roles=_APPLICATION,
        duty=Duty.USE,
        pure=True,
        meter=BATCH_TOKENS,
        idempotent=True,
        example={"policy": "sm2", "items": [{"digest": _DIGEST, "reference": "文件一"}]},
    ),
    Operation(
        id="timestamp.verify",
        summary=Text("验证时间戳并说明原因", "Verify a timestamp and say why not"),
        method="POST",
        path="/timestamp/verify",
        request=m.VerifyRequest,
        response=m.VerifyView,
        handler=S.verify,
        roles=_READERS,
        duty=Duty.USE,
        pure=True,
        meter=VERIFICATIONS,
        quota_free=True,
        max_body=64 * 1024 * 1024,
        example={"token": "MAA=", "digest": _DIGEST},
    ),
    Operation(
        id="timestamp.status",
        summary=Text("时间源、策略与本钟点用量", "Time source, policies and use in this clock hour"),
        method="GET",
        path="/timestamp/status",
        request=Empty,
        response=m.StatusView,
        handler=S.status,
        roles=_READERS,
        duty=Duty.READ,
        quota_free=True,
        example={},
    ),
    Operation(
        id="timestamp.drift",
        summary=Text("时钟偏差历史", "Drift history of the clock"),
        method="GET",
        path="/timestamp/drift",
        request=m.DriftRequest,
        response=m.DriftList,
        handler=S.drift,
        roles=_READERS | _OPERATORS,
        duty=Duty.READ,
        quota_free=True,
        example={"start": "2026-01-01T00:00:00+08:00", "end": "2026-01-02T00:00:00+08:00"},
    ),
    Operation(
        id="timestamp.clock.confirm",
        summary=Text("时钟跳变后确认时间", "Vouch for the time after a step of the clock"),
        description=Text(
            "跳变后停止签发，直到运维人员对照参考时间确认。",
            "After a step nothing is issued until an operator has compared the clock with a reference.",
        ),
        method="POST",
        path="/timestamp/clock/confirm",
        request=m.ConfirmRequest,
        response=m.ClockView,
        handler=S.confirm_clock,
        roles=_OPERATORS,
        duty=Duty.OPERATE,
        scope="platform",
        example={"observed": "2026-01-01T00:00:00+08:00", "reference": "国家授时中心"},
    ),
)
