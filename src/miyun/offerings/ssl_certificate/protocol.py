"""ACME over HTTPS (RFC 8555 6): the JWS is the credential, every answer has a nonce, errors are problem documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from miyun.core.access import Credential, MessageCredential
from miyun.core.errors import (
    InvalidArgument,
    MiyunError,
    NotEntitled,
    NotFound,
    PermissionDenied,
    QuotaExceeded,
    ReplayedRequest,
)
from miyun.core.i18n import Text
from miyun.core.operation import Reply, Struct
from miyun.core.protocol import ProtocolRoute
from miyun.offerings.ssl_certificate import messages as m
from miyun.offerings.ssl_certificate.acme.account.authentication import read
from miyun.offerings.ssl_certificate.errors import AcmeKeyTaken, AcmeRefused
from miyun.offerings.ssl_certificate.outside.messages import ResponseRef
from miyun.offerings.ssl_certificate.service import SslCertificateService
from miyun.wire import acme, jose

ROOM = "ssl_certificate"


def credential(path: str, body: bytes) -> Credential:
    return MessageCredential(ROOM, path, body)


def encode(result: Reply) -> Reply:
    return result


def error(refusal: MiyunError) -> Reply:
    """RFC 8555 6.7. What the platform refuses for its own reasons is told in ACME's words."""
    detail = f"{refusal.message.en} {refusal.advice.en} / {refusal.message.zh}{refusal.advice.zh}"
    status = refusal.status
    if isinstance(refusal, AcmeRefused):
        kind, detail = refusal.kind, f"{refusal.reason.en} / {refusal.reason.zh}"
    elif isinstance(refusal, ReplayedRequest):
        kind, status = "badNonce", 400
    elif isinstance(refusal, (NotEntitled, PermissionDenied)):
        kind, status = "unauthorized", 403
    elif isinstance(refusal, QuotaExceeded):
        kind = "rateLimited"
    elif isinstance(refusal, (InvalidArgument, NotFound)) or refusal.status in (400, 401, 405, 413, 415):
        kind = "malformed"
    else:
        kind = "serverInternal"
    document: dict[str, Any] = acme.problem(kind, detail, status)
    if kind == "badSignatureAlgorithm":
        document["algorithms"] = jose.ALGORITHMS
    if isinstance(refusal, AcmeRefused) and refusal.subproblems:
        document["subproblems"] = [
            acme.problem(
                item.kind, f"{item.reason.en} / {item.reason.zh}", status, {"type": item.name_type, "value": item.name}
            )
            for item in refusal.subproblems
        ]
    told = {"location": refusal.account} if isinstance(refusal, AcmeKeyTaken) else {}
    return Reply(msgspec.json.encode(document), acme.PROBLEM_TYPE, status=status, headers=told)


async def headers(service: SslCertificateService) -> Mapping[str, str]:
    """Without the machine there are no nonces: the answer that says so goes without one."""
    found = {"cache-control": "no-store", "link": f'<{service.acme.base_url}/acme/directory>;rel="index"'}
    try:
        found["replay-nonce"] = await service.nonces.issue(service.clock.now())
    except MiyunError:
        return found
    return found


def _payload(request: type[Struct], **fixed: str) -> Callable[[bytes, Mapping[str, str]], Any]:
    """The request of a payload that was judged with its signature, and of the names in the path."""

    def decode(body: bytes, path: Mapping[str, str]) -> Any:
        return request(**{**path, **fixed, "body": read(body).payload})

    return decode


def _asked(request: type[Struct], **fixed: str) -> Callable[[bytes, Mapping[str, str]], Any]:
    """As `_payload`, of what can only be looked at: POST-as-GET has an empty payload (RFC 8555 6.3)."""

    def decode(body: bytes, path: Mapping[str, str]) -> Any:
        if read(body).payload:
            raise AcmeRefused("malformed", Text("此处只接受空的载荷", "the payload has to be empty here"))
        return request(**{**path, **fixed})

    return decode


def _whole(body: bytes, path: Mapping[str, str]) -> m.AcmeRequest:
    return m.AcmeRequest(body=body)


def _nothing(body: bytes, path: Mapping[str, str]) -> m.Nothing:
    return m.Nothing()


def _renewal(body: bytes, path: Mapping[str, str]) -> m.AcmeRenewalRequest:
    return m.AcmeRenewalRequest(certificate=path["certificate"])


def _response(body: bytes, path: Mapping[str, str]) -> ResponseRef:
    return ResponseRef(token=path["token"])


def _head(result: Reply) -> Reply:
    return Reply(b"", result.content_type)


def _no_content(result: Reply) -> Reply:
    return Reply(b"", result.content_type, status=204)


def _post(path: str, operation: str, decode: Callable[[bytes, Mapping[str, str]], Any]) -> ProtocolRoute:
    return ProtocolRoute(
        "POST",
        f"/acme/{path}",
        f"ssl_certificate.acme.{operation}",
        decode,
        encode,
        error,
        (acme.JOSE_TYPE,),
        credential=credential,
        headers=headers,
    )


_NONCE = ("/acme/new-nonce", "ssl_certificate.acme.nonce", _nothing)

ROUTES: tuple[ProtocolRoute, ...] = (
    ProtocolRoute("GET", "/acme/directory", "ssl_certificate.acme.directory", _nothing, encode, error),
    ProtocolRoute("HEAD", *_NONCE, _head, error, headers=headers),
    ProtocolRoute("GET", *_NONCE, _no_content, error, headers=headers),
    ProtocolRoute("GET", "/acme/renewal-info/{certificate}", "ssl_certificate.acme.renewal", _renewal, encode, error),
    ProtocolRoute(
        "GET", acme.CHALLENGE_PATH + "{token}", "ssl_certificate.order.response", _response, encode, plain=True
    ),
    _post("new-account", "account.create", _whole),
    _post("account/{account}", "account.change", _payload(m.AcmeAccountRequest)),
    _post("account/{account}/orders", "account.orders", _asked(m.AcmeOrdersRequest)),
    _post("account/{account}/orders/{after}", "account.orders", _asked(m.AcmeOrdersRequest)),
    _post("key-change", "key.change", _payload(m.AcmeRequest)),
    _post("new-order", "order.create", _payload(m.AcmeRequest)),
    _post("order/{order}", "order.view", _asked(m.AcmeOrderRequest)),
    _post("order/{order}/finalize", "order.finalize", _payload(m.AcmeOrderRequest)),
    _post("authz/{authorization}", "authorization", _payload(m.AcmeAuthorizationRequest)),
    _post("challenge/{challenge}", "challenge", _payload(m.AcmeChallengeRequest)),
    _post("certificate/{order}", "certificate", _asked(m.AcmeCertificateRequest)),
    _post("certificate/{order}/{part}", "certificate", _asked(m.AcmeCertificateRequest)),
    _post("revoke-cert", "certificate.revoke", _payload(m.AcmeRequest)),
)
