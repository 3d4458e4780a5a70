"""Pages of records through the index."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import islice

from miyun.core.ledger import record
from miyun.core.ledger.journal import Journal, Position
from miyun.core.ledger.sidecar import BLOCK

PAGE_BYTES = 1 << 20
Wanted = Callable[[bytes], bool]


def matching(tenant: str | None, instance: str | None, operation: str | None) -> Wanted | None:
    """A test of raw records, or None when every record is wanted."""
    if tenant is None and instance is None and operation is None:
        return None

    def wanted(raw: bytes) -> bool:
        line = record.decode(raw)
        return (
            (tenant is None or line.tenant == tenant)
            and (instance is None or line.instance == instance)
            and (operation is None or line.op == operation)
        )

    return wanted


async def page(
    journal: Journal,
    block_at: Callable[[int], Position | None],
    blocks: Iterator[int],
    wanted: Wanted | None,
    first: int,
    size: int,
    limit: int,
    newest_first: bool,
) -> list[bytes]:
    """Read block after block until the page is full. The files are read in a thread, the index in the loop."""
    found: list[bytes] = []
    total = 0
    while some := list(islice(blocks, 8)):
        places = [(block, place) for block in some if (place := block_at(block)) is not None]

        def read(places: list[tuple[int, Position]] = places, left: int = limit - len(found)) -> list[bytes]:
            matches: list[bytes] = []
            for block, place in places:
                begin, stop = block * BLOCK, min(size, (block + 1) * BLOCK)
                if newest_first:
                    stop = min(stop, first + 1)
                own = [
                    raw
                    for seq, raw in journal.lines(place, begin, stop)
                    if (newest_first or seq >= first) and (wanted is None or wanted(raw))
                ]
                matches += reversed(own) if newest_first else own
                if len(matches) >= left:
                    break
            return matches

        for raw in await asyncio.to_thread(read):
            found.append(raw)
            total += len(raw)
            if len(found) >= limit or total >= PAGE_BYTES:
                return found
    return found
