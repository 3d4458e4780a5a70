"""What a certificate of an end entity must be before its CA signs it: RFC 5280, GM/T 0015 and GB/T 20518, and of the
CA/Browser Forum what is told of TLS servers.

`lint` reads the encoded certificate, not what it was made from, so that a mistake in the making does not hide itself.
Every rule has a name, by which a refusal tells which one was broken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from miyun.wire import der, oid
from miyun.wire.errors import DecodeError
from miyun.wire.spki import KeyAlgorithm, PublicKey, parse_spki
from miyun.wire.x509.certificate import Certificate
from miyun.wire.x509.general_name import DNS, EMAIL, IP, URI, is_dns

_SIGNS: Final = frozenset({"digitalSignature", "nonRepudiation"})
_ENCRYPTS: Final = frozenset({"keyEncipherment", "dataEncipherment", "keyAgreement"})
_NEVER: Final = frozenset({"keyCertSign", "cRLSign"})
_CRITICAL: Final = frozenset({oid.BASIC_CONSTRAINTS, oid.KEY_USAGE})
_PLAIN: Final = frozenset(
    {
        oid.SUBJECT_KEY_IDENTIFIER,
        oid.AUTHORITY_KEY_IDENTIFIER,
        oid.CRL_DISTRIBUTION_POINTS,
        oid.AUTHORITY_INFO_ACCESS,
        oid.CERTIFICATE_POLICIES,
        oid.OCSP_NOCHECK,
        oid.SUBJECT_ALT_NAME,
    }
)
_TEXTS: Final = {oid.COUNTRY: der.PRINTABLE_STRING, oid.SERIAL_NUMBER: der.PRINTABLE_STRING}
_IA5: Final = frozenset({oid.EMAIL_ADDRESS, oid.DOMAIN_COMPONENT})
_LONGEST: Final = {oid.COMMON_NAME: 64, oid.ORGANIZATION: 64, oid.ORGANIZATIONAL_UNIT: 64, oid.SERIAL_NUMBER: 64}


@dataclass(frozen=True, slots=True)
class Profile:
    """What certificates of a kind are. `names` are the kinds of alternative names it may have; `tls`: browsers are to
    take it for a server."""

    key_usage: frozenset[str]
    purposes: tuple[str, ...]
    names: frozenset[str]
    required: tuple[str, ...]
    max_days: int
    purposes_critical: bool = False
    names_required: bool = False
    tls: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    rule: str
    text: str


@dataclass(frozen=True, slots=True)
class _Case:
    certificate: Certificate
    issuer: Certificate
    profile: Profile


Rule = Callable[[_Case], Iterator[str]]
_RULES: dict[str, Rule] = {}


def _rule(name: str) -> Callable[[Rule], Rule]:
    def register(function: Rule) -> Rule:
        _RULES[name] = function
        return function

    return register


def rules() -> tuple[str, ...]:
    return tuple(_RULES)


def lint(certificate: Certificate, issuer: Certificate, profile: Profile) -> list[Finding]:
    """Every rule that is broken; none: it may be signed. `certificate` may carry any signature."""
    case = _Case(certificate, issuer, profile)
    return [Finding(name, text) for name, rule in _RULES.items() for text in rule(case)]


def _expect(holds: bool, text: str) -> Iterator[str]:
    if not holds:
        yield text


@_rule("rfc5280.version")
def _version(case: _Case) -> Iterator[str]:
    yield from _expect(case.certificate.version == 3, "not version 3")


@_rule("rfc5280.serial_number")
def _serial(case: _Case) -> Iterator[str]:
    serial = case.certificate.serial
    yield from _expect(0 < serial < 1 << 159, "not positive, or more than 20 octets")
    yield from _expect(serial.bit_length() > 64, "too short to be beyond guessing")


@_rule("rfc5280.issuer")
def _issuer(case: _Case) -> Iterator[str]:
    yield from _expect(
        case.certificate.issuer.der == case.issuer.subject.der, "not the issuer's subject, octet by octet"
    )


@_rule("rfc5280.validity")
def _validity(case: _Case) -> Iterator[str]:
    begin, end = case.certificate.not_before, case.certificate.not_after
    yield from _expect(begin < end, "ends before it begins")
    yield from _expect(end <= case.issuer.not_after, "outlives its issuer")
    yield from _expect(begin >= case.issuer.not_before, "begins before its issuer")
    yield from _expect(not begin.microsecond and not end.microsecond, "fractions of a second")
    # The moment of notAfter belongs to the validity, and notBefore lies a little before the issue.
    yield from _expect(end - begin <= timedelta(days=case.profile.max_days, hours=1), "longer than its kind may be")


@_rule("rfc5280.subject")
def _subject(case: _Case) -> Iterator[str]:
    seen: set[str] = set()
    sequence = der.Reader(case.certificate.subject.der).enter()
    while sequence.more:
        relative = sequence.enter(der.SET)
        while relative.more:
            attribute = relative.enter()
            kind = attribute.oid()
            tag, content = attribute.element()
            yield from _attribute(kind, tag, content)
            if kind in (oid.COMMON_NAME, oid.COUNTRY, oid.SERIAL_NUMBER):
                yield from _expect(kind not in seen, f"attribute {kind} twice")
            seen.add(kind)
    yield from _expect(bool(seen), "empty")
    for name in case.profile.required:
        yield from _expect(bool((case.certificate.subject.get(name) or "").strip()), f"{name} is missing")


def _attribute(kind: str, tag: int, content: bytes) -> Iterator[str]:
    allowed = {_TEXTS[kind]} if kind in _TEXTS else {der.IA5_STRING} if kind in _IA5 else _DIRECTORY
    yield from _expect(tag in allowed, f"attribute {kind} in a string of another kind")
    try:
        value = der.decode_text(tag, content)
    except DecodeError as error:
        yield f"attribute {kind}: {error.message}"
        return
    yield from _expect(1 <= len(value) <= _LONGEST.get(kind, 255), f"attribute {kind} of {len(value)} characters")
    yield from _expect(value == value.strip(), f"attribute {kind} begins or ends with a space")
    if kind == oid.COUNTRY:
        yield from _expect(re.fullmatch(r"[A-Z]{2}", value) is not None, "a country that is not two capital letters")


_DIRECTORY: Final = {der.UTF8_STRING, der.PRINTABLE_STRING}


@_rule("rfc5280.public_key")
def _public_key(case: _Case) -> Iterator[str]:
    try:
        key = parse_spki(case.certificate.spki_der)
    except DecodeError as error:
        yield error.message
        return
    if key.algorithm is KeyAlgorithm.RSA:
        yield from _rsa(key)
    yield from _expect(case.certificate.spki_der != case.issuer.spki_der, "its issuer's key")


def _rsa(key: PublicKey) -> Iterator[str]:
    reader = der.Reader(key.der).enter()
    reader.raw()
    numbers = der.Reader(reader.bit_string()).enter()
    modulus, exponent = numbers.integer(), numbers.integer()
    yield from _expect(
        modulus.bit_length() >= 2048 and modulus.bit_length() % 8 == 0, "RSA below 2048 bits, or odd size"
    )
    yield from _expect(modulus & 1 == 1 and exponent & 1 == 1, "an even RSA modulus or exponent")
    yield from _expect(65537 <= exponent < 1 << 256, "an RSA exponent outside 2^16+1 to 2^256")


@_rule("rfc5280.extensions")
def _extensions(case: _Case) -> Iterator[str]:
    found = [item.oid for item in case.certificate.extensions]
    yield from _expect(len(set(found)) == len(found), "the same extension twice")
    for item in case.certificate.extensions:
        if item.oid == oid.EXT_KEY_USAGE:
            yield from _expect(item.critical is case.profile.purposes_critical, "extKeyUsage wrongly (not) critical")
        elif item.oid not in _CRITICAL | _PLAIN:
            yield f"extension {item.oid}, which this kind does not have"
        else:
            yield from _expect(item.critical is (item.oid in _CRITICAL), f"extension {item.oid} wrongly (not) critical")


@_rule("rfc5280.key_identifiers")
def _identifiers(case: _Case) -> Iterator[str]:
    certificate = case.certificate
    above = certificate.authority_key_identifier
    yield from _expect(
        above is not None and above == case.issuer.subject_key_identifier, "authorityKeyIdentifier is not the issuer's"
    )
    own = certificate.subject_key_identifier
    yield from _expect(own is not None and 8 <= len(own) <= 32, "subjectKeyIdentifier missing or of an odd size")


@_rule("rfc5280.basic_constraints")
def _constraints(case: _Case) -> Iterator[str]:
    found = case.certificate.extension(oid.BASIC_CONSTRAINTS)
    yield from _expect(found is not None and found.value == b"\x30\x00", "not that of an end entity")


@_rule("rfc5280.key_usage")
def _key_usage(case: _Case) -> Iterator[str]:
    usage = case.certificate.key_usage or frozenset()
    yield from _expect(usage == case.profile.key_usage, "not that of its kind")
    yield from _expect(not usage & _NEVER, "powers of a CA")


@_rule("rfc8813.key_usage_of_key")
def _key_usage_of_key(case: _Case) -> Iterator[str]:
    """RSA does not agree on keys (RFC 4055 1.2); keys of the usual curves do nothing else but that, and sign."""
    try:
        algorithm = parse_spki(case.certificate.spki_der).algorithm
    except DecodeError:
        return
    usage = case.certificate.key_usage or frozenset()
    if algorithm is KeyAlgorithm.RSA:
        yield from _expect("keyAgreement" not in usage, "key agreement by RSA")
    elif algorithm is not KeyAlgorithm.SM2:
        yield from _expect(usage.isdisjoint(("keyEncipherment", "dataEncipherment")), "encipherment by such a curve")


@_rule("rfc5280.ext_key_usage")
def _purposes(case: _Case) -> Iterator[str]:
    found = case.certificate.ext_key_usage
    yield from _expect((found or ()) == case.profile.purposes, "not that of its kind")
    yield from _expect(found is None or len(set(found)) == len(found), "a purpose twice")
    if found and len(found) > 1:
        alone = {oid.KP_TIME_STAMPING, oid.KP_OCSP_SIGNING, oid.ANY_EXT_KEY_USAGE}
        yield from _expect(alone.isdisjoint(found), "a purpose beside others that has to be alone")


@_rule("rfc5280.subject_alt_name")
def _names(case: _Case) -> Iterator[str]:
    names = case.certificate.subject_alt_names
    present = case.certificate.extension(oid.SUBJECT_ALT_NAME) is not None
    yield from _expect(bool(names) or not present, "empty")
    yield from _expect(bool(names) or not case.profile.names_required, "missing")
    yield from _expect(len(set(names)) == len(names), "a name twice")
    for name in names:
        value = str(name.value)
        yield from _expect(name.kind in case.profile.names, f"a name of the kind {name.kind}")
        if name.kind == DNS:
            yield from _expect(is_dns(value), f"not a DNS name: {value}")
        elif name.kind == URI:
            yield from _expect(re.match(r"[a-z][a-z0-9+.-]*:.", value) is not None, "not a URI")
        elif name.kind == EMAIL:
            local, _, domain = value.rpartition("@")
            yield from _expect(bool(local) and is_dns(domain), "not a mailbox")


@_rule("rfc5280.revocation_addresses")
def _addresses(case: _Case) -> Iterator[str]:
    lists = case.certificate.crl_urls
    yield from _expect(bool(lists) and all(_is_http(url) for url in lists), "no list of revocations over HTTP")
    access = case.certificate.authority_info_access
    yield from _expect(all(_is_http(url) for _, url in access), "an address that is not of HTTP")
    methods = {method for method, _ in access}
    yield from _expect(oid.AIA_CA_ISSUERS in methods, "where its issuer's certificate is, is not said")
    responds = oid.KP_OCSP_SIGNING in case.profile.purposes
    exempt = case.certificate.extension(oid.OCSP_NOCHECK) is not None
    yield from _expect(responds is exempt, "ocsp-nocheck is for OCSP responders")
    yield from _expect((oid.AIA_OCSP in methods) is not responds, "OCSP is named for all but OCSP responders")


def _is_http(url: str) -> bool:
    return url.startswith(("http://", "https://"))


@_rule("gm.signature_algorithm")
def _algorithm(case: _Case) -> Iterator[str]:
    """An SM2 authority signs with SM3 and Z_A, and no other does (GB/T 20518)."""
    try:
        above = parse_spki(case.issuer.spki_der)
        own = parse_spki(case.certificate.spki_der)
    except DecodeError:
        return
    sm2 = above.algorithm is KeyAlgorithm.SM2
    yield from _expect((case.certificate.algorithm.name == "SM2_SM3") is sm2, "not of the issuer's kind of key")
    yield from _expect((own.algorithm is KeyAlgorithm.SM2) is sm2, "keys of two hierarchies")


@_rule("gm.pair_usage")
def _pair(case: _Case) -> Iterator[str]:
    """The two certificates of a pair are for signing or for encryption, never both (GM/T 0015, GB/T 20518)."""
    usage = case.certificate.key_usage or frozenset()
    yield from _expect(not (usage & _SIGNS and usage & _ENCRYPTS), "for signing and for encryption")


@_rule("cabf.tls_server")
def _tls(case: _Case) -> Iterator[str]:
    if not case.profile.tls:
        return
    certificate = case.certificate
    names = [item for item in certificate.subject_alt_names if item.kind in (DNS, IP)]
    texts = {str(item.value).lower() for item in names}
    yield from _expect(bool(names), "no DNS name or IP address")
    common = certificate.subject.get("CN")
    yield from _expect(common is None or common.lower() in texts, "its common name is none of its alternative names")
    yield from _expect(certificate.not_after - certificate.not_before <= timedelta(days=200, hours=1), "over 200 days")
    yield from _expect(certificate.ext_key_usage == (oid.KP_SERVER_AUTH,), "for more than servers")
    for name in names:
        labels = str(name.value).split(".")
        yield from _expect("*" not in labels or len(labels) > 2, "a wildcard for a whole top-level domain")


__all__ = ("Finding", "Profile", "lint", "rules")
