"""签名验签: signatures that say who, and verification that says why not."""

from miyun.core.catalogue import Offering, Plan
from miyun.core.i18n import Text
from miyun.offerings.signature.evidence import evidence
from miyun.offerings.signature.operations import CALLS, OPERATIONS

OFFERING = Offering(
    slug="signature",
    name=Text("签名验签", "Signing and verification"),
    summary=Text(
        "SM2、ECDSA、RSA 签名，CMS、PDF、XML；密钥不出密码机，验签说明原因，证据长期留存。",
        "SM2, ECDSA and RSA signatures, CMS, PDF, XML; keys stay in the machine; evidence that lasts.",
    ),
    category="crypto",
    state="available",
    standards=("GM/T 0029", "GB/T 32918", "GB/T 35275", "RFC 5652", "RFC 4998"),
    plans=(Plan("signature-standard", Text("标准版", "Standard"), Text("年", "year")),),
    meters=(CALLS,),
    includes=("kms.*", "certificate.*"),
    operations=OPERATIONS,
    evidence=evidence,
    sample={"operation": "signature.sign", "request": {"signer": "{signer}", "message": "5a+G5LqR"}},
)
