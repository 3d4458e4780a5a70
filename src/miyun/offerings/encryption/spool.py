"""A file without a name that holds a stream until all of it has arrived.

Clients and proxies of HTTP/1.1 send a whole request before they read the answer: a service that answered while it still
reads would stand still as soon as the buffers between them are full. Only ciphertext is ever put here.
"""

from __future__ import annotations

import asyncio
import errno
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from miyun.core.errors import StorageFull

_IN_MEMORY: Final = 1024 * 1024
_READ: Final = 1024 * 1024


class Spool:
    """Gone when it is closed, or with the process. Raises StorageFull."""

    def __init__(self, folder: Path | None) -> None:
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=str(folder) if folder else None)  # noqa: SIM115 - closed by `close`

    async def fill(self, chunks: AsyncIterator[bytes]) -> None:
        async for chunk in chunks:
            try:
                await asyncio.to_thread(self._file.write, chunk)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise StorageFull from error
                raise

    async def chunks(self) -> AsyncIterator[bytes]:
        """What was put in, once; closes at the end."""
        try:
            await asyncio.to_thread(self._file.seek, 0)
            while chunk := await asyncio.to_thread(self._file.read, _READ):
                yield chunk
        finally:
            self.close()

    def close(self) -> None:
        self._file.close()
