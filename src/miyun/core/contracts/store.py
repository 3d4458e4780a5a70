"""Tables and queries of contracts, entitlements, instances and contract items."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Date,
    ForeignKey,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    Text,
    and_,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from miyun.core.contracts.model import (
    Contract,
    ContractState,
    Entitlement,
    Instance,
    Item,
    ItemState,
    Overuse,
    Party,
    Term,
    Usable,
)
from miyun.core.storage import Database, UtcDateTime, metadata
from miyun.core.tenancy.model import Tenant
from miyun.core.tenancy.store import tenants

contracts = Table(
    "core_contract",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(40), ForeignKey(tenants.c.id), nullable=False, index=True),
    Column("number", String(100), nullable=False),
    Column("title", String(300), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("document", LargeBinary, nullable=False),
    Column("parties", Text, nullable=False),  # JSON
    Column("term_first", Date, nullable=False),
    Column("term_last", Date, nullable=False),
    Column("effective_first", Date, nullable=False),
    Column("effective_last", Date, nullable=False),
    Column("rehearsal", Boolean, nullable=False),
    Column("state", String(16), nullable=False),
    Column("exit_paper", String(500), nullable=True),
    Column("created_at", UtcDateTime, nullable=False),
)
instances = Table(
    "core_instance",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(40), ForeignKey(tenants.c.id), nullable=False, index=True),
    Column("contract", String(40), ForeignKey(contracts.c.id), nullable=False, index=True),
    Column("offering", String(64), nullable=False),
    Column("plan", String(64), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)
entitlements = Table(
    "core_entitlement",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("contract", String(40), ForeignKey(contracts.c.id), nullable=False, index=True),
    Column("instance", String(40), ForeignKey(instances.c.id), nullable=False, unique=True),
    Column("offering", String(64), nullable=False),
    Column("plan", String(64), nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("hourly_capacity", Text, nullable=False),  # JSON: meter → units
    Column("overuse", String(16), nullable=False),
    Column("counts_bindings", Boolean, nullable=False),
    Column("clause", String(200), nullable=False),
)
items = Table(
    "core_contract_item",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("contract", String(40), ForeignKey(contracts.c.id), nullable=False, index=True),
    Column("kind", String(64), nullable=False),
    Column("data", Text, nullable=False),  # JSON
    Column("due", Date, nullable=True, index=True),
    Column("state", String(16), nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)


class ContractStore:
    """Queries for a tenant name the tenant; those without one are the platform's."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def activate(
        self,
        *,
        tenant: Tenant | None,
        contract: Contract,
        opened: Sequence[tuple[Instance, Entitlement]],
        items_: Sequence[Item],
    ) -> bool:
        """All rows of an activation in one transaction; `tenant` when it is new. False when the document or the code
        of the new tenant is taken, or the old tenant unknown: nothing is written then."""
        try:
            with self._db.write() as c:
                if tenant is not None:
                    c.execute(insert(tenants).values(**_fields(tenant)))
                c.execute(insert(contracts).values(**_contract_values(contract)))
                for instance, entitlement in opened:
                    c.execute(insert(instances).values(**_fields(instance)))
                    c.execute(insert(entitlements).values(**_entitlement_values(entitlement)))
                for item in items_:
                    _insert_item(c, item)
        except IntegrityError:
            return False
        return True

    def by_digest(self, digest: str) -> Contract | None:
        return self._one(contracts.c.digest == digest)

    def contract(self, contract: str, tenant: str | None) -> Contract | None:
        """`tenant` None: whichever tenant's."""
        mine = contracts.c.id == contract
        return self._one(mine if tenant is None else and_(mine, contracts.c.tenant == tenant))

    def _one(self, condition: Any) -> Contract | None:
        with self._db.read() as c:
            row = c.execute(select(contracts).where(condition)).one_or_none()
        return _contract(row) if row else None

    def list_contracts(self, tenant: str | None, *, after: str = "", limit: int = 500) -> list[Contract]:
        query = select(contracts).where(contracts.c.id > after).order_by(contracts.c.id).limit(limit)
        if tenant is not None:
            query = query.where(contracts.c.tenant == tenant)
        with self._db.read() as c:
            return [_contract(row) for row in c.execute(query)]

    def move(self, contract: str, before: ContractState, after: ContractState, *, paper: str | None = None) -> bool:
        """Change of state, if it still is `before`."""
        with self._db.write() as c:
            done = c.execute(
                update(contracts)
                .where(contracts.c.id == contract, contracts.c.state == before)
                .values(state=after, **({"exit_paper": paper} if paper is not None else {}))
            )
        return done.rowcount == 1

    # instances and entitlements

    def instance(self, instance: str, tenant: str | None) -> Instance | None:
        query = select(instances).where(instances.c.id == instance)
        if tenant is not None:
            query = query.where(instances.c.tenant == tenant)
        with self._db.read() as c:
            row = c.execute(query).one_or_none()
        return Instance(**row._mapping) if row else None

    def list_instances(self, *, tenant: str | None = None, contract: str | None = None) -> list[Instance]:
        query = select(instances).order_by(instances.c.id)
        if tenant is not None:
            query = query.where(instances.c.tenant == tenant)
        if contract is not None:
            query = query.where(instances.c.contract == contract)
        with self._db.read() as c:
            return [Instance(**row._mapping) for row in c.execute(query)]

    def list_entitlements(self, contract: str) -> list[Entitlement]:
        query = select(entitlements).where(entitlements.c.contract == contract).order_by(entitlements.c.id)
        with self._db.read() as c:
            return [_entitlement(row) for row in c.execute(query)]

    def usable(self, *, tenant: str) -> list[Usable]:
        """The tenant's instances with what decides about their use, oldest first."""
        names = ("state", "effective_first", "effective_last")
        query = (
            select(instances, *(contracts.c[name] for name in names), *_prefixed(entitlements, "e_"))
            .join(contracts, contracts.c.id == instances.c.contract)
            .join(entitlements, entitlements.c.instance == instances.c.id)
            .where(instances.c.tenant == tenant)
            .order_by(instances.c.id)
        )
        with self._db.read() as c:
            return [_usable(row) for row in c.execute(query)]

    # items

    def list_items(self, contract: str, *, kind: str | None = None) -> list[Item]:
        query = (
            select(items).where(items.c.contract == contract).order_by(items.c.due.is_(None), items.c.due, items.c.id)
        )
        if kind is not None:
            query = query.where(items.c.kind == kind)
        with self._db.read() as c:
            return [_item(row) for row in c.execute(query)]


def _fields(row: Tenant | Instance) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__dataclass_fields__}


def _prefixed(table: Table, prefix: str) -> list[Any]:
    return [column.label(prefix + column.name) for column in table.c]


def _contract_values(contract: Contract) -> dict[str, Any]:
    return {
        "id": contract.id,
        "tenant": contract.tenant,
        "number": contract.number,
        "title": contract.title,
        "digest": contract.digest,
        "document": contract.document,
        "parties": json.dumps(
            [{"side": p.side, "name": p.name, "detail": dict(p.detail)} for p in contract.parties], ensure_ascii=False
        ),
        "term_first": contract.term.first,
        "term_last": contract.term.last,
        "effective_first": contract.effective.first,
        "effective_last": contract.effective.last,
        "rehearsal": contract.rehearsal,
        "state": contract.state,
        "exit_paper": contract.exit_paper,
        "created_at": contract.created_at,
    }


def _contract(row: Row[Any]) -> Contract:
    return Contract(
        id=row.id,
        tenant=row.tenant,
        number=row.number,
        title=row.title,
        digest=row.digest,
        document=bytes(row.document),
        parties=tuple(Party(**party) for party in json.loads(row.parties)),
        term=Term(row.term_first, row.term_last),
        effective=Term(row.effective_first, row.effective_last),
        rehearsal=row.rehearsal,
        state=ContractState(row.state),
        created_at=row.created_at,
        exit_paper=row.exit_paper,
    )


def _entitlement_values(entitlement: Entitlement) -> dict[str, Any]:
    return {
        "id": entitlement.id,
        "contract": entitlement.contract,
        "instance": entitlement.instance,
        "offering": entitlement.offering,
        "plan": entitlement.plan,
        "quantity": entitlement.quantity,
        "hourly_capacity": json.dumps(dict(entitlement.hourly_capacity)),
        "overuse": entitlement.overuse,
        "counts_bindings": entitlement.counts_bindings,
        "clause": entitlement.clause,
    }


def _entitlement(row: Row[Any], prefix: str = "") -> Entitlement:
    values = {column.name: getattr(row, prefix + column.name) for column in entitlements.c}
    values["hourly_capacity"] = json.loads(values["hourly_capacity"])
    values["overuse"] = Overuse(values["overuse"])
    return Entitlement(**values)


def _usable(row: Row[Any]) -> Usable:
    term = Term(row.effective_first, row.effective_last)
    return Usable(
        instance=row.id,
        tenant=row.tenant,
        offering=row.offering,
        contract=row.contract,
        state=ContractState(row.state),
        start=term.start.astimezone(UTC),  # compared at each call: between unlike zones that costs microseconds
        end=term.end.astimezone(UTC),
        entitlement=_entitlement(row, "e_"),
    )


def _insert_item(connection: Connection, item: Item) -> None:
    connection.execute(
        insert(items).values(
            id=item.id,
            contract=item.contract,
            kind=item.kind,
            data=json.dumps(dict(item.data), ensure_ascii=False),
            due=item.due,
            state=item.state,
            updated_at=item.updated_at,
        )
    )


def _item(row: Row[Any]) -> Item:
    return Item(
        id=row.id,
        contract=row.contract,
        kind=row.kind,
        data=json.loads(row.data),
        due=row.due,
        state=ItemState(row.state),
        updated_at=row.updated_at,
    )
