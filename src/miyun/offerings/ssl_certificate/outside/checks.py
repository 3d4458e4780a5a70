"""Whether a certificate is the one that was ordered: key, names, life, and a chain that holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from miyun.core.i18n import Text
from miyun.gm.errors import InvalidSignature
from miyun.offerings.ssl_certificate.errors import CertificateDoesNotFit
from miyun.wire.errors import DecodeError
from miyun.wire.x509 import Certificate, load_certificates


def read_chain(text: str, field: Text) -> list[Certificate]:
    """PEM, the certificate first. Raises CertificateDoesNotFit."""
    try:
        chain = load_certificates(text)
    except DecodeError as error:
        raise CertificateDoesNotFit(
            Text(f"{field.zh}不是 PEM 证书：{error}", f"{field.en} is no PEM chain: {error}")
        ) from None
    if not 0 < len(chain) <= 8:
        raise CertificateDoesNotFit(Text(f"{field.zh}应有 1 至 8 张证书", f"{field.en} needs 1 to 8 certificates"))
    return chain


def check_chain(
    chain: Sequence[Certificate], *, key: bytes | None, names: Sequence[str], now: datetime, signs: bool = True
) -> None:
    """`key`: SubjectPublicKeyInfo that the first must have (None: the CA made it). Raises CertificateDoesNotFit.

    Every certificate is signed by the next; a root may be left out, as servers do.
    """
    leaf = chain[0]
    if key is not None and leaf.spki_der != key:
        raise CertificateDoesNotFit(Text("公钥与请求中的不同", "its key is not that of the request"))
    if leaf.is_ca:
        raise CertificateDoesNotFit(Text("第一张是 CA 证书", "the first is a CA's certificate"))
    if missing := sorted(set(names) - names_of(leaf)):
        shown = "、".join(missing[:5])
        raise CertificateDoesNotFit(Text(f"缺少名称：{shown}", f"it lacks the names {', '.join(missing[:5])}"))
    if not leaf.not_before <= now < leaf.not_after:
        raise CertificateDoesNotFit(Text("不在有效期内", "it is not valid now"))
    if len(chain) == 1:
        raise CertificateDoesNotFit(Text("缺少签发 CA 的证书", "the issuing CA's certificate is missing"))
    for below, above in pairwise(chain):
        if not below.issuer.matches(above.subject) or not above.is_ca:
            where = str(below.subject)
            raise CertificateDoesNotFit(
                Text(f"“{where}”的签发者不是下一张证书", f"the next certificate is not the issuer of {where}")
            )
        if not above.not_before <= now < above.not_after:
            raise CertificateDoesNotFit(Text(f"“{above.subject}”不在有效期内", f"{above.subject} is not valid now"))
        try:
            below.verify_signed_by(above)
        except (InvalidSignature, DecodeError):
            raise CertificateDoesNotFit(
                Text(f"“{below.subject}”的签名无效", f"the signature of {below.subject} is not valid")
            ) from None


def names_of(certificate: Certificate) -> set[str]:
    return {str(item.value).lower() for item in certificate.subject_alt_names if item.kind in ("dns", "ip")}
