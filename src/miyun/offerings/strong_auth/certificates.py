"""Which certificates may log in, and whether a signature is a certificate's. The verdict is the trust directory's, by
the lists and the level that the application has chosen; no URL found in a certificate is ever fetched."""

from __future__ import annotations

from datetime import datetime, timedelta

from miyun.core.certificates import has_signed
from miyun.core.errors import InvalidArgument
from miyun.core.i18n import Text
from miyun.core.operation import Call
from miyun.core.ports import CertificateIssuer
from miyun.core.trust import REASON_TEXTS, Level, TrustDirectory, TrustReason
from miyun.offerings.strong_auth.errors import CertificateNotGiven, CertificateRefused, LoginFailed
from miyun.offerings.strong_auth.model import MAX_ACCOUNT, Policy
from miyun.offerings.strong_auth.store import StrongAuthStore
from miyun.wire.errors import DecodeError
from miyun.wire.x509 import Certificate, Purpose, parse_certificate

_SIGNS = frozenset({"digitalSignature", "nonRepudiation"})
_KEY_USAGE = Text("证书的密钥用法不含签名（key_usage）", "its key usage does not allow signatures (key_usage)")
_ANOTHERS = Text(
    "证书由本平台签发给另一租户，其中的名称在此无效（another_tenant）",
    "it was issued here to another tenant, whose names say nothing of yours (another_tenant)",
)
_NAMELESS = Text(
    "证书主题中应恰有一个可用作账号的字段“{0}”",
    "its subject should have exactly one '{0}' that can be an account's name",
)


class Certificates:
    """The judge of login certificates."""

    def __init__(self, *, store: StrongAuthStore, issuer: CertificateIssuer, trust: TrustDirectory) -> None:
        self._store = store
        self._issuer = issuer
        self._trust = trust

    def policy(self, tenant: str, application: str) -> Policy:
        return self._store.policy(tenant, application) or Policy(tenant, application)

    async def accept(self, tenant: str, application: str, certificate: Certificate, at: datetime) -> str:
        """Raises CertificateRefused; answers what is known of its revocation."""
        reasons, revocation = await self._judge(tenant, application, certificate, at)
        if reasons:
            raise CertificateRefused(*_told(reasons[0]), str(certificate.subject))
        # The encryption certificate of a pair: a key management centre may hold its private key too (GM/T 0034).
        if certificate.key_usage is not None and not certificate.key_usage & _SIGNS:
            raise CertificateRefused("key_usage", _KEY_USAGE, str(certificate.subject))
        return revocation

    async def holds(self, tenant: str, application: str, certificate: Certificate, at: datetime) -> bool:
        """Whether it would be accepted again: a session lasts no longer."""
        reasons, _ = await self._judge(tenant, application, certificate, at)
        return not reasons

    async def account_of(self, tenant: str, application: str, certificate: Certificate) -> str | None:
        """The account that the certificate itself names, where the application has it so; None: accounts are bound
        one by one. Raises CertificateRefused when the field is missing or not to be told apart, and as
        `check_names`."""
        field = self.policy(tenant, application).account_field
        if not field:
            return None
        await self.check_names(tenant, certificate)
        names = certificate.subject.all(field)
        if len(names) != 1 or len(names[0]) > MAX_ACCOUNT or not names[0].isprintable():
            reason = Text(_NAMELESS.zh.format(field), _NAMELESS.en.format(field))
            raise CertificateRefused("account_field", reason, str(certificate.subject))
        return names[0]

    async def check_names(self, tenant: str, certificate: Certificate) -> None:
        """Where somebody is known by what a certificate calls them. Our own authorities issue to every tenant, and each
        chooses its names: those of another tenant's are not relied upon. Raises CertificateRefused."""
        if await self._issuer.is_of_another(tenant, certificate.der):
            raise CertificateRefused("another_tenant", _ANOTHERS, str(certificate.subject))

    async def check_lists(self, policy: Policy, at: datetime) -> None:
        """Raises InvalidArgument for a trust list that the tenant does not have."""
        [anyone, *_] = await self._issuer.trust_anchors()
        verdict = await self._trust.judge(
            policy.tenant, anyone, lists=policy.lists, at=at, purpose="", level=Level.CHAIN
        )
        missing = [reason.subject for reason in verdict.reasons if reason.code == "no_such_list"]
        if missing:
            names = ", ".join(missing)
            raise InvalidArgument("lists", Text(f"没有信任列表：{names}", f"no such trust list: {names}"))

    async def _judge(
        self, tenant: str, application: str, certificate: Certificate, at: datetime
    ) -> tuple[tuple[TrustReason, ...], str]:
        policy = self.policy(tenant, application)
        verdict = await self._trust.judge(
            tenant,
            certificate.der,
            lists=policy.lists,
            at=at,
            purpose=Purpose.CLIENT_AUTH,
            level=Level(policy.level),
            stale=timedelta(seconds=policy.stale_seconds),
        )
        return (() if verdict.valid else verdict.reasons), verdict.revocation


def _told(reason: TrustReason) -> tuple[str, Text]:
    """The reason with what it rests on, in a line."""
    texts = [reason.text]
    deeper = reason
    while deeper.children:
        deeper = deeper.children[0]
        texts.append(deeper.text)
    return reason.code, Text("：".join(t.zh for t in texts), ": ".join(t.en for t in texts))


def of_connection(call: Call) -> Certificate:
    """Whose key the client holds; nothing else is known of it. Raises CertificateNotGiven, CertificateRefused."""
    if not call.certificate:
        raise CertificateNotGiven(field="certificate")
    try:
        return parse_certificate(call.certificate)
    except DecodeError as error:
        raise CertificateRefused("unreadable", REASON_TEXTS["unreadable"], "?") from error


def verify(certificate: Certificate, message: bytes, signature: bytes) -> None:
    """Raises LoginFailed unless the signature is the certificate's."""
    if not has_signed(certificate, message, signature):
        raise LoginFailed(field="signature")
