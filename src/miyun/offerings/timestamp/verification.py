"""Whether a token is good, and if not, why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from miyun.core.i18n import Text
from miyun.gm.errors import InvalidSignature
from miyun.offerings.timestamp import merkle
from miyun.offerings.timestamp.messages import BatchProof
from miyun.wire.algorithm import DigestAlgorithm
from miyun.wire.errors import DecodeError
from miyun.wire.tsp import Mismatch, TimeStampMismatch, TstInfo, parse_response, parse_token, verify_token
from miyun.wire.x509 import Certificate, ChainError

REASONS = {
    "not_granted": Text("该响应是拒绝，其中没有时间戳", "the response is a refusal and holds no token"),
    "malformed": Text("时间戳格式错误", "the token is malformed"),
    "proof": Text("默克尔证明与时间戳不符", "the Merkle proof does not lead to the token's root"),
    "signature": Text("时间戳签名无效", "the token's signature does not verify"),
    Mismatch.IMPRINT: Text("时间戳不是为该数据签发的", "the token is for other data"),
    Mismatch.NONCE: Text("随机数与请求不符", "the nonce is not the request's"),
    Mismatch.POLICY: Text("策略与请求不符", "the policy is not the request's"),
    Mismatch.SIGNER: Text("签名证书与声明的不符", "the signer is not the one that the token names"),
    "untrusted": Text("时间戳证书不可信", "the time-stamping certificate is not trusted"),
    "expired": Text("时间戳证书当时已过期", "the time-stamping certificate had expired"),
    "not_yet_valid": Text("时间戳证书当时尚未生效", "the time-stamping certificate was not valid yet"),
    "revoked": Text("时间戳证书已吊销", "the time-stamping certificate is revoked"),
    "purpose": Text("证书不是时间戳用途", "the certificate is not for time stamping"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """`code` "" when good. `text` adds detail in English, as the chain's check gives it."""

    code: str
    detail: str = ""

    @property
    def text(self) -> Text:
        known = REASONS.get(self.code, Text("证书链验证失败", "the certificate chain is not acceptable"))
        return Text(known.zh, f"{known.en}: {self.detail}") if self.detail else known


@dataclass(frozen=True, slots=True)
class Examined:
    finding: Finding
    info: TstInfo | None = None
    path: tuple[Certificate, ...] = ()


def token_in(encoded: bytes) -> bytes | Finding:
    """The token itself, also when a whole TimeStampResp came."""
    try:
        response = parse_response(encoded)
    except DecodeError:
        return encoded
    return response.token if response.token is not None else Finding("not_granted", "; ".join(response.texts))


def examine(
    token: bytes,
    *,
    digest: bytes | None,
    data: bytes | None,
    proof: BatchProof | None,
    nonce: int | None,
    anchors: Iterable[Certificate],
    certificates: Iterable[Certificate],
    at: datetime | None,
) -> Examined:
    """All checks but revocation, which the caller asks about the path's certificates."""
    try:
        info, signed = parse_token(token)
    except DecodeError as error:
        return Examined(Finding("malformed", str(error)))
    algorithm = info.message_imprint.algorithm
    if proof is not None:
        digest = _root(algorithm, digest, data, proof)
        if digest is None or digest != info.message_imprint.digest:
            return Examined(Finding("proof"), info)
        data = None
    try:
        verified = verify_token(
            token,
            anchors=anchors,
            digest=digest,
            message=data,
            certificates=(*signed.certificates, *certificates),
            at=at,
            nonce=nonce,
        )
    except TimeStampMismatch as error:
        return Examined(Finding(error.reason), info)
    except ChainError as error:
        return Examined(Finding(error.reason, str(error)), info)
    except InvalidSignature:
        return Examined(Finding("signature"), info)
    except DecodeError as error:
        return Examined(Finding("malformed", str(error)), info)
    return Examined(Finding(""), info, verified.chain.certificates)


def _root(algorithm: DigestAlgorithm, digest: bytes | None, data: bytes | None, proof: BatchProof) -> bytes | None:
    item = digest if data is None else algorithm.digest(data)
    if item is None:
        return None
    return merkle.root_of(algorithm.digest, item, proof.index, proof.size, proof.path)
