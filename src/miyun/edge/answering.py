"""A socket by which the supervisor sees that a process's event loop turns."""

from __future__ import annotations

import asyncio
from pathlib import Path


async def answering(path: Path) -> asyncio.Server:
    """Accepts and closes: only a loop that turns does the second."""
    path.unlink(missing_ok=True)

    async def close(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    return await asyncio.start_unix_server(close, path)
