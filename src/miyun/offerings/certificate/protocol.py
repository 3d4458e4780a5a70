"""Public files of the authorities: revocation lists and certificates, at the addresses that certificates name."""

from __future__ import annotations

from collections.abc import Mapping

from miyun.core.operation import Reply
from miyun.core.protocol import ProtocolRoute
from miyun.offerings.certificate.messages import CaRequest


def decode(body: bytes, path: Mapping[str, str]) -> CaRequest:
    return CaRequest(ca=path["ca"])


def encode(result: Reply) -> Reply:
    return result


ROUTES: tuple[ProtocolRoute, ...] = (
    ProtocolRoute("GET", "/crl/{ca}.crl", "certificate.crl", decode, encode),
    ProtocolRoute("GET", "/ca/{ca}.cer", "certificate.ca.file", decode, encode),
)
