"""数字证书: certificates, their revocation and lists."""

from miyun.core.catalogue import Offering, Plan
from miyun.core.i18n import Text
from miyun.offerings.certificate.applications.batches.operations import OPERATIONS as APPLICATION_BATCH_OPERATIONS
from miyun.offerings.certificate.applications.operations import OPERATIONS as APPLICATION_OPERATIONS
from miyun.offerings.certificate.derived.operations import OPERATIONS as TEMPLATE_OPERATIONS
from miyun.offerings.certificate.evidence import evidence
from miyun.offerings.certificate.expiry.operations import OPERATIONS as EXPIRY_OPERATIONS
from miyun.offerings.certificate.operations import ISSUED, OPERATIONS
from miyun.offerings.certificate.outside.operations import OPERATIONS as OUTSIDE_OPERATIONS
from miyun.offerings.certificate.recovery.operations import OPERATIONS as RECOVERY_OPERATIONS

OFFERING = Offering(
    slug="certificate",
    name=Text("数字证书", "Digital certificate"),
    summary=Text(
        "签发、查询、验证、冻结与吊销 SM2 及国际算法证书，密钥在密码机内，吊销列表公开，状态可在线查询。",
        "Issue, verify, suspend, revoke SM2 and international certificates; CA keys in the machine; CRLs, OCSP.",
    ),
    category="crypto",
    state="available",
    standards=(
        "GM/T 0034",
        "GM/T 0015",
        "GB/T 20518",
        "GM/T 0092",
        "GM/T 0093",
        "GB/T 35276",
        "RFC 5280",
        "RFC 2986",
        "RFC 6960",
    ),
    plans=(Plan("certificate-standard", Text("标准版", "Standard"), Text("年", "year")),),
    meters=(ISSUED,),
    operations=(
        *OPERATIONS,
        *TEMPLATE_OPERATIONS,
        *APPLICATION_OPERATIONS,
        *APPLICATION_BATCH_OPERATIONS,
        *RECOVERY_OPERATIONS,
        *OUTSIDE_OPERATIONS,
        *EXPIRY_OPERATIONS,
    ),
    evidence=evidence,
    sample={"operation": "certificate.template.list", "request": {}},
)
