import pytest
from tests.unit.wire.authority import ALGORITHMS, SM2, key, name

from miyun.gm.errors import InvalidSignature
from miyun.wire import der, oid, pkcs10, spki, x509
from miyun.wire.errors import DecodeError, EncodeError


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda a: a.name)
def test_request_comes_back(algorithm):
    own = key(algorithm)
    info = pkcs10.CertificationRequestInfo(
        name("张三"), own.spki, (x509.subject_alt_name(dns=["a.example"]), x509.key_usage("digitalSignature")), "secret"
    )
    made = info.sign(algorithm, own.sign)
    found = pkcs10.parse_csr(made)
    found.verify()
    assert (found.subject, found.spki_der, found.challenge_password) == (name("张三"), own.spki, "secret")
    assert [item.oid for item in found.extensions] == [oid.SUBJECT_ALT_NAME, oid.KEY_USAGE]
    assert pkcs10.parse_csr(found.to_pem()).der == made
    assert "secret" not in repr(found)


def test_request_signed_by_another_key():
    info = pkcs10.CertificationRequestInfo(name("x"), key().spki)
    with pytest.raises(InvalidSignature):
        pkcs10.parse_csr(info.sign(SM2, key(number=1).sign)).verify()


def test_two_steps_give_what_one_gives():
    info = pkcs10.CertificationRequestInfo(name("x"), key(ALGORITHMS[2]).spki)
    signature = key(ALGORITHMS[2]).sign(info.encode())
    assert pkcs10.assemble(info.encode(), ALGORITHMS[2], signature) == info.sign(ALGORITHMS[2], key(ALGORITHMS[2]).sign)


def test_cfca_form_carries_the_temporary_key():
    temporary = spki.parse_spki(key(number=1).spki).point
    info = pkcs10.CertificationRequestInfo(name("x"), key().spki, (), "111111", temporary)
    found = pkcs10.parse_csr(info.sign(SM2, key().sign))
    found.verify()
    assert (found.temporary_point, found.challenge_password) == (temporary, "111111")


def cfca_request(*attributes: bytes) -> bytes:
    info = der.sequence(der.integer(0), name("x").encode(), key().spki, der.explicit(0, b"".join(attributes)))
    return pkcs10.assemble(info, SM2, key().sign(info))


def held(key_structure: bytes) -> bytes:
    return der.sequence(der.oid(oid.CFCA_TEMPORARY_PUBLIC_KEY), der.octet_string(key_structure))


SLOTS = bytes.fromhex("00b4000000010000") + b"x" * 32 + bytes(32) + b"y" * 32 + bytes(32)


@pytest.mark.parametrize(
    "structure", [SLOTS, der.sequence(der.integer(1), der.octet_string(SLOTS))], ids=["bare", "SADK"]
)
def test_temporary_key_is_found_in_either_structure(structure):
    found = pkcs10.parse_csr(cfca_request(held(structure)))
    assert found.temporary_point == b"\x04" + b"x" * 32 + b"y" * 32


def test_temporary_rsa_key_is_passed_over():
    rsa = der.sequence(der.integer(1), der.octet_string(der.sequence(der.integer(1 << 2047), der.integer(65537))))
    assert pkcs10.parse_csr(cfca_request(held(rsa))).temporary_point is None


@pytest.mark.parametrize("structure", [b"", SLOTS[:-1], SLOTS[:-1] + b"z", der.sequence(der.integer(1))])
def test_damaged_temporary_key_is_refused(structure):
    with pytest.raises(DecodeError):
        pkcs10.parse_csr(cfca_request(held(structure)))


def test_empty_password_and_extensions_beside_cfcas_attributes():
    password = der.sequence(der.oid(oid.CHALLENGE_PASSWORD), der.tlv(der.PRINTABLE_STRING, b""))
    names = x509.subject_alt_name(dns=["a.example"])
    wanted = der.sequence(der.oid(oid.EXTENSION_REQUEST), der.set_of(der.sequence(names.encode())))
    found = pkcs10.parse_csr(cfca_request(password, held(SLOTS), wanted))
    assert (found.challenge_password, found.extensions) == ("", (names,))


def test_cfca_form_needs_the_password():
    temporary = spki.parse_spki(key(number=1).spki).point
    with pytest.raises(EncodeError, match="challenge_password"):
        pkcs10.CertificationRequestInfo(name("x"), key().spki, (), None, temporary).encode()


def test_attribute_twice_is_refused():
    info = pkcs10.CertificationRequestInfo(name("x"), key().spki, (), "a").encode()
    reader = der.Reader(info).enter()
    parts = [reader.raw() for _ in range(3)]
    attribute = reader.read(0xA0)
    doubled = der.sequence(*parts, der.explicit(0, attribute * 2))
    with pytest.raises(DecodeError, match="twice"):
        pkcs10.parse_csr(pkcs10.assemble(doubled, SM2, key().sign(doubled)))
