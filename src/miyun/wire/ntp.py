"""The Network Time Protocol as a client speaks it: version 4, mode 3 out, mode 4 in (RFC 5905 section 7.3).

The request tells nothing of its sender: all fields but the first octet are zero, and the transmit timestamp is a random
number that the answer must repeat (data minimization, as RFC 9109 and chrony do it). Timestamps are 64-bit fixed point
seconds; differences are taken modulo 2^64, so that the era's end in 2036 changes nothing.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, Literal

PACKET: Final = 48
COOKIE: Final = 8
_EPOCH: Final = 2_208_988_800  # 1970-01-01 in seconds since 1900-01-01
_FRACTION: Final = 1 << 32
_REQUEST: Final = bytes([0 << 6 | 4 << 3 | 3]) + bytes(PACKET - COOKIE - 1)
_FIELDS: Final = struct.Struct("!BBbbII4sQ8sQQ")
_ALARM, _UNSYNCHRONISED = 3, 16

Fault = Literal["malformed", "foreign", "unsynchronised", "kiss"]


class NtpRefused(Exception):
    """An answer that tells no time. `kiss` holds the code of a kiss-o'-death ("RATE", "DENY" …)."""

    def __init__(self, fault: Fault, kiss: str = "") -> None:
        super().__init__(f"{fault} {kiss}".strip())
        self.fault = fault
        self.kiss = kiss


@dataclass(frozen=True, slots=True)
class Sample:
    """One exchange, in seconds. `offset`: how far the server is ahead; `distance`: by how much that may be wrong, from
    the way there and back and what the server says of its own way to the reference clock (RFC 5905 section 10)."""

    offset: float
    delay: float
    distance: float
    stratum: int


def request(cookie: bytes) -> bytes:
    """`cookie`: 8 random octets that only the server and we know."""
    if len(cookie) != COOKIE:
        raise ValueError("a cookie has 8 octets")
    return _REQUEST + cookie


def sample(answer: bytes, *, cookie: bytes, sent: float, elapsed: float) -> Sample:
    """Read an answer. `sent`: Unix time of the request; `elapsed`: seconds until the answer came. Raises NtpRefused.

    Nothing but the 48 octets of the header is accepted: no authentication was asked for, so that a trailer can only be
    a crypto-NAK or another program's protocol.
    """
    if len(answer) != PACKET:
        raise NtpRefused("malformed")
    flags, stratum, _, _, root_delay, root_dispersion, reference, _, origin, received, transmitted = _FIELDS.unpack(
        answer
    )
    if flags & 7 != 4 or not 3 <= flags >> 3 & 7 <= 4:
        raise NtpRefused("malformed")
    if origin != cookie:
        raise NtpRefused("foreign")
    if stratum == 0 and reference.isalnum() and reference.isascii():
        raise NtpRefused("kiss", reference.decode("ascii"))
    if flags >> 6 == _ALARM or not 0 < stratum < _UNSYNCHRONISED or not received or not transmitted:
        raise NtpRefused("unsynchronised")
    # RFC 5905 section 8: T1 sent, T2 received, T3 transmitted, T4 = T1 + elapsed
    left = _timestamp(sent)
    there, back = _seconds(received - left), _seconds(transmitted - left) - elapsed
    held = _seconds(transmitted - received)
    delay = elapsed - held
    if held < 0 or delay < 0:
        raise NtpRefused("malformed")
    distance = (delay + root_delay / 65536) / 2 + root_dispersion / 65536
    return Sample(offset=(there + back) / 2, delay=delay, distance=distance, stratum=stratum)


def _timestamp(unix: float) -> int:
    return int((unix + _EPOCH) * _FRACTION)


def _seconds(difference: int) -> float:
    """A difference of timestamps as the nearest of its two readings, up to 68 years each way."""
    signed = (difference + (1 << 63)) % (1 << 64) - (1 << 63)
    return signed / _FRACTION
