"""All offerings and operations of this installation, built once from the rooms' declarations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from miyun.core.catalogue import Offering
from miyun.core.errors import NotFound
from miyun.core.operation import Operation


class Registry:
    """`offerings` by slug, `operations` by id, `core_prefixes`: id prefixes that belong to no offering."""

    def __init__(self, offerings: Iterable[Offering], core_operations: Iterable[Operation] = ()) -> None:
        self.offerings: Mapping[str, Offering] = MappingProxyType({o.slug: o for o in offerings})
        operations: dict[str, Operation] = {}
        routes: set[tuple[str, str]] = set()
        core = tuple(core_operations)
        for operation in (*core, *(op for offering in self.offerings.values() for op in offering.operations)):
            if operation.id in operations:
                raise ValueError(f"operation {operation.id} is declared twice")
            if (operation.method, operation.path) in routes:
                raise ValueError(f"route {operation.method} {operation.path} is declared twice")
            routes.add((operation.method, operation.path))
            operations[operation.id] = operation
        self.operations: Mapping[str, Operation] = MappingProxyType(operations)
        self.core_prefixes = frozenset(op.offering for op in core)

    def operation(self, operation_id: str) -> Operation:
        try:
            return self.operations[operation_id]
        except KeyError:
            raise NotFound("operation", operation_id) from None

    def allows(self, offering: str, operation: Operation) -> bool:
        """Whether an instance of `offering` may use `operation`: its own room's, or one it includes."""
        if operation.offering == offering:
            return True
        return any(matches(pattern, operation.id) for pattern in self.offerings[offering].includes)


def matches(pattern: str, operation_id: str) -> bool:
    """`kms.*` or an exact operation id."""
    return operation_id.startswith(pattern[:-1]) if pattern.endswith(".*") else operation_id == pattern
