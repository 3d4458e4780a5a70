"""Functions of GM/T 0020 and GB/T 43694 that are refused here, and what to do instead."""

from __future__ import annotations

from typing import Final

from miyun.core.i18n import Text

_NO_PATHS: Final = Text(
    "网页不能指定本机的文件：请由网页读取用户选择的文件，再调用 SOF_SignMessage 或 SOF_EncryptData。",
    "A page names no files of this machine: let it read the file that its user chooses, and call SOF_SignMessage or "
    "SOF_EncryptData.",
)
_ON_THE_PLATFORM: Final = Text(
    "助手没有信任列表和可信时间，请由平台完成（签名验签、时间戳服务）。",
    "The agent has neither trust lists nor trusted time: the platform does that (signature and timestamp services).",
)
ELSEWHERE: Final = {
    **dict.fromkeys(("SOF_SignFile", "SOF_VerifySignedFile", "SOF_EncryptFile", "SOF_DecryptFile"), _NO_PATHS),
    **dict.fromkeys(
        (
            "SOF_ValidateCert",
            "SOF_SignDataXML",
            "SOF_VerifySignedDataXML",
            "SOF_GetXMLSignatureInfo",
            "SOF_CreateTimeStampRequest",
            "SOF_CreateTimeStampResponse",
            "SOF_VerifyTimeStamp",
            "SOF_GetTimeStampInfo",
        ),
        _ON_THE_PLATFORM,
    ),
}
