"""What the room gives to the acceptance dossier: the register of keys with what became of each."""

from __future__ import annotations

import csv
import io
from datetime import datetime

from miyun.core.catalogue import Evidence
from miyun.core.clock import SHANGHAI
from miyun.core.i18n import Text
from miyun.offerings.usbkey.model import NO_END, STATE_TEXTS
from miyun.offerings.usbkey.service import UsbKeyService


async def evidence(
    service: UsbKeyService, *, tenant: str, instance: str, start: datetime, end: datetime
) -> list[Evidence]:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(
        ("编号", "序列号", "标签", "厂商", "型号", "状态", "持有人", "证书主体", "证书到期", "入库时间", "状态时间")
    )
    for key in service.registered_before(tenant, end):
        ends = "" if key.expires_at == NO_END else key.expires_at.astimezone(SHANGHAI).isoformat()
        moments = (at.astimezone(SHANGHAI).isoformat() for at in (key.registered_at, key.changed_at))
        state = STATE_TEXTS[key.state].zh
        writer.writerow(
            (key.id, key.serial, key.label, key.maker, key.model, state, key.holder, key.subject, ends, *moments)
        )
    title = Text("智能密码钥匙台账", "Register of USB keys")
    return [Evidence("usbkeys.csv", text.getvalue().encode("utf-8-sig"), "text/csv", title)]
