"""Operations of certificate login."""

from __future__ import annotations

from miyun.core.i18n import Text
from miyun.core.operation import Duty, Operation, Role
from miyun.offerings.strong_auth import messages as m
from miyun.offerings.strong_auth.report.operations import OPERATIONS as REPORT_OPERATIONS
from miyun.offerings.strong_auth.service import StrongAuthService as S
from miyun.offerings.strong_auth.sso.operations import LOGINS
from miyun.offerings.strong_auth.sso.operations import OPERATIONS as SSO_OPERATIONS

_SECURITY = frozenset({Role.TENANT_SECURITY})
_READERS = frozenset({Role.APPLICATION, Role.TENANT_SECURITY, Role.TENANT_DEVELOPER, Role.TENANT_AUDIT})
_APPLICATION = frozenset({Role.APPLICATION})
_PEM = "-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="strong_auth.account.bind",
        summary=Text("为账号绑定证书", "Bind a certificate to an account"),
        method="POST",
        path="/strong_auth/accounts",
        request=m.BindAccount,
        response=m.AccountView,
        handler=S.bind_account,
        roles=_SECURITY | _APPLICATION,
        duty=Duty.POLICY,
        example={"account": "zhang.san", "certificate": _PEM},
        tenant_fields=("application",),
        idempotent=True,
    ),
    Operation(
        id="strong_auth.account.suspend",
        summary=Text("停用账号", "Suspend an account"),
        method="POST",
        path="/strong_auth/accounts/{account_id}/suspend",
        request=m.AccountRef,
        response=m.AccountView,
        handler=S.suspend_account,
        roles=_SECURITY,
        duty=Duty.POLICY,
        example={"account_id": "acc_…"},
        tenant_fields=("account_id",),
    ),
    Operation(
        id="strong_auth.account.resume",
        summary=Text("恢复账号", "Resume an account"),
        method="POST",
        path="/strong_auth/accounts/{account_id}/resume",
        request=m.AccountRef,
        response=m.AccountView,
        handler=S.resume_account,
        roles=_SECURITY,
        duty=Duty.POLICY,
        example={"account_id": "acc_…"},
        tenant_fields=("account_id",),
    ),
    Operation(
        id="strong_auth.account.unbind",
        summary=Text("解除账号绑定", "Unbind an account"),
        method="DELETE",
        path="/strong_auth/accounts/{account_id}",
        request=m.AccountRef,
        response=m.Done,
        handler=S.unbind_account,
        roles=_SECURITY,
        duty=Duty.POLICY,
        example={"account_id": "acc_…"},
        tenant_fields=("account_id",),
    ),
    Operation(
        id="strong_auth.policy.get",
        summary=Text("查看应用的登录策略", "Show an application's login policy"),
        method="GET",
        path="/strong_auth/policies/{application}",
        request=m.PolicyRef,
        response=m.PolicyView,
        handler=S.get_policy,
        roles=_READERS,
        duty=Duty.READ,
        example={"application": "app_…"},
        tenant_fields=("application",),
        quota_free=True,
    ),
    Operation(
        id="strong_auth.policy.set",
        step_up=True,
        summary=Text("设定应用的登录策略", "Set an application's login policy"),
        description=Text(
            "信任哪些 CA、查到哪一级、吊销信息过期多久仍可登录、账号取自证书的哪个字段。",
            "Which authorities are trusted, how far certificates are looked into, for how long revocation information "
            "may be out of date, and which field of the certificate is the account.",
        ),
        method="PUT",
        path="/strong_auth/policies/{application}",
        request=m.SetPolicy,
        response=m.PolicyView,
        handler=S.set_policy,
        roles=_SECURITY,
        duty=Duty.POLICY,
        example={"application": "app_…", "level": "revocation", "stale_seconds": 3600},
        tenant_fields=("application",),
    ),
    Operation(
        id="strong_auth.challenge",
        summary=Text("获取登录挑战", "Get a login challenge"),
        method="POST",
        path="/strong_auth/challenges",
        request=m.AskChallenge,
        response=m.ChallengeView,
        handler=S.challenge,
        roles=_APPLICATION,
        duty=Duty.USE,
        example={},
    ),
    Operation(
        id="strong_auth.login",
        summary=Text("以证书签名登录", "Log in with a certificate's signature"),
        method="POST",
        path="/strong_auth/logins",
        request=m.Login,
        response=m.LoginResult,
        handler=S.login,
        roles=_APPLICATION,
        duty=Duty.USE,
        example={"challenge": "chl_…", "certificate": _PEM, "signature": "MEUCIQ=="},
        meter=LOGINS,
        tenant_fields=("challenge",),
        secret_response=True,
    ),
    Operation(
        id="strong_auth.session.check",
        summary=Text("检查会话", "Check a session"),
        method="POST",
        path="/strong_auth/sessions/check",
        request=m.SessionToken,
        response=m.SessionView,
        handler=S.check_session,
        roles=_APPLICATION,
        duty=Duty.USE,
        example={"session": "0123456789abcdefghijklmnopqrstuv"},
    ),
    Operation(
        id="strong_auth.session.end",
        summary=Text("结束会话", "End a session"),
        method="POST",
        path="/strong_auth/sessions/end",
        request=m.SessionToken,
        response=m.Done,
        handler=S.end_session,
        roles=_APPLICATION,
        duty=Duty.USE,
        example={"session": "0123456789abcdefghijklmnopqrstuv"},
        quota_free=True,
    ),
    *REPORT_OPERATIONS,
    *SSO_OPERATIONS,
)
