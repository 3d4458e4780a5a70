"""Entries of revocation lists, packed: every form is read as the general reader reads it, large lists are searched."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.wire.authority import NOW, key, make

from miyun.wire import der, oid, x509
from miyun.wire.errors import DecodeError
from miyun.wire.revoked import PackedEntries, Reason, RevokedEntry, read_entries
from miyun.wire.x509.distribution import IssuingDistributionPoint, read_issuing_distribution_point

MOMENTS = st.datetimes(datetime(1950, 1, 1), datetime(2200, 1, 1)).map(lambda t: t.replace(microsecond=0, tzinfo=UTC))
ENTRIES = st.builds(RevokedEntry, st.integers(0, (1 << 167) - 1), MOMENTS, st.sampled_from(sorted(Reason)))


def read(encoded: bytes) -> PackedEntries:
    return read_entries(der.Reader(encoded))


@given(st.lists(ENTRIES, unique_by=lambda entry: entry.serial))
def test_what_was_written_is_found(entries: list[RevokedEntry]) -> None:
    found = read(b"".join(entry.encode() for entry in entries))
    assert len(found) == len(entries)
    assert list(found) == sorted(entry.serial for entry in entries)
    for entry in entries:
        assert found[entry.serial] == entry
        assert entry.serial + 1 in {e.serial for e in entries} or found.get(entry.serial + 1) is None


@given(st.lists(ENTRIES, min_size=1, unique_by=lambda entry: entry.serial), st.integers(1, 5))
def test_pages_hold_everything_under_their_first_number(entries: list[RevokedEntry], size: int) -> None:
    pages = list(read(b"".join(entry.encode() for entry in entries)).pages(size))
    assert [first for first, _ in pages] == sorted(first for first, _ in pages)
    whole = {serial: page[serial] for _, records in pages for page in [PackedEntries(records)] for serial in page}
    assert whole == {entry.serial: entry for entry in entries}


def entry(serial: bytes, moment: bytes = der.time(NOW), *extensions: bytes) -> bytes:
    return der.sequence(serial, moment, der.sequence(*extensions) if extensions else b"")


INVALIDITY = der.sequence(der.oid(oid.INVALIDITY_DATE), der.octet_string(der.generalized_time(NOW)))


def test_the_rarer_forms_are_read_too() -> None:
    reason = der.sequence(der.oid(oid.CRL_REASON), der.octet_string(der.integer(1, der.ENUMERATED)))
    found = read(
        entry(der.integer(7), der.time(NOW), INVALIDITY, reason) + entry(der.integer(8), der.generalized_time(NOW))
    )
    assert found[7] == RevokedEntry(7, NOW, Reason.KEY_COMPROMISE)
    assert found[8] == RevokedEntry(8, NOW)


def test_numbers_that_no_certificate_has_are_left_out() -> None:
    assert list(read(entry(der.integer(-5)) + entry(der.integer(1 << 170)) + entry(der.integer(9)))) == [9]
    assert read(b"").get(-1) is None


@pytest.mark.parametrize(
    "wrong",
    [
        entry(b"\x02\x02\x00\x05"),  # a padded number
        entry(der.integer(5), b"\x17\x0d261301000000Z"),  # a thirteenth month
        entry(der.integer(5), b"\x17\x0d261101250000Z"),  # a 25th hour
        entry(der.integer(5), der.time(NOW), der.sequence(der.oid(oid.CRL_REASON), der.octet_string(b"\x0a\x01\x07"))),
        entry(der.integer(5), der.time(NOW), der.sequence(der.oid("1.2.3"), der.TRUE, der.octet_string(b""))),
        entry(der.integer(5))[:-1],
        entry(der.integer(5)) + b"\x00\x00",
        b"\x31" + entry(der.integer(5))[1:],
    ],
)
def test_what_is_not_an_entry_is_refused(wrong: bytes) -> None:
    with pytest.raises(DecodeError):
        read(wrong)


# of which certificates a list speaks


@pytest.mark.parametrize(
    "point",
    [
        IssuingDistributionPoint(),
        IssuingDistributionPoint(("http://a.example/1.crl", "ldap://a"), user_only=True),
        IssuingDistributionPoint(ca_only=True),
        IssuingDistributionPoint(attribute_only=True),
    ],
)
def test_a_distribution_point_comes_back(point: IssuingDistributionPoint) -> None:
    assert point.encode().critical
    assert read_issuing_distribution_point(point.encode().value) == point


def test_a_partitioned_list_covers_the_certificates_that_name_it() -> None:
    mine = make("甲", x509.crl_distribution_points(["http://a.example/1.crl"]), key=key()).certificate
    authority = make("乙", x509.basic_constraints(True), key=key()).certificate
    assert IssuingDistributionPoint(("http://a.example/1.crl",)).covers(mine)
    assert not IssuingDistributionPoint(("http://a.example/2.crl",)).covers(mine)
    assert IssuingDistributionPoint(user_only=True).covers(mine)
    assert not IssuingDistributionPoint(user_only=True).covers(authority)
    assert not IssuingDistributionPoint(ca_only=True).covers(mine)
    assert not IssuingDistributionPoint(indirect=True).covers(mine)
    assert not IssuingDistributionPoint(some_reasons=True).covers(mine)


def test_a_point_without_an_address_covers_nothing() -> None:
    relative = der.sequence(der.explicit(0, der.explicit(1, b"")))
    assert not read_issuing_distribution_point(relative).covers(make("甲", key=key()).certificate)


def test_a_large_list_is_packed_small() -> None:
    later = NOW + timedelta(days=1)
    found = read(b"".join(RevokedEntry(n * 7 + 1, later, Reason.SUPERSEDED).encode() for n in range(20_000)))
    assert len(found.packed) == 20_000 * 27
    assert found[7 * 777 + 1] == RevokedEntry(7 * 777 + 1, later, Reason.SUPERSEDED)
    assert 7 * 777 + 2 not in found
