"""What every page has: who is signed in, language and theme, one way to run an operation, one way to render."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import jinja2
import msgspec
from litestar import Request
from litestar.response import Redirect, Response
from markupsafe import Markup

from miyun.core.access import Anonymous, Credential, SessionCredential
from miyun.core.clock import SHANGHAI
from miyun.core.decoding import to_error
from miyun.core.errors import MiyunError, NotEntitled, PermissionDenied, Unauthenticated
from miyun.core.i18n import Locale, locale_of
from miyun.core.ids import new_id
from miyun.core.operation import Operation, Role
from miyun.core.pipeline import Arrival, Pipeline
from miyun.core.registry import Registry
from miyun.core.settings import LoginSettings
from miyun.core.tenancy.keys.service import proof_of
from miyun.core.tenancy.model import ROLE_NAMES
from miyun.core.tenancy.sessions import csrf_token
from miyun.edge.console.navigation import groups_of, services_of
from miyun.edge.http.arrival import SESSION_COOKIE, certificate, peer

_IDENTIFIER: Final = re.compile("[a-z]{2,4}_[0-9a-z]{16,}|[0-9a-f]{32,}|[0-9A-F]{16,}")
_MOMENT: Final = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}")
TENANT_COOKIE: Final = "miyun-tenant"
SIGNED: Final = frozenset({"key_message", "key_certificate", "key_signature", "from"})  # what a confirmation adds


def policy(*, forms: str = "", agent: str = "") -> str:
    """What a page may do. `forms`: where, besides here, a form may lead in the end; `agent`: whom a script may ask."""
    allowed = [
        "default-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        f"form-action 'self' {forms}".rstrip(),
        "frame-ancestors 'none'",
        "style-src 'self' 'unsafe-inline'",  # the chart library writes style attributes into its SVG
    ]
    if agent:
        allowed.append(f"connect-src 'self' {agent}")
    return "; ".join(allowed)


HEADERS: Final = {
    "content-security-policy": policy(),
    "cache-control": "no-store",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}

_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def _coded(value: Any) -> Any:
    """An identifier or a digest in the type of programs: it is compared and copied, not read. A moment stays whole."""
    if not isinstance(value, str):
        return value
    if _IDENTIFIER.fullmatch(value):
        return Markup("<code>{}</code>").format(value)
    return Markup("<time>{}</time>").format(value) if _MOMENT.fullmatch(value) else value


_templates.filters["coded"] = _coded


def local_time(at: datetime) -> str:
    """As pages show a moment: Asia/Shanghai, to the second."""
    return at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")


@dataclass(frozen=True, slots=True)
class Addresses:
    """`agent`: of the key agent on the reader's machine; `url` and `mutual_url`: of this platform, the second where
    browsers are asked for certificates (empty: nowhere)."""

    agent: str = LoginSettings().agent
    url: str = "https://127.0.0.1:8600"
    mutual_url: str = ""


@dataclass(frozen=True, slots=True)
class Me:
    id: str
    name: str
    role: Role
    tenant: str | None
    tenant_name: str | None
    must_change_password: bool
    grants: tuple[Any, ...] = ()


class Page:
    """One request. `run` executes an operation as the signed-in person, through the pipeline like any other call."""

    def __init__(
        self,
        request: Request[Any, Any, Any],
        pipeline: Pipeline,
        form: Mapping[str, str],
        rehearsing: Callable[[str | None], bool],
        files: Mapping[str, tuple[str, bytes]],
        addresses: Addresses,
    ) -> None:
        self.addresses = addresses
        self.agent = addresses.agent
        self._request = request
        self._pipeline = pipeline
        self._rehearsing = rehearsing
        self.form = form
        self.files = files
        self.id = new_id("req")
        cookies = request.cookies
        chosen = cookies.get("miyun-lang")
        self.locale: Locale = (
            "en" if chosen == "en" else "zh" if chosen == "zh" else locale_of(request.headers.get("accept-language"))
        )
        self.theme = "contrast" if cookies.get("miyun-theme") == "contrast" else "plain"
        self.size = "large" if cookies.get("miyun-size") == "large" else "normal"
        self.token = cookies.get(SESSION_COOKIE)
        self.entered = cookies.get(TENANT_COOKIE) or None
        self.me: Me | None = None
        self.asked: Mapping[str, Any] = {}  # of the operation that was run last
        self._turned: tuple[str, str] | None = None
        self.open: frozenset[str] = frozenset()  # services that the reader's tenant may use now
        self._leaving: frozenset[str] = frozenset()  # and those of which only what leaving needs is open

    @property
    def path(self) -> str:
        return self._turned[0] if self._turned else self._request.url.path

    @property
    def query(self) -> Mapping[str, str]:
        return dict(parse_qsl(self.query_string, keep_blank_values=True))

    @property
    def query_string(self) -> str:
        return self._turned[1] if self._turned else self._request.url.query

    def turn_to(self, path: str, query: str) -> None:
        """Show another page instead: the one whose form was refused. Nothing is changed any more."""
        self._turned = (path, query)

    @property
    def certificate(self) -> bytes | None:
        """Whose key the browser holds; None at the address that does not ask."""
        return certificate(self._request.scope)

    def cookie(self, name: str) -> str:
        return self._request.cookies.get(name, "")

    @property
    def wants_change(self) -> bool:
        return self._request.method == "POST" and self._turned is None

    async def identify(self) -> None:
        """Raises Unauthenticated when nobody is signed in."""
        if not self.token:
            raise Unauthenticated
        answer = await self.run("account.me")
        self.me = Me(
            answer.id,
            answer.name,
            answer.role,
            answer.tenant,
            answer.tenant_name,
            answer.must_change_password,
            tuple(answer.grants),
        )
        if not self.me.must_change_password and self.in_tenant:
            try:
                covered = (await self.run("contract.coverage")).items
            except PermissionDenied:  # an authorisation that ended, a key that is missing: the pages tell
                covered = []
            self.open = frozenset(item.offering for item in covered if item.open)
            self._leaving = frozenset(item.offering for item in covered if item.leaving)

    @property
    def in_tenant(self) -> bool:
        """A tenant's own people, and supplier's staff who have entered one."""
        return self.me is not None and bool(self.me.tenant or self.entered)

    async def run(self, operation_id: str, /, **values: Any) -> Any:
        """The operation's answer. Raises MiyunError; a field that cannot be read is named."""
        operation = self._pipeline.registry.operation(operation_id)
        self.asked = values
        credential: Credential = Anonymous()
        if self.token:
            # a tenant that was entered concerns what belongs to tenants: an authorisation that ended locks nobody out
            tenant = self.entered if operation.scope == "tenant" else None
            credential = SessionCredential(
                token=self.token, csrf=self.form.get("csrf"), unsafe=self.wants_change, tenant=tenant
            )

        def decode() -> Any:
            try:
                return msgspec.convert(values, operation.request, strict=False)
            except msgspec.ValidationError as error:
                raise to_error(error) from error

        arrival = Arrival(
            credential=credential,
            request_id=self.id,
            decode=decode,
            locale=self.locale,
            proof=self._proof() if operation.step_up else None,
            peer=peer(self._request.scope),
            certificate=self.certificate,
        )
        outcome = await self._pipeline.execute(operation, arrival)
        return outcome.value

    async def offered(self, operation_id: str, /, **values: Any) -> Any | None:
        """As `run`, but None when this person may not call it: a page shows what its reader may see."""
        return await self.run(operation_id, **values) if self.may(operation_id) else None

    def may(self, operation_id: str) -> bool:
        """Whether the reader's role has it and, where a service is needed for it, their contract covers it."""
        operation = self._pipeline.registry.operations.get(operation_id)
        if operation is None or self.me is None or self.me.role not in operation.roles:
            return False
        return self._covers(operation)

    def _covers(self, operation: Operation) -> bool:
        if operation.scope != "tenant":
            return True
        if operation.offering in self.registry.core_prefixes:
            return self.in_tenant
        services = self._leaving if operation.quota_free else self.open
        return any(self.registry.allows(service, operation) for service in services)

    @property
    def registry(self) -> Registry:
        return self._pipeline.registry

    @property
    def referrer(self) -> str:
        """Where the reader came from, on this platform."""
        try:
            came = urlsplit(self._request.headers.get("referer", ""))
        except ValueError:
            return "/console"
        if came.path.startswith(("/oidc/", "/cas/")):  # the sign-in page of an application, with what it asked
            return f"{came.path}?{came.query}"
        return came.path if came.path.startswith("/console") else "/console"

    def role_name(self, role: Role) -> str:
        return ROLE_NAMES[role].to(self.locale) if role in ROLE_NAMES else str(role)

    def summary(self, operation_id: str) -> str:
        """What an operation is called; one that is no more, by its id."""
        operation = self.registry.operations.get(operation_id)
        return operation.summary.to(self.locale) if operation else operation_id

    def text(self, zh: str, en: str) -> str:
        return zh if self.locale == "zh" else en

    def render(self, template: str, status: int = 200, policy: str = "", **values: Any) -> Response[bytes]:
        """`policy`: a content security policy for a page that needs another one."""
        content = _templates.get_template(template).render(
            t=self.text,
            locale=self.locale,
            theme=self.theme,
            size=self.size,
            me=self.me,
            entered=self.entered,
            csrf=csrf_token(self.token) if self.token else "",
            navigation=groups_of(self.may) if self.me else (),
            unbought=services_of(self._elsewhere) if self.in_tenant and self.open else (),
            here=self.path,
            home=self.addresses.url if self.certificate is not None else "",
            rehearsal=self._rehearsing(self.me.tenant or self.entered if self.me else None),
            role_name=self.role_name,
            moment=lambda at: local_time(at) if at else "—",
            may=self.may,
            signs=self._signs,
            open_services=self.open,
            registry=self._pipeline.registry,
            **values,
        )
        headers = HEADERS | {"content-security-policy": policy} if policy else HEADERS
        return Response(content.encode(), status_code=status, media_type="text/html; charset=utf-8", headers=headers)

    def refuse(self, error: MiyunError) -> Response[bytes]:
        if isinstance(error, NotEntitled) and (offering := self.registry.offerings.get(str(error.values["service"]))):
            return self.render("service.html", error.status, offering=offering, instances=[])
        denied = self.registry.operations.get(str(error.values.get("permission", "")))
        return self.render(
            "error.html",
            error.status,
            error=error,
            request_id=self.id,
            denied=denied.summary if denied and type(error) is PermissionDenied else None,
            holders=[self.role_name(role) for role in ROLE_NAMES if denied and role in denied.roles],
        )

    def _signs(self, operation_id: str) -> Markup:
        """Said beside what is done only once its doer has signed for it."""
        said = self.text("已登记密钥者须以密钥确认", "asks for your key, if you have registered one")
        mark = Markup('<span class="muted signed">{}</span>').format(said)
        return mark if self.registry.operation(operation_id).step_up else Markup("")

    def _elsewhere(self, operation_id: str) -> str:
        """The service that the reader's contract lacks for what their role may do; none, if it is not for that."""
        operation = self.registry.operation(operation_id)
        lacks = self.me is not None and self.me.role in operation.roles and not self._covers(operation)
        return operation.offering if lacks else ""

    def _proof(self) -> str | None:
        if "key_signature" not in self.form:
            return None
        try:
            signature = base64.b64decode(self.form["key_signature"], validate=True)
        except binascii.Error:
            return None
        return proof_of(self.form.get("key_message", "").replace("\r\n", "\n"), signature)

    def go(self, path: str) -> Redirect:
        return Redirect(path, status_code=303)
