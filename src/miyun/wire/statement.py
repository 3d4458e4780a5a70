"""What a platform asks a person's key to sign, line by line:

    what for · the platform's identity · the platform's address · …

So a signature that one platform was given is worth nothing at another, and whoever holds the key on the person's side
can refuse a text that another page than the platform's own has brought (the key agent does). Readable, since a key's
own display may show it."""

from __future__ import annotations

from typing import Final

SIGN_IN: Final = "MIYUN-CONSOLE-LOGIN-2"  # to the console and the command line
SIGN_ON: Final = "MIYUN-LOGIN-3"  # to an application, on the platform's page
CONFIRM: Final = "MIYUN-CONFIRM-2"  # of one dangerous request
_PLACED: Final = frozenset({SIGN_IN, SIGN_ON, CONFIRM})


def compose(head: str, identity: str, address: str, *lines: str) -> str:
    return "\n".join((head, identity, address, *lines))


def place_of(signed: bytes) -> str | None:
    """The address that a text belongs to; None for what is none of these texts."""
    head, _, rest = signed.partition(b"\n")
    if head.decode("ascii", "replace") not in _PLACED:
        return None
    lines = rest.split(b"\n", 2)
    return lines[1].decode("utf-8", "replace") if len(lines) > 1 else ""
