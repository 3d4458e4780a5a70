"""What is kept of a person's session token, and what is sent with changes."""

from __future__ import annotations

from typing import Final

from miyun.core.digest import digest, mac

TOPIC_SESSION: Final = "core.session"
TOPIC_KEY_POLICY: Final = "core.key_policy"


def session_id(token: str) -> str:
    """What is stored of a session token."""
    return digest(token.encode()).hex()


def csrf_token(token: str) -> str:
    return mac(token.encode(), b"csrf").hex()
