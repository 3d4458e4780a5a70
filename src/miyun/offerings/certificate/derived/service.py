"""Which template an order means: the platform's, or the tenant's own."""

from __future__ import annotations

import asyncio

from miyun.core.errors import AlreadyExists, InvalidArgument, NotFound
from miyun.core.i18n import Text
from miyun.core.operation import Call
from miyun.offerings.certificate.checks import check_dns, template_of
from miyun.offerings.certificate.derived.messages import CreateTemplate, TemplateRequest
from miyun.offerings.certificate.derived.model import Derived, Narrowing
from miyun.offerings.certificate.derived.store import TemplateStore
from miyun.offerings.certificate.errors import ApplicationNeeded
from miyun.offerings.certificate.messages import TemplateView
from miyun.offerings.certificate.model import Family
from miyun.offerings.certificate.templates import TEMPLATES, Template
from miyun.wire.errors import EncodeError
from miyun.wire.name import Name


class Templates:
    def __init__(self, store: TemplateStore) -> None:
        self._store = store

    def of(self, tenant: str | None, slug: str) -> Template:
        """Raises InvalidArgument for one that does not exist, or was retired."""
        if slug in TEMPLATES or tenant is None:
            return template_of(slug)
        found = self._store.find(tenant, slug)
        if found is None:
            return template_of(slug)
        if found.retired_at is not None:
            raise InvalidArgument("template", Text("该模板已停用", "this template was retired"))
        return found.template(TEMPLATES[found.base])

    def for_tenant(self, tenant: str | None, slug: str) -> Template:
        """As `of`, for what a tenant may ask for."""
        found = self.of(tenant, slug)
        if not found.tenants:
            raise InvalidArgument("template", Text("该模板仅供平台自用", "this template is for the platform itself"))
        return found

    def for_one_person(self, tenant: str | None, slug: str) -> Template:
        """As `for_tenant`, for issuing without an application. Raises ApplicationNeeded for what takes two people."""
        found = self.for_tenant(tenant, slug)
        if not found.direct:
            raise ApplicationNeeded
        return found

    def views(self, tenant: str | None) -> list[TemplateView]:
        """The platform's, then the tenant's own that are in use."""
        own = self._store.all(tenant) if tenant is not None else []
        return [
            *(view(item) for item in TEMPLATES.values() if item.tenants),
            *(view(item.template(TEMPLATES[item.base]), item.base) for item in own if item.retired_at is None),
        ]

    async def create(self, call: Call, request: CreateTemplate) -> TemplateView:
        if request.template in TEMPLATES:
            raise AlreadyExists(field="template", kind="template", name=request.template)
        base = TEMPLATES.get(request.base)
        if base is None or not base.tenants:
            raise InvalidArgument("base", Text("不是平台提供给租户的模板", "no template of the platform for tenants"))
        narrowing = _narrowed(base, request)
        item = Derived(
            tenant=call.require_tenant(),
            slug=request.template,
            base=base.slug,
            name_zh=request.name_zh,
            name_en=request.name_en,
            narrowing=narrowing,
            created_at=call.now,
            created_by=call.principal.id,
        )
        call.resource["template"] = item.slug
        call.detail["base"] = base.slug
        if not await asyncio.to_thread(self._store.add, item):
            raise AlreadyExists(field="template", kind="template", name=request.template)
        return view(item.template(base), base.slug)

    async def retire(self, call: Call, request: TemplateRequest) -> TemplateView:
        """Nothing is issued by it any more; what was issued stays."""
        tenant = call.require_tenant()
        call.resource["template"] = request.template
        found = await asyncio.to_thread(self._store.find, tenant, request.template)
        if found is None or not await asyncio.to_thread(self._store.retire, tenant, request.template, call.now):
            raise NotFound("template", request.template, field="template")
        return view(found.template(TEMPLATES[found.base]), found.base)


def _narrowed(base: Template, request: CreateTemplate) -> Narrowing:
    """Raises InvalidArgument for what the base does not allow."""
    beyond = Text("超出所依据模板的范围", "beyond what the template it comes from allows")
    if request.names is not None and not set(request.names) <= base.names:
        raise InvalidArgument("names", beyond)
    if base.names_required and request.names is not None and not request.names:
        raise InvalidArgument("names", beyond)
    if request.purposes is not None and (not request.purposes or not set(request.purposes) <= set(base.purposes)):
        raise InvalidArgument("purposes", beyond)
    if request.families is not None and not request.families:
        raise InvalidArgument("families", Text("至少一种密钥", "at least one kind of key"))
    for field, days in (("days", request.days), ("max_days", request.max_days)):
        if days is not None and days > base.max_days:
            raise InvalidArgument(field, beyond)
    for field, attributes in (("required", dict.fromkeys(request.required, "x")), ("fixed", request.fixed)):
        try:
            Name.of(*(("C", "CN") if name.upper() == "C" else (name, value) for name, value in attributes.items()))
        except EncodeError as error:
            raise InvalidArgument(field, Text(f"不可用：{error}", f"not usable: {error}")) from None
    for domain in request.domains:
        check_dns(domain, "domains")
    return Narrowing(
        required=tuple(request.required),
        fixed=request.fixed,
        names=tuple(request.names) if request.names is not None else None,
        domains=tuple(domain.lower() for domain in request.domains),
        families=tuple(map(Family, request.families)) if request.families is not None else None,
        purposes=tuple(item for item in base.purposes if item in request.purposes) if request.purposes else None,
        days=request.days,
        max_days=request.max_days,
        pair=request.pair,
        review=request.review,
        published=request.published,
    )


def view(item: Template, base: str | None = None) -> TemplateView:
    return TemplateView(
        template=item.slug,
        base=base,
        name_zh=item.name.zh,
        name_en=item.name.en,
        required=list(item.required),
        fixed=dict(item.fixed),
        names=sorted(item.names),
        domains=list(item.domains),
        families=sorted(item.families),
        purposes=list(item.purposes),
        days=item.days,
        max_days=item.max_days,
        pair=item.pair,
        review=item.review,
        published=item.published,
    )
