"""Tokens behind a library of GM/T 0016: a vendor's, or our own `libmiyun_skf.so` (native/skf), which lies in `lib`."""

from miyun.hsm.skf.errors import LibraryUnusable, TokenError
from miyun.hsm.skf.library import OWN_LIBRARY, Library
from miyun.hsm.skf.token import Application, Container, PinInfo, Token, TokenInfo, connected, token_names

__all__ = (
    "OWN_LIBRARY",
    "Application",
    "Container",
    "Library",
    "LibraryUnusable",
    "PinInfo",
    "Token",
    "TokenError",
    "TokenInfo",
    "connected",
    "token_names",
)
