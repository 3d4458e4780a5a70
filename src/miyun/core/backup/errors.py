"""Errors of backup and restore."""

from __future__ import annotations

from miyun.core.errors import FailedPrecondition, InvalidArgument, MiyunError
from miyun.core.i18n import Text

MIN_PASSPHRASE = 12


class ArchiveUnreadable(MiyunError):
    """Opaque: a wrong passphrase and an altered file look alike."""

    status = 400
    text = Text(
        "备份无法读取：口令不符，或文件不完整、被改动。",
        "The backup cannot be read: wrong passphrase, or the file is incomplete or altered.",
    )
    remedy = Text("请核对口令，或改用另一份备份。", "Check the passphrase, or use another copy.")


class BackupDamaged(MiyunError):
    status = 400
    text = Text("备份内容有误：{reason_zh}", "The backup's content is wrong: {reason_en}")
    remedy = Text("未写入任何内容；请改用另一份备份。", "Nothing was written; use another copy.")

    def __init__(self, reason: Text) -> None:
        super().__init__(reason_zh=reason.zh, reason_en=reason.en)


class TargetNotEmpty(FailedPrecondition):
    text = Text("恢复的目标不是空的：{target}。", "The target of the restoration is not empty: {target}.")
    remedy = Text(
        "请指定一个不存在或空的目录（或空数据库），不会覆盖现有数据。",
        "Name a folder that does not exist or is empty (or an empty database); nothing is overwritten.",
    )


def check_passphrase(passphrase: str) -> None:
    if len(passphrase) < MIN_PASSPHRASE or passphrase != passphrase.strip():
        raise InvalidArgument(
            "passphrase",
            Text("备份口令至少 12 个字符，首尾无空白。", "at least 12 characters, with no space at either end."),
        )
