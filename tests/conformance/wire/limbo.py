"""Chains that must not be accepted, and why: made anew for every kind of key.

A case is a leaf, what lies between, a root, and the reason of the refusal (None: a good chain, to see that what is
wrong with a bad one is only that). OpenSSL and `cryptography` are not asked for what they do not look at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from tests.unit.wire.authority import NOW, Identity, Key, key, name

from miyun.gm import sm2, sm3
from miyun.wire import der, oid, x509
from miyun.wire.algorithm import SignatureAlgorithm
from miyun.wire.name import Name
from miyun.wire.x509 import ChainReason, Extension, Purpose

NAMES = x509.subject_alt_name(dns=["www.gov.cn"])
CA = (x509.basic_constraints(True), x509.key_usage("keyCertSign", "cRLSign"))
SERVER = (
    x509.basic_constraints(False),
    x509.key_usage("digitalSignature"),
    x509.ext_key_usage(oid.KP_SERVER_AUTH),
    NAMES,
)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Case:
    """`malformed`: it is refused when it is read."""

    id: str
    leaf: bytes
    between: tuple[bytes, ...]
    root: bytes
    reason: ChainReason | None
    purpose: Purpose = Purpose.SERVER_AUTH
    malformed: bool = False
    openssl: bool = True
    cryptography: bool = True
    at: datetime = field(default=NOW)


@dataclass(frozen=True)
class Part:
    """A certificate to be made: `extensions` replace those of its kind, `signed` the way of signing."""

    subject: Name
    key: Key
    extensions: Sequence[Extension]
    not_before: datetime = NOW - 30 * DAY
    not_after: datetime = NOW + 300 * DAY
    serial: int = 1 << 100
    identifiers: bool = True
    above: bytes | None = None
    signed: Callable[[bytes], bytes] | None = None
    change: Callable[[bytes], bytes] | None = None  # of the encoded TBSCertificate


def make(part: Part, issuer: Identity | None) -> Identity:
    by = issuer.key if issuer else part.key
    identifiers = [
        x509.subject_key_identifier(part.key.identifier),
        x509.authority_key_identifier(part.above or by.identifier),
    ]
    tbs = x509.TbsCertificate(
        serial=part.serial,
        issuer=issuer.certificate.subject if issuer else part.subject,
        subject=part.subject,
        not_before=part.not_before,
        not_after=part.not_after,
        spki=part.key.spki,
        signature_algorithm=by.algorithm,
        extensions=(*part.extensions, *(identifiers if part.identifiers else ())),
    ).encode()
    if part.change is not None:
        tbs = part.change(tbs)
    encoded = x509.assemble(tbs, by.algorithm, (part.signed or by.sign)(tbs))
    try:
        return Identity(x509.parse_certificate(encoded), part.key)
    except Exception:  # what cannot be read is still handed to the reader under test
        return Identity(_Unread(encoded), part.key)  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Unread:
    der: bytes


class Bench:
    """Parts of good chains of one kind of key."""

    def __init__(self, algorithm: SignatureAlgorithm) -> None:
        self.algorithm = algorithm
        self.root = Part(name("Limbo Root"), key(algorithm, 20), CA)
        self.issuing = Part(name("Limbo Issuing"), key(algorithm, 21), CA)
        self.lower = Part(name("Limbo Lower"), key(algorithm, 22), CA)
        self.leaf = Part(name("www.gov.cn"), key(algorithm, 23), SERVER)

    def case(self, label: str, reason: ChainReason | None, *parts: Part, **more: object) -> Case:
        """`parts`: root first, leaf last."""
        made: list[Identity] = []
        for part in parts:
            made.append(make(part, made[-1] if made else None))
        ders = [item.certificate.der for item in made]
        return Case(label, ders[-1], tuple(ders[1:-1]), ders[0], reason, **more)  # type: ignore[arg-type]


def without(extensions: Sequence[Extension], dotted: str) -> tuple[Extension, ...]:
    return tuple(item for item in extensions if item.oid != dotted)


def instead(extensions: Sequence[Extension], *new: Extension) -> tuple[Extension, ...]:
    kinds = {item.oid for item in new}
    return (*(item for item in extensions if item.oid not in kinds), *new)


def fields(tbs: bytes) -> list[bytes]:
    reader = der.Reader(tbs).enter()
    found = []
    while reader.more:
        found.append(reader.raw())
    return found


def version_1(tbs: bytes) -> bytes:
    return der.sequence(*fields(tbs)[1:-1])


def negative_serial(tbs: bytes) -> bytes:
    parts = fields(tbs)
    return der.sequence(parts[0], b"\x02\x01\xff", *parts[2:])


def long_length(tbs: bytes) -> bytes:
    """The serial number with its length in two octets where one does: BER, not DER."""
    parts = fields(tbs)
    return der.sequence(parts[0], parts[1][:1] + b"\x81" + parts[1][1:], *parts[2:])


def false_written_out(tbs: bytes) -> bytes:
    """An extension whose critical is FALSE in so many words, which DER leaves out; as 0x01 it is no DER at all."""
    return tbs.replace(b"\x01\x01\xff", b"\x01\x01\x01", 1)


def doubled(tbs: bytes) -> bytes:
    parts = fields(tbs)
    extensions = der.Reader(parts[-1]).enter(0xA3).enter()
    listed = []
    while extensions.more:
        listed.append(extensions.raw())
    return der.sequence(*parts[:-1], der.explicit(3, der.sequence(*listed, listed[0])))


def other_algorithm_inside(tbs: bytes) -> bytes:
    parts = fields(tbs)
    odd = der.sequence(der.oid("1.2.840.10045.4.3.3"))
    return der.sequence(*parts[:2], odd, *parts[3:])


def trailing(tbs: bytes) -> bytes:
    return der.sequence(*fields(tbs), der.NULL)


def cases(algorithm: SignatureAlgorithm) -> list[Case]:
    b = Bench(algorithm)
    r, i, low, leaf = b.root, b.issuing, b.lower, b.leaf
    reason = ChainReason

    def limits(**trees: object) -> tuple[Extension, ...]:
        return (*CA, x509.name_constraints(**trees))  # type: ignore[arg-type]

    def named(part: Part, **names: object) -> Part:
        return replace(part, extensions=instead(part.extensions, x509.subject_alt_name(**names)))  # type: ignore[arg-type]

    def short(length: int) -> tuple[Extension, ...]:
        return instead(CA, x509.basic_constraints(True, length))

    odd = Extension("1.2.3.4.5", True, der.NULL)
    self_issued = replace(i, key=key(algorithm, 24))
    found = [
        b.case("good", None, r, i, leaf),
        b.case("good-three", None, r, i, low, leaf),
        # time
        b.case("leaf-expired", reason.EXPIRED, r, i, replace(leaf, not_after=NOW - DAY)),
        b.case("leaf-not-yet-valid", reason.NOT_YET_VALID, r, i, replace(leaf, not_before=NOW + DAY)),
        b.case("issuing-expired", reason.EXPIRED, r, replace(i, not_after=NOW - DAY), leaf),
        b.case("issuing-not-yet-valid", reason.NOT_YET_VALID, r, replace(i, not_before=NOW + DAY), leaf),
        b.case("root-expired", reason.EXPIRED, replace(r, not_after=NOW - DAY), i, leaf),
        # who may issue
        b.case("issued-by-leaf", reason.NOT_A_CA, r, i, replace(low, extensions=SERVER), leaf),
        b.case("no-basic-constraints", reason.NOT_A_CA, r, replace(i, extensions=CA[1:]), leaf),
        b.case("ca-false", reason.NOT_A_CA, r, replace(i, extensions=instead(CA, x509.basic_constraints(False))), leaf),
        b.case("version-1-issuer", reason.NOT_A_CA, r, replace(i, change=version_1), leaf),
        b.case(
            "issuer-may-not-sign",
            reason.KEY_USAGE,
            r,
            replace(i, extensions=instead(CA, x509.key_usage("cRLSign", "digitalSignature"))),
            leaf,
        ),
        # length
        b.case("path-length-0", reason.PATH_LENGTH, replace(r, extensions=short(0)), i, leaf),
        b.case("path-length-0-good", None, r, replace(i, extensions=short(0)), leaf),
        b.case("path-length-lower", reason.PATH_LENGTH, r, replace(i, extensions=short(0)), low, leaf),
        b.case("path-length-1-good", None, replace(r, extensions=short(1)), i, leaf),
        b.case(
            "path-length-not-widened-below",
            reason.PATH_LENGTH,
            replace(r, extensions=short(1)),
            replace(i, extensions=short(9)),
            low,
            leaf,
        ),
        b.case("path-length-not-counting-self-issued", None, replace(r, extensions=short(1)), i, self_issued, leaf),
        b.case(
            "path-length-counting-beside-self-issued",
            reason.PATH_LENGTH,
            replace(r, extensions=short(1)),
            i,
            self_issued,
            low,
            leaf,
        ),
        # what for
        b.case(
            "leaf-key-usage",
            reason.KEY_USAGE,
            r,
            i,
            replace(leaf, extensions=instead(SERVER, x509.key_usage("nonRepudiation"))),
            purpose=Purpose.ENCRYPTION,
            openssl=False,
            cryptography=False,
        ),
        b.case(
            "leaf-purpose",
            reason.PURPOSE,
            r,
            i,
            replace(leaf, extensions=instead(SERVER, x509.ext_key_usage(oid.KP_CLIENT_AUTH))),
        ),
        b.case(
            "issuing-purpose",
            reason.PURPOSE,
            r,
            replace(i, extensions=(*CA, x509.ext_key_usage(oid.KP_EMAIL_PROTECTION))),
            leaf,
        ),
        # signatures
        b.case("signed-by-another", reason.SIGNATURE, r, i, replace(leaf, signed=key(algorithm, 29).sign)),
        b.case("issuing-signed-by-another", reason.SIGNATURE, r, replace(i, signed=key(algorithm, 29).sign), leaf),
        b.case("signature-of-other-octets", reason.SIGNATURE, r, i, replace(leaf, signed=lambda _: i.key.sign(b"x"))),
        b.case(
            "key-identifier-of-another",
            reason.KEY_IDENTIFIER,
            r,
            i,
            replace(leaf, above=b"\x01" * 20),
            cryptography=False,
        ),
        b.case("no-key-identifiers-good", None, r, i, replace(leaf, identifiers=False), openssl=False),
        # extensions
        b.case("unknown-critical", reason.UNKNOWN_CRITICAL, r, i, replace(leaf, extensions=(*SERVER, odd))),
        b.case("unknown-critical-issuing", reason.UNKNOWN_CRITICAL, r, replace(i, extensions=(*CA, odd)), leaf),
        b.case("unknown-good", None, r, i, replace(leaf, extensions=(*SERVER, replace(odd, critical=False)))),
        b.case("extension-twice", reason.DUPLICATE_EXTENSION, r, i, replace(leaf, change=doubled)),
        b.case("extension-twice-issuing", reason.DUPLICATE_EXTENSION, r, replace(i, change=doubled), leaf),
        # names
        b.case("permitted-dns-good", None, r, replace(i, extensions=limits(permitted_dns=["gov.cn"])), leaf),
        b.case(
            "permitted-dns", reason.NAME_CONSTRAINTS, r, replace(i, extensions=limits(permitted_dns=["a.cn"])), leaf
        ),
        b.case(
            "excluded-dns", reason.NAME_CONSTRAINTS, r, replace(i, extensions=limits(excluded_dns=["gov.cn"])), leaf
        ),
        b.case(
            "permitted-dns-is-no-suffix",
            reason.NAME_CONSTRAINTS,
            r,
            replace(i, extensions=limits(permitted_dns=["ov.cn"])),
            leaf,
        ),
        b.case(
            "permitted-dns-one-of-two",
            reason.NAME_CONSTRAINTS,
            r,
            replace(i, extensions=limits(permitted_dns=["gov.cn"])),
            named(leaf, dns=["www.gov.cn", "www.example.com"]),
        ),
        b.case(
            "permitted-ip",
            reason.NAME_CONSTRAINTS,
            r,
            replace(i, extensions=limits(permitted_ip=["10.0.0.0/8"])),
            named(leaf, dns=["www.gov.cn"], ip=["11.0.0.1"]),
        ),
        b.case(
            "excluded-ip",
            reason.NAME_CONSTRAINTS,
            r,
            replace(i, extensions=limits(excluded_ip=["10.0.0.0/8"])),
            named(leaf, dns=["www.gov.cn"], ip=["10.0.0.1"]),
        ),
        b.case(
            "permitted-directory",
            reason.NAME_CONSTRAINTS,
            r,
            replace(i, extensions=limits(permitted_directory=[Name.of(("C", "CN"), ("O", "另一局"))])),
            leaf,
            cryptography=False,
        ),
        b.case(
            "constraints-of-the-root",
            reason.NAME_CONSTRAINTS,
            replace(r, extensions=limits(permitted_dns=["a.cn"])),
            i,
            leaf,
        ),
        b.case(
            "constraints-not-widened-below",
            reason.NAME_CONSTRAINTS,
            replace(r, extensions=limits(permitted_dns=["gov.cn"])),
            replace(i, extensions=limits(permitted_dns=["cn"])),
            named(leaf, dns=["www.example.cn"]),
        ),
        # whom one trusts
        replace(b.case("issuing-missing", reason.UNTRUSTED, r, i, leaf), between=()),
        replace(
            b.case("another-root", reason.UNTRUSTED, r, i, leaf),
            root=make(Part(name("Other Root"), key(algorithm, 25), CA), None).certificate.der,
        ),
        replace(
            b.case("namesake-root", reason.SIGNATURE, r, i, leaf),
            root=make(replace(r, key=key(algorithm, 25)), None).certificate.der,
        ),
        # encodings
        b.case(
            "negative-serial",
            None,
            r,
            i,
            replace(leaf, change=negative_serial),
            malformed=True,
            openssl=False,
            cryptography=False,
        ),
        b.case("long-length", None, r, i, replace(leaf, change=long_length), malformed=True, openssl=False),
        b.case("boolean-of-one", None, r, i, replace(leaf, change=false_written_out), malformed=True, openssl=False),
        b.case("algorithms-differ", None, r, i, replace(leaf, change=other_algorithm_inside), malformed=True),
        b.case("trailing-octets", None, r, i, replace(leaf, change=trailing), malformed=True),
        b.case("version-1-with-extensions", None, r, i, replace(leaf, change=_v1_with_extensions), malformed=True),
    ]
    if algorithm is SignatureAlgorithm.SM2_SM3:
        found.append(b.case("no-za", reason.NO_ZA, r, i, replace(leaf, signed=_without_za(i.key))))
    return found


def _v1_with_extensions(tbs: bytes) -> bytes:
    return der.sequence(*fields(tbs)[1:])


def _without_za(signer: Key) -> Callable[[bytes], bytes]:
    return lambda message: sm2.sign_digest(signer.private, sm3.digest(message))
