"""What the room gives to the acceptance dossier: the register of keys with what became of each."""

from __future__ import annotations

from datetime import datetime

from miyun.core.catalogue import Evidence
from miyun.core.i18n import Text
from miyun.core.listing import csv_table
from miyun.offerings.usbkey.model import NO_END, STATE_TEXTS
from miyun.offerings.usbkey.service import UsbKeyService


async def evidence(
    service: UsbKeyService, *, tenant: str, instance: str, start: datetime, end: datetime
) -> list[Evidence]:
    head = ("编号", "序列号", "标签", "厂商", "型号", "状态", "持有人", "证书主体", "证书到期", "入库时间", "状态时间")
    rows = (
        (
            key.id,
            key.serial,
            key.label,
            key.maker,
            key.model,
            STATE_TEXTS[key.state].zh,
            key.holder,
            key.subject,
            None if key.expires_at == NO_END else key.expires_at,
            key.registered_at,
            key.changed_at,
        )
        for key in service.registered_before(tenant, end)
    )
    title = Text("智能密码钥匙台账", "Register of USB keys")
    return [Evidence("usbkeys.csv", csv_table(head, rows), "text/csv", title)]
