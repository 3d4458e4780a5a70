"""Pages of records through the index."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from miyun.core.ledger import record
from miyun.core.ledger.journal import Journal, Position
from miyun.core.ledger.sidecar import BLOCK

PAGE_BYTES = 1 << 20
Wanted = Callable[[bytes], bool]


def matching(tenant: str | None, instance: str | None, operation: str | None) -> Wanted | None:
    """A test of raw records, or None when every record is wanted."""
    if tenant is None and instance is None and operation is None:
        return None

    pairs = (("tenant", tenant), ("instance", instance), ("op", operation))
    texts = [msgspec.json.encode({name: value})[1:-1] for name, value in pairs if value]  # as they are written

    def wanted(raw: bytes) -> bool:
        if not all(text in raw for text in texts):
            return False  # without decoding it
        line = record.decode(raw)
        return (
            (tenant is None or line.tenant == tenant)
            and (instance is None or line.instance == instance)
            and (operation is None or line.op == operation)
        )

    return wanted


def page(
    journal: Journal,
    block_at: Callable[[int], Position | None],
    blocks: Iterator[int],
    wanted: Wanted | None,
    first: int,
    size: int,
    limit: int,
    newest_first: bool,
) -> list[bytes]:
    """Read block after block until the page is full. For a thread."""
    found: list[bytes] = []
    total = 0
    for block in blocks:
        place = block_at(block)
        if place is None:
            continue
        begin, stop = block * BLOCK, min(size, (block + 1) * BLOCK)
        if newest_first:
            stop = min(stop, first + 1)
        own = [
            raw
            for seq, raw in journal.lines(place, begin, stop)
            if (newest_first or seq >= first) and (wanted is None or wanted(raw))
        ]
        for raw in reversed(own) if newest_first else own:
            found.append(raw)
            total += len(raw)
            if len(found) >= limit or total >= PAGE_BYTES:
                return found
    return found
