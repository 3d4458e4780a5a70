"""Where the endpoints of OpenID Connect and CAS are. The pages that a browser is shown are the console's."""

from __future__ import annotations

from typing import Literal

from miyun.core.errors import InvalidArgument, MiyunError
from miyun.core.i18n import Text
from miyun.core.operation import Reply
from miyun.core.protocol import ProtocolRoute, WireRequest
from miyun.offerings.strong_auth.sso.errors import ClientRefused
from miyun.offerings.strong_auth.sso.messages import Exchanged, Published, ValidateTicket

FORM = "application/x-www-form-urlencoded"


def encode(result: Reply) -> Reply:
    return result


def error(refusal: MiyunError) -> Reply:
    """The protocol's own refusal; what concerns HTTP (load, a locked machine) keeps its status."""
    if isinstance(refusal, ClientRefused):
        return refusal.reply
    kind = "temporarily_unavailable" if refusal.status in (429, 503) else "invalid_request"
    kind = "server_error" if refusal.status == 500 else kind
    return Reply(f'{{"error": "{kind}"}}'.encode(), "application/json", status=refusal.status)


def decode_exchange(request: WireRequest) -> Exchanged:
    return Exchanged(
        tenant=request.path["tenant"],
        form=_text(request.body),
        authorization=request.headers.get("authorization", ""),
    )


def decode_published(request: WireRequest) -> Published:
    return Published(tenant=request.path["tenant"])


def _ticket(version: Literal[1, 2, 3]) -> ProtocolRoute:
    path = {1: "validate", 2: "serviceValidate", 3: "p3/serviceValidate"}[version]

    def decode(request: WireRequest) -> ValidateTicket:
        return ValidateTicket(tenant=request.path["tenant"], query=request.query[:16384], version=version)

    return ProtocolRoute(
        "GET", f"/cas/{{tenant}}/{path}", "strong_auth.cas.validate", decode, encode, error, whole=True
    )


def _exchange(name: str, method: Literal["GET", "POST"] = "POST") -> ProtocolRoute:
    return ProtocolRoute(
        method,
        f"/oidc/{{tenant}}/{name}",
        f"strong_auth.oidc.{name}",
        decode_exchange,
        encode,
        error,
        (FORM,) if method == "POST" and name != "userinfo" else (),
        whole=True,
        mutual=True,
    )


def _published(path: str, operation: str) -> ProtocolRoute:
    return ProtocolRoute(
        "GET", f"/oidc/{{tenant}}/{path}", f"strong_auth.oidc.{operation}", decode_published, encode, whole=True
    )


def _text(body: bytes) -> str:
    """Raises InvalidArgument."""
    if len(body) > 16384 or not body.isascii():
        raise InvalidArgument("body", Text("不是表单", "it is not a form"))
    return body.decode()


ROUTES: tuple[ProtocolRoute, ...] = (
    _published(".well-known/openid-configuration", "metadata"),
    _published("jwks", "key_set"),
    _published("jwks_sm2", "key_set_sm2"),
    _exchange("token"),
    _exchange("revoke"),
    _exchange("introspect"),
    _exchange("userinfo"),
    _exchange("userinfo", "GET"),
    _ticket(1),
    _ticket(2),
    _ticket(3),
)
