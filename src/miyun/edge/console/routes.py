"""Where the pages are. One wrapper signs the reader in, reads the form, and turns errors into pages."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from litestar import HttpMethod, Request, route
from litestar.datastructures import UploadFile
from litestar.handlers import HTTPRouteHandler
from litestar.response import Redirect, Response
from litestar.static_files import create_static_files_router

from miyun.core.errors import InternalError, InvalidArgument, KeyMissing, MiyunError, PasswordUnchanged, Unauthenticated
from miyun.core.i18n import Text
from miyun.core.pipeline import Pipeline
from miyun.core.tenancy.keys.errors import StepUpRequired
from miyun.delivery.messages import MAX_SCAN
from miyun.edge.console.page import HEADERS, Addresses, Page
from miyun.edge.console.pages import (
    access,
    acme,
    audit,
    certificates,
    confirming,
    exports,
    filing_batches,
    filings,
    grants,
    issuing,
    login_policies,
    logins,
    people,
    performance,
    performed,
    person_keys,
    server_certificates,
    services,
    sign_in,
    sign_on,
    signers,
    trust,
    usbkeys,
    verification,
)
from miyun.edge.console.pages.listing import Answer, Handler

log = logging.getLogger("miyun.console")
MAX_FORM: Final = 64 * 1024
MAX_UPLOAD: Final = MAX_SCAN + MAX_FORM

# (method, path, handler, open to those who are not signed in)
_PAGES: Final[tuple[tuple[HttpMethod, str, Handler, bool], ...]] = (
    (HttpMethod.GET, "/console/login", sign_in.login_form, True),
    (HttpMethod.POST, "/console/login", sign_in.login, True),
    (HttpMethod.GET, "/console/login/key", person_keys.login_form, True),
    (HttpMethod.POST, "/console/login/key", person_keys.login, True),
    (HttpMethod.GET, "/oidc/{tenant:str}/authorize", sign_on.authorize, True),
    (HttpMethod.POST, "/oidc/{tenant:str}/authorize", sign_on.authorize, True),
    (HttpMethod.GET, "/oidc/{tenant:str}/end_session", sign_on.end_session, True),
    (HttpMethod.POST, "/oidc/{tenant:str}/end_session", sign_on.end_session, True),
    (HttpMethod.GET, "/cas/{tenant:str}/login", sign_on.cas_login, True),
    (HttpMethod.POST, "/cas/{tenant:str}/login", sign_on.cas_login, True),
    (HttpMethod.GET, "/cas/{tenant:str}/logout", sign_on.cas_logout, True),
    (HttpMethod.POST, "/cas/{tenant:str}/logout", sign_on.cas_logout, True),
    (HttpMethod.GET, "/console/preferences", sign_in.preferences, True),
    (HttpMethod.POST, "/console/logout", sign_in.logout, False),
    (HttpMethod.POST, "/console/enter", sign_in.enter, False),
    (HttpMethod.GET, "/console/password", sign_in.password_form, False),
    (HttpMethod.POST, "/console/password", sign_in.password, False),
    (HttpMethod.GET, "/console", performance.overview, False),
    (HttpMethod.GET, "/console/contract", performance.contract, False),
    (HttpMethod.GET, "/console/performance", performed.performance, False),
    (HttpMethod.POST, "/console/performance", performed.record, False),
    (HttpMethod.POST, "/console/performance/confirm", performed.confirm, False),
    (HttpMethod.POST, "/console/performance/withdraw", performed.withdraw, False),
    (HttpMethod.GET, "/console/performance/{contract:str}/{record:str}", performed.scan, False),
    (HttpMethod.GET, "/console/dossier", performance.dossier, False),
    (HttpMethod.POST, "/console/dossier", performance.dossier_build, False),
    (HttpMethod.GET, "/console/dossier/{contract:str}/{path:path}", performance.dossier_file, False),
    (HttpMethod.GET, "/console/catalogue", services.catalogue, False),
    (HttpMethod.GET, "/console/services/{service:str}", services.service, False),
    (HttpMethod.GET, "/console/onboarding", services.onboarding, False),
    (HttpMethod.POST, "/console/onboarding", services.onboarding_start, False),
    (HttpMethod.GET, "/console/onboarding/{application:str}", services.onboarding_guide, False),
    (HttpMethod.POST, "/console/onboarding/{application:str}/check", services.onboarding_check, False),
    (HttpMethod.POST, "/console/applications/{application:str}/{verb:str}", services.application_verb, False),
    (HttpMethod.GET, "/console/access", access.access_keys, False),
    (HttpMethod.POST, "/console/access", access.access_key_create, False),
    (HttpMethod.POST, "/console/access/keys/{key:str}/revoke", access.access_key_revoke, False),
    (HttpMethod.GET, "/console/access/bindings", access.bindings, False),
    (HttpMethod.POST, "/console/access/bindings", access.binding_create, False),
    (HttpMethod.POST, "/console/access/bindings/{binding:str}/end", access.binding_end, False),
    (HttpMethod.GET, "/console/access/credentials", access.credentials, False),
    (HttpMethod.POST, "/console/access/credentials", access.credential_create, False),
    (HttpMethod.POST, "/console/access/credentials/{username:str}/revoke", access.credential_revoke, False),
    (HttpMethod.GET, "/console/keys", services.keys, False),
    (HttpMethod.POST, "/console/keys", services.key_create, False),
    (HttpMethod.GET, "/console/keys/{key:str}", services.key, False),
    (HttpMethod.POST, "/console/keys/{key:str}/applications", services.key_application, False),
    (HttpMethod.POST, "/console/keys/{key:str}/{verb:str}", services.key_verb, False),
    (HttpMethod.GET, "/console/certificates", certificates.certificates, False),
    (HttpMethod.GET, "/console/certificates/export", exports.certificates_export, False),
    (HttpMethod.GET, "/console/certificates/{serial:str}", certificates.certificate, False),
    (HttpMethod.GET, "/console/certificates/{serial:str}/file/{form:str}", certificates.certificate_file, False),
    (HttpMethod.POST, "/console/certificates/{serial:str}/{verb:str}", certificates.certificate_verb, False),
    (HttpMethod.GET, "/console/authorities", certificates.authorities, False),
    (HttpMethod.POST, "/console/authorities/{ca:str}", certificates.authority_configure, False),
    (HttpMethod.GET, "/console/filings", filings.filings, False),
    (HttpMethod.POST, "/console/filings", filings.apply, False),
    (HttpMethod.POST, "/console/renewals", filings.renew, False),
    (HttpMethod.GET, "/console/exports/{listing:str}", exports.export, False),
    (HttpMethod.GET, "/console/filings/{filing:str}", filings.filing, False),
    (HttpMethod.GET, "/console/filings/{filing:str}/file/{form:str}", filings.filing_file, False),
    (HttpMethod.POST, "/console/filings/{filing:str}/{verb:str}", filings.decide, False),
    (HttpMethod.GET, "/console/filing-batches", filing_batches.batches, False),
    (HttpMethod.POST, "/console/filing-batches", filing_batches.apply, False),
    (HttpMethod.GET, "/console/filing-batches/{batch:str}", filing_batches.batch, False),
    (HttpMethod.POST, "/console/filing-batches/{batch:str}/{verb:str}", filing_batches.decide, False),
    (HttpMethod.GET, "/console/filing-batches/{batch:str}/results/{form:str}", filing_batches.results, False),
    (HttpMethod.GET, "/console/escrow", filings.escrow, False),
    (HttpMethod.GET, "/console/recoveries", filings.recoveries, False),
    (HttpMethod.POST, "/console/recoveries", filings.recover, False),
    (HttpMethod.POST, "/console/recoveries/{recovery:str}/{verb:str}", filings.recovery_verb, False),
    (HttpMethod.GET, "/console/templates", issuing.templates, False),
    (HttpMethod.POST, "/console/templates", issuing.template_create, False),
    (HttpMethod.POST, "/console/templates/{template:str}/retire", issuing.template_retire, False),
    (HttpMethod.GET, "/console/outside-cas", issuing.outside, False),
    (HttpMethod.POST, "/console/outside-cas", issuing.outside_create, False),
    (HttpMethod.POST, "/console/outside-cas/{outside:str}/remove", issuing.outside_remove, False),
    (HttpMethod.GET, "/console/trust", trust.lists, False),
    (HttpMethod.POST, "/console/trust", trust.create, False),
    (HttpMethod.GET, "/console/trust/{trust_list:str}", trust.one, False),
    (HttpMethod.POST, "/console/trust/{trust_list:str}/{verb:str}", trust.change, False),
    (HttpMethod.GET, "/console/verify", verification.verification, False),
    (HttpMethod.POST, "/console/verify", verification.verify, False),
    (HttpMethod.GET, "/console/signers", signers.signers, False),
    (HttpMethod.POST, "/console/signers", signers.signer_create, False),
    (HttpMethod.GET, "/console/signers/{signer:str}", signers.signer, False),
    (HttpMethod.POST, "/console/signers/{signer:str}/{verb:str}", signers.signer_verb, False),
    (HttpMethod.GET, "/console/evidence", verification.evidence, False),
    (HttpMethod.POST, "/console/evidence", verification.keep, False),
    (HttpMethod.GET, "/console/evidence/{evidence:str}", verification.evidence_one, False),
    (HttpMethod.GET, "/console/evidence/{evidence:str}/file", verification.evidence_file, False),
    (HttpMethod.GET, "/console/usbkeys", usbkeys.usbkeys, False),
    (HttpMethod.POST, "/console/usbkeys", usbkeys.register, False),
    (HttpMethod.GET, "/console/usbkeys/{usbkey:str}", usbkeys.usbkey, False),
    (HttpMethod.POST, "/console/usbkeys/{usbkey:str}/{verb:str}", usbkeys.act, False),
    (HttpMethod.GET, "/console/usbkey-approvals", usbkeys.approvals, False),
    (HttpMethod.POST, "/console/usbkey-approvals/{approval:str}/{verb:str}", usbkeys.decide, False),
    (HttpMethod.GET, "/console/usbkey-compatibility", usbkeys.compatibility, False),
    (HttpMethod.GET, "/console/acme", acme.keys, False),
    (HttpMethod.POST, "/console/acme", acme.key_create, False),
    (HttpMethod.GET, "/console/acme/accounts", acme.accounts, False),
    (HttpMethod.GET, "/console/acme/orders", acme.orders, False),
    (HttpMethod.GET, "/console/acme/authorizations", acme.authorizations, False),
    (HttpMethod.POST, "/console/acme/{kind:str}/{item:str}", acme.act, False),
    (HttpMethod.GET, "/console/ssl-orders", server_certificates.orders, False),
    (HttpMethod.POST, "/console/ssl-orders", server_certificates.order_create, False),
    (HttpMethod.POST, "/console/ssl-orders/account", server_certificates.order_account, False),
    (HttpMethod.GET, "/console/ssl-orders/{order:str}", server_certificates.order, False),
    (HttpMethod.POST, "/console/ssl-orders/{order:str}/{verb:str}", server_certificates.order_verb, False),
    (HttpMethod.GET, "/console/endpoints", server_certificates.endpoints, False),
    (HttpMethod.POST, "/console/endpoints", server_certificates.endpoint_add, False),
    (HttpMethod.GET, "/console/endpoints/{endpoint:str}", server_certificates.endpoint, False),
    (HttpMethod.POST, "/console/endpoints/{endpoint:str}/{verb:str}", server_certificates.endpoint_verb, False),
    (HttpMethod.GET, "/console/ledger", audit.ledger, False),
    (HttpMethod.GET, "/console/ledger/{seq:str}", audit.proof, False),
    (HttpMethod.GET, "/console/platform-ledger", audit.platform_ledger, False),
    (HttpMethod.GET, "/console/platform-ledger/{seq:str}", audit.platform_proof, False),
    (HttpMethod.GET, "/console/people", people.people, False),
    (HttpMethod.POST, "/console/people", people.create, False),
    (HttpMethod.GET, "/console/people/{person:str}", people.person, False),
    (HttpMethod.POST, "/console/people/{person:str}", people.act, False),
    (HttpMethod.GET, "/console/grants", grants.grants, False),
    (HttpMethod.POST, "/console/grants", grants.create, False),
    (HttpMethod.POST, "/console/grants/{grant:str}/revoke", grants.revoke, False),
    (HttpMethod.GET, "/console/logins/report", logins.report, False),
    (HttpMethod.GET, "/console/logins/sessions", logins.sessions, False),
    (HttpMethod.POST, "/console/logins/sessions/{session:str}/end", logins.session_end, False),
    (HttpMethod.GET, "/console/logins/accounts", logins.accounts, False),
    (HttpMethod.POST, "/console/logins/accounts", logins.account_bind, False),
    (HttpMethod.POST, "/console/logins/accounts/{account:str}/{verb:str}", logins.account_verb, False),
    (HttpMethod.GET, "/console/logins/clients", logins.clients, False),
    (HttpMethod.POST, "/console/logins/clients", logins.register, False),
    (HttpMethod.POST, "/console/logins/clients/{client:str}/{verb:str}", logins.client_verb, False),
    (HttpMethod.GET, "/console/logins/policies", login_policies.policies, False),
    (HttpMethod.GET, "/console/logins/policies/{application:str}", login_policies.policy, False),
    (HttpMethod.POST, "/console/logins/policies/{application:str}", login_policies.set_policy, False),
    (HttpMethod.GET, "/console/person-keys", person_keys.keys, False),
    (HttpMethod.POST, "/console/person-keys", person_keys.enrol, False),
    (HttpMethod.POST, "/console/person-keys/policy", person_keys.set_policy, False),
    (HttpMethod.POST, "/console/person-keys/{key:str}/approve", person_keys.approve, False),
    (HttpMethod.POST, "/console/person-keys/{key:str}/remove", person_keys.remove, False),
    (HttpMethod.GET, "/console/{path:path}", sign_in.nowhere, False),
)
_DOWNLOADS: Final = ("/export", "/exports/", "/file", "/results/", "{path:path}")
_READ: Final = tuple(
    (re.compile(re.sub(r"{(\w+):str}", r"(?P<\1>[^/]+)", path)), handler)
    for method, path, handler, is_open in _PAGES
    if method is HttpMethod.GET and not is_open and not any(part in path for part in _DOWNLOADS)
)
_KEPT: Final = Text("其余内容已保留，请改正后重新提交。", "The rest is kept: correct it and send it again.")
_KEPT_WITHOUT_FILES: Final = Text(
    "其余内容已保留，文件须重新选择；请改正后重新提交。",
    "The rest is kept but the files: choose them anew, then send it again.",
)
# what is also served where browsers are asked for their certificates, and what those pages are made of
MUTUAL: Final = (
    "/oidc/{tenant}/authorize",
    "/cas/{tenant}/login",
    "/console/preferences",
    "/console/static/{file}",
    "/console/static/vendor/{file}",
)
PATHS: Final = tuple((str(method.value), path) for method, path, _, _ in _PAGES)


def console_routes(
    pipeline: Pipeline, rehearsing: Callable[[str | None], bool], addresses: Addresses | None = None
) -> list[Any]:
    """Route handlers and static files. `rehearsing` tells whether what a tenant (None: anybody) sees is a rehearsal:
    then every page says so."""
    addresses = addresses or Addresses()
    handlers: list[Any] = [_handler(pipeline, rehearsing, addresses, *page) for page in _PAGES]
    static = create_static_files_router(
        path="/console/static",
        directories=[Path(__file__).parent / "static"],
        include_in_schema=False,
    )
    return [*handlers, static]


def _handler(
    pipeline: Pipeline,
    rehearsing: Callable[[str | None], bool],
    addresses: Addresses,
    method: HttpMethod,
    path: str,
    handler: Handler,
    is_open: bool,
) -> HTTPRouteHandler:
    @route(path, http_method=method, include_in_schema=False, name=f"{method.value} {path}")
    async def run(request: Request[Any, Any, Any]) -> Any:
        form: Mapping[str, str] = {}
        files: Mapping[str, tuple[str, bytes]] = {}
        if method is HttpMethod.POST:
            form, files = await _form(request)
        page = Page(request, pipeline, form, rehearsing, files, addresses)
        try:
            return await _answer(page, handler, is_open, dict(request.path_params))
        except StepUpRequired as error:
            return confirming.confirm(page, error)
        except MiyunError as error:
            if not is_open and (page.me is None or isinstance(error, Unauthenticated)):
                return page.go("/console/login")
            if isinstance(error, KeyMissing) and page.path != "/console/person-keys":
                return page.go("/console/person-keys")
            if isinstance(error, PasswordUnchanged):
                return page.go("/console/password")
            return await _again(page, error) or page.refuse(error)
        except Exception:
            log.exception("page %s of request %s failed", page.path, page.id)
            return page.refuse(InternalError(request_id=page.id))

    return run


async def _again(page: Page, error: MiyunError) -> Response[bytes] | None:
    """The page of a form that was refused, as its sender filled it in. None when there was none, or it cannot be
    shown."""
    if not page.wants_change or page.me is None or error.status in (401, 403, 500):
        return None
    action = page.path
    path, _, query = (page.form.get("from") or page.referrer).partition("?")
    read = next(((handler, found) for pattern, handler in _READ if (found := pattern.fullmatch(path))), None)
    if read is None:
        return None
    handler, found = read
    page.turn_to(path, query)
    try:
        shown = await handler(page, **found.groupdict())
    except MiyunError:
        return None
    if isinstance(shown, Redirect) or not str(shown.media_type).startswith("text/html"):
        return None
    from miyun.edge.console.refill import Wrong, refilled  # a parser of pages, for few requests

    reason = str(error.values.get("reason_zh" if page.locale == "zh" else "reason_en", ""))
    kept = _KEPT_WITHOUT_FILES if page.files else _KEPT
    advice = kept if isinstance(error, InvalidArgument) else error.advice
    wrong = Wrong(error.field or "", error.message.to(page.locale), advice.to(page.locale), reason)
    files = {
        field: page.text(f"请重新选择文件：{name}", f"Choose the file again: {name}")
        for field, (name, _) in page.files.items()
        if name
    }
    content = refilled(shown.content, action, page.form, wrong, files)
    return Response(content, status_code=error.status, media_type=shown.media_type, headers=shown.headers)


async def _answer(page: Page, handler: Handler, is_open: bool, path_params: dict[str, Any]) -> Answer:
    if not is_open:
        await page.identify()
        assert page.me is not None
        if page.me.must_change_password and page.path not in ("/console/password", "/console/logout"):
            return page.go("/console/password")
    return await handler(page, **path_params)


async def _form(request: Request[Any, Any, Any]) -> tuple[Mapping[str, str], Mapping[str, tuple[str, bytes]]]:
    """Fields of a form, and its files as (name, octets); what is larger than a console form is cut off."""
    length = int(request.headers.get("content-length") or 0)
    multipart = request.headers.get("content-type", "").startswith("multipart/form-data")
    if length > (MAX_UPLOAD if multipart else MAX_FORM):
        return {}, {}
    fields: dict[str, str] = {}
    files: dict[str, tuple[str, bytes]] = {}
    for name, value in (await request.form()).items():
        if isinstance(value, UploadFile):
            files[name] = (value.filename, await value.read())
        else:
            fields[name] = str(value)
    return fields, files


__all__ = ("HEADERS", "MUTUAL", "PATHS", "console_routes")
