"""Entries of a revocation list in 27 octets each, sorted: a list of a million takes 27 MB and is searched in place."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Final

from miyun.wire import der, oid
from miyun.wire.errors import DecodeError
from miyun.wire.x509 import extension

SERIAL: Final = 21
"""Octets of a serial number: no certificate that is read here has a longer one."""
SIZE: Final = SERIAL + 6
_ZERO: Final = datetime(1, 1, 1, tzinfo=UTC)
_LIMIT: Final = 1 << 8 * SERIAL


class Reason(IntEnum):
    """CRLReason (RFC 5280 5.3.1)."""

    UNSPECIFIED = 0
    KEY_COMPROMISE = 1
    CA_COMPROMISE = 2
    AFFILIATION_CHANGED = 3
    SUPERSEDED = 4
    CESSATION_OF_OPERATION = 5
    CERTIFICATE_HOLD = 6
    REMOVE_FROM_CRL = 8
    PRIVILEGE_WITHDRAWN = 9
    AA_COMPROMISE = 10


@dataclass(frozen=True, slots=True)
class RevokedEntry:
    serial: int
    time: datetime
    reason: Reason = Reason.UNSPECIFIED

    def encode(self) -> bytes:
        """Unspecified is left out, as RFC 5280 5.3.1 asks."""
        extensions = b""
        if self.reason is not Reason.UNSPECIFIED:
            extensions = der.sequence(extension.crl_reason(self.reason).encode())
        return der.sequence(der.integer(self.serial), der.time(self.time), extensions)


@dataclass(frozen=True, slots=True)
class PackedEntries(Mapping[int, RevokedEntry]):
    """Records of serial number, seconds and reason, in the order of the serial numbers."""

    packed: bytes

    def __getitem__(self, serial: int) -> RevokedEntry:
        if not 0 <= serial < _LIMIT:
            raise KeyError(serial)
        wanted = serial.to_bytes(SERIAL, "big")
        place = bisect_left(_Serials(self.packed), wanted)
        record = self.packed[place * SIZE : (place + 1) * SIZE]
        if record[:SERIAL] != wanted:
            raise KeyError(serial)
        return _unpacked(record)

    def __iter__(self) -> Iterator[int]:
        for at in range(0, len(self.packed), SIZE):
            yield int.from_bytes(self.packed[at : at + SERIAL], "big")

    def __len__(self) -> int:
        return len(self.packed) // SIZE

    def pages(self, count: int) -> Iterator[tuple[bytes, bytes]]:
        """(first serial number, records) of `count` entries at a time, for who keeps them apart."""
        for at in range(0, len(self.packed), count * SIZE):
            yield self.packed[at : at + SERIAL], self.packed[at : at + count * SIZE]


class _Serials:
    """The serial numbers as a sequence, for `bisect`."""

    __slots__ = ("_packed",)

    def __init__(self, packed: bytes) -> None:
        self._packed = packed

    def __len__(self) -> int:
        return len(self._packed) // SIZE

    def __getitem__(self, place: int) -> bytes:
        return self._packed[place * SIZE : place * SIZE + SERIAL]


def _unpacked(record: bytes) -> RevokedEntry:
    seconds = int.from_bytes(record[SERIAL : SERIAL + 5], "big")
    return RevokedEntry(
        int.from_bytes(record[:SERIAL], "big"), _ZERO + timedelta(seconds=seconds), Reason(record[SERIAL + 5])
    )


_REASON: Final = bytes.fromhex("300c300a0603551d1504030a01")
"""crlEntryExtensions with nothing but a reasonCode, up to its value."""
_REASONS: Final = frozenset(map(int, Reason))


def read_entries(reader: der.Reader) -> PackedEntries:
    """All of `revokedCertificates`. Numbers that no certificate can have are left out. Raises DecodeError."""
    data = reader.rest()
    records: list[bytes] = []
    seconds_of = _Clock()
    at, end = 0, len(data)
    while at < end:
        record, stop = _usual(data, at, end, seconds_of)
        if record is None:
            _, _, stop = der.read_header(data, at, end, "revokedCertificate")
            record = _unusual(data[at:stop])
        if record:
            records.append(record)
        at = stop
    records.sort()
    return PackedEntries(b"".join(records))


def _usual(data: bytes, at: int, end: int, seconds_of: Callable[[bytes], bytes | None]) -> tuple[bytes | None, int]:
    """The record of an entry of the form that nearly all have, and where it ends; None for any other form."""
    if at + 20 > end or data[at] != 0x30 or data[at + 2] != 0x02:
        return None, at
    stop, size = at + 2 + data[at + 1], data[at + 3]
    moment = at + 4 + size
    first = data[at + 4]
    if data[at + 1] > 0x7F or stop > end or not 0 < size <= SERIAL or first > 0x7F or moment + 15 > stop:
        return None, at
    if first == 0 and size > 1 and data[at + 5] < 0x80:
        return None, at
    if moment + 15 == stop:
        reason = 0
    elif moment + 29 == stop and data[moment + 15 : stop - 1] == _REASON and data[stop - 1] in _REASONS:
        reason = data[stop - 1]
    else:
        return None, at
    seconds = seconds_of(data[moment : moment + 15])
    if seconds is None:
        return None, at
    return data[at + 4 : moment].rjust(SERIAL, b"\0") + seconds + bytes((reason,)), stop


class _Clock:
    """Seconds of a UTCTime element as records hold them; what is not one in its whole form is None."""

    def __init__(self) -> None:
        self._days: dict[bytes, int] = {}

    def __call__(self, element: bytes) -> bytes | None:
        digits = element[2:14]
        if element[:2] != b"\x17\x0d" or element[14] != 0x5A or not digits.isdigit():
            return None
        date, hour, minute, second = digits[:6], int(digits[6:8]), int(digits[8:10]), int(digits[10:12])
        day = self._days.get(date)
        if day is None:
            try:
                moment = der.decode_time(der.UTC_TIME, date + b"000000Z")
            except DecodeError:
                return None
            day = self._days[date] = int((moment - _ZERO).total_seconds())
        if hour > 23 or minute > 59 or second > 59:
            return None
        return (day + hour * 3600 + minute * 60 + second).to_bytes(5, "big")


def _unusual(encoded: bytes) -> bytes:
    """The record of any entry, empty for a number that no certificate can have. Raises DecodeError."""
    inner = der.Reader(encoded, field="revokedCertificate").enter()
    serial = inner.integer("userCertificate")
    moment = inner.time("revocationDate")
    reason = Reason.UNSPECIFIED
    if inner.more:
        for item in extension.read_extensions(inner):
            if item.oid == oid.CRL_REASON:
                value = der.Reader(item.value, field="reasonCode")
                code = value.integer(tag=der.ENUMERATED)
                value.end()
                if code not in _REASONS:
                    raise inner.fail(f"no such reason {code}", "reasonCode")
                reason = Reason(code)
            elif item.critical and item.oid != oid.INVALIDITY_DATE:
                # An indirect list's certificateIssuer changes whose serial this is: not supported, so not guessed.
                raise inner.fail(f"unknown critical entry extension {item.oid}", "crlEntryExtensions")
    inner.end()
    if not 0 <= serial < _LIMIT:
        return b""
    seconds = int((moment - _ZERO).total_seconds())
    return serial.to_bytes(SERIAL, "big") + seconds.to_bytes(5, "big") + bytes((reason,))
