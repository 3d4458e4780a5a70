from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.unit.wire.authority import ALGORITHMS, NOW, RSA, SM2, key, make, name, pki

from miyun.gm import sm3
from miyun.gm.errors import InvalidSignature
from miyun.wire import der, oid, pem, spki, x509
from miyun.wire.errors import DecodeError, EncodeError
from miyun.wire.name import Name


def tbs(**changes) -> x509.TbsCertificate:
    base = x509.TbsCertificate(
        serial=1,
        issuer=name("a"),
        subject=name("b"),
        not_before=NOW,
        not_after=NOW + timedelta(days=1),
        spki=key().spki,
        signature_algorithm=SM2,
    )
    return replace(base, **changes)


def test_all_that_goes_in_comes_out():
    extensions = (
        x509.basic_constraints(True, 2),
        x509.key_usage("keyCertSign", "cRLSign"),
        x509.ext_key_usage(oid.KP_SERVER_AUTH, oid.KP_CLIENT_AUTH),
        x509.subject_alt_name(dns=["a.example"], ip=["10.0.0.1", "::1"], email=["a@b.cn"], directory=[name("x")]),
        x509.crl_distribution_points(["http://a.example/crl"]),
        x509.authority_info_access(ocsp=["http://a.example/ocsp"], ca_issuers=["http://a.example/ca"]),
        x509.certificate_policies(["1.2.3", "1.2.4"]),
        x509.name_constraints(permitted_dns=["example"], excluded_ip=["10.0.0.0/8"]),
    )
    made = make("根", *extensions, key=key(), serial=(1 << 158) + 5).certificate
    assert made.serial == (1 << 158) + 5
    assert made.version == 3
    assert made.subject == name("根")
    assert (made.not_before, made.not_after) == (NOW - timedelta(days=30), NOW + timedelta(days=300))
    assert made.public_key.algorithm is spki.KeyAlgorithm.SM2
    assert made.basic_constraints == x509.BasicConstraints(True, 2)
    assert made.key_usage == {"keyCertSign", "cRLSign"}
    assert made.ext_key_usage == (oid.KP_SERVER_AUTH, oid.KP_CLIENT_AUTH)
    names = {item.kind: item.value for item in made.subject_alt_names}
    assert names == {"dns": "a.example", "ip": "::1", "email": "a@b.cn", "directory": name("x")}
    assert made.crl_urls == ("http://a.example/crl",)
    assert made.authority_info_access == (
        (oid.AIA_OCSP, "http://a.example/ocsp"),
        (oid.AIA_CA_ISSUERS, "http://a.example/ca"),
    )
    assert made.policies == ("1.2.3", "1.2.4")
    assert made.name_constraints.permitted[0].value == "example"
    assert made.name_constraints.excluded[0].value == "10.0.0.0/8"
    assert made.subject_key_identifier == key().identifier == made.authority_key_identifier
    assert made.fingerprint == sm3.digest(made.der)


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda a: a.name)
def test_signature_is_the_issuers(algorithm):
    chain = pki(algorithm)
    chain.leaf.certificate.verify_signed_by(chain.issuing.certificate)
    with pytest.raises(InvalidSignature):
        chain.leaf.certificate.verify_signed_by(chain.root.certificate)


def test_key_of_another_kind_does_not_verify():
    with pytest.raises(InvalidSignature):
        pki(SM2).leaf.certificate.verify_signed_by(pki(RSA).issuing.certificate)


@pytest.mark.parametrize(
    "wrong",
    [
        {"serial": 0},
        {"serial": -1},
        {"serial": 1 << 160},
        {"not_after": NOW - timedelta(days=1)},
        {"not_before": datetime(2026, 1, 1), "not_after": datetime(2026, 1, 2)},
        {"extensions": (x509.basic_constraints(False), x509.basic_constraints(True))},
    ],
    ids=["zero serial", "negative serial", "long serial", "ends before it begins", "no zone", "extension twice"],
)
def test_certificate_that_must_not_be_made(wrong):
    with pytest.raises(EncodeError):
        tbs(**wrong).encode()


def test_two_steps_give_what_one_gives():
    template = tbs(signature_algorithm=RSA)
    message = template.encode()
    signature = key(RSA).sign(message)
    assert x509.assemble(message, RSA, signature) == template.sign(key(RSA).sign)


def test_inner_and_outer_algorithm_must_agree():
    message = tbs().encode()
    with pytest.raises(DecodeError, match="differs"):
        x509.parse_certificate(x509.assemble(message, RSA, key(RSA).sign(message)))


def test_negative_serial_is_refused():
    message = tbs().encode().replace(der.integer(1), der.integer(-1), 1)
    with pytest.raises(DecodeError, match="serialNumber"):
        x509.parse_certificate(x509.assemble(message, SM2, key().sign(message)))


def test_trailing_octets_are_refused():
    with pytest.raises(DecodeError):
        x509.parse_certificate(pki().leaf.certificate.der + b"\0")


def test_pem_bundle():
    chain = [pki().leaf.certificate, pki().issuing.certificate]
    text = "before\r\n" + x509.certificates_pem(chain).replace("\n", "\r\n") + "after"
    assert x509.load_certificates(text) == chain
    assert x509.load_certificates(chain[0].der) == chain[:1]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-----BEGIN CERTIFICATE-----\nMII",
        "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----",
        "-----BEGIN X509 CRL-----\nMIIA\n-----END X509 CRL-----",
    ],
    ids=["empty", "no end", "no base64", "other label"],
)
def test_damaged_pem_is_refused(text):
    with pytest.raises(DecodeError):
        pem.decode(text, pem.CERTIFICATE)


def test_name_of_an_unknown_extension_is_kept():
    own = x509.Extension("1.2.156.10260.4.1.1", False, der.utf8("110101"))
    assert make("a", own, key=key()).certificate.extension(own.oid) == own


def test_compressed_point_is_refused():
    point = spki.parse_spki(key().spki).point
    identifier = der.sequence(der.oid(oid.EC_PUBLIC_KEY), der.oid(oid.SM2_CURVE))
    with pytest.raises(DecodeError, match="uncompressed"):
        spki.parse_spki(der.sequence(identifier, der.bit_string(b"\x02" + point[1:33])))


def test_point_off_the_curve_is_named():
    bad = spki.sm2_spki(b"\x04" + bytes(63) + b"\x01")
    with pytest.raises(DecodeError, match="subjectPublicKey"):
        spki.verify(bad, SM2, b"m", key().sign(b"m"))


def test_certificate_of_1960_and_2060():
    made = make(
        "old", key=key(), not_before=datetime(1960, 1, 1, tzinfo=UTC), not_after=datetime(2060, 1, 1, tzinfo=UTC)
    )
    assert (made.certificate.not_before.year, made.certificate.not_after.year) == (1960, 2060)


def test_empty_subject_is_read():
    template = tbs(subject=Name(()), extensions=(x509.subject_alt_name(dns=["a.cn"], critical=True),))
    assert x509.parse_certificate(template.sign(key().sign)).subject.rdns == ()


def test_extensions_only_in_version_3():
    template = tbs(extensions=(x509.basic_constraints(False),)).encode()
    version_2 = template.replace(der.explicit(0, der.integer(2)), der.explicit(0, der.integer(1)), 1)
    with pytest.raises(DecodeError, match="version 3"):
        x509.parse_certificate(x509.assemble(version_2, SM2, key().sign(version_2)))
