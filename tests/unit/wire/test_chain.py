from datetime import timedelta

import pytest
from tests.unit.wire.authority import (
    ALGORITHMS,
    CA_EXTENSIONS,
    LEAF_EXTENSIONS,
    NOW,
    RSA,
    TSA_EXTENSIONS,
    Identity,
    key,
    make,
    pki,
)

from miyun.gm import sm2, sm3
from miyun.wire import der, oid, spki, x509
from miyun.wire.name import Name
from miyun.wire.x509 import ChainReason, Purpose


def verify(leaf: Identity, *others: Identity, root: Identity | None = None, at=NOW, **more) -> x509.Chain:
    anchors = [(root or pki().root).certificate]
    return x509.verify_chain(leaf.certificate, [item.certificate for item in others], anchors, at, **more)


def refused(*arguments, **more) -> ChainReason:
    with pytest.raises(x509.ChainError) as caught:
        verify(*arguments, **more)
    assert caught.value.text and caught.value.subject
    return caught.value.reason


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda a: a.name)
def test_good_chain(algorithm):
    p = pki(algorithm)
    chain = verify(p.leaf, p.issuing, root=p.root, purpose=Purpose.SIGNATURE)
    assert chain.certificates == (p.leaf.certificate, p.issuing.certificate, p.root.certificate)


def test_rsa_root_over_sm2_leaf():
    root = make("Mixed", *CA_EXTENSIONS, key=key(RSA))
    assert verify(make("leaf", *LEAF_EXTENSIONS, issuer=root, key=key()), root=root).leaf.algorithm is RSA


def test_trusted_leaf_alone():
    assert verify(pki().leaf, root=pki().leaf).anchor == pki().leaf.certificate


def test_missing_intermediate():
    assert refused(pki().leaf) is ChainReason.UNTRUSTED


def test_foreign_root():
    assert (
        refused(pki().leaf, pki().issuing, root=make("Other", *CA_EXTENSIONS, key=key(number=9)))
        is ChainReason.UNTRUSTED
    )


def test_namesake_root_with_another_key():
    impostor = make("Root", *CA_EXTENSIONS, key=key(number=9))
    assert refused(pki().leaf, pki().issuing, root=impostor) is ChainReason.SIGNATURE


def test_root_that_changed_its_key_is_found_among_both():
    impostor = make("Root", *CA_EXTENSIONS, key=key(number=9))
    p = pki()
    anchors = [impostor.certificate, p.root.certificate]
    assert x509.verify_chain(p.leaf.certificate, [p.issuing.certificate], anchors, NOW).anchor == p.root.certificate


def test_forged_leaf():
    forged = make("x", *LEAF_EXTENSIONS, issuer=pki().issuing, key=key(number=5), sign=key(number=6).sign)
    assert refused(forged, pki().issuing) is ChainReason.SIGNATURE


def test_signature_without_za_is_named():
    d = key(number=1).private
    sloppy = make(
        "x", *LEAF_EXTENSIONS, issuer=pki().issuing, key=key(number=5), sign=lambda m: sm2.sign_digest(d, sm3.digest(m))
    )
    assert refused(sloppy, pki().issuing) is ChainReason.NO_ZA


def test_expired_and_not_yet_valid():
    assert refused(pki().leaf, pki().issuing, at=NOW + timedelta(days=301)) is ChainReason.EXPIRED
    assert refused(pki().leaf, pki().issuing, at=NOW - timedelta(days=31)) is ChainReason.NOT_YET_VALID


def test_validity_includes_its_last_second():
    verify(pki().leaf, pki().issuing, at=NOW + timedelta(days=300))


def test_expired_intermediate():
    issuing = make("Old", *CA_EXTENSIONS, issuer=pki().root, key=key(number=1), not_after=NOW - timedelta(days=1))
    leaf = make("x", *LEAF_EXTENSIONS, issuer=issuing, key=key(number=5))
    assert refused(leaf, issuing) is ChainReason.EXPIRED


def test_leaf_that_issues():
    child = make("x", *LEAF_EXTENSIONS, issuer=pki().leaf, key=key(number=5))
    assert refused(child, pki().leaf, pki().issuing) is ChainReason.NOT_A_CA


def test_ca_without_basic_constraints():
    issuing = make("Bare", issuer=pki().root, key=key(number=1))
    assert refused(make("x", issuer=issuing, key=key(number=5)), issuing) is ChainReason.NOT_A_CA


def test_ca_whose_key_may_not_sign_certificates():
    issuing = make(
        "Usage", x509.basic_constraints(True), x509.key_usage("cRLSign"), issuer=pki().root, key=key(number=1)
    )
    assert refused(make("x", issuer=issuing, key=key(number=5)), issuing) is ChainReason.KEY_USAGE


def test_path_length():
    root = make("Short", x509.basic_constraints(True, 0), key=key())
    below = make("Sub", *CA_EXTENSIONS, issuer=root, key=key(number=1))
    assert refused(make("x", issuer=below, key=key(number=5)), below, root=root) is ChainReason.PATH_LENGTH
    verify(make("y", issuer=root, key=key(number=5)), root=root)


def test_path_length_one_allows_one():
    root = make("One", x509.basic_constraints(True, 1), key=key())
    below = make("Sub", *CA_EXTENSIONS, issuer=root, key=key(number=1))
    verify(make("x", issuer=below, key=key(number=5)), below, root=root)
    deeper = make("Sub2", *CA_EXTENSIONS, issuer=below, key=key(number=2))
    assert refused(make("x", issuer=deeper, key=key(number=5)), deeper, below, root=root) is ChainReason.PATH_LENGTH


def test_unknown_critical_extension():
    odd = x509.Extension("1.2.3.4", True, der.NULL)
    assert refused(make("x", odd, issuer=pki().root, key=key(number=5))) is ChainReason.UNKNOWN_CRITICAL


def test_same_extension_twice():
    leaf = make("x", issuer=pki().root, key=key(number=5)).certificate
    doubled = (*leaf.extensions, leaf.extensions[0])
    extensions = der.explicit(3, der.sequence(*(item.encode() for item in doubled)))
    single = der.explicit(3, der.sequence(*(item.encode() for item in leaf.extensions)))
    body = der.Reader(leaf.tbs_der).read(der.SEQUENCE)
    tbs = der.sequence(body[: -len(single)], extensions)
    certificate = x509.parse_certificate(x509.assemble(tbs, leaf.algorithm, pki().root.key.sign(tbs)))
    assert refused(Identity(certificate, key(number=5))) is ChainReason.DUPLICATE_EXTENSION


def test_revoked():
    asked = []

    def revoked(certificate):
        asked.append(certificate.serial)
        return certificate.serial == 3

    assert refused(pki().leaf, pki().issuing, revoked=revoked) is ChainReason.REVOKED
    assert asked == [2, 3]


@pytest.mark.parametrize(
    ("purpose", "usages", "purposes", "reason"),
    [
        (Purpose.ENCRYPTION, ["digitalSignature"], [], ChainReason.KEY_USAGE),
        (Purpose.ENCRYPTION, ["keyEncipherment"], [], None),
        (Purpose.SIGNATURE, ["keyEncipherment"], [], ChainReason.KEY_USAGE),
        (Purpose.SERVER_AUTH, ["digitalSignature"], [oid.KP_CLIENT_AUTH], ChainReason.PURPOSE),
        (Purpose.SERVER_AUTH, ["digitalSignature"], [], None),
        (Purpose.CLIENT_AUTH, ["digitalSignature"], [oid.ANY_EXT_KEY_USAGE], None),
        (Purpose.TIME_STAMPING, ["digitalSignature"], [], ChainReason.PURPOSE),
        (Purpose.TIME_STAMPING, ["digitalSignature"], [oid.ANY_EXT_KEY_USAGE], ChainReason.PURPOSE),
        (Purpose.OCSP_SIGNING, ["digitalSignature"], [], ChainReason.PURPOSE),
    ],
)
def test_purpose(purpose, usages, purposes, reason):
    extensions = [x509.key_usage(*usages)] + ([x509.ext_key_usage(*purposes)] if purposes else [])
    leaf = make("x", *extensions, issuer=pki().root, key=key(number=5))
    if reason is None:
        verify(leaf, purpose=purpose)
    else:
        assert refused(leaf, purpose=purpose) is reason


def test_time_stamping_must_be_the_only_and_critical_purpose():
    verify(pki().tsa, pki().issuing, purpose=Purpose.TIME_STAMPING)
    for usage in (
        x509.ext_key_usage(oid.KP_TIME_STAMPING),
        x509.ext_key_usage(oid.KP_TIME_STAMPING, oid.KP_CODE_SIGNING, critical=True),
    ):
        leaf = make("x", TSA_EXTENSIONS[1], usage, issuer=pki().root, key=key(number=5))
        assert refused(leaf, purpose=Purpose.TIME_STAMPING) is ChainReason.PURPOSE


def test_intermediate_limits_purposes():
    issuing = make(
        "Mail", *CA_EXTENSIONS, x509.ext_key_usage(oid.KP_EMAIL_PROTECTION), issuer=pki().root, key=key(number=1)
    )
    leaf = make("x", *LEAF_EXTENSIONS, issuer=issuing, key=key(number=5))
    assert refused(leaf, issuing, purpose=Purpose.SERVER_AUTH) is ChainReason.PURPOSE
    verify(leaf, issuing, purpose=Purpose.EMAIL_PROTECTION)


@pytest.mark.parametrize(
    ("constraints", "names", "good"),
    [
        ({"permitted_dns": ["gov.cn"]}, {"dns": ["a.gov.cn"]}, True),
        ({"permitted_dns": ["gov.cn"]}, {"dns": ["GOV.CN"]}, True),
        ({"permitted_dns": ["gov.cn"]}, {"dns": ["agov.cn"]}, False),
        ({"permitted_dns": ["gov.cn"]}, {"dns": ["a.gov.cn", "b.com"]}, False),
        ({"excluded_dns": ["gov.cn"]}, {"dns": ["a.gov.cn"]}, False),
        ({"permitted_dns": ["gov.cn"]}, {"ip": ["10.0.0.1"]}, True),
        ({"permitted_ip": ["10.0.0.0/8"]}, {"ip": ["10.1.2.3"]}, True),
        ({"permitted_ip": ["10.0.0.0/8"]}, {"ip": ["11.1.2.3"]}, False),
        ({"excluded_ip": ["::/0"]}, {"ip": ["11.1.2.3"]}, True),
        ({"permitted_email": ["gov.cn"]}, {"email": ["a@gov.cn"]}, True),
        ({"permitted_email": ["gov.cn"]}, {"email": ["a@x.gov.cn"]}, False),
        ({"permitted_email": [".gov.cn"]}, {"email": ["a@x.gov.cn"]}, True),
        ({"permitted_email": ["a@gov.cn"]}, {"email": ["b@gov.cn"]}, False),
        ({"permitted_directory": [Name.of(("C", "CN"))]}, {"dns": ["a"]}, True),
        ({"permitted_directory": [Name.of(("C", "FR"))]}, {"dns": ["a"]}, False),
        ({"excluded_directory": [Name.of(("C", "cn"), ("O", "密云测试"))]}, {"dns": ["a"]}, False),
    ],
)
def test_name_constraints(constraints, names, good):
    issuing = make(
        "Limited", *CA_EXTENSIONS, x509.name_constraints(**constraints), issuer=pki().root, key=key(number=1)
    )
    leaf = make("x", x509.subject_alt_name(**names), issuer=issuing, key=key(number=5))
    if good:
        verify(leaf, issuing)
    else:
        assert refused(leaf, issuing) is ChainReason.NAME_CONSTRAINTS


def test_constrained_name_of_unknown_kind_is_refused():
    other = der.explicit(0, der.oid("1.2.3") + der.explicit(0, der.utf8("x")))
    tree = x509.Extension(oid.NAME_CONSTRAINTS, True, der.sequence(der.explicit(0, der.sequence(other))))
    issuing = make("Limited", *CA_EXTENSIONS, tree, issuer=pki().root, key=key(number=1))
    san = x509.Extension(oid.SUBJECT_ALT_NAME, False, der.sequence(other))
    assert refused(make("x", san, issuer=issuing, key=key(number=5)), issuing) is ChainReason.NAME_CONSTRAINTS


def test_many_namesakes_end_in_bounded_work(monkeypatch):
    crowd = [make("Loop", *CA_EXTENSIONS, key=key(number=n), serial=n + 1) for n in range(12)]
    ring = [
        make("Loop", *CA_EXTENSIONS, issuer=issuer, key=subject.key, serial=50 + n)
        for n, (issuer, subject) in enumerate(zip(crowd, crowd[1:] + crowd[:1], strict=True))
    ]
    checks = 0
    plain = spki.verify

    def counted(*arguments, **more):
        nonlocal checks
        checks += 1
        plain(*arguments, **more)

    monkeypatch.setattr(spki, "verify", counted)
    leaf = make("x", issuer=ring[0], key=key(number=5))
    refused(leaf, *ring, *crowd)
    assert checks <= 64


def test_key_that_cannot_be_read_is_named():
    edwards = der.sequence(der.sequence(der.oid("1.3.101.112")), der.bit_string(bytes(32)))
    issuing = make("Odd", *CA_EXTENSIONS, issuer=pki().root, key=key(number=5))
    certificate = x509.TbsCertificate(
        9,
        pki().root.certificate.subject,
        issuing.certificate.subject,
        NOW,
        NOW + timedelta(days=1),
        edwards,
        pki().root.certificate.algorithm,
        CA_EXTENSIONS,
    ).sign(pki().root.key.sign)
    leaf = make("x", issuer=issuing, key=key(number=6))
    assert refused(leaf, Identity(x509.parse_certificate(certificate), issuing.key)) is ChainReason.UNSUPPORTED_KEY


def test_name_constraints_bind_a_self_issued_leaf():
    limits = x509.name_constraints(permitted_dns=["gov.cn"])
    root = make("Limited", *CA_EXTENSIONS, limits, key=key(number=1))
    leaf = make("Limited", x509.subject_alt_name(dns=["b.com"]), issuer=root, key=key(number=5), serial=7)
    assert refused(leaf, root=root) is ChainReason.NAME_CONSTRAINTS


def test_longest_path():
    def reach(depth: int) -> x509.Chain:
        root = issuer = make("Deep", *CA_EXTENSIONS, key=key(number=0))
        between = []
        for level in range(depth):
            issuer = make(f"Level {level}", *CA_EXTENSIONS, issuer=issuer, key=key(number=level % 3))
            between.append(issuer)
        return verify(make("x", issuer=issuer, key=key(number=5)), *between, root=root)

    assert len(reach(7).certificates) == 9
    with pytest.raises(x509.ChainError):
        reach(8)
