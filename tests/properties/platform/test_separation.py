"""三员分立, from the declarations and on a running platform: what no single person can do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import combinations

import pytest
from tests.platform import RunningPlatform, Seat, Tenant, answered

from miyun.client import Client, PermissionDenied
from miyun.core.ledger.port import Ledger
from miyun.core.operation import Duty, Operation, Role
from miyun.core.tenancy.model import PLATFORM_ROLES, TENANT_ROLES, conflict
from miyun.edge.assembly import registry

OPERATIONS = registry().operations
PEOPLE = sorted(PLATFORM_ROLES | TENANT_ROLES)
HOLDINGS = [
    frozenset(roles)
    for side in (PLATFORM_ROLES, TENANT_ROLES)
    for size in range(1, len(side) + 1)
    for roles in combinations(sorted(side), size)
    if conflict(roles) is None
]


def duties(roles: frozenset[Role]) -> set[Duty]:
    return {op.duty for op in OPERATIONS.values() if op.roles & roles}


@pytest.mark.parametrize("roles", HOLDINGS, ids=lambda roles: "+".join(sorted(roles)))
def test_no_person_holds_keys_policy_and_trail(roles: frozenset[Role]) -> None:
    assert not {Duty.KEYS, Duty.POLICY, Duty.TRAIL} <= duties(roles)


@pytest.mark.parametrize("role", sorted(PLATFORM_ROLES))
def test_nobody_of_the_platform_touches_a_tenants_keys(role: Role) -> None:
    assert Duty.KEYS not in duties(frozenset((role,)))
    used = [op.id for op in OPERATIONS.values() if op.duty is Duty.USE and role in op.roles]
    assert all(name.endswith(".verify") for name in used)  # with public keys only


def test_who_reads_the_trail_changes_nothing() -> None:
    readers = {role for op in OPERATIONS.values() if op.id.startswith("audit.") for role in op.roles}
    assert readers == {Role.TENANT_AUDIT, Role.PLATFORM_AUDIT}
    assert duties(frozenset(readers)) <= {Duty.READ, Duty.USE}
    used = [op.id for op in OPERATIONS.values() if op.duty is Duty.USE and op.roles & readers]
    assert all("verify" in name for name in used)


def test_who_works_with_keys_neither_makes_accounts_nor_reads_the_trail() -> None:
    holders = {role for op in OPERATIONS.values() if op.duty is Duty.KEYS for role in op.roles} & set(PEOPLE)
    assert holders == {Role.TENANT_SECURITY}
    theirs = {op.id for op in OPERATIONS.values() if op.roles & holders}
    assert "account.person.create" not in theirs
    assert not {name for name in theirs if name.startswith("audit.")}


def test_no_operation_changes_what_was_recorded() -> None:
    """Not for anybody: what the trail offers is reading, and the ledger itself can only append."""
    assert not [op.id for op in OPERATIONS.values() if op.offering == "audit" and op.method != "GET"]
    assert not [op.id for op in OPERATIONS.values() if op.duty is Duty.TRAIL]
    assert {name for name in vars(Ledger) if not name.startswith("_")} == {
        "admit", "append", "settle", "release", "head", "records", "scan", "usage", "proof", "consistency", "anchor",
        "invalidate", "on_invalidate", "listening", "close",
    }  # fmt: skip


def test_no_answer_is_declared_to_hold_a_private_key() -> None:
    """Keys leave the machine wrapped or not at all: a data key in plaintext is the one thing an application may get."""
    answers = {
        f"{op.id}.{name}"
        for op in OPERATIONS.values()
        for name in getattr(op.response, "__struct_fields__", ())
        if "private" in name or name in ("plaintext", "secret", "secret_key", "key_material")
    }
    applications = frozenset((Role.APPLICATION,))
    for answer in answers:
        operation = OPERATIONS[answer.rpartition(".")[0]]
        if answer.endswith(".secret_key"):
            assert operation.id in ("tenant.access_key.create", "onboarding.start")  # shown once, to its holder
        elif operation.offering == "strong_auth" and answer.endswith(".secret"):
            assert "client" in operation.id and operation.secret_response  # of a sign-on client: shown once, no key
        else:
            assert operation.roles == applications, answer


# on a running platform


def values(operation: Operation) -> dict[str, object]:
    return {name: value for name, value in operation.example.items() if name != "body"}


def attempt(client: Client, operation: Operation) -> None:
    client.call(operation.id, body=b"" if operation.body != "json" else None, **values(operation))


@pytest.mark.parametrize("role", PEOPLE)
def test_only_the_declared_roles_are_let_in(platform: RunningPlatform, tenant_a: Tenant, role: Role) -> None:
    seat = platform.person(role, tenant_a if role in TENANT_ROLES else None)
    tried = 0
    with platform.session(seat) as client:
        for operation in OPERATIONS.values():
            if role in operation.roles or Role.PUBLIC in operation.roles:
                continue
            with pytest.raises(PermissionDenied):
                attempt(client, operation)
            tried += 1
    assert tried > 20


@pytest.mark.parametrize("role", [Role.TENANT_SYSTEM, Role.TENANT_SECURITY, Role.TENANT_AUDIT])
def test_administrators_cannot_empower_themselves(platform: RunningPlatform, tenant_a: Tenant, role: Role) -> None:
    seat = platform.person(role, tenant_a)
    with platform.session(seat) as client:
        for wanted in ("tenant.security", "tenant.audit", "tenant.system"):
            with pytest.raises(PermissionDenied):
                client.call("account.person.assign_roles", person=seat.id, roles=[wanted])


@pytest.fixture
def staff(platform: RunningPlatform) -> Seat:
    return platform.person(Role.SUPPLIER_STAFF, who="separation")  # nobody else's test gives this one a grant


@pytest.fixture
def security(platform: RunningPlatform, tenant_a: Tenant) -> Iterator[Client]:
    with platform.session(platform.person(Role.TENANT_SECURITY, tenant_a)) as client:
        yield client


def grant(security: Client, staff: Seat, *, seconds: float, after: float = 0) -> str:
    now = datetime.now(UTC)
    made = security.call(
        "tenant.grant.create",
        staff=staff.login,
        purpose="检查时间戳服务告警",
        starts_at=now + timedelta(seconds=after) if after else None,
        ends_at=now + timedelta(seconds=after + seconds),
    )
    return str(made["grant"])


def test_supplier_staff_without_a_grant_enter_no_tenant(
    platform: RunningPlatform, tenant_b: Tenant, staff: Seat
) -> None:
    with platform.session(staff, tenant=tenant_b.id) as visitor:
        for operation in OPERATIONS.values():
            if operation.scope == "tenant":
                with pytest.raises(PermissionDenied) as refused:
                    attempt(visitor, operation)
                assert refused.value.code == "GrantRequired"
    with platform.session(platform.person(Role.TENANT_AUDIT, tenant_b)) as audit:
        seen = audit.call("audit.records", operation="kms.key.create", limit=500)["items"]
        mine = [record for record in seen if record["principal"] == staff.id]
        assert mine and mine[0]["code"] == "GrantRequired", "the tenant's auditor sees who tried to enter"


def test_within_a_grant_staff_do_what_it_is_for_and_the_ledger_names_it(
    platform: RunningPlatform, tenant_a: Tenant, tenant_b: Tenant, staff: Seat, security: Client
) -> None:
    given = grant(security, staff, seconds=600)
    with platform.session(staff, tenant=tenant_a.id) as visitor:
        assert visitor.call("contract.list")["items"]
        for operation in OPERATIONS.values():
            if operation.scope == "tenant" and Role.SUPPLIER_STAFF not in operation.roles:
                with pytest.raises(PermissionDenied):
                    attempt(visitor, operation)
    with platform.session(staff, tenant=tenant_b.id) as visitor, pytest.raises(PermissionDenied):
        visitor.call("contract.list")
    with platform.session(platform.person(Role.TENANT_AUDIT, tenant_a)) as audit:
        records = audit.call("audit.records", operation="contract.list", limit=50)["items"]
        mine = [record for record in records if record["principal"] == staff.id]
        assert mine and mine[0]["role"] == Role.SUPPLIER_STAFF and mine[0]["detail"]["grant"] == given
        refused = [
            record
            for record in audit.call("audit.records", operation="kms.key.create", limit=50)["items"]
            if record["principal"] == staff.id
        ]
        assert refused and refused[0]["outcome"] == "refused"


def test_a_grant_ends_with_its_window(
    platform: RunningPlatform, tenant_a: Tenant, staff: Seat, security: Client
) -> None:
    for item in security.call("tenant.grant.list")["items"]:
        security.call("tenant.grant.revoke", grant=item["grant"])
    grant(security, staff, seconds=600, after=3600)
    with platform.session(staff, tenant=tenant_a.id) as visitor:
        with pytest.raises(PermissionDenied):  # its window lies ahead
            visitor.call("contract.list")
        for seconds in (2, 20, 200):  # however slow the machine, one of them is used before it ends
            grant(security, staff, seconds=seconds)
            ends = time.time() + seconds
            if answered(lambda: visitor.call("contract.list")):
                break
        else:
            raise AssertionError("no grant is good before it ends")
        time.sleep(max(0.0, ends - time.time()) + 0.1)
        for _ in range(4):  # both workers
            with pytest.raises(PermissionDenied):
                visitor.call("contract.list")


def test_a_revoked_grant_ends_at_once_in_every_worker(
    platform: RunningPlatform, tenant_a: Tenant, staff: Seat, security: Client
) -> None:
    given = grant(security, staff, seconds=600)
    visitors = [platform.session(staff, tenant=tenant_a.id) for _ in range(4)]  # connections over both workers
    try:
        for visitor in visitors:
            visitor.call("contract.list")
        security.call("tenant.grant.revoke", grant=given)
        for visitor in visitors:
            with pytest.raises(PermissionDenied):
                visitor.call("contract.list")
    finally:
        for visitor in visitors:
            visitor.close()
