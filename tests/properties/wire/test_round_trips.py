"""What is encoded decodes to the same, and only one encoding is accepted."""

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.wire.authority import SM2, key

from miyun.wire import crl, der, oid, pkcs10, tsp, x509
from miyun.wire.algorithm import DigestAlgorithm
from miyun.wire.name import SHORT, Name

moments = st.datetimes(datetime(1950, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))
seconds = moments.map(lambda moment: moment.replace(microsecond=0))
plain = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=64)
attributes = st.tuples(st.sampled_from(sorted(set(SHORT) - {"C", "E", "DC", "SERIALNUMBER"})), plain)
names = st.lists(attributes, max_size=6).map(lambda pairs: Name.of(("C", "CN"), *pairs))
serials = st.integers(1, (1 << 159) - 1)


@given(st.integers(-(1 << 300), 1 << 300))
def test_integer(value):
    encoded = der.integer(value)
    assert der.Reader(encoded).integer() == value
    assert encoded[2:] == value.to_bytes(len(encoded) - 2, "big", signed=True)


@given(st.integers(0, (1 << 60) - 1))
def test_named_bits(bits):
    assert der.Reader(der.named_bits(bits)).named_bits() == bits


@given(st.binary(max_size=70_000))
def test_octet_string(value):
    reader = der.Reader(der.octet_string(value))
    assert reader.octet_string() == value
    reader.end()


@given(seconds)
def test_time(moment):
    assert der.Reader(der.time(moment)).time() == moment


@given(moments)
def test_time_with_fraction(moment):
    assert der.Reader(der.generalized_time(moment, fraction=True)).time() == moment


@given(st.integers(0, 2), st.integers(0, 39), st.lists(st.integers(0, 1 << 64), max_size=5))
def test_identifier(first, second, arcs):
    dotted = ".".join(map(str, (first, second, *arcs)))
    assert oid.decode(oid.encode(dotted)[2:]) == dotted


@given(names)
def test_name(name):
    assert Name.decode(name.encode()) == name
    assert Name.parse(str(name)) == name
    assert name.matches(Name.decode(name.encode()))


@settings(max_examples=40)
@given(
    serials,
    names,
    names,
    st.tuples(seconds, seconds).map(sorted),
    st.sets(st.sampled_from(x509.KEY_USAGES), min_size=1),
)
def test_certificate(serial, issuer, subject, validity, usages):
    extensions = (x509.key_usage(*usages),)
    template = x509.TbsCertificate(serial, issuer, subject, *validity, key().spki, SM2, extensions)
    read = x509.parse_certificate(template.sign(lambda message: b"signature"))
    assert (read.serial, read.issuer, read.subject) == (serial, issuer, subject)
    assert (read.not_before, read.not_after) == tuple(validity)
    assert read.key_usage == usages
    assert read.tbs_der == template.encode()


@settings(max_examples=40)
@given(
    names,
    st.dictionaries(serials, st.tuples(seconds, st.sampled_from(crl.Reason)), max_size=20),
    st.integers(0, 1 << 64),
)
def test_list(issuer, revoked, number):
    entries = tuple(crl.RevokedEntry(serial, time, reason) for serial, (time, reason) in revoked.items())
    now = datetime(2026, 1, 1, tzinfo=UTC)
    head = crl.TbsCertificateList(issuer, now, now.replace(year=2027), entries, number, b"key", SM2)
    read = crl.parse_crl(head.sign(lambda message: b"signature"))
    assert dict(read.entries) == {entry.serial: entry for entry in entries}
    assert (read.crl_number, read.issuer) == (number, issuer)


@settings(max_examples=40)
@given(names, st.none() | plain)
def test_request(subject, password):
    info = pkcs10.CertificationRequestInfo(subject, key().spki, (), password)
    read = pkcs10.parse_csr(info.sign(SM2, lambda message: b"signature"))
    assert (read.subject, read.challenge_password) == (subject, password)


@given(
    st.integers(1, 1 << 160),
    moments,
    st.none() | st.integers(0, 1 << 255),
    st.none() | st.builds(tsp.Accuracy, *[st.none() | st.integers(1, 999)] * 3),
    st.booleans(),
    st.sampled_from(list(DigestAlgorithm)),
    st.none() | names,
)
def test_tst_info(serial, moment, nonce, accuracy, ordering, hashed, tsa):
    imprint = tsp.MessageImprint.of(hashed, b"\x07" * hashed.size)
    made = tsp.TstInfoTemplate("1.2.3", accuracy, tsa, ordering).encode(serial, moment, imprint, nonce)
    read = tsp.parse_tst_info(made)
    assert (read.serial, read.gen_time, read.nonce, read.ordering) == (serial, moment, nonce, ordering)
    assert (read.message_imprint, read.accuracy) == (imprint, accuracy)
    assert (read.tsa.value if read.tsa else None) == tsa
