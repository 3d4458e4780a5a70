"""Making tokens: everything that does not change from one to the next is encoded once.

One token costs a few concatenations: `TstInfoTemplate.encode`, `TokenTemplate.to_be_signed`, the signature (made
elsewhere), `TokenTemplate.assemble`, `response_granted`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from miyun.wire import der, oid
from miyun.wire.algorithm import DigestAlgorithm, SignatureAlgorithm
from miyun.wire.cms.attribute import attribute, signing_certificate_v2
from miyun.wire.cms.dialect import Dialect
from miyun.wire.errors import EncodeError
from miyun.wire.name import Name
from miyun.wire.tsp.request import MessageImprint
from miyun.wire.tsp.status import FailureInfo, PKIStatus
from miyun.wire.x509.certificate import Certificate

_GRANTED: Final = der.sequence(der.integer(PKIStatus.GRANTED))
_VERSION_1: Final = der.integer(1)
_SIGNED_DATA: Final = der.oid(oid.SIGNED_DATA)
_TST_INFO: Final = der.oid(oid.TST_INFO)
_FRAMES: Final = 64  # kept by one template: the sizes of its parts vary by a few octets


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Half-width of the interval around genTime that holds the true time; each part None when zero."""

    seconds: int | None = None
    millis: int | None = None
    micros: int | None = None

    def encode(self) -> bytes:
        for label, part in (("millis", self.millis), ("micros", self.micros)):
            if part is not None and not 1 <= part <= 999:
                raise EncodeError("1 to 999", field=label)
        parts = [
            der.integer(self.seconds) if self.seconds is not None else b"",
            der.tlv(0x80, der.integer(self.millis)[2:]) if self.millis is not None else b"",
            der.tlv(0x81, der.integer(self.micros)[2:]) if self.micros is not None else b"",
        ]
        return der.sequence(*parts)


class TstInfoTemplate:
    """TSTInfo of one policy. `tsa_name` is the signing certificate's subject, when it is to be told."""

    __slots__ = ("_before_nonce", "_head", "_tail", "policy")

    def __init__(
        self,
        policy: str,
        accuracy: Accuracy | None = None,
        tsa_name: Name | None = None,
        ordering: bool = False,
    ) -> None:
        self.policy = policy
        self._head = _VERSION_1 + der.oid(policy)
        self._before_nonce = (accuracy.encode() if accuracy is not None else b"") + (der.TRUE if ordering else b"")
        self._tail = der.explicit(0, der.explicit(4, tsa_name.encode())) if tsa_name is not None else b""

    def encode(self, serial: int, gen_time: datetime, imprint: MessageImprint, nonce: int | None) -> bytes:
        """TSTInfo DER. `gen_time` is aware; its microseconds are kept, without trailing zeros."""
        if gen_time.tzinfo is not UTC:
            if gen_time.tzinfo is None:
                raise EncodeError("the time has no zone", field="genTime")
            gen_time = gen_time.astimezone(UTC)
        # isoformat is several times faster than strftime: 2026-01-02T03:04:05[.678900]+00:00.
        time = gen_time.isoformat().encode().translate(None, b"-:T").removesuffix(b"+0000")
        if gen_time.microsecond:
            time = time.rstrip(b"0")
        body = b"".join(
            (
                self._head,
                imprint.der,
                der.integer(serial),
                b"\x18" + der.length(len(time) + 1),
                time,
                b"Z",
                self._before_nonce,
                b"" if nonce is None else der.integer(nonce),
                self._tail,
            )
        )
        return b"\x30" + der.length(len(body)) + body


class TokenTemplate:
    """The CMS frame of one signing key. `certificates` begins with the signer's; the others are its chain.

    `certificate_digest` is the hash in signingCertificateV2: SM3 by default for SM2, otherwise SHA-256.
    """

    __slots__ = (
        "_after_digest",
        "_before_certificates",
        "_before_digest",
        "_before_signature",
        "_certificates",
        "_digest",
        "_frames",
        "_signature_identifier",
        "algorithm",
        "certificate",
    )

    def __init__(
        self,
        algorithm: SignatureAlgorithm,
        certificates: tuple[Certificate, ...],
        certificate_digest: DigestAlgorithm | None = None,
    ) -> None:
        if not certificates:
            raise EncodeError("at least the signer's", field="certificates")
        self.algorithm = algorithm
        self.certificate = certificates[0]
        if certificate_digest is None:
            certificate_digest = DigestAlgorithm.SM3 if algorithm.scheme == "sm2" else DigestAlgorithm.SHA256
        digest = algorithm.digest_algorithm
        self._digest = digest.digest
        # DER sorts the attributes; where the hash stands among them does not depend on its value, since the element
        # headers before it already differ.
        placeholder = bytes(digest.size)
        attributes = der.set_of(
            attribute(oid.CONTENT_TYPE, _TST_INFO),
            attribute(oid.MESSAGE_DIGEST, der.octet_string(placeholder)),
            attribute(oid.SIGNING_CERTIFICATE_V2, signing_certificate_v2(self.certificate, certificate_digest)),
        )
        marker = der.oid(oid.MESSAGE_DIGEST) + der.set_of(der.octet_string(placeholder))
        at = attributes.index(marker) + len(marker) - digest.size
        self._before_digest, self._after_digest = attributes[:at], attributes[at + digest.size :]
        self._before_signature = _VERSION_1 + self.certificate.issuer_and_serial() + digest.identifier + b"\xa0"
        self._signature_identifier = Dialect.RFC5652.signature_identifier(algorithm)
        self._before_certificates = der.integer(3) + der.set_of(digest.identifier)
        self._certificates = der.explicit(0, b"".join(sorted({item.der for item in certificates})))
        self._frames: dict[tuple[int, int, bool], tuple[bytes, bytes, bytes]] = {}

    def to_be_signed(self, tst_info: bytes) -> bytes:
        """The signed attributes as DER SET: the message that the key signs."""
        return self._before_digest + self._digest(tst_info) + self._after_digest

    def assemble(self, tst_info: bytes, attributes: bytes, signature: bytes, include_certs: bool) -> bytes:
        """The TimeStampToken (a ContentInfo) from TSTInfo, what `to_be_signed` gave, and its signature."""
        sizes = (len(tst_info), len(signature), include_certs)
        frame = self._frames.get(sizes)
        if frame is None:
            if len(self._frames) >= _FRAMES:
                self._frames.clear()
            frame = self._frames[sizes] = self._frame(len(attributes), *sizes)
        before, between, after = frame
        return b"".join((before, tst_info, between, attributes[1:], after, signature))

    def _frame(self, attributes: int, tst_info: int, signature: int, include_certs: bool) -> tuple[bytes, bytes, bytes]:
        """All that depends on the sizes of the parts only: before the TSTInfo, between it and the attributes, and
        between these and the signature."""
        after = self._signature_identifier + b"\x04" + der.length(signature)
        signer = len(self._before_signature) + attributes - 1 + len(after) + signature
        signer_head = b"\x30" + der.length(signer)
        between = (
            (self._certificates if include_certs else b"")
            + b"\x31"
            + der.length(len(signer_head) + signer)
            + signer_head
            + self._before_signature
        )
        before, size = b"\x04" + der.length(tst_info), tst_info
        before = _TST_INFO + b"\xa0" + der.length(len(before) + size) + before
        before = self._before_certificates + b"\x30" + der.length(len(before) + size) + before
        size += len(between) + attributes - 1 + len(after) + signature
        before = b"\x30" + der.length(len(before) + size) + before
        before = _SIGNED_DATA + b"\xa0" + der.length(len(before) + size) + before
        before = b"\x30" + der.length(len(before) + size) + before
        return before, between, after


def response_granted(token: bytes) -> bytes:
    """TimeStampResp of status granted."""
    return b"\x30" + der.length(len(_GRANTED) + len(token)) + _GRANTED + token


def response_rejected(status: PKIStatus, fail_info: FailureInfo | None, text: str | None = None) -> bytes:
    """TimeStampResp without a token."""
    if status in (PKIStatus.GRANTED, PKIStatus.GRANTED_WITH_MODS):
        raise EncodeError("a granted response needs a token", field="status")
    return der.sequence(
        der.sequence(
            der.integer(status),
            der.sequence(der.utf8(text)) if text else b"",
            der.named_bits(1 << fail_info) if fail_info is not None else b"",
        )
    )
