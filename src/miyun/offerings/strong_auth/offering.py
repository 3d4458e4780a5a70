"""强身份认证: certificate login for applications."""

from miyun.core.catalogue import Offering, Plan
from miyun.core.i18n import Text
from miyun.offerings.strong_auth.evidence import evidence
from miyun.offerings.strong_auth.operations import OPERATIONS
from miyun.offerings.strong_auth.sso.operations import LOGINS

OFFERING = Offering(
    slug="strong_auth",
    name=Text("强身份认证", "Strong authentication"),
    summary=Text(
        "基于数字证书的挑战应答登录，会话与证书绑定。",
        "Challenge–response login with certificates; sessions bound to the certificate.",
    ),
    category="identity",
    state="available",
    standards=("GM/T 0067-2019", "GB/T 20518", "RFC 6749", "RFC 7636"),
    plans=(Plan("strong-auth-standard", Text("标准版", "Standard"), Text("年", "year")),),
    meters=(LOGINS,),
    includes=("certificate.*",),
    operations=OPERATIONS,
    evidence=evidence,
    sample={"operation": "strong_auth.challenge", "request": {}},
)
