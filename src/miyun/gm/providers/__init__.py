"""The providers of GM algorithms, and which of them serves.

The best usable one is chosen at first use: ipp-mb, ipp, portable, then openssl. `MIYUN_GM_PROVIDER` forces one.
"""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache

from miyun.gm.errors import ProviderUnavailable

from .port import Provider

_LOG = logging.getLogger("miyun.gm")
_FORCED: ContextVar[Provider | None] = ContextVar("gm_provider", default=None)
_LOCK = threading.Lock()
NAMES = ("ipp-mb", "ipp", "openssl", "portable")
_PREFERENCE = ("ipp-mb", "ipp", "portable", "openssl")


@cache
def _usable() -> dict[str, Provider | ProviderUnavailable]:
    """Every provider by name: itself, or why it cannot serve on this machine."""
    from . import native, openssl

    found: dict[str, Provider | ProviderUnavailable] = {}
    for name in ("portable", "ipp", "ipp-mb"):
        try:
            found[name] = native.NativeProvider(name)
        except ProviderUnavailable as why:
            found[name] = why
    portable = found["portable"]
    try:
        found["openssl"] = openssl.OpenSslProvider(None if isinstance(portable, ProviderUnavailable) else portable)
    except ProviderUnavailable as why:
        found["openssl"] = why
    return found


def providers() -> list[Provider]:
    """All providers usable on this machine, best first."""
    with _LOCK:
        found = _usable()
    return [entry for name in _PREFERENCE if not isinstance(entry := found[name], ProviderUnavailable)]


def named(name: str) -> Provider:
    """The provider of that name; ProviderUnavailable when it is unknown or cannot serve here."""
    if name not in NAMES:
        raise ProviderUnavailable(f"no GM provider is called {name!r}; there are {', '.join(NAMES)}")
    with _LOCK:
        entry = _usable()[name]
    if isinstance(entry, ProviderUnavailable):
        raise ProviderUnavailable(f"GM provider {name} cannot be used here: {entry}")
    return entry


def provider() -> Provider:
    """The provider that serves: the one of an enclosing `using`, else the process's, which is chosen once."""
    return _FORCED.get() or _chosen()


@contextmanager
def using(wanted: Provider) -> Iterator[Provider]:
    """Let one provider serve inside the block, in this thread or task only. For self-tests and tests."""
    token = _FORCED.set(wanted)
    try:
        yield wanted
    finally:
        _FORCED.reset(token)


@cache
def _chosen() -> Provider:
    wanted = os.environ.get("MIYUN_GM_PROVIDER", "").strip()
    if wanted:
        return named(wanted)
    usable = providers()
    if not usable:
        with _LOCK:
            reasons = "; ".join(f"{name}: {why}" for name, why in _usable().items())
        raise ProviderUnavailable(f"no GM provider can be used on this machine ({reasons})")
    chosen = usable[0]
    if chosen.name == "openssl":
        _LOG.warning("GM algorithms run on %s: %s", chosen.name, "; ".join(chosen.notes))
    return chosen


__all__ = ["NAMES", "Provider", "named", "provider", "providers", "using"]
