"""Signers: a tenant's signing key in the key directory together with the certificate that names its holder."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal

from miyun.core.confinement import TOO_COSTLY
from miyun.core.i18n import Text
from miyun.core.ports import KeyRef
from miyun.core.trust import REASON_TEXTS
from miyun.hsm.port import KeyAlgorithm, KeyBinding, SignScheme, WrappedKey
from miyun.wire.algorithm import DigestAlgorithm, SignatureAlgorithm
from miyun.wire.cms import Dialect
from miyun.wire.spki import KeyAlgorithm as PublicKeyAlgorithm
from miyun.wire.x509 import Certificate, parse_certificate

PLATFORM: Final = "platform"  # the owner, in key bindings, of what belongs to no tenant
EVIDENCE_RENEW_BEFORE: Final = timedelta(days=365)
MAX_BATCH: Final = 1000

AlgorithmName = Literal["SM2", "EC-P256", "RSA-3072"]
DialectName = Literal["GB/T 35275", "RFC 5652"]
DIALECTS: Final[dict[str, Dialect]] = {"GB/T 35275": Dialect.GBT35275, "RFC 5652": Dialect.RFC5652}
DIALECT_NAMES: Final[dict[Dialect, DialectName]] = {
    Dialect.GBT35275: "GB/T 35275",
    Dialect.RFC5652: "RFC 5652",
}


@dataclass(frozen=True, slots=True)
class Suite:
    """How keys of one kind sign here."""

    key: KeyAlgorithm
    scheme: SignScheme
    signature: SignatureAlgorithm
    dialect: Dialect

    @property
    def digest(self) -> DigestAlgorithm:
        return self.signature.digest_algorithm


SUITES: Final[dict[str, Suite]] = {
    item.key.value: item
    for item in (
        Suite(KeyAlgorithm.SM2, SignScheme.SM2_SM3, SignatureAlgorithm.SM2_SM3, Dialect.GBT35275),
        Suite(KeyAlgorithm.EC_P256, SignScheme.ECDSA_SHA256, SignatureAlgorithm.ECDSA_SHA256, Dialect.RFC5652),
        Suite(KeyAlgorithm.RSA_3072, SignScheme.RSA_SHA256, SignatureAlgorithm.RSA_SHA256, Dialect.RFC5652),
        Suite(KeyAlgorithm.RSA_2048, SignScheme.RSA_SHA256, SignatureAlgorithm.RSA_SHA256, Dialect.RFC5652),
    )
}

SUITE_OF_PUBLIC_KEY: Final = {
    PublicKeyAlgorithm.SM2: SUITES["SM2"],
    PublicKeyAlgorithm.EC_P256: SUITES["EC-P256"],
    PublicKeyAlgorithm.RSA: SUITES["RSA-3072"],
}


class SignerState(StrEnum):
    ENABLED = "enabled"
    DISABLED = "disabled"
    RETIRED = "retired"  # its certificate is revoked; the name stays taken


TRANSITIONS: Final = {
    SignerState.ENABLED: frozenset({SignerState.DISABLED, SignerState.RETIRED}),
    SignerState.DISABLED: frozenset({SignerState.ENABLED, SignerState.RETIRED}),
    SignerState.RETIRED: frozenset[SignerState](),
}


@dataclass(frozen=True, slots=True)
class Signer:
    """`key` at `version` in the key directory; `chain`: issuing CA first, root last."""

    id: str
    tenant: str
    name: str
    key: str
    version: int
    algorithm: str
    template: str
    subject: dict[str, str]
    state: SignerState
    serial: int
    der: bytes = field(repr=False)
    chain: tuple[bytes, ...] = field(repr=False)
    not_after: datetime
    created_at: datetime

    @property
    def suite(self) -> Suite:
        return SUITES[self.algorithm]

    def ref(self, application: str | None) -> KeyRef:
        """Always the version that the certificate is for, also after the key was rotated."""
        return KeyRef(self.tenant, self.key, self.version, application)

    @property
    def certificate(self) -> Certificate:
        return parse_certificate(self.der)


@dataclass(frozen=True, slots=True)
class EvidenceKey:
    """One generation of the platform's own signing key."""

    generation: int
    key: WrappedKey
    serial: int
    der: bytes = field(repr=False)
    chain: tuple[bytes, ...] = field(repr=False)
    not_after: datetime
    created_at: datetime


def evidence_binding(generation: int) -> KeyBinding:
    return KeyBinding(tenant=PLATFORM, key="signature.evidence", version=generation, state="enabled")


REASONS: Final = {
    "malformed": Text("签名消息格式错误", "the signed message is malformed"),
    "no_content": Text("分离式签名须提供原文或其杂凑值", "a detached signature needs the content or its digest"),
    "no_signer": Text("消息中没有签名者", "nobody signed the message"),
    "no_certificate": Text("缺少签名者证书", "the signer's certificate is missing"),
    "digest": Text("原文与签名不符（杂凑值不一致）", "the content is not what was signed (digest differs)"),
    "attributes": Text("签名属性不完整或不一致", "the signed attributes are incomplete or contradict the message"),
    "signature": Text("签名值无效", "the signature value does not verify"),
    "no_za": Text("SM2 签名未包含 Z_A（GB/T 32918.2）", "the SM2 signature was made without Z_A (GB/T 32918.2)"),
    "timestamp": Text("时间戳不能作为签名时间的证明", "the time-stamp does not prove when it was signed"),
    "timestamp_data": Text("时间戳不是为该签名签发的", "the time-stamp is for something else"),
    "timestamp_signature": Text("时间戳签名无效", "the time-stamp's own signature does not verify"),
    "no_signature": Text("文件中没有签名", "the file is not signed"),
    TOO_COSTLY: Text(
        "读取该文件所需的时间或内存超出限度", "to read the file takes more time or memory than a file may have"
    ),
    "pdf_unreadable": Text("PDF 文件无法读取", "the PDF file cannot be read"),
    "pdf_encrypted": Text("PDF 文件已加密", "the PDF file is encrypted"),
    "pdf_kind": Text("不支持的签名格式", "a signature of a kind that is not supported"),
    "pdf_coverage": Text("签名未覆盖整个文件", "the signature does not cover the file"),
    "pdf_modified": Text("签名之后文件被改动", "the file was changed after it was signed"),
    "pdf_box": Text("可见签名的位置无效", "the place of a visible signature is not a box"),
    "pdf_time": Text("长期验证资料须与时间戳同用", "what verifies it for long goes with a time-stamp"),
    "pdf_material": Text("缺少证书链的吊销信息", "revocation information of its certificates is missing"),
    "xml_unreadable": Text("XML 文档无法读取", "the XML document cannot be read"),
    "xml_dtd": Text("不接受带 DTD 或实体的 XML", "XML with a DTD or entities is not taken"),
    "xml_signed": Text("文档中已有签名", "the document has a signature already"),
    "xml_form": Text("不接受这种形式的 XML 签名", "an XML signature of this form is not taken"),
    "pades_sm2": Text("PAdES 不含 SM2，请用 pkcs7", "PAdES knows no SM2: use pkcs7"),
    **REASON_TEXTS,
}
"""Why a signature is refused, and why a certificate is not relied upon."""
