"""An authority that is none of ours: it certifies, revokes, lists and answers as a test tells it to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from tests.unit.wire.authority import NOW, SM2, Identity, Key, key, make

from miyun.wire import crl, der, ocsp, oid, x509
from miyun.wire.algorithm import SignatureAlgorithm
from miyun.wire.revoked import RevokedEntry
from miyun.wire.x509.distribution import IssuingDistributionPoint

CA = (x509.basic_constraints(True), x509.key_usage("keyCertSign", "cRLSign"))
LEAF = (x509.basic_constraints(False), x509.key_usage("digitalSignature", "nonRepudiation"))
DAY = timedelta(days=1)


class Outside:
    def __init__(self, algorithm: SignatureAlgorithm = SM2) -> None:
        self.algorithm = algorithm
        self.root = make("外部根", *CA, key=key(algorithm, 20), serial=1)
        self.issuing = make("外部签发", *CA, issuer=self.root, key=key(algorithm, 21), serial=2)
        self.leaf = self.certify("李四", serial=77)

    def certify(self, name: str, *extensions: x509.Extension, serial: int, **options: object) -> Identity:
        return make(
            name, *LEAF, *extensions, issuer=self.issuing, key=key(self.algorithm, 22), serial=serial, **options
        )  # type: ignore[arg-type]

    def list(
        self,
        entries: Sequence[RevokedEntry] = (),
        *,
        number: int = 1,
        at: datetime = NOW - timedelta(hours=1),
        lifetime: timedelta = DAY,
        by: Identity | None = None,
        base: int | None = None,
        point: IssuingDistributionPoint | None = None,
        signed_by: Key | None = None,
    ) -> bytes:
        """Of the issuing CA, unless `by` another."""
        by = by or self.issuing
        extensions = [x509.authority_key_identifier(by.key.identifier)]
        extensions.append(x509.Extension(oid.CRL_NUMBER, False, der.integer(number)))
        if base is not None:
            extensions.append(x509.Extension(oid.DELTA_CRL_INDICATOR, True, der.integer(base)))
        if point is not None:
            extensions.append(point.encode())
        tbs = der.sequence(
            der.integer(1),
            self.algorithm.identifier,
            by.certificate.subject.encode(),
            der.time(at),
            der.time(at + lifetime),
            der.sequence(*(item.encode() for item in entries)) if entries else b"",
            der.explicit(0, der.sequence(*(item.encode() for item in extensions))),
        )
        return crl.assemble(tbs, self.algorithm, (signed_by or by.key).sign(tbs))

    def answer(
        self,
        request: bytes,
        *,
        at: datetime = NOW,
        known: bool = True,
        revoked_at: datetime | None = None,
        nonce: bool = True,
        delegate: Identity | None = None,
        next_update: datetime | None = NOW + DAY,
    ) -> bytes:
        """To an OCSP request, by the issuing CA or by `delegate`."""
        asked = ocsp.parse_request(request)
        by = delegate or self.issuing
        singles = tuple(ocsp.SingleResponse(item, at, next_update, known, revoked_at) for item in asked.questions)
        data = ocsp.ResponseData(
            ocsp.responder_key_hash(by.certificate), at, singles, asked.nonce if nonce else None
        ).encode()
        return ocsp.assemble_response(data, self.algorithm, by.key.sign(data), [by.certificate])

    def delegate(self, *extensions: x509.Extension) -> Identity:
        return make("外部 OCSP", *LEAF, *extensions, issuer=self.issuing, key=key(self.algorithm, 23), serial=5)
