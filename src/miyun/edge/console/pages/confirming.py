"""Dangerous operations ask for the reader's key: the page that says what is about to be signed for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from litestar.response import Response

from miyun.core.operation import Role
from miyun.core.tenancy.keys.errors import StepUpRequired
from miyun.edge.console.page import SIGNED, Page, policy
from miyun.edge.console.pages.certificates import REASONS
from miyun.edge.console.pages.listing import shown
from miyun.edge.console.pages.login_policies import ACCOUNT_FIELDS, LEVELS

_NAMES: Final = {
    "serial": ("证书序列号", "Serial number"),
    "reason": ("原因", "Reason"),
    "recovery": ("恢复申请", "Recovery"),
    "approval": ("申请编号", "What was asked"),
    "application": ("应用或申请", "Application"),
    "external_key": ("外部账号密钥", "External account key"),
    "key_id": ("登录密钥", "Sign-in key"),
    "key": ("密钥", "Key"),
    "roles": ("角色", "Roles"),
    "person": ("人员", "Person"),
    "staff": ("乙方人员", "Supplier's person"),
    "purpose": ("用途", "Purpose"),
    "starts_at": ("自", "From"),
    "ends_at": ("至", "Until"),
    "days": ("天数", "Days"),
    "note": ("说明", "Note"),
    "lists": ("受信任的机构", "Trusted authorities"),
    "level": ("核验程度", "Looked into"),
    "stale_seconds": ("吊销信息容许过期（秒）", "Stale revocation information (seconds)"),
    "account_field": ("账号取自", "The account is"),
    "template": ("模板", "Template"),
    "subject": ("主体", "Subject"),
    "names": ("备用名称", "Alternative names"),
    "batch": ("批次", "Batch"),
    "approve": ("通过的行数", "Rows approved"),
    "reject": ("驳回的申请", "Applications rejected"),
}
_WORDS: Final = {name: (zh, en) for name, zh, en in (*REASONS, *LEVELS, *ACCOUNT_FIELDS)}


def confirm(page: Page, error: StepUpRequired) -> Response[bytes]:
    """The form that comes back is the same one, signed."""
    hidden = [(name, value) for name, value in page.form.items() if name not in SIGNED]
    came = page.form.get("from") or page.referrer
    facts = [(page.text(*_NAMES[name]), _word(page, value)) for name, value in page.asked.items() if name in _NAMES]
    return page.render(
        "confirm.html",
        policy=policy(agent=page.agent),
        error=error,
        again="key_signature" in page.form,
        operation=page.registry.operation(error.operation),
        facts=[(name, value) for name, value in facts if value != "—"],
        hidden=[*hidden, ("from", came)],
        action=f"{page.path}?{page.query_string}" if page.query_string else page.path,
        back=came,
        agent=page.agent,
    )


def _word(page: Page, value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{name}={_word(page, part)}" for name, part in value.items())
    if isinstance(value, (list, tuple)):
        return page.text("、", ", ").join(_word(page, item) for item in value) or "—"
    if isinstance(value, str) and value in list(Role):
        return page.role_name(Role(value))
    return page.text(*_WORDS[value]) if value and value in _WORDS else shown(value)
