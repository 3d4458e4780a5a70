"""Reading a Chinese service contract: what it says, where it says so, and where it contradicts itself.

`check(path)` is the one door; it needs no database and no running platform.
"""

from miyun.delivery.contract.checker import CheckResult, check, check_document, exit_code
from miyun.delivery.contract.document import UnreadableDocument
from miyun.delivery.contract.finding import Finding, Severity
from miyun.delivery.contract.model import Contract

__all__ = [
    "CheckResult",
    "Contract",
    "Finding",
    "Severity",
    "UnreadableDocument",
    "check",
    "check_document",
    "exit_code",
]
