"""Log lines of every process of the edge: one line a record, times in UTC, to standard error."""

from __future__ import annotations

import logging
import sys
import time


class OneLine(logging.Formatter):
    """Line breaks inside a message are escaped, so that nobody can forge a record; tracebacks keep theirs, indented."""

    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        trace = super().formatException(record.exc_info) if record.exc_info else ""
        stamp = self.formatTime(record, "%Y-%m-%dT%H:%M:%SZ")
        message = record.getMessage().replace("\r", "\\r").replace("\n", "\\n")
        line = f"{stamp} {record.levelname} {record.name}: {message}"
        return line + "".join(f"\n    {part}" for part in trace.splitlines())


def configure(level: int = logging.INFO) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # each request of the SDK's transport is no news
    logging.getLogger("httpx").setLevel(logging.WARNING)
