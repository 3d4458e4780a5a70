"""Errors of the key management room."""

from __future__ import annotations

from miyun.core.errors import CryptoFailure, FailedPrecondition
from miyun.core.i18n import Text


class KeyNotEnabled(FailedPrecondition):
    text = Text("密钥 {key} 当前状态为“{state}”，不能使用。", "Key {key} is {state} and cannot be used.")
    remedy = Text(
        "请由租户安全管理员启用，或取消销毁计划后启用。",
        "Have a tenant security administrator enable it, after cancelling a scheduled deletion if there is one.",
    )


class KeyStateConflict(FailedPrecondition):
    text = Text("密钥 {key} 处于“{state}”状态，不能{verb_zh}。", "Key {key} is {state}: {verb_en} is not possible.")
    remedy = Text("请先查看密钥状态。", "Look at the key's state first.")


class KeyUsageMismatch(FailedPrecondition):
    text = Text("密钥 {key} 的用途是“{usage}”，不能用于此操作。", "Key {key} is for '{usage}', not for this operation.")
    remedy = Text("请选用用途相符的密钥。", "Choose a key of the right usage.")


class KeyVersionRetired(FailedPrecondition):
    text = Text(
        "密钥 {key} 的版本 {version} 低于允许解密的最低版本 {minimum}。",
        "Version {version} of key {key} is below the lowest version allowed to decrypt, {minimum}.",
    )
    remedy = Text(
        "请用新版本重新包装，或由租户安全管理员以 reopen_versions 调低最低解密版本。",
        "Re-wrap with a newer version, or have a tenant security administrator lower min_decryption_version "
        "with reopen_versions.",
    )


class KeyWornOut(FailedPrecondition):
    text = Text(
        "密钥 {key} 的版本 {state} 已达加密次数上限（2^32）。",
        "Version {state} of key {key} has encrypted as often as it may (2^32 times).",
    )
    remedy = Text(
        "请由租户安全管理员轮换密钥；解密不受影响。",
        "Have a tenant security administrator rotate the key; decrypting goes on.",
    )


class InvalidKeyBackup(CryptoFailure):
    text = Text("密钥备份无法识别，或不属于本租户。", "Not a key backup of this tenant.")
    remedy = Text("请核对备份文件与租户。", "Check the backup file and the tenant.")
