"""Operations of people's keys; their service is the account service's `keys`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from miyun.core.i18n import Text
from miyun.core.operation import Call, Duty, Empty, Operation, Role
from miyun.core.tenancy import messages as tenancy
from miyun.core.tenancy.keys import messages as m
from miyun.core.tenancy.keys.service import PersonKeys
from miyun.core.tenancy.model import PLATFORM_ROLES, TENANT_ROLES

if TYPE_CHECKING:
    from miyun.core.tenancy.account import AccountService

_PEOPLE: Final = PLATFORM_ROLES | TENANT_ROLES
_SECURITY: Final = frozenset((Role.PLATFORM_SECURITY, Role.TENANT_SECURITY))
_APPROVERS: Final = _SECURITY | {Role.PLATFORM_SYSTEM, Role.TENANT_SYSTEM}
_SIGNED: Final = {"challenge": "…", "certificate": "-----BEGIN CERTIFICATE-----\n…", "signature": "MEUCIQ==",
                  "browser": "…"}  # fmt: skip

Verb = Callable[[PersonKeys, Call, Any], Awaitable[Any]]


def _by(verb: Verb) -> Callable[[AccountService, Call, Any], Awaitable[Any]]:
    async def handler(service: AccountService, call: Call, request: Any) -> Any:
        return await verb(service.keys, call, request)

    return handler


def _operation(verb: str, method: Any, path: str, summary: Text, handler: Verb, **more: Any) -> Operation:
    return Operation(
        **{
            "id": f"account.key.{verb}",
            "summary": summary,
            "method": method,
            "path": f"/account/keys{path}",
            "handler": _by(handler),
            "duty": Duty.POLICY,
            "scope": "platform",
            "example": {},
            **more,
        }
    )


KEY_OPERATIONS: Final = (
    _operation(
        "challenge", "POST", "/challenge", Text("获取密钥登录或登记的挑战", "Get a challenge for a key"),
        PersonKeys.challenge, request=m.AskChallenge, response=m.KeyChallenge, roles=frozenset((Role.PUBLIC,)),
        duty=Duty.READ, scope="public", recorded=False, example={"browser": "…"},
    ),
    _operation(
        "login", "POST", "/login", Text("以密钥登录", "Sign in with a key"),
        PersonKeys.login, request=m.SignedChallenge, response=tenancy.LoggedIn, roles=frozenset((Role.PUBLIC,)),
        duty=Duty.READ, scope="public", secret_response=True, example=_SIGNED,
    ),
    _operation(
        "enrol", "POST", "", Text("登记本人的密钥", "Register one's own key"),
        PersonKeys.enrol, request=m.SignedChallenge, response=m.KeyView, roles=_PEOPLE, duty=Duty.READ,
        example=_SIGNED,
        description=Text(
            "须由另一位管理员核准后方可使用。", "It can be used once another person, an administrator, has approved it."
        ),
    ),
    _operation(
        "list", "GET", "", Text("密钥列表", "List keys"),
        PersonKeys.list, request=m.ListKeys, response=m.KeyList, roles=_PEOPLE, duty=Duty.READ,
    ),
    _operation(
        "approve", "POST", "/{key_id}/approve", Text("核准他人的密钥", "Approve somebody's key"),
        PersonKeys.approve, request=m.KeyName, response=m.KeyView, roles=_APPROVERS, step_up=True,
        example={"key_id": "pky_…"}, tenant_fields=("key_id",),
    ),
    _operation(
        "remove", "DELETE", "/{key_id}", Text("注销他人的密钥", "Remove somebody's key"),
        PersonKeys.remove, request=m.KeyName, response=tenancy.Done, roles=_APPROVERS, step_up=True,
        example={"key_id": "pky_…"}, tenant_fields=("key_id",),
    ),
    _operation(
        "policy", "GET", "/policy", Text("须以密钥登录的角色", "Roles that sign in with a key only"),
        PersonKeys.policy, request=Empty, response=m.KeyPolicy, roles=_APPROVERS, duty=Duty.READ,
    ),
    _operation(
        "set_policy", "PUT", "/policy", Text("设定须以密钥登录的角色", "Set the roles that sign in with a key only"),
        PersonKeys.set_policy, request=m.KeyPolicy, response=m.KeyPolicy, roles=_SECURITY, step_up=True,
        example={"roles": []},
    ),
)  # fmt: skip
