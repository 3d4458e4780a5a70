"""A tenant's own templates: one of the platform's, narrowed, and never wider."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.rooms import Rooms
from tests.standin import call_of

from miyun.core.errors import AlreadyExists, InvalidArgument, NotFound
from miyun.core.operation import Empty
from miyun.gm import intl, sm2
from miyun.offerings.certificate.derived.messages import CreateTemplate, TemplateRequest
from miyun.offerings.certificate.issuance import Order, subject_of
from miyun.offerings.certificate.messages import TemplateView
from miyun.offerings.certificate.templates import TEMPLATES
from miyun.wire import oid
from miyun.wire.spki import sm2_spki
from miyun.wire.x509 import Certificate, parse_certificate


def create(rooms: Rooms, tenant: str = "ten_a", **fields: Any) -> TemplateView:
    known = {"template": "gateway", "base": "device", "name_zh": "网关", "name_en": "Gateway"}
    request = CreateTemplate(**{**known, **fields})
    return asyncio.run(rooms.certificate.templates.create(call_of(tenant, rooms.clock), request))


def issue(rooms: Rooms, tenant: str = "ten_a", **fields: Any) -> Certificate:
    known: dict[str, Any] = {
        "template": "gateway",
        "subject": subject_of({"CN": "网关一", "O": "示例局"}),
        "spki": sm2_spki(sm2.public_key(sm2.generate_private_key())),
        "names": ("gw.example.cn",),
    }
    [issued, *_] = asyncio.run(rooms.certificate.issuance.issue(Order(tenant, **(known | fields)), rooms.clock.now()))
    return parse_certificate(issued.der)


NARROW: dict[str, Any] = {
    "fixed": {"O": "示例局"},
    "required": ["CN"],
    "names": ["dns"],
    "domains": ["example.cn"],
    "families": ["sm2"],
    "purposes": [oid.KP_CLIENT_AUTH],
    "max_days": 100,
    "pair": False,
    "review": True,
    "published": False,
}


def test_a_narrowed_template_asks_for_more_and_allows_less(rooms: Rooms) -> None:
    view = create(rooms, **NARROW)
    assert (view.base, view.days, view.max_days, view.pair, view.review) == ("device", 100, 100, False, True)
    certificate = issue(rooms)
    assert certificate.ext_key_usage == (oid.KP_CLIENT_AUTH,)
    assert (certificate.not_after - rooms.clock.now()).days == 100
    stored = rooms.certificate.registered(certificate.serial)
    assert stored is not None and stored.template == "gateway"
    key = intl.public_key(intl.ecdsa_p256_generate())
    other = sm2_spki(sm2.public_key(sm2.generate_private_key()))
    for field, wrong in (
        ("subject", {"subject": subject_of({"CN": "网关一", "O": "别局"})}),
        ("subject", {"subject": subject_of({"CN": "网关一"})}),
        ("names", {"names": ("gw.example.com",)}),
        ("names", {"names": ("badexample.cn",)}),
        ("names", {"names": ("10.0.0.1",)}),
        ("public_key", {"spki": key}),
        ("days", {"days": 101}),
        ("encryption_public_key", {"encryption_spki": other}),
    ):
        with pytest.raises(InvalidArgument) as refused:
            issue(rooms, **wrong)  # type: ignore[arg-type]
        assert refused.value.field == field


def test_what_is_not_narrowed_is_as_in_the_base(rooms: Rooms) -> None:
    view = create(rooms)
    base = TEMPLATES["device"]
    assert (view.days, view.max_days, view.pair, view.review) == (base.days, base.max_days, base.pair, base.review)
    assert (set(view.names), tuple(view.purposes), tuple(view.required)) == (base.names, base.purposes, base.required)


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("base", {"base": "tsa"}),
        ("base", {"base": "nothing"}),
        ("names", {"names": ["email"]}),
        ("names", {"base": "tls_server", "names": []}),
        ("purposes", {"purposes": [oid.KP_OCSP_SIGNING]}),
        ("purposes", {"purposes": []}),
        ("families", {"families": []}),
        ("max_days", {"max_days": 3 * 365 + 1}),
        ("days", {"days": 3 * 365 + 1}),
        ("required", {"required": ["XYZ"]}),
        ("fixed", {"fixed": {"O": "x" * 65}}),
        ("domains", {"domains": ["-.cn"]}),
    ],
)
def test_a_template_is_never_wider_than_its_base(rooms: Rooms, field: str, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument) as refused:
        create(rooms, **fields)
    assert refused.value.field == field


def test_a_name_is_given_once_and_never_that_of_the_platforms(rooms: Rooms) -> None:
    create(rooms)
    for name in ("gateway", "person", "tsa"):
        with pytest.raises(AlreadyExists):
            create(rooms, template=name)


def test_a_template_is_its_tenants_own(rooms: Rooms) -> None:
    create(rooms, **NARROW)
    with pytest.raises(InvalidArgument):
        issue(rooms, "ten_b")
    with pytest.raises(NotFound):
        retire(rooms, "ten_b")
    listed = asyncio.run(rooms.certificate.template_list(call_of("ten_b", rooms.clock), Empty()))
    assert "gateway" not in {item.template for item in listed.items}
    create(rooms, "ten_b", base="person")
    own = asyncio.run(rooms.certificate.template_list(call_of("ten_a", rooms.clock), Empty()))
    assert {item.template: item.base for item in own.items}["gateway"] == "device"


def retire(rooms: Rooms, tenant: str = "ten_a") -> None:
    asyncio.run(rooms.certificate.templates.retire(call_of(tenant, rooms.clock), TemplateRequest(template="gateway")))


def test_a_retired_template_issues_nothing_more(rooms: Rooms) -> None:
    create(rooms)
    issue(rooms)
    retire(rooms)
    with pytest.raises(InvalidArgument) as refused:
        issue(rooms)
    assert "retired" in refused.value.message.en
    with pytest.raises(NotFound):
        retire(rooms)
    with pytest.raises(AlreadyExists):
        create(rooms)
    listed = asyncio.run(rooms.certificate.template_list(call_of("ten_a", rooms.clock), Empty()))
    assert "gateway" not in {item.template for item in listed.items}
