"""Names of services to offerings: sure, or not at all."""

from __future__ import annotations

import pytest

from miyun.delivery.contract.mapping import offering_of


@pytest.mark.parametrize(
    ("name", "offering"),
    [
        ("强身份认证服务", "strong_auth"),
        ("强身份认证（USBKey证书登录）", "strong_auth"),
        ("签名验证服务", "signature"),
        ("加/解密服务", "encryption"),
        ("时间戳服务", "timestamp"),
        ("应用接入密码云服务", "onboarding"),
        ("密钥管理服务", "kms"),
        ("数字证书服务", "certificate"),
        ("证书服务", "certificate"),
        ("SSL证书服务", "ssl_certificate"),
        ("网站证书服务", "ssl_certificate"),
        ("智能密码钥匙（USBKey）数字证书介质", "usbkey"),
        ("Timestamp service", "timestamp"),
        ("微服务模块", "microservice"),
        ("API 管理模块", "api_management"),
        ("基于国密的远程安全接入", "remote_access"),
    ],
)
def test_known_names(name: str, offering: str) -> None:
    found, certainty = offering_of(name)
    assert (found, certainty) == (offering, 0.95)


def test_the_description_helps_with_less_confidence() -> None:
    assert offering_of("基础服务包", "提供可信时间戳") == ("timestamp", 0.7)


@pytest.mark.parametrize("name", ["综合运维服务", "签名服务与加密服务", ""])
def test_unknown_or_ambiguous_names_are_not_guessed(name: str) -> None:
    assert offering_of(name) == (None, 0.0)
