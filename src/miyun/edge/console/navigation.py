"""The left navigation: a link is shown to those who may call the operation behind its page. Services that the reader's
contract lacks stand below, quietly: what they are and how one gets them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Link:
    href: str
    zh: str
    en: str
    needs: str = ""  # operation id


@dataclass(frozen=True, slots=True)
class Group:
    zh: str
    en: str
    links: tuple[Link, ...]


GROUPS = (
    Group(
        "合同与用量",
        "Contract and use",
        (
            Link("/console", "总览", "Overview"),
            Link("/console/contract", "合同文本与核验", "Contract and findings", "contract.document"),
            Link("/console/performance", "履约与付款", "Performance and payments", "performance.list"),
            Link("/console/dossier", "验收资料", "Acceptance dossier", "delivery.dossier.list"),
        ),
    ),
    Group(
        "密码服务",
        "Cryptographic services",
        (
            Link("/console/catalogue", "服务目录", "Catalogue"),
            Link("/console/onboarding", "应用接入", "Onboarding", "tenant.application.list"),
            Link("/console/access", "访问凭证", "Access credentials", "tenant.access_key.list"),
            Link("/console/keys", "密钥", "Keys", "kms.key.list"),
            Link("/console/signers", "签名者", "Signers", "signature.signer.list"),
            Link("/console/verify", "验证签名", "Verify a signature", "signature.cms.verify"),
            Link("/console/evidence", "签名证据", "Signature evidence", "signature.evidence.list"),
        ),
    ),
    Group(
        "证书与密码钥匙",
        "Certificates and keys",
        (
            Link("/console/certificates", "证书", "Certificates", "certificate.list"),
            Link("/console/filings", "证书申请", "Certificate applications", "certificate.application.list"),
            Link("/console/templates", "证书模板", "Templates", "certificate.template.list"),
            Link("/console/authorities", "认证机构", "Authorities"),
            Link("/console/outside-cas", "外部认证机构", "CAs outside", "certificate.outside.list"),
            Link("/console/trust", "信任列表", "Trust lists", "certificate.trust.list.list"),
            Link("/console/recoveries", "密钥恢复", "Key recovery", "certificate.recovery.list"),
            Link("/console/usbkeys", "智能密码钥匙", "USB keys", "usbkey.key.list"),
            Link("/console/acme", "ACME 自动签发", "Certificates by ACME", "ssl_certificate.external_key.list"),
            Link("/console/ssl-orders", "外部证书订单", "Orders at outside CAs", "ssl_certificate.order.list"),
            Link("/console/endpoints", "证书端点监测", "Watched endpoints", "ssl_certificate.endpoint.list"),
        ),
    ),
    Group(
        "应用登录",
        "Login of applications",
        (
            Link("/console/logins/report", "登录报告", "Login report", "strong_auth.report"),
            Link("/console/logins/sessions", "在线会话", "Open sessions", "strong_auth.session.list"),
            Link("/console/logins/accounts", "登录账号", "Login accounts", "strong_auth.account.list"),
            Link("/console/logins/clients", "登录客户端", "Login clients", "strong_auth.client.list"),
            Link("/console/logins/policies", "登录策略", "Login policies", "strong_auth.policy.get"),
        ),
    ),
    Group(
        "审计与人员",
        "Audit and people",
        (
            Link("/console/ledger", "账本", "Ledger", "audit.records"),
            Link("/console/platform-ledger", "平台账本", "Platform ledger", "audit.all_records"),
            Link("/console/people", "人员", "People", "account.person.list"),
            Link("/console/grants", "乙方人员授权", "Supplier's staff", "tenant.grant.list"),
            Link("/console/person-keys", "登录密钥", "Sign-in keys", "account.key.list"),
        ),
    ),
)


def groups_of(may: Callable[[str], bool]) -> list[Group]:
    """What the reader may open."""
    shown = [Group(g.zh, g.en, tuple(k for k in g.links if not k.needs or may(k.needs))) for g in GROUPS]
    return [group for group in shown if group.links]


def services_of(lacking: Callable[[str], str]) -> list[str]:
    """Services behind links that the reader lacks, once each. `lacking`: operation → service, or empty."""
    found = (lacking(link.needs) for group in GROUPS for link in group.links if link.needs)
    return list(dict.fromkeys(service for service in found if service))
