from datetime import UTC, datetime, timedelta, timezone

import pytest

from miyun.wire import der, oid
from miyun.wire.ber import ber_to_der
from miyun.wire.errors import DecodeError, EncodeError


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (0, "020100"),
        (127, "02017f"),
        (128, "02020080"),
        (256, "02020100"),
        (-1, "0201ff"),
        (-128, "020180"),
        (-129, "0202ff7f"),
    ],
)
def test_integers_are_minimal_both_ways(value, encoded):
    assert der.integer(value).hex() == encoded
    assert der.Reader(bytes.fromhex(encoded)).integer() == value


@pytest.mark.parametrize(
    ("what", "encoded"),
    [
        ("padded positive integer", "0202007f"),
        ("padded negative integer", "0202ff80"),
        ("empty integer", "0200"),
        ("long form of a short length", "02810101"),
        ("length with a leading zero", "0282000101"),
        ("content cut off", "020201"),
        ("indefinite length", "02800000"),
        ("length of five octets", "0285010000000001"),
        ("high tag number", "1f8101"),
        ("other tag", "0401ff"),
        ("nothing", ""),
    ],
)
def test_integer_refuses(what, encoded):
    with pytest.raises(DecodeError):
        der.Reader(bytes.fromhex(encoded), field="x").integer()


def test_error_names_field_and_offset():
    inner = der.Reader(bytes.fromhex("30050201010500")).enter()
    inner.integer()
    with pytest.raises(DecodeError) as caught:
        inner.octet_string("hashedMessage")
    assert (caught.value.field, caught.value.offset) == ("hashedMessage", 5)


def test_left_over_octets_are_refused():
    reader = der.Reader(bytes.fromhex("0201010500"))
    reader.integer()
    with pytest.raises(DecodeError, match="2 octets too many"):
        reader.end()


def test_boolean_is_00_or_ff():
    assert der.Reader(der.TRUE).boolean() is True
    with pytest.raises(DecodeError):
        der.Reader(b"\x01\x01\x01").boolean()


def test_depth_is_limited():
    encoded = b""
    for _ in range(40):
        encoded = der.sequence(encoded)
    reader = der.Reader(encoded)
    with pytest.raises(DecodeError, match="deeply"):
        while True:
            reader = reader.enter()


def test_size_is_limited():
    with pytest.raises(DecodeError):
        der.Reader(bytes(100), max_size=99)


@pytest.mark.parametrize(
    ("bits", "encoded"),
    [(0, "030100"), (1, "03020780"), (0b1100000, "03020106"), (1 << 8, "0303070080"), (1 << 25, "03050600000040")],
)
def test_named_bits(bits, encoded):
    assert der.named_bits(bits).hex() == encoded
    assert der.Reader(bytes.fromhex(encoded)).named_bits() == bits


def test_set_of_is_sorted():
    assert der.set_of(b"\x02\x01\x02", b"\x02\x01\x01") == b"\x31\x06\x02\x01\x01\x02\x01\x02"


def test_time_changes_form_in_2050():
    assert der.time(datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)) == b"\x17\x0d491231235959Z"
    assert der.time(datetime(2050, 1, 1, tzinfo=UTC)) == b"\x18\x0f20500101000000Z"


def test_time_is_written_in_utc():
    shanghai = timezone(timedelta(hours=8))
    assert der.utc_time(datetime(2026, 1, 1, 7, 0, tzinfo=shanghai)) == b"\x17\x0d251231230000Z"


def test_time_without_zone_is_refused():
    with pytest.raises(EncodeError):
        der.time(datetime(2026, 1, 1))


def test_fraction_has_no_trailing_zeros():
    moment = datetime(2026, 1, 1, microsecond=120000, tzinfo=UTC)
    encoded = der.generalized_time(moment, fraction=True)
    assert encoded == b"\x18\x1220260101000000.12Z"
    assert der.Reader(encoded).time() == moment


@pytest.mark.parametrize(
    "text",
    [
        "20260101000000",
        "20260101000000.Z",
        "20260101000000.10Z",
        "20261301000000Z",
        "202601010000Z",
        "20260101000000+0800",
    ],
)
def test_malformed_generalized_time_is_refused(text):
    with pytest.raises(DecodeError):
        der.Reader(der.tlv(der.GENERALIZED_TIME, text.encode())).time()


def test_utc_time_turns_in_1950():
    assert der.Reader(b"\x17\x0d500101000000Z").time().year == 1950
    assert der.Reader(b"\x17\x0d491231000000Z").time().year == 2049


def test_oid_both_ways():
    assert oid.encode(oid.SM2_WITH_SM3).hex() == "06082a811ccf55018375"
    assert oid.decode(bytes.fromhex("2a811ccf55018375")) == oid.SM2_WITH_SM3
    assert oid.decode(oid.encode("2.999.1")[2:]) == "2.999.1"


@pytest.mark.parametrize("body", ["", "80", "2a80", "2a8001", "2a" + "ff" * 70 + "01"])
def test_malformed_oid_is_refused(body):
    with pytest.raises(DecodeError):
        oid.decode(bytes.fromhex(body))


@pytest.mark.parametrize("text", ["", "1", "1.", "3.1", "1.40", "1.2.x", "1.02", "1.-2", "1.2." + "9" * 50, "一.二"])
def test_malformed_dotted_oid_is_refused(text):
    with pytest.raises(EncodeError):
        oid.encode(text)


def test_indefinite_lengths_and_split_octet_strings_become_der():
    ber = bytes.fromhex("3080 2480 0402 6162 0401 63 0000 0281 0105 0000".replace(" ", ""))
    assert ber_to_der(ber) == der.sequence(der.octet_string(b"abc"), der.integer(5))


@pytest.mark.parametrize(
    "ber", ["3080", "30800000ff", "0480616200 00".replace(" ", ""), "2403020105", "3080" * 40 + "0000" * 40]
)
def test_malformed_ber_is_refused(ber):
    with pytest.raises(DecodeError):
        ber_to_der(bytes.fromhex(ber))


def test_der_is_left_as_it_is():
    encoded = der.sequence(der.integer(5), der.set_of(der.utf8("密云")))
    assert ber_to_der(encoded) == encoded


@pytest.mark.parametrize("encoded", ["03020101", "03020881", "030101", "0300", "030b00" + "ff" * 10])
def test_malformed_named_bits_are_refused(encoded):
    with pytest.raises(DecodeError):
        der.Reader(bytes.fromhex(encoded)).named_bits()
