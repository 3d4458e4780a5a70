"""Requests about a tenant's own templates."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from miyun.core.operation import Struct

Slug = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_-]{1,63}$")]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Attribute = Annotated[str, msgspec.Meta(pattern="^[A-Za-z]{1,16}$")]


class CreateTemplate(Struct, frozen=True):
    """`base` is one of the platform's templates. What is not given is as there; what is given asks for more or allows
    less: further attributes that must be there (`required`) or have one value (`fixed`), fewer kinds of names, DNS
    names under `domains` only, keys of fewer `families`, fewer `purposes` (OIDs), fewer days, no pairs, a review."""

    template: Slug
    base: Slug
    name_zh: Name
    name_en: Name
    required: Annotated[list[Attribute], msgspec.Meta(max_length=16)] = msgspec.field(default_factory=list)
    fixed: dict[Attribute, Name] = msgspec.field(default_factory=dict)
    names: list[Literal["dns", "ip", "email", "uri"]] | None = None
    domains: Annotated[list[Annotated[str, msgspec.Meta(max_length=253)]], msgspec.Meta(max_length=50)] = msgspec.field(
        default_factory=list
    )
    families: list[Literal["sm2", "ecdsa", "rsa"]] | None = None
    purposes: list[Annotated[str, msgspec.Meta(max_length=64)]] | None = None
    days: Annotated[int, msgspec.Meta(ge=1)] | None = None
    max_days: Annotated[int, msgspec.Meta(ge=1)] | None = None
    pair: Literal[False] | None = None
    review: Literal[True] | None = None
    published: Literal[False] | None = None


class TemplateRequest(Struct, frozen=True):
    template: Slug
