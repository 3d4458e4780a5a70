"""No tenant reaches what another owns: every operation with every identifier, generated from the declarations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import msgspec
import pytest
from tests.belongings import FACTORIES, TENANT_PEOPLE, Belongings
from tests.platform import App, RunningPlatform, Tenant

from miyun.client import NotFound, PermissionDenied
from miyun.core.operation import Operation, Role
from miyun.edge.assembly import registry

OPERATIONS = registry().operations
CASES = [
    pytest.param(operation, field, id=f"{operation.id}-{field}")
    for operation in OPERATIONS.values()
    for field in operation.tenant_fields
]
TENANT_OPERATIONS = [pytest.param(op, id=op.id) for op in OPERATIONS.values() if op.scope == "tenant"]
# Reads for everybody, or of a secret that only its holder knows: neither is owned by a tenant.
NO_ONES = {"policy", "ca", "session", "template", "service", "operation"}
exercised: set[tuple[str, str]] = set()


# For the session, not the module: a worker may leave a module and come back to it, and names are given once.
@pytest.fixture(scope="session")
def clients() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="session")
def mine(platform: RunningPlatform, tenant_a: Tenant, app_a: App, clients: ExitStack) -> Belongings:
    return Belongings(platform, tenant_a, app_a, clients)


@pytest.fixture(scope="session")
def theirs(platform: RunningPlatform, tenant_b: Tenant, app_b: App, clients: ExitStack) -> Belongings:
    return Belongings(platform, tenant_b, app_b, clients)


def call(owner: Belongings, role: Role, operation: Operation, values: dict[str, Any], **options: Any) -> Any:
    options.setdefault("body", None if operation.body == "json" else b"hello")
    return owner.client(role).call(operation.id, **values, **options)


@pytest.mark.parametrize(("operation", "field"), CASES)
def test_an_identifier_of_another_tenant_is_refused(
    operation: Operation, field: str, mine: Belongings, theirs: Belongings
) -> None:
    whole = theirs.values(operation)
    body = theirs.body(operation, whole)
    # all but one identifier are the caller's own, so that this one is what is refused
    values = whole | {name: mine.make(name, operation.id) for name in operation.tenant_fields if name != field}
    for role in mine.callers(operation) or [Role.TENANT_SYSTEM, Role.TENANT_SECURITY]:
        with pytest.raises((NotFound, PermissionDenied)) as refused:
            call(mine, role, operation, values, body=body)
        assert refused.value.status in (403, 404)
    exercised.add((operation.id, field))
    if operation.id == "contract.exit.close":
        return  # not for a tenant's people at all
    if operation.id == "ssl_certificate.endpoint.rehearse":
        return  # needs an outside CA: tests/interop/ssl_certificate
    # the owner is served, and nothing that the stranger tried has spoiled it
    owner = theirs.callers(operation)[0]
    call(theirs, owner, operation, whole, body=body)


@pytest.mark.parametrize("name", ["encryption.envelope.decrypt", "encryption.stream.decrypt"])
def test_what_was_encrypted_for_another_tenant_names_a_key_in_vain(
    name: str, mine: Belongings, theirs: Belongings
) -> None:
    operation = OPERATIONS[name]
    whole = theirs.values(operation)
    body = theirs.body(operation, whole)
    del whole["key"]  # the ciphertext itself says which key
    with pytest.raises((NotFound, PermissionDenied)):
        call(mine, Role.APPLICATION, operation, whole, body=body)
    call(theirs, Role.APPLICATION, operation, whole, body=body)


@pytest.mark.parametrize("field", ["key", "new_key"])
def test_an_alias_of_another_tenant_is_refused(field: str, mine: Belongings, theirs: Belongings) -> None:
    alias = f"alias:{theirs.make('alias')}"
    for operation in OPERATIONS.values():
        if field in operation.tenant_fields:
            values = mine.values(operation)
            body = mine.body(operation, values)
            values[field] = alias
            with pytest.raises((NotFound, PermissionDenied)):
                call(mine, mine.callers(operation)[0], operation, values, body=body)


@pytest.mark.parametrize("operation", TENANT_OPERATIONS)
def test_a_service_instance_of_another_tenant_cannot_be_charged(
    operation: Operation, mine: Belongings, tenant_b: Tenant
) -> None:
    values = {name: value for name, value in operation.example.items() if name != "body"}
    for role in mine.callers(operation):
        with pytest.raises((NotFound, PermissionDenied)):
            call(mine, role, operation, values, charge_to=tenant_b.instances["timestamp"])


@pytest.mark.parametrize("operation", TENANT_OPERATIONS)
def test_people_of_one_tenant_cannot_enter_another(
    operation: Operation, platform: RunningPlatform, mine: Belongings, tenant_b: Tenant
) -> None:
    for role in (role for role in TENANT_PEOPLE if role in operation.roles):
        with platform.session(platform.person(role, mine.tenant), tenant=tenant_b.id) as visitor:
            values = {name: value for name, value in operation.example.items() if name != "body"}
            with pytest.raises(PermissionDenied) as refused:
                visitor.call(operation.id, body=b"" if operation.body != "json" else None, **values)
            assert refused.value.code == "GrantRequired"


FOR_APPLICATIONS = [
    pytest.param(op, field, id=f"{op.id}-{field}")
    for op in OPERATIONS.values()
    if Role.APPLICATION in op.roles
    for field in op.tenant_fields
    if field in ("key", "new_key", "signer")
]
# A signature is verified by whoever holds it: a signer's certificate is public within its tenant.
PUBLIC_WITHIN = {
    ("signature.verify", "signer"),
    ("signature.batch.verify", "signer"),
    ("signature.signer.get", "signer"),
}


@pytest.fixture(scope="session")
def neighbour(platform: RunningPlatform, tenant_a: Tenant, clients: ExitStack) -> Belongings:
    """Another application of the same tenant, bound to the same services."""
    return Belongings(platform, tenant_a, platform.application(tenant_a, "邻居"), clients)


@pytest.mark.parametrize(("operation", "field"), FOR_APPLICATIONS)
def test_keys_of_another_application_of_the_tenant_are_refused(
    operation: Operation, field: str, mine: Belongings, neighbour: Belongings
) -> None:
    whole = mine.values(operation)
    body = mine.body(operation, whole)
    values = whole | {name: neighbour.make(name, operation.id) for name in operation.tenant_fields if name != field}
    if (operation.id, field) in PUBLIC_WITHIN:
        call(neighbour, Role.APPLICATION, operation, values, body=body)
        return
    with pytest.raises((NotFound, PermissionDenied)) as refused:
        call(neighbour, Role.APPLICATION, operation, values, body=body)
    assert refused.value.status in (403, 404)
    call(mine, Role.APPLICATION, operation, whole, body=body)  # and its owner is served


@pytest.mark.parametrize("name", ["encryption.envelope.decrypt", "encryption.stream.decrypt"])
def test_what_was_encrypted_for_another_application_names_a_key_in_vain(
    name: str, mine: Belongings, neighbour: Belongings
) -> None:
    operation = OPERATIONS[name]
    whole = mine.values(operation)
    body = mine.body(operation, whole)
    del whole["key"]
    with pytest.raises(NotFound):
        call(neighbour, Role.APPLICATION, operation, whole, body=body)
    call(mine, Role.APPLICATION, operation, whole, body=body)


def test_a_key_is_opened_to_an_application_and_closed_again(mine: Belongings, neighbour: Belongings) -> None:
    security = mine.client(Role.TENANT_SECURITY)
    key, theirs = mine.make("key"), neighbour.client(Role.APPLICATION)
    for _ in range(2):
        with pytest.raises(NotFound):
            theirs.call("encryption.encrypt", key=key, plaintext="")
        opened = security.call("kms.key.allow", key=key, application=neighbour.app.id)
        assert opened["applications"] == sorted([mine.app.id, neighbour.app.id])
        theirs.call("encryption.encrypt", key=key, plaintext="")
        security.call("kms.key.disallow", key=key, application=neighbour.app.id)


def test_no_list_shows_anything_of_another_tenant(mine: Belongings, theirs: Belongings) -> None:
    for field in FACTORIES:
        theirs.make(field)
    shown = 0
    for operation in OPERATIONS.values():
        if operation.method != "GET" or operation.tenant_fields or operation.reply != "json":
            continue
        if operation.scope == "public":
            continue
        for role in mine.callers(operation):
            values = dict(operation.example)
            found = msgspec.json.encode(call(mine, role, operation, values)).decode()
            # a name may be part of a record number; identifiers with their prefix cannot
            leaked = {name for name in theirs.made if len(name) >= 16 and name in found}
            assert not leaked, operation.id
            shown += 1
    assert shown > 20


def test_lists_narrowed_to_a_strangers_application_are_empty(mine: Belongings, theirs: Belongings) -> None:
    narrowed = [
        op
        for op in OPERATIONS.values()
        if op.method == "GET" and op.scope == "tenant" and "application" in fields(op) - set(op.tenant_fields)
    ]
    assert narrowed
    for operation in narrowed:
        lines = {"format": "jsonl"} if "format" in fields(operation) else {}  # a CSV begins with its titles
        for role in mine.callers(operation):
            if role is not Role.APPLICATION:  # an application lists its own whatever it asks
                answer = call(mine, role, operation, {"application": theirs.app.id} | lines)
                assert (answer if operation.reply == "stream" else answer["items"]) in ([], b"")


def fields(operation: Operation) -> set[str]:
    return {field.name for field in msgspec.structs.fields(operation.request)}


def test_every_declared_identifier_was_tried(request: pytest.FixtureRequest) -> None:
    """With -k or several workers only a part runs here: then the cases themselves are what is compared."""
    declared = {(op.id, field) for op in OPERATIONS.values() for field in op.tenant_fields}
    assert {(param.values[0].id, param.values[1]) for param in CASES} == declared  # type: ignore[union-attr]
    assert {field for _, field in declared} <= set(FACTORIES), "an identifier without a factory"
    if exercised and not request.config.getoption("keyword") and not hasattr(request.config, "workerinput"):
        assert exercised == declared


@pytest.mark.parametrize("operation", TENANT_OPERATIONS)
def test_no_field_that_names_something_owned_is_undeclared(operation: Operation) -> None:
    """A filter of a list may stay undeclared: it narrows what is the tenant's own (see above)."""
    named = set(FACTORIES) - {"new_key"}
    suspicious = {name for name in fields(operation) if name in named or name.endswith("_id")} - {"user_id"} - NO_ONES
    undeclared = suspicious - set(operation.tenant_fields)
    if operation.method == "GET" and {"limit", "cursor", "sort"} & fields(operation):
        undeclared -= {"application", "instance", "operation", "batch"}
    if operation.id in ("kms.key.create", "kms.alias.create"):
        undeclared -= {"alias"}  # a name to be given, in the tenant's own name space
    if operation.id.startswith("strong_auth."):
        undeclared -= {"application"}  # only an application may call these, and it may name no other: tested there
    if operation.id.startswith("ssl_certificate.acme."):
        undeclared -= {"challenge", "order"}  # only an ACME account may call these: tested there
    assert not undeclared
