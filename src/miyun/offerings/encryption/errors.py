"""Errors of the encryption room."""

from __future__ import annotations

from miyun.core.errors import InvalidArgument, MiyunError
from miyun.core.i18n import Text


class CompatibilityNotAcknowledged(MiyunError):
    status = 400
    text = Text(
        "模式 {mode} 不防篡改，仅供与旧系统兼容。",
        "Mode {mode} does not protect against tampering and is only for compatibility with older systems.",
    )
    remedy = Text(
        "请改用 GCM；确需兼容时，请置 compatibility=true。",
        "Use GCM, or set compatibility=true if an older system needs it.",
    )


def not_a_container(field: str) -> InvalidArgument:
    """For octets that are none of this room's formats."""
    return InvalidArgument(
        field, Text("不是本系统加密的数据，或格式不符", "not data encrypted by this system, or of another format")
    )
