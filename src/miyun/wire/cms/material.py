"""What it takes to verify a signature, as a SignedData that nobody signed (RFC 5652 10.2.1 and 10.2.3, RFC 5940)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from miyun.wire import der, oid

_OCSP_RESPONSE: Final = "1.3.6.1.5.5.7.16.2"  # id-ri-ocsp-response


def assemble_material(
    certificates: Iterable[bytes], crls: Iterable[bytes] = (), answers: Iterable[bytes] = ()
) -> bytes:
    """A ContentInfo with certificates, revocation lists and OCSP responses, DER each."""
    included = b"".join(sorted(set(certificates)))
    other = {der.explicit(1, der.oid(_OCSP_RESPONSE) + item) for item in answers}
    revocation = b"".join(sorted(other | set(crls)))
    signed_data = der.sequence(
        der.integer(5 if other else 1),
        der.set_of(),
        der.sequence(der.oid(oid.DATA)),
        der.explicit(0, included) if included else b"",
        der.explicit(1, revocation) if revocation else b"",
        der.set_of(),
    )
    return der.sequence(der.oid(oid.SIGNED_DATA), der.explicit(0, signed_data))
