"""What can be wrong with a certificate that came from outside."""

from __future__ import annotations

from miyun.core.errors import InvalidArgument
from miyun.core.i18n import Text


class NotWhatWasAskedFor(InvalidArgument):
    remedy = Text(
        "请核对上传的文件：须由所选机构为本申请的密钥签发且在有效期内。",
        "Check the file: it has to be issued by the named CA, for the key of this application, and be in its term.",
    )
