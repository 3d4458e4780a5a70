import pytest

from miyun.wire import der, oid
from miyun.wire.errors import DecodeError, EncodeError
from miyun.wire.name import Name


def test_text_is_most_specific_first():
    name = Name.of(("C", "CN"), ("ST", "北京"), ("O", "密云"), ("CN", "张三"))
    assert str(name) == "CN=张三,O=密云,ST=北京,C=CN"
    assert Name.parse(str(name)) == name


def test_special_characters_are_escaped():
    name = Name.of(("O", ' #a,b+c"d\\e<f>g;h=i '), ("CN", "x"))
    assert Name.parse(str(name)) == name


def test_hexadecimal_escapes_are_read():
    assert Name.parse("CN=\\E5\\BC\\A0").get("CN") == "张"


def test_multivalued_relative_name():
    name = Name.parse("CN=a+OU=b,C=CN")
    assert len(name.rdns) == 2
    assert Name.decode(name.encode()).matches(name)


def test_string_types():
    encoded = Name.of(("C", "CN"), ("E", "a@b.cn"), ("CN", "张三"), ("serialNumber", "12-A")).encode()
    assert bytes((der.PRINTABLE_STRING, 2)) + b"CN" in encoded
    assert bytes((der.IA5_STRING, 6)) + b"a@b.cn" in encoded
    assert bytes((der.UTF8_STRING, 6)) + "张三".encode() in encoded
    assert bytes((der.PRINTABLE_STRING, 4)) + b"12-A" in encoded


@pytest.mark.parametrize(
    ("key", "value"),
    [("C", "CHN"), ("C", "中国"), ("CN", ""), ("CN", "x" * 65), ("E", "张@b.cn"), ("XX", "y"), ("serialNumber", "号")],
)
def test_impossible_attribute_is_refused(key, value):
    with pytest.raises(EncodeError):
        Name.of((key, value))


def test_parsed_name_keeps_its_octets():
    teletex = der.sequence(der.set_of(der.sequence(der.oid(oid.COMMON_NAME), der.tlv(der.TELETEX_STRING, b"A  b"))))
    name = Name.decode(teletex)
    assert name.encode() == teletex
    assert name.matches(Name.of(("CN", "a B")))
    assert not name.matches(Name.of(("CN", "ab")))


@pytest.mark.parametrize("text", ["CN", "CN=a,", "XX=a", "CN=a\\", 'CN="a"', "CN=#0401", "CN=\\ff"])
def test_malformed_text_is_refused(text):
    with pytest.raises(DecodeError):
        Name.parse(text)
