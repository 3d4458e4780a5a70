"""时间戳: trusted time over hashes."""

from decimal import Decimal

from miyun.core.catalogue import Offering, Plan, ServiceLevel
from miyun.core.i18n import Text
from miyun.offerings.timestamp.evidence import evidence
from miyun.offerings.timestamp.operations import OPERATIONS, TOKENS, VERIFICATIONS

OFFERING = Offering(
    slug="timestamp",
    name=Text("时间戳", "Timestamp"),
    summary=Text(
        "RFC 3161 时间戳：国密与国际算法策略，默克尔批量，时钟偏差超限即停止签发。",
        "RFC 3161 timestamps: SM2, ECDSA and RSA policies, Merkle batches; no token while the clock is in doubt.",
    ),
    category="crypto",
    state="available",
    standards=("RFC 3161", "RFC 5816", "GM/T 0033", "GB/T 20520"),
    plans=(
        Plan(
            "timestamp-licence",
            Text("时间戳服务授权", "Timestamp service licence"),
            Text("年", "year"),
            hourly_capacity={TOKENS.name: 10_000},
        ),
    ),
    meters=(TOKENS, VERIFICATIONS),
    service_levels=(
        ServiceLevel("availability", Text("可用性", "Availability"), Decimal("99.9"), Text("%", "%")),
        ServiceLevel("clock-drift", Text("时钟偏差不超过", "Clock offset at most"), Decimal("1"), Text("秒", "s")),
    ),
    operations=OPERATIONS,
    evidence=evidence,
    sample={
        "kind": "rfc3161",
        "policy": "ecdsa",
        "operation": "timestamp.issue",
        "request": {"digest": "ZsfwYSJBNXkJBpZUD9sMK5ywyoofWuE/YP5+3/VYOrE=", "hash_algorithm": "SM3"},
    },
)
