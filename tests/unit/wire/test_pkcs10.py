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
