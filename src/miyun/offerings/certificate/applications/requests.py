"""PKCS#10 requests of applicants: both kinds are read, and keys that must not be certified are refused."""

from __future__ import annotations

from collections.abc import Sequence

from miyun.core.errors import MiyunError
from miyun.gm import sm2
from miyun.gm.errors import InvalidKey, InvalidSignature
from miyun.offerings.certificate.applications.errors import RequestNotSelfSigned
from miyun.offerings.certificate.errors import KeyRefused, unreadable
from miyun.offerings.certificate.model import Certificate, KeyUse, RevocationReason
from miyun.offerings.certificate.reading import binary_in
from miyun.offerings.certificate.weak_keys import check_point, usable_key
from miyun.wire.algorithm import SignatureAlgorithm
from miyun.wire.errors import DecodeError
from miyun.wire.name import Name
from miyun.wire.pkcs10 import CertificationRequest, parse_csr
from miyun.wire.spki import KeyAlgorithm


def read_request(text: str) -> CertificationRequest:
    """A request that is well formed, signed by its own key, and of a key worth certifying."""
    request = _read_unverified(text)
    _verify(request)
    return request


def read_requests(texts: Sequence[str]) -> list[CertificationRequest | MiyunError]:
    """As `read_request`, each for itself; SM2 signatures are verified together, which takes a fraction of the time."""
    found: list[CertificationRequest | MiyunError] = []
    together: list[int] = []
    for place, text in enumerate(texts):
        try:
            request = _read_unverified(text)
            found.append(request)
            if request.algorithm is SignatureAlgorithm.SM2_SM3 and request.public_key.algorithm is KeyAlgorithm.SM2:
                together.append(place)
            else:
                _verify(request)
        except MiyunError as error:
            found[place:] = [error]
    requests = [item for item in (found[place] for place in together) if isinstance(item, CertificationRequest)]
    verdicts = sm2.verify_many([(item.public_key.point or b"", item.info_der, item.signature) for item in requests])
    for place, good in zip(together, verdicts, strict=True):
        if not good:
            found[place] = RequestNotSelfSigned()
    return found


def _read_unverified(text: str) -> CertificationRequest:
    try:
        request = parse_csr(binary_in("csr", text))
    except DecodeError as error:
        raise unreadable("csr", error) from None
    usable_key("csr", request.spki_der)
    if request.temporary_point is not None:
        check_point("csr", request.temporary_point)
    return request


def _verify(request: CertificationRequest) -> None:
    try:
        request.verify()
    except (InvalidSignature, InvalidKey):
        raise RequestNotSelfSigned from None


def check_free(certificates: list[Certificate], tenant: str, subject: Name) -> None:
    """That no certificate of this key speaks against another one for the subject. Raises KeyRefused."""
    for item in certificates:
        if item.reason is RevocationReason.KEY_COMPROMISE:
            raise KeyRefused("csr", KeyUse.COMPROMISED)
        owner = Name.parse(item.subject) if len(item.subject) < 1024 else None
        if item.tenant != tenant or owner is None or not owner.matches(subject):
            raise KeyRefused("csr", KeyUse.OTHER_HOLDER)
