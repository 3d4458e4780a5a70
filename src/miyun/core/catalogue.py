"""Catalogue in the nouns of the Open Service Broker API: Offering, Plan, Instance, Binding."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, Protocol

from miyun.core.i18n import Text
from miyun.core.operation import Meter, Operation


@dataclass(frozen=True, slots=True)
class Plan:
    """What can be bought of an offering. `hourly_capacity` is per unit bought (service licence 服务授权)."""

    slug: str
    name: Text
    unit: Text  # Text("年", "year"), Text("个", "application")
    hourly_capacity: Mapping[str, int] = field(default_factory=dict)  # {"timestamp.tokens": 10_000}


@dataclass(frozen=True, slots=True)
class ServiceLevel:
    """A promise that can be measured. `contractual` levels come from contracts; these are defaults, shown as such."""

    slug: str
    name: Text
    target: Decimal
    unit: Text


@dataclass(frozen=True, slots=True)
class Evidence:
    """One file of acceptance evidence: `path` inside the room's folder of the dossier."""

    path: str
    content: bytes
    media_type: str
    title: Text


class EvidenceSource(Protocol):
    """`async def evidence(service, tenant, instance, start, end) -> list[Evidence]`"""

    def __call__(
        self, service: Any, *, tenant: str, instance: str, start: Any, end: Any
    ) -> Awaitable[list[Evidence]]: ...


@dataclass(frozen=True, slots=True)
class Offering:
    """The declaration of a room."""

    slug: str  # "timestamp"
    name: Text
    summary: Text
    category: Literal["crypto", "identity", "security", "delivery", "platform"]
    state: Literal["available", "planned"]  # the catalogue shows the truth
    standards: tuple[str, ...] = ()
    plans: tuple[Plan, ...] = ()
    meters: tuple[Meter, ...] = ()
    service_levels: tuple[ServiceLevel, ...] = ()
    includes: tuple[str, ...] = ()  # operation ids (or "kms.*") of other rooms that an instance of this one may use
    engine: str | None = None
    operations: tuple[Operation, ...] = ()
    evidence: EvidenceSource | None = None
    # What the onboarding wizard renders as a working curl: {"operation": id, "request": {...}}, where a value
    # "{key:<algorithm>:<usage>}" or "{signer}" stands for a key or signer made for the application; with
    # {"kind": "rfc3161", "policy": slug} it is a timestamp query by openssl.
    sample: Mapping[str, Any] | None = None
