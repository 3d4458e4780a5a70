"""What a cryptographic machine may answer instead of a result. Free of `core`, which maps these to its own tree."""

from __future__ import annotations


class MachineError(Exception):
    """Base of all. The texts are for operators' logs; no secret and no caller's data is ever in them."""


class MachineLocked(MachineError):
    """Not unlocked (or not provisioned) yet."""


class MachineFailed(MachineError):
    """A self-test failed: the machine serves nothing until it is restarted and passes."""


class MachineUnavailable(MachineError):
    """No answer: the process is down, restarting or overloaded. A key generation that ends so is lost."""


class UnknownKey(MachineError):
    """The wrapped key is not one that this machine can read."""


class WrongBinding(MachineError):
    """The wrapped key does not belong to the tenant, key, version, state and algorithm it is presented with."""


class InvalidRequest(MachineError):
    """`field` and `reason` say what is wrong with the request."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class DecryptionFailed(MachineError):
    """Opaque on purpose."""
