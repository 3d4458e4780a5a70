"""Operations of the signature room."""

from __future__ import annotations

from miyun.core.i18n import Text
from miyun.core.listing import Column, exporting
from miyun.core.operation import Download, Duty, Meter, Operation, Role
from miyun.offerings.signature import messages as m
from miyun.offerings.signature.archive.operations import operations as archive
from miyun.offerings.signature.pdf.operations import operations as pdf
from miyun.offerings.signature.service import METER
from miyun.offerings.signature.service import SignatureService as S
from miyun.offerings.signature.xml.operations import operations as xml


def items_in(request: m.SignBatchRequest | m.VerifyBatchRequest, response: object) -> int:
    """Every item of a batch is one call."""
    return len(request.items)


_UNIT = Text("次", "calls")
CALLS = Meter(METER, _UNIT)
BATCH_CALLS = Meter(METER, _UNIT, units=items_in)

_APPLICATION = frozenset({Role.APPLICATION})
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
_COLUMNS: tuple[Column[m.SignerView], ...] = (
    Column("signer", Text("标识", "Identifier"), lambda item: item.signer),
    Column("name", Text("名称", "Name"), lambda item: item.name),
    Column("algorithm", Text("算法", "Algorithm"), lambda item: item.algorithm),
    Column("state", Text("状态", "State"), lambda item: item.state),
    Column("subject", Text("证书主体", "Subject"), lambda item: item.subject),
    Column("certificate_serial", Text("证书序列号", "Serial number"), lambda item: item.certificate_serial),
    Column("not_after", Text("证书到期", "Certificate ends"), lambda item: item.not_after),
    Column("key", Text("密钥", "Key"), lambda item: item.key),
    Column("version", Text("密钥版本", "Version of the key"), lambda item: item.version),
    Column("created_at", Text("建立时间", "Made"), lambda item: item.created_at),
)
_LARGE = 32 * 1024 * 1024
_MESSAGE = "5a+G5LqR"
# A signature over that message, so that the example verifies for everybody.
VERIFIES = {
    "message": _MESSAGE,
    "public_key": "MFkwEwYHKoZIzj0CAQYIKoEcz1UBgi0DQgAE3XUY4BRozyYZAuBWiC3GS8qL05pnFTko1q6uU9zbzHZvb3FescQHEyuvfIsC"
    "PU4A8TVMnpFXBsn6nd3F8WN+1A==",
    "signature": "MEUCIQCpfWOcCSbASVfk3zpONTGOa8K/dwJKKdWphwTH9NtYqwIgWks4wyFQ9JhqrRI3ln63DTKFgMmQrCztK4nhlzwDZAw=",
}

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="signature.signer.create",
        summary=Text("建立签名者（密钥与证书一步完成）", "Make a signer: key and certificate in one call"),
        description=Text(
            "密钥在密码机内生成；也可指定已有的签名密钥。",
            "The key is generated in the cryptographic machine; an existing signing key may be named instead.",
        ),
        method="POST",
        path="/signature/signers",
        request=m.CreateSigner,
        response=m.SignerView,
        handler=S.create_signer,
        roles=_SECURITY | {Role.SYSTEM},
        duty=Duty.KEYS,
        idempotent=True,
        tenant_fields=("key",),
        example={"name": "approval", "subject": {"O": "示例局", "CN": "审批系统"}, "algorithm": "SM2"},
    ),
    Operation(
        id="signature.signer.list",
        summary=Text("列出签名者", "List signers"),
        method="GET",
        path="/signature/signers",
        request=m.ListSigners,
        response=m.SignerPage,
        handler=S.list_signers,
        roles=_READERS,
        duty=Duty.READ,
        quota_free=True,
        example={"limit": 50},
    ),
    Operation(
        id="signature.signer.export",
        summary=Text("导出签名者", "Export signers"),
        method="GET",
        path="/signature/signers/export",
        request=m.ExportSigners,
        response=Download,
        handler=exporting(S.list_signers, m.ListSigners, _COLUMNS, name="signers"),
        roles=_READERS,
        duty=Duty.READ,
        quota_free=True,
        reply="stream",
        example={"format": "csv"},
    ),
    Operation(
        id="signature.signer.get",
        summary=Text("查看签名者", "Look at a signer"),
        method="GET",
        path="/signature/signers/{signer}",
        request=m.RefSigner,
        response=m.SignerView,
        handler=S.get_signer,
        roles=_READERS,
        duty=Duty.READ,
        quota_free=True,
        tenant_fields=("signer",),
        example={"signer": "approval"},
    ),
    Operation(
        id="signature.signer.renew",
        summary=Text("更新签名者证书", "Renew a signer's certificate"),
        description=Text(
            "为密钥的当前版本签发新证书；密钥轮换后以此换用新版本。",
            "A new certificate for the key's current version; after a rotation this switches to it.",
        ),
        method="POST",
        path="/signature/signers/{signer}/renew",
        request=m.RenewSigner,
        response=m.SignerView,
        handler=S.renew_signer,
        roles=_SECURITY,
        duty=Duty.KEYS,
        idempotent=True,
        tenant_fields=("signer",),
        example={"signer": "approval", "days": 365},
    ),
    Operation(
        id="signature.signer.enable",
        summary=Text("启用签名者", "Enable a signer"),
        method="POST",
        path="/signature/signers/{signer}/enable",
        request=m.RefSigner,
        response=m.SignerView,
        handler=S.enable_signer,
        roles=_SECURITY,
        duty=Duty.KEYS,
        tenant_fields=("signer",),
        example={"signer": "approval"},
    ),
    Operation(
        id="signature.signer.disable",
        summary=Text("停用签名者", "Disable a signer"),
        method="POST",
        path="/signature/signers/{signer}/disable",
        request=m.RefSigner,
        response=m.SignerView,
        handler=S.disable_signer,
        roles=_SECURITY,
        duty=Duty.KEYS,
        quota_free=True,  # stopping a compromised signer must be possible after the term
        tenant_fields=("signer",),
        example={"signer": "approval"},
    ),
    Operation(
        id="signature.signer.retire",
        summary=Text("注销签名者并吊销证书", "Retire a signer and revoke its certificate"),
        description=Text("不可撤回；密钥仍在密钥管理中。", "Cannot be undone; the key stays in key management."),
        method="POST",
        path="/signature/signers/{signer}/retire",
        request=m.RefSigner,
        response=m.SignerView,
        handler=S.retire_signer,
        roles=_SECURITY,
        duty=Duty.KEYS,
        quota_free=True,
        tenant_fields=("signer",),
        example={"signer": "approval"},
    ),
    Operation(
        id="signature.sign",
        summary=Text("签名", "Sign"),
        description=Text(
            "SM2 按用户标识计算 Z_A；大文件可只送杂凑值 e = SM3(Z_A‖M)。",
            "SM2 goes through Z_A of the user id; for large files send the digest e = SM3(Z_A‖M) alone.",
        ),
        method="POST",
        path="/signature/sign",
        request=m.SignRequest,
        response=m.SignatureView,
        octets="message",
        octets_reply="signature",
        handler=S.sign,
        roles=_APPLICATION,
        duty=Duty.USE,
        pure=True,
        meter=CALLS,
        idempotent=True,
        tenant_fields=("signer",),
        example={"signer": "approval", "message": _MESSAGE},
    ),
    Operation(
        id="signature.cms.sign",
        summary=Text("签名为 CMS 消息（附原文或分离式）", "Sign as a CMS message, attached or detached"),
        description=Text(
            "SM2 默认 GB/T 35275，其他默认 RFC 5652。",
            "GB/T 35275 by default for SM2, RFC 5652 otherwise.",
        ),
        method="POST",
        path="/signature/cms/sign",
        request=m.SignCmsRequest,
        response=m.CmsView,
        octets="content",
        octets_reply="cms",
        handler=S.sign_cms,
        roles=_APPLICATION,
        duty=Duty.USE,
        pure=True,
        meter=CALLS,
        idempotent=True,
        max_body=_LARGE,
        tenant_fields=("signer",),
        example={"signer": "approval", "content": _MESSAGE, "detached": True},
    ),
    Operation(
        id="signature.batch.sign",
        summary=Text("批量签名", "Sign many"),
        method="POST",
        path="/signature/batch/sign",
        request=m.SignBatchRequest,
        response=m.SignBatchView,
        handler=S.sign_batch,
        roles=_APPLICATION,
        duty=Duty.USE,
        pure=True,
        meter=BATCH_CALLS,
        idempotent=True,
        max_body=_LARGE,
        tenant_fields=("signer",),
        example={"signer": "approval", "items": [{"message": _MESSAGE, "reference": "第一件"}]},
    ),
    Operation(
        id="signature.verify",
        summary=Text("验签", "Verify a signature"),
        description=Text(
            "签名不对即答 InvalidSignature，不说明原因；给出证书或签名者时另说明证书的问题。",
            "A wrong signature answers InvalidSignature without a cause; with a certificate, reasons are about that.",
        ),
        method="POST",
        path="/signature/verify",
        request=m.VerifyRequest,
        response=m.VerifyView,
        octets="message",
        handler=S.verify,
        roles=_READERS,
        duty=Duty.USE,
        pure=True,
        meter=CALLS,
        quota_free=True,
        tenant_fields=("signer",),
        example=VERIFIES,
    ),
    Operation(
        id="signature.cms.verify",
        summary=Text("验证 CMS 消息并说明原因", "Verify a CMS message and say why not"),
        method="POST",
        path="/signature/cms/verify",
        request=m.VerifyCmsRequest,
        response=m.VerifyCmsView,
        handler=S.verify_cms,
        roles=_READERS,
        duty=Duty.USE,
        pure=True,
        meter=CALLS,
        quota_free=True,
        max_body=2 * _LARGE,
        example={"cms": "MAA=", "content": _MESSAGE},
    ),
    Operation(
        id="signature.batch.verify",
        summary=Text("批量验签", "Verify many"),
        method="POST",
        path="/signature/batch/verify",
        request=m.VerifyBatchRequest,
        response=m.VerifyBatchView,
        handler=S.verify_batch,
        roles=_READERS,
        duty=Duty.USE,
        pure=True,
        meter=BATCH_CALLS,
        quota_free=True,
        max_body=_LARGE,
        tenant_fields=("signer",),
        example={
            "public_key": VERIFIES["public_key"],
            "items": [{"message": _MESSAGE, "signature": VERIFIES["signature"], "reference": "第一件"}],
        },
    ),
    *archive(CALLS),
    *pdf(CALLS, _READERS),
    *xml(CALLS, _READERS),
)
