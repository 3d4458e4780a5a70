"""Operations of the certificate room."""

from __future__ import annotations

from miyun.core.i18n import Text
from miyun.core.operation import Duty, Empty, Meter, Operation, Reply, Role
from miyun.offerings.certificate import messages as m
from miyun.offerings.certificate.service import CertificateService as S
from miyun.offerings.certificate.trust.operations import OPERATIONS as TRUST

ISSUED = Meter("certificate.issued", Text("张", "certificates"))

_SECURITY = frozenset({Role.TENANT_SECURITY})
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
_PUBLIC = frozenset({Role.PUBLIC})
_SERIAL = "4f0b1c2d3e4f5a6b7c8d9e0f1a2b3c4d"
EXAMPLE_CSR = """-----BEGIN CERTIFICATE REQUEST-----
MIHyMIGaAgEAMDgxCzAJBgNVBAYTAkNOMRIwEAYDVQQKDAnnpLrkvovlsYAxFTAT
BgNVBAMMDOekuuS+i+W6lOeUqDBZMBMGByqGSM49AgEGCCqBHM9VAYItA0IABDn4
aEKIJOKMR4LZ5erE5fhe+wI+sIuLwOzb1qkOG1aPBsYG83JfY7yehLAk9oJE4z59
w82oxpXJNHlO2dF1wj6gADAKBggqgRzPVQGDdQNHADBEAiBTlLG1s3iDK3K+sqe5
q1sEKc838ykK5nfBzn0j2AOVpQIgYPtdZHTV86Cmogc7QR1kd3O9TmgZbzjKc5CR
T3mrew0=
-----END CERTIFICATE REQUEST-----
"""

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="certificate.issue",
        summary=Text("签发证书（可同时签发加密证书）", "Issue a certificate, with an encryption twin if asked"),
        description=Text(
            "申请须由其私钥自签名。给出加密公钥时签发双证书。",
            "The request must be signed by its own key. An encryption public key makes it a certificate pair.",
        ),
        method="POST",
        path="/certificates",
        request=m.IssueRequest,
        response=m.IssuedView,
        handler=S.issue,
        roles=_SECURITY | {Role.SYSTEM},
        duty=Duty.KEYS,
        meter=ISSUED,
        idempotent=True,
        example={"template": "application", "csr": EXAMPLE_CSR, "names": ["app.example.cn"], "days": 365},
    ),
    Operation(
        id="certificate.list",
        summary=Text("查找证书", "Find certificates"),
        method="GET",
        path="/certificates",
        request=m.ListRequest,
        response=m.CertificatePage,
        handler=S.list_certificates,
        roles=_READERS,
        duty=Duty.READ,
        quota_free=True,
        example={"text": "示例", "limit": 50},
    ),
    Operation(
        id="certificate.get",
        summary=Text("查看证书", "Look at a certificate"),
        method="GET",
        path="/certificates/{serial}",
        request=m.SerialRequest,
        response=m.CertificateDetail,
        handler=S.get,
        roles=_READERS,
        duty=Duty.READ,
        quota_free=True,
        tenant_fields=("serial",),
        example={"serial": _SERIAL},
    ),
    Operation(
        id="certificate.download",
        summary=Text("下载证书文件", "Download a certificate's file"),
        method="GET",
        path="/certificates/{serial}/file",
        request=m.DownloadRequest,
        response=Reply,
        handler=S.download,
        roles=_READERS,
        duty=Duty.READ,
        quota_free=True,
        reply="raw",
        tenant_fields=("serial",),
        example={"serial": _SERIAL, "format": "pem"},
    ),
    Operation(
        id="certificate.revoke",
        summary=Text("吊销证书", "Revoke a certificate"),
        description=Text("不可撤回；吊销列表随即更新。", "Cannot be undone; the revocation list follows at once."),
        method="POST",
        path="/certificates/{serial}/revoke",
        request=m.RevokeRequest,
        response=m.RevokedView,
        handler=S.revoke,
        roles=_SECURITY,
        duty=Duty.KEYS,
        quota_free=True,  # a lost key must be revocable even after the term
        idempotent=True,
        tenant_fields=("serial",),
        example={"serial": _SERIAL, "reason": "key_compromise"},
    ),
    Operation(
        id="certificate.suspend",
        summary=Text("冻结证书", "Suspend a certificate"),
        description=Text(
            "吊销列表与 OCSP 随即以 certificateHold 公布；可恢复，也可吊销。",
            "Lists and OCSP tell it at once as certificateHold; it can be resumed, or revoked.",
        ),
        method="POST",
        path="/certificates/{serial}/suspend",
        request=m.SerialRequest,
        response=m.RevokedView,
        handler=S.suspend,
        roles=_SECURITY,
        duty=Duty.KEYS,
        quota_free=True,
        idempotent=True,
        tenant_fields=("serial",),
        example={"serial": _SERIAL},
    ),
    Operation(
        id="certificate.resume",
        summary=Text("恢复已冻结的证书", "Resume a suspended certificate"),
        method="POST",
        path="/certificates/{serial}/resume",
        request=m.SerialRequest,
        response=m.RevokedView,
        handler=S.resume,
        roles=_SECURITY,
        duty=Duty.KEYS,
        idempotent=True,
        tenant_fields=("serial",),
        example={"serial": _SERIAL},
    ),
    Operation(
        id="certificate.verify",
        summary=Text("验证证书并说明原因", "Verify a certificate and say why not"),
        method="POST",
        path="/certificates/verify",
        request=m.VerifyRequest,
        response=m.VerifyView,
        handler=S.verify,
        roles=_READERS,
        duty=Duty.READ,
        quota_free=True,
        example={"certificate": "-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n", "purpose": "signature"},
    ),
    Operation(
        id="certificate.template.list",
        summary=Text("列出证书模板", "List certificate templates"),
        method="GET",
        path="/certificates/templates",
        request=Empty,
        response=m.TemplateList,
        handler=S.template_list,
        roles=_READERS,
        duty=Duty.READ,
        quota_free=True,
        example={},
    ),
    Operation(
        id="certificate.ca.list",
        summary=Text("列出证书认证机构", "List certification authorities"),
        method="GET",
        path="/certificates/authorities",
        request=Empty,
        response=m.AuthorityList,
        handler=S.authority_list,
        roles=_PUBLIC,
        duty=Duty.READ,
        scope="public",
        quota_free=True,
        example={},
    ),
    Operation(
        id="certificate.ca.file",
        summary=Text("下载认证机构证书", "Download an authority's certificate"),
        method="GET",
        path="/certificates/authorities/{ca}/file",
        request=m.CaRequest,
        response=Reply,
        handler=S.authority_file,
        roles=_PUBLIC,
        duty=Duty.READ,
        scope="public",
        reply="raw",
        quota_free=True,
        example={"ca": "sm2-root"},
    ),
    Operation(
        id="certificate.crl",
        summary=Text("下载证书吊销列表", "Download a revocation list"),
        method="GET",
        path="/certificates/authorities/{ca}/crl",
        request=m.CaRequest,
        response=Reply,
        handler=S.crl,
        roles=_PUBLIC,
        duty=Duty.READ,
        scope="public",
        reply="raw",
        quota_free=True,
        example={"ca": "sm2-issuing"},
    ),
    Operation(
        id="certificate.ocsp",
        summary=Text("在线查询证书状态", "Ask for the status of certificates"),
        description=Text(
            "请求体为 DER 编码的 OCSPRequest（RFC 6960）；标准地址为 /ocsp/{ca}，GET 与 POST 均可。",
            "The body is an OCSPRequest in DER (RFC 6960); the standard's address is /ocsp/{ca}, by GET and POST.",
        ),
        method="POST",
        path="/certificates/authorities/{ca}/ocsp",
        request=m.OcspQuery,
        response=Reply,
        handler=S.ocsp,
        roles=_PUBLIC,
        duty=Duty.READ,
        scope="public",
        body="raw",
        reply="raw",
        content_types=("application/ocsp-request",),
        max_body=16 * 1024,
        quota_free=True,
        recorded=False,
        example={
            "ca": "sm2-issuing",
            "body": "MFEwTzBNMEswSTAJBgUrDgMCGgUABBQAAAAAAAAAAAAAAAAAAAAAAAAAAAQUAAAAAAAAAAAAAAAAAAAAAAAAAAAC"
            "EEAAAAAAAAAAAAAAAAAAAAE=",
        },
    ),
    Operation(
        id="certificate.crl.publish",
        summary=Text("立即发布到期的吊销列表", "Publish the revocation lists that are due"),
        method="POST",
        path="/certificates/authorities/publish",
        request=Empty,
        response=m.PublishedView,
        handler=S.publish,
        roles=frozenset({Role.PLATFORM_SYSTEM}),
        duty=Duty.OPERATE,
        scope="platform",
        quota_free=True,
        example={},
    ),
    *TRUST,
)
