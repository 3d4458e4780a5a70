"""Status codes of timestamping: PKIStatus and PKIFailureInfo (RFC 3161 2.4.2), error numbers of GM/T 0033."""

from __future__ import annotations

from enum import IntEnum


class PKIStatus(IntEnum):
    GRANTED = 0
    GRANTED_WITH_MODS = 1
    REJECTION = 2
    WAITING = 3
    REVOCATION_WARNING = 4
    REVOCATION_NOTIFICATION = 5


class FailureInfo(IntEnum):
    """Bit numbers of PKIFailureInfo."""

    BAD_ALG = 0
    BAD_REQUEST = 2
    BAD_DATA_FORMAT = 5
    TIME_NOT_AVAILABLE = 14
    UNACCEPTED_POLICY = 15
    UNACCEPTED_EXTENSION = 16
    ADD_INFO_NOT_AVAILABLE = 17
    SYSTEM_FAILURE = 25


class StfError(IntEnum):
    """Return values of GM/T 0033 (interface STF_). GM/T 0029 gives other meanings to the same numbers."""

    INDATA_TOOLONG = 0x04000001
    NOT_ENOUGH_MEMORY = 0x04000002
    SERVER_ERROR = 0x04000003
    MALFORMAT = 0x04000004
    INVALID_ITEM = 0x04000005
    INVALID_SIGNATURE = 0x04000006
    INVALID_ALG = 0x04000007
    INVALID_REQUEST = 0x04000008
    INVALID_DATAFORMAT = 0x04000009
    TIME_NOT_AVAILABLE = 0x0400000A
    UNACCEPTED_POLICY = 0x0400000B
    UNACCEPTED_EXTENSION = 0x0400000C
    ADDINFO_NOT_AVAILABLE = 0x0400000D
    SYSTEM_FAILURE = 0x0400000E
    NOT_SUPPORT = 0x040000FF

    @classmethod
    def of(cls, failure: FailureInfo) -> StfError:
        """The number that a client of GM/T 0033 expects for a PKIFailureInfo."""
        return _STF[failure]


_STF = {
    FailureInfo.BAD_ALG: StfError.INVALID_ALG,
    FailureInfo.BAD_REQUEST: StfError.INVALID_REQUEST,
    FailureInfo.BAD_DATA_FORMAT: StfError.INVALID_DATAFORMAT,
    FailureInfo.TIME_NOT_AVAILABLE: StfError.TIME_NOT_AVAILABLE,
    FailureInfo.UNACCEPTED_POLICY: StfError.UNACCEPTED_POLICY,
    FailureInfo.UNACCEPTED_EXTENSION: StfError.UNACCEPTED_EXTENSION,
    FailureInfo.ADD_INFO_NOT_AVAILABLE: StfError.ADDINFO_NOT_AVAILABLE,
    FailureInfo.SYSTEM_FAILURE: StfError.SYSTEM_FAILURE,
}
