"""Client packets of NTP: the worked arithmetic of RFC 5905 section 8, and every answer that tells no time."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miyun.wire import ntp

COOKIE = bytes(range(1, 9))
EPOCH = 2_208_988_800
SENT = 1_790_000_000.0


def answer(
    *,
    leap: int = 0,
    version: int = 4,
    mode: int = 4,
    stratum: int = 2,
    root_delay: float = 0.0,
    root_dispersion: float = 0.0,
    reference: bytes = bytes([127, 0, 0, 1]),
    origin: bytes = COOKIE,
    received: float = SENT,
    transmitted: float = SENT,
) -> bytes:
    def moment(unix: float) -> bytes:
        return (int((unix + EPOCH) * 2**32) % 2**64).to_bytes(8, "big") if unix else bytes(8)

    head = struct.pack("!BBbb", leap << 6 | version << 3 | mode, stratum, 6, -20)
    roots = struct.pack("!II", round(root_delay * 65536), round(root_dispersion * 65536))
    return head + roots + reference + moment(SENT) + origin + moment(received) + moment(transmitted)


def read(packet: bytes, elapsed: float = 0.5) -> ntp.Sample:
    return ntp.sample(packet, cookie=COOKIE, sent=SENT, elapsed=elapsed)


def test_a_request_tells_nothing_but_its_cookie() -> None:
    assert ntp.request(COOKIE) == b"\x23" + bytes(39) + COOKIE
    with pytest.raises(ValueError):
        ntp.request(b"short")


def test_offset_and_delay_are_those_of_the_standard() -> None:
    # T1 = 0, T2 = 10.125, T3 = 10.25, T4 = 0.5: theta = ((T2-T1)+(T3-T4))/2, delta = (T4-T1)-(T3-T2)
    found = read(answer(received=SENT + 10.125, transmitted=SENT + 10.25, root_delay=0.5, root_dispersion=0.25))
    assert found.offset == pytest.approx((10.125 + 9.75) / 2, abs=1e-6)
    assert found.delay == pytest.approx(0.375, abs=1e-6)
    assert found.distance == pytest.approx((0.375 + 0.5) / 2 + 0.25, abs=1e-4)


@given(
    offset=st.floats(-1e8, 1e8),
    there=st.floats(0, 1),
    back=st.floats(0, 1),
    sent=st.floats(2_085_978_000, 2_085_979_000),  # around 2036-02-07, when the era ends
)
def test_the_offset_is_right_within_half_the_delay_also_across_the_era(
    offset: float, there: float, back: float, sent: float
) -> None:
    arrived = sent + offset + there
    packet = answer(received=arrived, transmitted=arrived)
    found = ntp.sample(packet, cookie=COOKIE, sent=sent, elapsed=there + back + 1e-6)
    assert abs(found.offset - offset) <= found.delay / 2 + 1e-5


@pytest.mark.parametrize(
    ("packet", "fault", "kiss"),
    [
        (b"", "malformed", ""),
        (answer()[:47], "malformed", ""),
        (answer() + bytes(4), "malformed", ""),  # a crypto-NAK
        (answer(mode=3), "malformed", ""),
        (answer(mode=5), "malformed", ""),
        (answer(version=2), "malformed", ""),
        (answer(origin=bytes(8)), "foreign", ""),
        (answer(leap=3), "unsynchronised", ""),
        (answer(stratum=16), "unsynchronised", ""),
        (answer(stratum=0, reference=bytes(4)), "unsynchronised", ""),
        (answer(received=0), "unsynchronised", ""),
        (answer(transmitted=0), "unsynchronised", ""),
        (answer(leap=3, stratum=0, reference=b"RATE"), "kiss", "RATE"),
        (answer(stratum=0, reference=b"DENY"), "kiss", "DENY"),
        (answer(stratum=0, reference=b"DENY", origin=bytes(8)), "foreign", ""),  # a forged kiss silences nobody
        (answer(received=SENT + 1, transmitted=SENT), "malformed", ""),
        (answer(received=SENT, transmitted=SENT + 2), "malformed", ""),  # held longer than we waited
    ],
)
def test_answers_that_tell_no_time(packet: bytes, fault: str, kiss: str) -> None:
    with pytest.raises(ntp.NtpRefused) as refused:
        read(packet)
    assert (refused.value.fault, refused.value.kiss) == (fault, kiss)


@given(st.binary(max_size=64))
def test_nothing_else_is_raised(data: bytes) -> None:
    with contextlib.suppress(ntp.NtpRefused):
        read(data)
