"""A finding: one inconsistency or omission of the text, at the clause that carries it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from miyun.core.i18n import Text

UNREAD = "contract_unread"
"""The kind of the finding that nothing of a contract was found."""


class Severity(StrEnum):
    ERROR = "error"
    """The text contradicts itself, or states what cannot be."""
    WARNING = "warning"
    """Two readings are possible, or something is missing that performance will need."""
    INFO = "info"
    """Worth knowing: an implication never stated, a slip of the pen."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`values` hold decimal strings (two decimals for money), ISO dates and words taken from the text.

    `clause` is written in the contract's own notation, e.g. "(四)2(3)" or "附件一-5".
    """

    clause: str
    kind: str
    severity: Severity
    message: Text
    values: Mapping[str, str] = field(default_factory=dict)
    quote: str = ""
