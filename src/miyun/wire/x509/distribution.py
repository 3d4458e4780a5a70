"""IssuingDistributionPoint (RFC 5280 5.2.5): of which certificates a revocation list speaks."""

from __future__ import annotations

from dataclasses import dataclass

from miyun.wire import der, oid
from miyun.wire.x509 import general_name
from miyun.wire.x509.certificate import Certificate
from miyun.wire.x509.extension import Extension


@dataclass(frozen=True, slots=True)
class IssuingDistributionPoint:
    """`uris`: names of the point, one of which the certificate has to name too; none: every certificate."""

    uris: tuple[str, ...] = ()
    user_only: bool = False
    ca_only: bool = False
    some_reasons: bool = False
    indirect: bool = False
    attribute_only: bool = False

    def encode(self) -> Extension:
        """Critical, as RFC 5280 asks. Lists for some reasons only, or of other issuers, are not made here."""
        point = der.explicit(0, der.explicit(0, general_name.encode_all(uri=self.uris))) if self.uris else b""
        flags = b"".join(
            der.implicit(number, b"\xff")
            for number, said in ((1, self.user_only), (2, self.ca_only), (5, self.attribute_only))
            if said
        )
        return Extension(oid.ISSUING_DISTRIBUTION_POINT, True, der.sequence(point, flags))

    @property
    def usable(self) -> bool:
        """Whether the list says all that there is to say about the certificates it speaks of."""
        return not (self.some_reasons or self.indirect or self.attribute_only)

    def covers(self, certificate: Certificate) -> bool:
        """Addresses are only compared, never fetched."""
        if not self.usable or (self.user_only and certificate.is_ca) or (self.ca_only and not certificate.is_ca):
            return False
        return not self.uris or not set(self.uris).isdisjoint(certificate.crl_urls)


def read_issuing_distribution_point(value: bytes) -> IssuingDistributionPoint:
    """Raises DecodeError."""
    outer = der.Reader(value, field="issuingDistributionPoint")
    reader = outer.enter()
    outer.end()
    uris: tuple[str, ...] = ()
    named = True
    if (point := reader.enter_if(0xA0, "distributionPoint")) is not None:
        full = point.enter_if(0xA0, "fullName")
        if full is not None:
            names = general_name.read_all(full)
            uris = tuple(str(item.value) for item in names if item.kind == general_name.URI)
        else:
            point.raw("nameRelativeToCRLIssuer")
        point.end()
        named = bool(uris)
    flags = {}
    for number in (1, 2):
        flags[number] = _flag(reader, number)
    some_reasons = reader.read_if(0x83) is not None
    for number in (4, 5):
        flags[number] = _flag(reader, number)
    reader.end()
    # A point that is named in a way that cannot be compared covers nothing: as if for some reasons only.
    return IssuingDistributionPoint(uris, flags[1], flags[2], some_reasons or not named, flags[4], flags[5])


def _flag(reader: der.Reader, number: int) -> bool:
    content = reader.read_if(0x80 | number)
    if content is None:
        return False
    if content not in (b"\x00", b"\xff"):
        raise reader.fail("a DER BOOLEAN is 00 or FF", "issuingDistributionPoint")
    return content == b"\xff"
