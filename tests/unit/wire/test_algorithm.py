import pytest
from tests.unit.wire.authority import ALGORITHMS, ECDSA, PSS, RSA, SM2, key

from miyun.gm.errors import InvalidSignature
from miyun.wire import der, oid, spki
from miyun.wire.algorithm import (
    DigestAlgorithm,
    SignatureAlgorithm,
    read_cms_signature_algorithm,
    read_signature_algorithm,
)
from miyun.wire.errors import DecodeError

SHA256, SHA384, SM3 = DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SM3


@pytest.mark.parametrize("algorithm", SignatureAlgorithm, ids=lambda a: a.name)
def test_identifier_names_its_algorithm(algorithm):
    assert read_signature_algorithm(der.Reader(algorithm.identifier)) is algorithm


def pss(hashed: bytes, masked: bytes, salt: int) -> bytes:
    parameters = der.sequence(
        der.explicit(0, hashed),
        der.explicit(1, der.sequence(der.oid(oid.MGF1), masked)),
        der.explicit(2, der.integer(salt)),
    )
    return der.sequence(der.oid(oid.RSA_PSS), parameters)


@pytest.mark.parametrize(
    "encoded",
    [
        pss(SHA256.identifier, SHA384.identifier, 32),
        pss(SHA256.identifier, SHA256.identifier, 20),
        pss(SM3.identifier, SM3.identifier, 32),
        der.sequence(der.oid(oid.RSA_PSS), der.sequence()),
        der.sequence(der.oid(oid.RSA_PSS)),
        der.sequence(der.oid("1.2.840.113549.1.1.5"), der.NULL),
        der.sequence(der.oid("1.2.840.113549.1.1.4"), der.NULL),
        der.sequence(der.oid(oid.SM2_WITH_SM3), der.oid(oid.SM2_CURVE)),
    ],
    ids=["two hashes", "short salt", "SM3", "defaults", "no parameters", "SHA-1", "MD5", "parameters"],
)
def test_algorithm_that_is_not_accepted(encoded):
    with pytest.raises(DecodeError):
        read_signature_algorithm(der.Reader(encoded))


@pytest.mark.parametrize(
    ("dotted", "parameters", "digest", "algorithm"),
    [
        (oid.SM2_SIGN, b"", SM3, SM2),
        (oid.SM2_CURVE, der.NULL, SM3, SM2),
        (oid.SM2_WITH_SM3, b"", SM3, SM2),
        (oid.RSA_ENCRYPTION, der.NULL, SHA256, RSA),
        (oid.RSA_SHA256, der.NULL, SHA256, RSA),
        (oid.EC_PUBLIC_KEY, b"", SHA256, ECDSA),
        (oid.EC_PUBLIC_KEY, b"", SHA384, SignatureAlgorithm.ECDSA_SHA384),
    ],
)
def test_spellings_of_a_signers_algorithm(dotted, parameters, digest, algorithm):
    reader = der.Reader(der.sequence(der.oid(dotted), parameters))
    assert read_cms_signature_algorithm(reader, digest) is algorithm


@pytest.mark.parametrize("owner", ALGORITHMS, ids=lambda a: f"key {a.name}")
@pytest.mark.parametrize("claimed", ALGORITHMS, ids=lambda a: f"claimed {a.name}")
def test_only_the_right_algorithm_verifies(owner, claimed):
    signature = key(owner).sign(b"message")
    if owner is claimed:
        spki.verify(key(owner).spki, claimed, b"message", signature)
    else:
        with pytest.raises(InvalidSignature):
            spki.verify(key(owner).spki, claimed, b"message", signature)


def test_sm2_identity_counts():
    with pytest.raises(InvalidSignature):
        spki.verify(key().spki, SM2, b"message", key().sign(b"message"), b"ALICE123@YAHOO.COM")


def test_pss_key_is_an_rsa_key():
    assert spki.parse_spki(key(PSS).spki).algorithm is spki.KeyAlgorithm.RSA


@pytest.mark.parametrize(
    ("modulus", "exponent"),
    [(1 << 511, 65537), ((1 << 2047) + 1, 1), ((1 << 2047) + 1, 65536), (-(1 << 2047), 65537)],
    ids=["512 bits", "exponent 1", "even exponent", "negative modulus"],
)
def test_unusable_rsa_key_is_refused(modulus, exponent):
    numbers = der.sequence(der.integer(modulus), der.integer(exponent))
    identifier = der.sequence(der.oid(oid.RSA_ENCRYPTION), der.NULL)
    with pytest.raises(DecodeError):
        spki.parse_spki(der.sequence(identifier, der.bit_string(numbers)))
