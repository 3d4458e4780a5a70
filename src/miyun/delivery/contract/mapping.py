"""From the words of a price list to one of our offerings; what fits none, or two equally well, fits none."""

from __future__ import annotations

import re

from miyun.delivery.contract.text import columns

_WORDS: dict[str, tuple[str, ...]] = {
    "strong_auth": (
        "强身份认证",
        "强身份鉴别",
        "证书登录",
        "身份认证",
        "身份鉴别",
        "strong authentication",
        "strong auth",
    ),
    "signature": ("签名验签", "签名验证", "签名服务", "数字签名", "电子签名", "验签", "signature", "sign and verify"),
    "encryption": ("数据加解密", "加解密", "数据加密", "加密服务", "加密解密", "数据保护", "encryption"),
    "timestamp": ("时间戳", "可信时间", "timestamp", "time-stamp", "time stamp"),
    "onboarding": ("应用接入", "接入密码云", "系统接入", "接入服务", "密码应用集成", "onboarding"),
    "kms": ("密钥管理", "kms", "key management"),
    "certificate": ("数字证书", "设备证书", "证书", "digital certificate"),
    "ssl_certificate": (
        "ssl证书",
        "ssl 证书",
        "站点证书",
        "网站证书",
        "服务器证书",
        "ssl certificate",
        "tls certificate",
    ),
    "usbkey": ("usbkey", "usb key", "智能密码钥匙", "ukey"),
    "vsm": ("虚拟密码机", "云密码机", "vsm", "密码机"),
    "crypto_api": ("密码api", "密码接口", "密码服务接口", "crypto api"),
    "remote_access": ("远程安全接入", "国密接入", "ssl vpn", "vpn", "安全接入", "remote access"),
    "dbaudit": ("数据库审计", "database audit"),
    "antivirus": ("主机杀毒", "防病毒", "杀毒", "antivirus"),
    "webguard": ("网页防篡改", "防篡改", "web tamper"),
    "apt": ("apt防护", "apt 防护", "高级威胁", "apt protection"),
    "cdn": ("内容加速", "视频加速", "cdn", "内容分发"),
    "container": ("容器平台", "容器服务", "容器云", "container"),
    "devops": ("devops", "研发运维一体化"),
    "middleware": ("中间件", "middleware"),
    "microservice": ("微服务", "microservice"),
    "api_management": ("api管理", "api 管理", "api网关", "接口管理", "api management"),
}


def offering_of(name: str, description: str = "") -> tuple[str | None, float]:
    """(slug, confidence): 0.95 by the name, 0.7 by the description alone; (None, 0.0) when nothing or two fit.

    The widest keyword wins (a Chinese character counts two), so that 应用接入密码云服务 is not taken for a mere 接入.
    """
    for text, certainty in ((name, 0.95), (description, 0.7)):
        slug, tied = _best(re.sub(r"\s+", " ", text).lower())
        if tied:
            return None, 0.0
        if slug is not None:
            return slug, certainty
    return None, 0.0


def _best(text: str) -> tuple[str | None, bool]:
    squeezed = re.sub(r"(?<=[^\x00-\x7f]) | (?=[^\x00-\x7f])", "", text).replace("/", "")
    scores = {
        slug: max((columns(word) for word in words if word in squeezed or word in text), default=0)
        for slug, words in _WORDS.items()
    }
    top = max(scores.values())
    best = [slug for slug, score in scores.items() if score == top]
    if not top:
        return None, False
    return (best[0], False) if len(best) == 1 else (None, True)
