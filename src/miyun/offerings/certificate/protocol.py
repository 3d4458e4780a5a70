"""What certificates name: the authorities' files and revocation lists, and OCSP over HTTP (RFC 6960 appendix A)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping

from miyun.core.errors import InvalidArgument, MiyunError, NotFound
from miyun.core.operation import Reply
from miyun.core.protocol import ProtocolRoute
from miyun.offerings.certificate.errors import OcspRefused
from miyun.offerings.certificate.messages import CaRequest, CrlRequest, OcspQuery, PublishedRequest
from miyun.wire.ocsp import Status, error_response

OCSP_REQUEST = "application/ocsp-request"
OCSP_RESPONSE = "application/ocsp-response"


def decode(body: bytes, path: Mapping[str, str]) -> CaRequest:
    return CaRequest(ca=path["ca"])


_LIST = re.compile(r"(?P<ca>[a-z0-9-]*?[a-z])(?:-(?P<shard>[1-9][0-9]{0,3}))?(?P<delta>\.delta)?")


def decode_list(body: bytes, path: Mapping[str, str]) -> CrlRequest:
    """`sm2-issuing`, `sm2-issuing-3`, `sm2-issuing-3.delta`."""
    found = _LIST.fullmatch(path["ca"])
    if found is None:
        raise NotFound("crl", path["ca"][:64], field="ca")
    return CrlRequest(ca=found["ca"], shard=int(found["shard"] or 0), delta=bool(found["delta"]))


def decode_published(body: bytes, path: Mapping[str, str]) -> PublishedRequest:
    if not re.fullmatch(r"[0-9a-f]{1,64}", path["certificate"]):
        raise NotFound("certificate", path["certificate"][:64], field="certificate")
    return PublishedRequest(certificate=path["certificate"])


def encode(result: Reply) -> Reply:
    return result


def decode_posted(body: bytes, path: Mapping[str, str]) -> OcspQuery:
    return OcspQuery(ca=path["ca"], body=body)


def decode_got(body: bytes, path: Mapping[str, str]) -> OcspQuery:
    """The request ends the path in base64. Some clients leave out its padding, or send its slashes as they are; some
    put one too many before it, which no request begins with. Raises OcspRefused."""
    text = path["request"].lstrip("/")
    try:
        encoded = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise OcspRefused(Status.MALFORMED_REQUEST, "not base64 of an OCSPRequest") from None
    return OcspQuery(ca=path["ca"], body=encoded)


def error(refusal: MiyunError) -> Reply:
    """What OCSP has a status for is an answer like any other; load and locked machines keep their HTTP status, so that
    clients and proxies know whether to come back."""
    if isinstance(refusal, OcspRefused):
        return Reply(error_response(refusal.refusal), OCSP_RESPONSE)
    if isinstance(refusal, NotFound):
        return Reply(error_response(Status.UNAUTHORIZED), OCSP_RESPONSE)
    if isinstance(refusal, InvalidArgument) or refusal.status in (413, 415):
        return Reply(error_response(Status.MALFORMED_REQUEST), OCSP_RESPONSE)
    status = Status.TRY_LATER if refusal.status in (429, 503) else Status.INTERNAL_ERROR
    return Reply(error_response(status), OCSP_RESPONSE, status=refusal.status)


# in the clear too: all of it is signed, and who checks a server's certificate cannot ask that by the same kind of TLS
ROUTES: tuple[ProtocolRoute, ...] = (
    ProtocolRoute("GET", "/crl/{ca}.crl", "certificate.crl", decode_list, encode, plain=True),
    ProtocolRoute("GET", "/cert/{certificate}.cer", "certificate.published", decode_published, encode, plain=True),
    ProtocolRoute("GET", "/ca/{ca}.cer", "certificate.ca.file", decode, encode, plain=True),
    ProtocolRoute("POST", "/ocsp/{ca}", "certificate.ocsp", decode_posted, encode, error, (OCSP_REQUEST,), plain=True),
    ProtocolRoute("GET", "/ocsp/{ca}/{request...}", "certificate.ocsp", decode_got, encode, error, plain=True),
)
