from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.wire.authority import ALGORITHMS, NOW, RSA, SM2, key, make, pki

from miyun.gm.errors import InvalidSignature
from miyun.wire import crl, der, oid, x509
from miyun.wire.errors import DecodeError, EncodeError
from miyun.wire.x509.distribution import IssuingDistributionPoint

ENTRIES = (
    crl.RevokedEntry(5, NOW - timedelta(days=2)),
    crl.RevokedEntry((1 << 158) + 1, NOW - timedelta(days=1), crl.Reason.KEY_COMPROMISE),
)


def head(algorithm=SM2, **changes) -> crl.TbsCertificateList:
    issuing = pki(algorithm).issuing
    base = crl.TbsCertificateList(
        issuer=issuing.certificate.subject,
        this_update=NOW,
        next_update=NOW + timedelta(days=1),
        entries=ENTRIES,
        crl_number=7,
        authority_key_identifier=issuing.key.identifier,
        signature_algorithm=algorithm,
    )
    return replace(base, **changes)


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda a: a.name)
def test_list_comes_back(algorithm):
    issuing = pki(algorithm).issuing
    found = crl.parse_crl(head(algorithm).sign(issuing.key.sign))
    found.verify(issuing.certificate, NOW)
    assert (found.crl_number, found.authority_key_identifier) == (7, issuing.key.identifier)
    assert (found.this_update, found.next_update) == (NOW, NOW + timedelta(days=1))
    assert found.is_revoked(5) == ENTRIES[0]
    assert found.is_revoked((1 << 158) + 1).reason is crl.Reason.KEY_COMPROMISE
    assert found.is_revoked(6) is None


def test_empty_list():
    found = crl.parse_crl(head(entries=()).sign(pki().issuing.key.sign))
    assert not found.entries


def test_entries_kept_encoded_give_the_same_list():
    assert crl.encode_tbs(head(), [item.encode() for item in ENTRIES]) == head().encode()


def test_list_of_another_issuer():
    found = crl.parse_crl(head().sign(pki().issuing.key.sign))
    with pytest.raises(DecodeError, match="issuer"):
        found.verify(pki().root.certificate)


def test_forged_list():
    with pytest.raises(InvalidSignature):
        crl.parse_crl(head().sign(key(number=9).sign)).verify(pki().issuing.certificate)


@pytest.mark.parametrize(("days", "field"), [(-1, "thisUpdate"), (2, "nextUpdate")])
def test_stale_list(days, field):
    found = crl.parse_crl(head().sign(pki().issuing.key.sign))
    with pytest.raises(DecodeError, match=field):
        found.verify(pki().issuing.certificate, NOW + timedelta(days=days))


def test_issuer_that_may_not_sign_lists():
    other = make("Issuing", x509.key_usage("keyCertSign"), key=pki().issuing.key)
    with pytest.raises(DecodeError, match="keyUsage"):
        crl.parse_crl(head().sign(pki().issuing.key.sign)).verify(other.certificate)


@pytest.mark.parametrize("wrong", [{"next_update": NOW}, {"crl_number": -1}])
def test_list_that_must_not_be_made(wrong):
    with pytest.raises(EncodeError):
        head(**wrong).encode()


def test_unknown_reason_is_refused():
    tbs = head().encode().replace(der.integer(1, der.ENUMERATED), der.integer(7, der.ENUMERATED))
    with pytest.raises(DecodeError, match="reasonCode"):
        crl.parse_crl(crl.assemble(tbs, SM2, pki().issuing.key.sign(tbs)))


def test_inner_and_outer_algorithm_must_agree():
    tbs = head().encode()
    with pytest.raises(DecodeError, match="differs"):
        crl.parse_crl(crl.assemble(tbs, RSA, b"x"))


def with_extension(*extensions: x509.Extension) -> bytes:
    body = der.Reader(head().encode()).enter()
    parts = [body.raw() for _ in range(6)]
    tbs = der.sequence(*parts, der.explicit(0, der.sequence(*(item.encode() for item in extensions))))
    return crl.assemble(tbs, SM2, pki().issuing.key.sign(tbs))


@pytest.mark.parametrize("kind", [oid.ISSUING_DISTRIBUTION_POINT, "1.2.3"])
def test_critical_extension_that_limits_the_list_is_not_overlooked(kind):
    limited = x509.Extension(kind, True, der.sequence())
    with pytest.raises(DecodeError, match="critical"):
        crl.parse_crl(with_extension(limited)).verify(pki().issuing.certificate)


def test_a_list_of_some_certificates_and_its_changes_come_back():
    scope = IssuingDistributionPoint(("https://ca.example.cn/crl/3.crl", "ldap://ca.example.cn/3"), user_only=True)
    complete = crl.parse_crl(head(scope=scope, freshest=("https://ca.example.cn/3.delta.crl",)).sign(sign_list))
    assert (complete.scope, complete.base_number) == (scope, None)
    assert oid.FRESHEST_CRL in {item.oid for item in complete.extensions}
    entries = (crl.RevokedEntry(5, NOW, crl.Reason.REMOVE_FROM_CRL), crl.RevokedEntry(6, NOW, crl.Reason.SUPERSEDED))
    delta = crl.parse_crl(head(scope=scope, crl_number=9, base_number=7, entries=entries).sign(sign_list))
    assert (delta.scope, delta.base_number, delta.crl_number) == (scope, 7, 9)
    assert delta.is_revoked(5) == entries[0]
    for limited in (complete, delta):
        with pytest.raises(DecodeError, match="critical"):
            limited.verify(pki().issuing.certificate)


def sign_list(message: bytes) -> bytes:
    return pki().issuing.key.sign(message)


@pytest.mark.parametrize("wrong", [{"base_number": 7}, {"base_number": -1}, {"base_number": 6, "freshest": ("x:1",)}])
def test_a_delta_list_is_against_an_earlier_one(wrong):
    with pytest.raises(EncodeError):
        head(**wrong).encode()


def test_an_extension_given_twice_is_refused():
    twice = x509.Extension(oid.CRL_NUMBER, False, der.integer(8))
    with pytest.raises(DecodeError, match="twice"):
        crl.parse_crl(with_extension(twice, twice))


def test_what_is_not_understood_and_not_critical_is_passed_over():
    crl.parse_crl(with_extension(x509.Extension("1.2.3", False, der.NULL))).verify(pki().issuing.certificate)


def test_entry_of_another_issuer_is_not_taken_for_ours():
    indirect = x509.Extension(oid.CERTIFICATE_ISSUER, True, der.sequence())
    entry = der.sequence(der.integer(5), der.time(NOW), der.sequence(indirect.encode()))
    tbs = crl.encode_tbs(head(), [entry])
    with pytest.raises(DecodeError, match="critical"):
        crl.parse_crl(crl.assemble(tbs, SM2, pki().issuing.key.sign(tbs)))
