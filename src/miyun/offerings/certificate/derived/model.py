"""A tenant's own template: one of the platform's, narrowed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from miyun.core.i18n import Text
from miyun.offerings.certificate.model import Family
from miyun.offerings.certificate.templates import Template


class Narrowing(msgspec.Struct, frozen=True, kw_only=True):
    """What differs from the template it comes from; None leaves it. Every part of it can only ask for more or allow
    less."""

    required: tuple[str, ...] = ()  # attributes besides those of the base
    fixed: dict[str, str] = {}  # attributes that have these values
    names: tuple[str, ...] | None = None  # kinds of alternative names
    domains: tuple[str, ...] = ()  # under which DNS names lie
    families: tuple[Family, ...] | None = None  # of keys
    purposes: tuple[str, ...] | None = None  # extended key usage, OIDs
    days: int | None = None
    max_days: int | None = None
    pair: bool | None = None
    review: bool | None = None
    published: bool | None = None


@dataclass(frozen=True, slots=True)
class Derived:
    tenant: str
    slug: str
    base: str
    name_zh: str
    name_en: str
    narrowing: Narrowing
    created_at: datetime
    created_by: str
    retired_at: datetime | None = None

    def template(self, base: Template) -> Template:
        """What is issued by it."""
        less = self.narrowing
        most = less.max_days if less.max_days is not None else base.max_days
        return replace(
            base,
            slug=self.slug,
            name=Text(self.name_zh, self.name_en),
            required=tuple(dict.fromkeys((*base.required, *less.required, *less.fixed))),
            fixed=tuple(less.fixed.items()),
            names=base.names if less.names is None else frozenset(less.names),
            domains=less.domains,
            families=base.families if less.families is None else frozenset(less.families),
            purposes=base.purposes if less.purposes is None else less.purposes,
            days=min(less.days if less.days is not None else base.days, most),
            max_days=most,
            pair=base.pair and less.pair is not False,
            review=base.review or bool(less.review),
            direct=base.direct and not less.review,
            published=base.published and less.published is not False,
        )
