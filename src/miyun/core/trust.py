"""Whether a certificate is to be relied upon, and if not, why: a tree of reasons that every room shows alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal, Protocol

from miyun.core.i18n import Text
from miyun.core.operation import Struct

OWN_LIST: Final = "platform"
"""The trust list of the platform's own authorities; what is meant when no list is named."""


class Level(StrEnum):
    """How far a certificate is looked into; each level asks what the one before asks, and more."""

    TIME = "time"  # its own validity
    CHAIN = "chain"  # and a path to an authority of the trust lists
    REVOCATION = "revocation"  # and that nothing on the path is revoked, by lists or whatever is known
    OCSP = "ocsp"  # and the authority's online answer about the certificate itself


Status = Literal["good", "revoked", "unknown", "stale", "unchecked"]
LevelName = Literal["time", "chain", "revocation", "ocsp"]

REASON_TEXTS: Final = {
    "unreadable": Text("证书无法解析", "the certificate cannot be read"),
    "no_such_list": Text("没有这个信任列表", "there is no such trust list"),
    "untrusted": Text("找不到可信的签发者", "no trusted issuer was found"),
    "chain_signature": Text("签发者的签名无法验证", "the issuer's signature does not verify"),
    "no_za": Text("SM2 签名未包含 Z_A（GB/T 32918.2）", "the SM2 signature was made without Z_A (GB/T 32918.2)"),
    "not_yet_valid": Text("证书尚未生效", "the certificate is not valid yet"),
    "expired": Text("证书已过期", "the certificate has expired"),
    "revoked": Text("证书已吊销", "the certificate is revoked"),
    "not_a_ca": Text("签发者不是 CA", "its issuer is not a CA"),
    "path_length": Text("证书链超过签发者允许的长度", "the chain is longer than an issuer allows"),
    "key_usage": Text("证书的密钥用法不允许", "the certificate's key usage does not allow this"),
    "purpose": Text("扩展密钥用法不符", "extended key usage does not fit the purpose"),
    "name_constraints": Text("名称不在上级 CA 允许的范围内", "a name lies outside its issuer's name constraints"),
    "unknown_critical": Text("含有不认识的关键扩展", "an unknown critical extension"),
    "duplicate_extension": Text("同一扩展出现两次", "an extension appears twice"),
    "unsupported_key": Text("不支持的公钥算法", "the public key's algorithm is not supported"),
    "key_identifier": Text("所指明的签发者密钥不符", "it names another key of its issuer than the one that signed it"),
    "status_unknown": Text("无法确定是否已吊销", "whether it is revoked cannot be told"),
    "status_stale": Text("吊销信息已过期", "what is known of revocation is out of date"),
    "no_source": Text("未配置该 CA 的吊销信息来源", "no source of revocation is set up for its authority"),
    "no_responder": Text("未配置该 CA 的 OCSP 地址", "no OCSP responder is set up for its authority"),
    "not_fetched": Text("吊销列表尚未取得", "the revocation list was not obtained yet"),
    "not_covered": Text("吊销列表不涵盖该证书", "the revocation list does not speak of such certificates"),
    "list": Text("依据吊销列表", "by a revocation list"),
    "ocsp": Text("依据 OCSP 应答", "by an OCSP answer"),
    "register": Text("依据本平台登记", "by the platform's own register"),
    "ocsp_unavailable": Text("OCSP 没有可用的应答", "there is no usable OCSP answer"),
    "not_registered": Text("由本平台 CA 签发却无登记", "signed by the platform's CA, yet not in its register"),
}


@dataclass(frozen=True, slots=True)
class TrustReason:
    """Why not. `subject` is whom it is about, `children` what it rests on; `detail` is plain English."""

    code: str
    subject: str
    children: tuple[TrustReason, ...] = ()
    detail: str = ""

    @property
    def text(self) -> Text:
        known = REASON_TEXTS[self.code]
        return Text(known.zh, f"{known.en}: {self.detail}") if self.detail else known


@dataclass(frozen=True, slots=True)
class TrustVerdict:
    """`chain`: DER, leaf first and anchor last; empty when there is no path. `revocation` tells what was found out
    about the whole path; stale and valid together: out of date, within what the caller bears with."""

    valid: bool
    chain: tuple[bytes, ...]
    reasons: tuple[TrustReason, ...]
    revocation: Status
    checked_at: datetime


@dataclass(frozen=True, slots=True)
class TrustMaterial:
    """What told that a path was not revoked, DER: for who keeps it. `missing`: subjects of which nothing is there."""

    lists: tuple[bytes, ...]
    answers: tuple[bytes, ...]
    missing: tuple[str, ...] = ()


class TrustDirectory(Protocol):
    """Implemented by `certificate`. Paths are built from the trust lists; `extra` certificates of the client's may lie
    in between. No address that a certificate names is ever fetched."""

    async def judge(
        self,
        tenant: str | None,
        certificate: bytes,
        *,
        extra: Sequence[bytes] = (),
        lists: Sequence[str] = (),
        at: datetime,
        purpose: str,
        level: Level,
        stale: timedelta = timedelta(0),
    ) -> TrustVerdict:
        """`lists` by name, none: our own authorities. `purpose`: a value of `wire.x509.Purpose`, "" for any. `stale`:
        for how long after its end revocation information is still used. Never raises for a bad certificate."""
        ...

    async def material(self, tenant: str | None, chain: Sequence[bytes], *, lists: Sequence[str] = ()) -> TrustMaterial:
        """For a path, leaf first, that was judged by the same `lists`."""
        ...


class ReasonView(Struct, frozen=True):
    """A reason as answers show it; `children` are what it rests on."""

    code: str
    subject: str
    zh: str
    en: str
    children: list[ReasonView]


def reason_views(reasons: Iterable[TrustReason]) -> list[ReasonView]:
    return [
        ReasonView(
            code=item.code,
            subject=item.subject,
            zh=item.text.zh,
            en=item.text.en,
            children=reason_views(item.children),
        )
        for item in reasons
    ]
