"""Operations of the encryption room."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from miyun.core.i18n import Text
from miyun.core.operation import Duty, Meter, Operation, Role
from miyun.offerings.encryption import messages as m
from miyun.offerings.encryption.service import EncryptionService as S


def _items(request: Any, response: Any) -> int:
    return len(getattr(request, "items", None) or (None,))


CALLS: Final = Meter("encryption.calls", Text("次", "calls"), units=_items)

_EXAMPLE: Final = "alias:example"
_DATA: Final = "5a+G5LqR"
_OCTETS: Final = ("application/octet-stream",)


def _use(
    verb: str, summary: Text, path: str, request: Any, response: Any, example: Mapping[str, Any], **more: Any
) -> Operation:
    return Operation(
        id=f"encryption.{verb}",
        summary=summary,
        method="POST",
        path=f"/encryption/{path}",
        request=request,
        response=response,
        roles=frozenset({Role.APPLICATION}),
        duty=Duty.USE,
        pure=True,
        meter=CALLS,
        example=example,
        tenant_fields=more.pop("tenant_fields", ("key",)),
        **more,
    )


OPERATIONS: tuple[Operation, ...] = (
    _use(
        "encrypt",
        Text("加密", "Encrypt"),
        "encrypt",
        m.EncryptRequest,
        m.EncryptView,
        {"key": _EXAMPLE, "plaintext": _DATA, "associated_data": "cm93IDc="},
        octets="plaintext",
        octets_reply="ciphertext",
        handler=S.encrypt,
        description=Text(
            "默认 GCM 并认证附加数据；CBC、CTR 仅供兼容，须置 compatibility。",
            "GCM with associated data by default; CBC and CTR are for compatibility only and need that flag.",
        ),
    ),
    _use(
        "decrypt",
        Text("解密", "Decrypt"),
        "decrypt",
        m.DecryptRequest,
        m.DecryptView,
        {"key": _EXAMPLE, "ciphertext": "", "associated_data": "cm93IDc="},
        octets="ciphertext",
        octets_reply="plaintext",
        handler=S.decrypt,
        quota_free=True,
        secret_response=True,
    ),
    _use(
        "batch.encrypt",
        Text("批量加密", "Encrypt a batch"),
        "batch/encrypt",
        m.EncryptBatchRequest,
        m.CiphertextBatch,
        {"key": _EXAMPLE, "items": [{"plaintext": _DATA, "reference": "1"}]},
        handler=S.encrypt_batch,
        max_body=16 * 1024 * 1024,
    ),
    _use(
        "batch.decrypt",
        Text("批量解密，逐项报错", "Decrypt a batch, with an error per item"),
        "batch/decrypt",
        m.DecryptBatchRequest,
        m.PlaintextBatch,
        {"key": _EXAMPLE, "items": [{"ciphertext": "", "reference": "1"}]},
        handler=S.decrypt_batch,
        max_body=16 * 1024 * 1024,
        quota_free=True,
        secret_response=True,
    ),
    _use(
        "reencrypt",
        Text("重新加密（换版本、换密钥、换附加数据）", "Re-encrypt to another version, key or associated data"),
        "reencrypt",
        m.ReencryptRequest,
        m.CiphertextBatch,
        {"key": _EXAMPLE, "items": [{"ciphertext": "", "reference": "1"}]},
        handler=S.reencrypt,
        max_body=16 * 1024 * 1024,
        tenant_fields=("key", "new_key"),
        description=Text(
            "在密码机内完成，明文不出密码机；旧密文可为任何模式，新密文一律为 GCM。",
            "Done inside the machine, no plaintext leaves it; old ciphertexts of any mode, new ones always GCM.",
        ),
    ),
    _use(
        "envelope.encrypt",
        Text("数字信封加密", "Encrypt into an envelope"),
        "envelope/encrypt",
        m.EnvelopeEncryptRequest,
        m.EnvelopeView,
        {"key": _EXAMPLE, "plaintext": _DATA},
        octets="plaintext",
        octets_reply="envelope",
        handler=S.envelope_encrypt,
    ),
    _use(
        "envelope.decrypt",
        Text("数字信封解密", "Decrypt an envelope"),
        "envelope/decrypt",
        m.EnvelopeDecryptRequest,
        m.DecryptView,
        {"envelope": "", "key": _EXAMPLE},
        octets="envelope",
        octets_reply="plaintext",
        handler=S.envelope_decrypt,
        quota_free=True,
        secret_response=True,
    ),
    _use(
        "stream.encrypt",
        Text("流式加密文件", "Encrypt a file as a stream"),
        "stream/encrypt",
        m.StreamEncryptRequest,
        bytes,
        {"key": _EXAMPLE},
        handler=S.stream_encrypt,
        body="stream",
        reply="stream",
        content_types=_OCTETS,
        description=Text(
            "任意大小，内存占用恒定；分段格式见本服务说明。",
            "Any size in constant memory; the segmented format is on the room's page.",
        ),
    ),
    _use(
        "stream.decrypt",
        Text("流式解密文件", "Decrypt a file as a stream"),
        "stream/decrypt",
        m.StreamDecryptRequest,
        bytes,
        {"key": _EXAMPLE},
        handler=S.stream_decrypt,
        body="stream",
        reply="stream",
        content_types=_OCTETS,
        quota_free=True,
        description=Text(
            "全部收到并验证后才输出；被截断、换序或篡改的文件不会输出任何明文。",
            "Answered when all of it has arrived and was verified; of a file that was cut, reordered or altered no "
            "plaintext is given out.",
        ),
    ),
    _use(
        "sm2.encrypt",
        Text("SM2 公钥加密", "Encrypt by an SM2 public key"),
        "sm2/encrypt",
        m.Sm2EncryptRequest,
        m.Sm2CiphertextView,
        {"key": _EXAMPLE, "plaintext": _DATA, "encoding": "asn1"},
        handler=S.sm2_encrypt,
        description=Text(
            "每次至多 4096 字节；更大的数据请用数字信封。",
            "At most 4096 octets at a time; larger data goes into an envelope.",
        ),
    ),
    _use(
        "sm2.decrypt",
        Text("SM2 私钥解密", "Decrypt by an SM2 private key"),
        "sm2/decrypt",
        m.Sm2DecryptRequest,
        m.Sm2PlaintextView,
        {"key": _EXAMPLE, "ciphertext": "", "encoding": "auto"},
        handler=S.sm2_decrypt,
        quota_free=True,
        secret_response=True,
    ),
)
