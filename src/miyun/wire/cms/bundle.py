"""Certificates without a signature: the degenerate SignedData that files of the kind .p7b are (RFC 5652 5.2)."""

from __future__ import annotations

from collections.abc import Iterable

from miyun.wire import der
from miyun.wire.cms.dialect import Dialect
from miyun.wire.x509.certificate import Certificate


def certificate_bundle(certificates: Iterable[Certificate], dialect: Dialect = Dialect.RFC5652) -> bytes:
    """ContentInfo DER. `parse_signed_data` reads it: no signers, no content."""
    included = b"".join(sorted({item.der for item in certificates}))
    signed_data = der.sequence(
        der.integer(1),
        der.set_of(),
        der.sequence(der.oid(dialect.data)),
        der.explicit(0, included),
        der.set_of(),
    )
    return der.sequence(der.oid(dialect.signed_data), der.explicit(0, signed_data))
