"""The origin of an address, as browsers send it (RFC 6454, 6.2)."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

_DEFAULT: Final = {"https": 443, "http": 80}


def origin_of(url: str) -> str:
    """scheme://host[:port], of http and https only. Raises ValueError."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme not in _DEFAULT or not host:
        raise ValueError(url)
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" + ("" if parts.port in (None, _DEFAULT[parts.scheme]) else f":{parts.port}")
