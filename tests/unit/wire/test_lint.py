"""One certificate as it should be, and one for every rule that breaks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from tests.unit.wire.authority import ECDSA, NOW, RSA, SM2, Key, key, name, pki

from miyun.wire import der, oid, x509
from miyun.wire.algorithm import SignatureAlgorithm
from miyun.wire.name import Name
from miyun.wire.x509.lint import Profile, lint, rules

PERSON = Profile(
    key_usage=frozenset({"digitalSignature", "nonRepudiation"}),
    purposes=(oid.KP_CLIENT_AUTH,),
    names=frozenset({"email", "uri", "dns"}),
    required=("CN",),
    max_days=365,
)
SERVER = replace(
    PERSON,
    key_usage=frozenset({"digitalSignature"}),
    purposes=(oid.KP_SERVER_AUTH,),
    names=frozenset({"dns", "ip"}),
    max_days=200,
    names_required=True,
    tls=True,
)
CRL = x509.crl_distribution_points(["https://ca.example.cn/1.crl"])
ACCESS = x509.authority_info_access(ocsp=["http://ca.example.cn/ocsp"], ca_issuers=["https://ca.example.cn/ca.cer"])


@dataclass
class Draft:
    """The fields of a certificate, to be spoilt."""

    algorithm: SignatureAlgorithm = SM2
    profile: Profile = PERSON

    def __post_init__(self) -> None:
        issuer, own = pki(self.algorithm).issuing, key(self.algorithm, 5)
        usage = x509.key_usage(*sorted(self.profile.key_usage))
        self.fields: dict[str, Any] = {
            "serial": 1 << 126,
            "issuer": issuer.certificate.subject,
            "subject": name("www.example.cn"),
            "not_before": NOW,
            "not_after": NOW + timedelta(days=100),
            "spki": own.spki,
            "signature_algorithm": self.algorithm,
        }
        self.extensions: dict[str, x509.Extension] = {
            "constraints": x509.basic_constraints(False),
            "own": x509.subject_key_identifier(own.identifier),
            "above": x509.authority_key_identifier(issuer.key.identifier),
            "usage": usage,
            "purposes": x509.ext_key_usage(*self.profile.purposes),
            "names": x509.subject_alt_name(dns=["www.example.cn", "*.example.cn"]),
            "crl": CRL,
            "access": ACCESS,
        }

    def broken(self) -> set[str]:
        encoded = x509.TbsCertificate(**self.fields, extensions=tuple(self.extensions.values())).encode()
        return self.judge(encoded)

    def judge(self, tbs: bytes) -> set[str]:
        certificate = x509.parse_certificate(x509.assemble(tbs, self.fields["signature_algorithm"], bytes(64)))
        findings = lint(certificate, pki(self.algorithm).issuing.certificate, self.profile)
        assert all(item.text for item in findings)
        return {item.rule for item in findings}


@pytest.mark.parametrize("algorithm", [SM2, ECDSA, RSA], ids=lambda item: item.name)
@pytest.mark.parametrize("profile", [PERSON, SERVER], ids=["person", "server"])
def test_a_certificate_as_it_should_be_breaks_nothing(algorithm: SignatureAlgorithm, profile: Profile) -> None:
    assert Draft(algorithm, profile).broken() == set()


def field(**changes: Any) -> Callable[[Draft], None]:
    return lambda draft: draft.fields.update(changes)


def extension(**changes: x509.Extension | None) -> Callable[[Draft], None]:
    def change(draft: Draft) -> None:
        for place, value in changes.items():
            if value is None:
                del draft.extensions[place]
            else:
                draft.extensions[place] = value

    return change


def names(**kinds: list[str]) -> Callable[[Draft], None]:
    return extension(names=x509.subject_alt_name(**kinds))  # type: ignore[arg-type]


def raw_subject(*attributes: bytes) -> Callable[[Draft], None]:
    encoded = der.sequence(*(der.set_of(item) for item in attributes))
    return field(subject=Name.decode(encoded))


def attribute(kind: str, tag: int, value: str, encoding: str = "utf-8") -> bytes:
    return der.sequence(der.oid(kind), der.tlv(tag, value.encode(encoding)))


CN = attribute(oid.COMMON_NAME, der.UTF8_STRING, "www.example.cn")
EXTRA = x509.Extension("1.2.3", False, der.NULL)
BREAKS: list[tuple[str, Callable[[Draft], None]]] = [
    ("rfc5280.serial_number", field(serial=1)),
    ("rfc5280.issuer", field(issuer=name("another"))),
    ("rfc5280.validity", field(not_after=NOW + timedelta(days=366))),
    ("rfc5280.validity", field(not_after=NOW + timedelta(days=9000))),
    ("rfc5280.validity", field(not_before=NOW - timedelta(days=9000))),
    ("rfc5280.subject", raw_subject(attribute(oid.ORGANIZATION, der.UTF8_STRING, "某局"))),
    ("rfc5280.subject", raw_subject(CN, CN)),
    ("rfc5280.subject", raw_subject(CN, attribute(oid.COUNTRY, der.UTF8_STRING, "CN"))),
    ("rfc5280.subject", raw_subject(CN, attribute(oid.COUNTRY, der.PRINTABLE_STRING, "cn"))),
    ("rfc5280.subject", raw_subject(CN, attribute(oid.ORGANIZATION, der.BMP_STRING, "局", "utf-16-be"))),
    ("rfc5280.subject", raw_subject(CN, attribute(oid.ORGANIZATION, der.TELETEX_STRING, "x"))),
    ("rfc5280.subject", raw_subject(CN, attribute(oid.ORGANIZATION, der.UTF8_STRING, "x" * 65))),
    ("rfc5280.subject", raw_subject(CN, attribute(oid.ORGANIZATION, der.UTF8_STRING, " x"))),
    ("rfc5280.public_key", lambda draft: draft.fields.update(spki=pki(draft.algorithm).issuing.key.spki)),
    ("rfc5280.extensions", extension(extra=EXTRA)),
    ("rfc5280.extensions", extension(purposes=x509.ext_key_usage(oid.KP_CLIENT_AUTH, critical=True))),
    ("rfc5280.extensions", extension(crl=replace(CRL, critical=True))),
    ("rfc5280.extensions", extension(usage=replace(x509.key_usage("digitalSignature"), critical=False))),
    ("rfc5280.extensions", extension(constraints=replace(x509.basic_constraints(False), critical=False))),
    ("rfc5280.key_identifiers", extension(above=x509.authority_key_identifier(b"12345678"))),
    ("rfc5280.key_identifiers", extension(above=None)),
    ("rfc5280.key_identifiers", extension(own=None)),
    ("rfc5280.basic_constraints", extension(constraints=x509.basic_constraints(True))),
    ("rfc5280.basic_constraints", extension(constraints=None)),
    ("rfc5280.key_usage", extension(usage=x509.key_usage("digitalSignature", "keyCertSign"))),
    ("rfc5280.key_usage", extension(usage=None)),
    ("rfc5280.ext_key_usage", extension(purposes=x509.ext_key_usage(oid.KP_CLIENT_AUTH, oid.ANY_EXT_KEY_USAGE))),
    ("rfc5280.ext_key_usage", extension(purposes=None)),
    ("rfc5280.subject_alt_name", names(dns=["a.cn", "a.cn"])),
    ("rfc5280.subject_alt_name", names(dns=["-a.cn"])),
    ("rfc5280.subject_alt_name", names(dns=["a_b.cn"])),
    ("rfc5280.subject_alt_name", names(email=["nobody"])),
    ("rfc5280.subject_alt_name", names(uri=["nowhere"])),
    ("rfc5280.subject_alt_name", names(ip=["10.0.0.1"])),
    ("rfc5280.revocation_addresses", extension(crl=None)),
    ("rfc5280.revocation_addresses", extension(crl=x509.crl_distribution_points(["ldap://ca.example.cn/"]))),
    ("rfc5280.revocation_addresses", extension(access=None)),
    ("rfc5280.revocation_addresses", extension(extra=x509.ocsp_nocheck())),
    ("gm.signature_algorithm", lambda draft: draft.fields.update(spki=key(ECDSA, 5).spki)),
    ("gm.signature_algorithm", field(signature_algorithm=ECDSA)),
    ("gm.pair_usage", extension(usage=x509.key_usage("digitalSignature", "keyEncipherment"))),
]


@pytest.mark.parametrize(("rule", "spoil"), BREAKS)
def test_what_breaks_a_rule_is_named(rule: str, spoil: Callable[[Draft], None]) -> None:
    draft = Draft()
    spoil(draft)
    assert rule in draft.broken()


SERVERS: list[Callable[[Draft], None]] = [
    names(dns=["other.example.cn"]),
    names(dns=["www.example.cn", "*.cn"]),
    field(not_after=NOW + timedelta(days=201)),
    extension(purposes=x509.ext_key_usage(oid.KP_SERVER_AUTH, oid.KP_CLIENT_AUTH)),
    extension(names=None),
]


@pytest.mark.parametrize("spoil", SERVERS)
def test_browsers_points_are_asked_of_servers(spoil: Callable[[Draft], None]) -> None:
    draft = Draft(ECDSA, replace(SERVER, max_days=365))
    spoil(draft)
    assert "cabf.tls_server" in draft.broken()


def test_an_old_version_is_refused() -> None:
    draft = Draft()
    encoded = x509.TbsCertificate(**draft.fields, extensions=tuple(draft.extensions.values())).encode()
    body = der.Reader(encoded).enter()
    parts = []
    while body.more:
        parts.append(body.raw())
    assert "rfc5280.version" in draft.judge(der.sequence(*parts[1:-1]))


def test_the_same_extension_twice_is_refused() -> None:
    draft = Draft()
    encoded = x509.TbsCertificate(**draft.fields, extensions=tuple(draft.extensions.values())).encode()
    body = der.Reader(encoded).enter()
    parts = []
    while body.more:
        parts.append(body.raw())
    twice = der.explicit(3, der.sequence(*(item.encode() for item in (*draft.extensions.values(), CRL))))
    assert "rfc5280.extensions" in draft.judge(der.sequence(*parts[:-1], twice))


def rsa(modulus: int, exponent: int) -> bytes:
    numbers = der.sequence(der.integer(modulus), der.integer(exponent))
    return der.sequence(der.sequence(der.oid(oid.RSA_ENCRYPTION), der.NULL), der.bit_string(numbers))


ODD = (1 << 2047) + 1


@pytest.mark.parametrize("spki", [rsa(ODD >> 8 | 1, 65537), rsa(ODD, 3), rsa(ODD + 1, 65537), rsa(ODD, (1 << 256) + 1)])
def test_a_weak_rsa_key_is_refused(spki: bytes) -> None:
    draft = Draft(RSA)
    draft.fields["spki"] = spki
    assert "rfc5280.public_key" in draft.broken()


@pytest.mark.parametrize(("algorithm", "usage"), [(ECDSA, "keyEncipherment"), (RSA, "keyAgreement")])
def test_a_key_is_not_for_what_its_algorithm_cannot_do(algorithm: SignatureAlgorithm, usage: str) -> None:
    draft = Draft(algorithm)
    draft.extensions["usage"] = x509.key_usage(usage)
    assert "rfc8813.key_usage_of_key" in draft.broken()


def test_every_rule_was_broken() -> None:
    elsewhere = {"cabf.tls_server", "rfc5280.version", "rfc5280.extensions", "rfc8813.key_usage_of_key"}
    tried = {rule for rule, _ in BREAKS} | elsewhere
    assert tried == set(rules())


def test_keys_of_tests_are_their_own() -> None:
    assert isinstance(key(SM2, 5), Key)
