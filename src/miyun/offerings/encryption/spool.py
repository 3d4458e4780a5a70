"""A file without a name that holds a stream until all of it has arrived.

Clients and proxies of HTTP/1.1 send a whole request before they read the answer: a service that answered while it still
reads would stand still as soon as the buffers between them are full. Only ciphertext is ever put here.
"""

from __future__ import annotations

import asyncio
import errno
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from miyun.core.errors import StorageFull

_IN_MEMORY: Final = 1024 * 1024
_READ: Final = 1024 * 1024
_CHECK_EVERY: Final = 16 * 1024 * 1024
RESERVE: Final = 512 * 1024 * 1024
"""Octets of the disk that streams leave free: the ledger may lie on the same one, and stops the platform without."""


class Spool:
    """Gone when it is closed, or with the process. Raises StorageFull."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder or Path(tempfile.gettempdir())
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=str(folder) if folder else None)  # noqa: SIM115 - closed by `close`

    async def fill(self, chunks: AsyncIterator[bytes]) -> None:
        unchecked = _CHECK_EVERY - _IN_MEMORY
        async for chunk in chunks:
            unchecked += len(chunk)
            if unchecked >= _CHECK_EVERY:
                unchecked = 0
                if shutil.disk_usage(self._folder).free < RESERVE:
                    raise StorageFull
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
