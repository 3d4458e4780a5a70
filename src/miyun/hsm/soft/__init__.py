"""Our VSM: `python -m miyun.hsm.soft` is the process that alone holds keys, `SoftMachine` the port to it."""

from miyun.hsm.soft.client import SoftMachine

__all__ = ("SoftMachine",)
