"""Operations of the key management room."""

from __future__ import annotations

from typing import Any, Final

from miyun.core.i18n import Text
from miyun.core.operation import Duty, Empty, Meter, Operation, Role
from miyun.offerings.kms import messages as m
from miyun.offerings.kms.service import KmsService as S


def _items(request: Any, response: Any) -> int:
    return len(getattr(request, "items", None) or (None,))


CALLS: Final = Meter("kms.calls", Text("次", "calls"), units=_items)

_MANAGERS: Final = frozenset({Role.TENANT_SECURITY})
_READERS: Final = frozenset({Role.TENANT_SECURITY, Role.TENANT_DEVELOPER})
_USERS: Final = frozenset({Role.APPLICATION})
_EXAMPLE: Final = "alias:example"


def _manage(verb: str, summary: Text, method: Any, path: str, request: Any, response: Any, **more: Any) -> Operation:
    return Operation(
        id=f"kms.{verb}",
        summary=summary,
        method=method,
        path=path,
        request=request,
        response=response,
        roles=_MANAGERS,
        duty=Duty.KEYS,
        idempotent=method != "GET",
        **more,
    )


def _read(verb: str, summary: Text, path: str, request: Any, response: Any, **more: Any) -> Operation:
    more.setdefault("roles", _READERS)
    return Operation(
        id=f"kms.{verb}",
        summary=summary,
        method="GET",
        path=path,
        request=request,
        response=response,
        duty=Duty.READ,
        quota_free=True,
        **more,
    )


def _use(verb: str, summary: Text, path: str, request: Any, response: Any, **more: Any) -> Operation:
    return Operation(
        id=f"kms.{verb}",
        summary=summary,
        method="POST",
        path=path,
        request=request,
        response=response,
        roles=_USERS,
        duty=Duty.USE,
        meter=CALLS,
        tenant_fields=more.pop("tenant_fields", ("key",)),
        **more,
    )


_ONE: Final[dict[str, Any]] = {"tenant_fields": ("key",), "example": {"key": _EXAMPLE}}

OPERATIONS: tuple[Operation, ...] = (
    _manage(
        "key.create",
        Text("创建密钥", "Create a key"),
        "POST",
        "/kms/keys",
        m.CreateKeyRequest,
        m.KeyDetail,
        handler=S.create,
        example={"algorithm": "SM4", "usage": "encrypt", "label": "人事系统", "rotation_days": 365},
    ),
    _manage(
        "key.import",
        Text("导入密钥", "Import a key"),
        "POST",
        "/kms/keys/import",
        m.ImportKeyRequest,
        m.KeyDetail,
        handler=S.import_key,
        description=Text(
            "密钥须用传输公钥加密（SM2，ASN.1 编码）；明文不出现在接口中。",
            "The key is enciphered under the transport key (SM2, ASN.1); it never appears in the clear.",
        ),
        example={"algorithm": "SM4", "usage": "encrypt", "label": "自带密钥", "enveloped": ""},
    ),
    Operation(
        id="kms.key.transport",
        summary=Text("取得导入用传输公钥", "Get the transport key for imports"),
        method="GET",
        path="/kms/transport-key",
        request=Empty,
        response=m.TransportKey,
        handler=S.transport_key,
        roles=_READERS,
        duty=Duty.READ,
        quota_free=True,
        example={},
    ),
    _read(
        "key.list",
        Text("列出密钥", "List keys"),
        "/kms/keys",
        m.ListKeysRequest,
        m.KeyPage,
        handler=S.list_keys,
        example={"state": "enabled", "limit": 50},
    ),
    _read(
        "key.get",
        Text("查看密钥", "Look at a key"),
        "/kms/keys/{key}",
        m.KeyRequest,
        m.KeyDetail,
        handler=S.get,
        roles=_READERS | _USERS,
        **_ONE,
    ),
    _manage(
        "key.update",
        Text("修改密钥属性", "Change a key's attributes"),
        "PUT",
        "/kms/keys/{key}",
        m.UpdateKeyRequest,
        m.KeyDetail,
        handler=S.update,
        tenant_fields=("key",),
        example={"key": _EXAMPLE, "rotation_days": 90},
    ),
    _manage(
        "key.allow",
        Text("允许应用使用密钥", "Open a key to an application"),
        "PUT",
        "/kms/keys/{key}/applications/{application}",
        m.KeyApplicationRequest,
        m.KeyDetail,
        handler=S.allow,
        tenant_fields=("key", "application"),
        example={"key": _EXAMPLE, "application": "app_example"},
    ),
    _manage(
        "key.disallow",
        Text("收回应用对密钥的使用", "Close a key to an application"),
        "DELETE",
        "/kms/keys/{key}/applications/{application}",
        m.KeyApplicationRequest,
        m.KeyDetail,
        handler=S.disallow,
        tenant_fields=("key", "application"),
        example={"key": _EXAMPLE, "application": "app_example"},
    ),
    _manage(
        "key.enable",
        Text("启用密钥", "Enable a key"),
        "POST",
        "/kms/keys/{key}/enable",
        m.KeyRequest,
        m.KeyDetail,
        handler=S.enable,
        **_ONE,
    ),
    _manage(
        "key.disable",
        Text("停用密钥", "Disable a key"),
        "POST",
        "/kms/keys/{key}/disable",
        m.KeyRequest,
        m.KeyDetail,
        handler=S.disable,
        **_ONE,
    ),
    _manage(
        "key.rotate",
        Text("轮换密钥", "Rotate a key"),
        "POST",
        "/kms/keys/{key}/rotate",
        m.KeyRequest,
        m.KeyDetail,
        handler=S.rotate,
        description=Text(
            "生成新版本并设为当前版本；旧版本仍可解密与验证。",
            "A new version becomes the current one; older ones still decrypt and verify.",
        ),
        **_ONE,
    ),
    _manage(
        "key.schedule_deletion",
        Text("计划销毁密钥", "Schedule the deletion of a key"),
        "POST",
        "/kms/keys/{key}/deletion",
        m.ScheduleDeletionRequest,
        m.KeyDetail,
        handler=S.schedule_deletion,
        description=Text(
            "等待 7 至 30 天（默认 30）后销毁，期间密钥不可用，可随时取消。",
            "Destroyed after 7 to 30 days (default 30); until then it cannot be used, and can be kept.",
        ),
        tenant_fields=("key",),
        example={"key": _EXAMPLE, "days": 30},
        step_up=True,
    ),
    _manage(
        "key.cancel_deletion",
        Text("取消销毁计划", "Cancel a scheduled deletion"),
        "DELETE",
        "/kms/keys/{key}/deletion",
        m.KeyRequest,
        m.KeyDetail,
        handler=S.cancel_deletion,
        **_ONE,
    ),
    _read(
        "key.versions",
        Text("列出密钥版本", "List a key's versions"),
        "/kms/keys/{key}/versions",
        m.KeyRequest,
        m.VersionList,
        handler=S.versions,
        **_ONE,
    ),
    _read(
        "key.public",
        Text("取得公钥", "Get a public key"),
        "/kms/keys/{key}/public",
        m.PublicKeyRequest,
        m.PublicKeyView,
        handler=S.public_key,
        roles=_READERS | _USERS,
        **_ONE,
    ),
    _manage(
        "key.backup",
        Text("备份密钥", "Back up a key"),
        "POST",
        "/kms/keys/{key}/backup",
        m.KeyRequest,
        m.BackupView,
        handler=S.backup,
        step_up=True,
        quota_free=True,
        description=Text(
            "备份中的密钥由密码机包装，只有本平台的密码机能够使用。",
            "The key in the backup is wrapped by the machine; only this platform's machine can use it.",
        ),
        **_ONE,
    ),
    _manage(
        "key.restore",
        Text("恢复密钥", "Restore a key"),
        "POST",
        "/kms/keys/restore",
        m.RestoreKeyRequest,
        m.RestoreKeyView,
        handler=S.restore,
        max_body=8 * 1024 * 1024,
        example={"backup": "", "conflict": "refuse", "dry_run": True},
    ),
    _manage(
        "alias.create",
        Text("创建别名", "Create an alias"),
        "POST",
        "/kms/aliases",
        m.AliasRequest,
        m.AliasView,
        handler=S.create_alias,
        tenant_fields=("key",),
        example={"alias": "example", "key": "key_06f3k2v8q0000000000000000"},
    ),
    _manage(
        "alias.move",
        Text("别名改指另一密钥", "Let an alias name another key"),
        "PUT",
        "/kms/aliases/{alias}",
        m.AliasRequest,
        m.AliasView,
        handler=S.move_alias,
        tenant_fields=("alias", "key"),
        example={"alias": "example", "key": "key_06f3k2v8q0000000000000000"},
    ),
    _manage(
        "alias.delete",
        Text("删除别名", "Delete an alias"),
        "DELETE",
        "/kms/aliases/{alias}",
        m.DeleteAliasRequest,
        Empty,
        handler=S.delete_alias,
        tenant_fields=("alias",),
        example={"alias": "example"},
    ),
    _read(
        "alias.list",
        Text("列出别名", "List aliases"),
        "/kms/aliases",
        m.ListAliasesRequest,
        m.AliasPage,
        handler=S.list_aliases,
        example={"limit": 50},
    ),
    _use(
        "data_key.generate",
        Text("生成数据密钥", "Make a data key"),
        "/kms/keys/{key}/data-keys",
        m.DataKeyRequest,
        m.DataKeyView,
        handler=S.data_key,
        secret_response=True,
        example={"key": _EXAMPLE, "size": 16, "plaintext": False},
    ),
    _use(
        "data_key.unwrap",
        Text("解开数据密钥", "Unwrap a data key"),
        "/kms/keys/{key}/data-keys/unwrap",
        m.UnwrapRequest,
        m.UnwrappedView,
        handler=S.unwrap,
        secret_response=True,
        quota_free=True,
        example={"key": _EXAMPLE, "wrapped": ""},
    ),
    _use(
        "data_key.rewrap",
        Text("重新包装数据密钥", "Re-wrap data keys"),
        "/kms/keys/{key}/data-keys/rewrap",
        m.RewrapRequest,
        m.RewrapView,
        handler=S.rewrap,
        description=Text(
            "在密码机内解开并以新版本或另一密钥包装，附加数据可同时更换，明文不出密码机。",
            "Unwrapped and wrapped anew inside the machine, associated data included; no plaintext leaves it.",
        ),
        tenant_fields=("key", "new_key"),
        example={"key": _EXAMPLE, "items": [{"wrapped": ""}]},
    ),
    _use(
        "mac.generate",
        Text("计算消息鉴别码", "Compute MACs"),
        "/kms/keys/{key}/macs",
        m.MacRequest,
        m.MacView,
        handler=S.mac,
        example={"key": _EXAMPLE, "items": ["5a+G5LqR"]},
    ),
    _use(
        "mac.verify",
        Text("验证消息鉴别码", "Verify MACs"),
        "/kms/keys/{key}/macs/verify",
        m.VerifyMacRequest,
        m.VerifyMacView,
        handler=S.verify_mac,
        quota_free=True,
        example={"key": _EXAMPLE, "items": [{"data": "5a+G5LqR", "mac": ""}]},
    ),
)
