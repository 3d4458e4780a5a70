"""`miyun serve`: the supervisor of a node's processes."""

from miyun.edge.supervisor.child import BackOff, ChildSpec
from miyun.edge.supervisor.pidfile import AlreadyRunning, PidFile, holder
from miyun.edge.supervisor.supervisor import Supervisor, read_state

__all__ = ("AlreadyRunning", "BackOff", "ChildSpec", "PidFile", "Supervisor", "holder", "read_state")
