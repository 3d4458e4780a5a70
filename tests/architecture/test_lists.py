"""Every list of people, of applications and what they were given, of the supplier's authorisations, and of the
certificate, key, login and signature rooms, pages, sorts and can be taken away as a file."""

from __future__ import annotations

from typing import Final

import msgspec
import pytest

from miyun.core.operation import Download, Operation
from miyun.edge.assembly import registry
from miyun.edge.console.pages import exports

CORE: Final = (
    "account.person.list",
    "tenant.application.list",
    "tenant.binding.list",
    "tenant.access_key.list",
    "tenant.credential.list",
    "tenant.grant.list",
)
ROOMS: Final = ("certificate", "ssl_certificate", "usbkey", "strong_auth", "signature")
OPERATIONS: Final = registry().operations
# What has so few that nobody needs a second page, and why it has no more.
FEW: Final = {
    "certificate.ca.list": "the platform's own authorities",
    "certificate.template.list": "the platform's templates and the handful that a tenant derives from them",
    "certificate.outside.list": "the licensed CAs that a tenant works with",
    "ssl_certificate.ca.list": "the ACME directories that the operator configured",
}
ON_THEIR_OWN_PAGE: Final = {"certificate.export"}  # not by /console/exports


def fields(struct: type) -> set[str]:
    return {field.name for field in msgspec.structs.fields(struct)}


def is_list(operation: Operation) -> bool:
    return (
        (operation.offering in ROOMS or operation.id in CORE)
        and operation.method == "GET"
        and operation.reply == "json"
        and "items" in getattr(operation.response, "__struct_fields__", ())
    )


LISTS: Final = {operation.id: operation for operation in OPERATIONS.values() if is_list(operation)}


def export_of(operation: Operation) -> Operation | None:
    names = (f"{operation.id.removesuffix('.list')}.export", f"{operation.id}_export", f"{operation.id}.export")
    found = (OPERATIONS[name] for name in names if name in OPERATIONS)
    return next((one for one in found if one.response is Download), None)


@pytest.mark.parametrize("name", sorted(set(LISTS) - set(FEW)))
def test_a_list_pages_sorts_and_exports(name: str) -> None:
    operation = LISTS[name]
    asked = fields(operation.request)
    assert {"limit", "cursor"} <= asked and "next_cursor" in fields(operation.response), "it does not page"
    assert "sort" in asked, "it does not sort"
    export = export_of(operation)
    assert export is not None, "it cannot be exported"
    assert export.roles >= operation.roles, "who sees the list may not take it away"
    narrowed = asked - {"limit", "cursor", "mine"}
    assert narrowed <= fields(export.request), "the file would not be what was looked at"
    assert export.id in {*exports.EXPORTS.values(), *ON_THEIR_OWN_PAGE}, "the console does not offer it"


def test_only_what_is_short_is_let_off() -> None:
    assert set(FEW) <= set(LISTS), "a list that is no more"
    assert set(CORE) < set(LISTS) and len(LISTS) >= 25
