"""Certificate and CRL extensions (RFC 5280 4.2, 5.2): one function each to make and to read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from miyun.wire import der, oid
from miyun.wire.errors import EncodeError
from miyun.wire.name import Name
from miyun.wire.x509 import general_name
from miyun.wire.x509.general_name import GeneralName

KEY_USAGES: Final = (
    "digitalSignature",
    "nonRepudiation",
    "keyEncipherment",
    "dataEncipherment",
    "keyAgreement",
    "keyCertSign",
    "cRLSign",
    "encipherOnly",
    "decipherOnly",
)
_USAGE_BIT: Final = {name: bit for bit, name in enumerate(KEY_USAGES)} | {"contentCommitment": 1}
_MAX_ITEMS: Final = 1000


@dataclass(frozen=True, slots=True)
class Extension:
    """`value` is what the extnValue OCTET STRING holds."""

    oid: str
    critical: bool
    value: bytes

    def encode(self) -> bytes:
        critical = der.TRUE if self.critical else b""
        return der.sequence(der.oid(self.oid), critical, der.octet_string(self.value))


@dataclass(frozen=True, slots=True)
class BasicConstraints:
    ca: bool
    path_length: int | None


@dataclass(frozen=True, slots=True)
class NameConstraints:
    permitted: tuple[GeneralName, ...]
    excluded: tuple[GeneralName, ...]


# --- to make ---------------------------------------------------------------------------------------------------------


def basic_constraints(ca: bool, path_len: int | None = None) -> Extension:
    """Critical. `path_len` only with `ca`."""
    if path_len is not None and (not ca or path_len < 0):
        raise EncodeError("a non-negative length, and only for a CA", field="pathLenConstraint")
    parts = ((der.TRUE,) if ca else ()) + ((der.integer(path_len),) if path_len is not None else ())
    return Extension(oid.BASIC_CONSTRAINTS, True, der.sequence(*parts))


def key_usage(*names: str) -> Extension:
    """Critical. Names as RFC 5280 4.2.1.3 writes them: digitalSignature, keyCertSign …"""
    bits = 0
    for name in names:
        if name not in _USAGE_BIT:
            raise EncodeError(f"unknown key usage {name!r}", field="keyUsage")
        bits |= 1 << _USAGE_BIT[name]
    if not bits:
        raise EncodeError("at least one bit", field="keyUsage")
    return Extension(oid.KEY_USAGE, True, der.named_bits(bits))


def ext_key_usage(*purposes: str, critical: bool = False) -> Extension:
    """Purposes by OID. A time-stamping certificate must have it critical (RFC 3161 2.3)."""
    if not purposes:
        raise EncodeError("at least one purpose", field="extKeyUsage")
    return Extension(oid.EXT_KEY_USAGE, critical, der.sequence(*(der.oid(item) for item in purposes)))


def subject_alt_name(
    dns: Iterable[str] = (),
    ip: Iterable[str] = (),
    email: Iterable[str] = (),
    uri: Iterable[str] = (),
    directory: Iterable[Name] = (),
    *,
    critical: bool = False,
) -> Extension:
    names = general_name.encode_all(dns, ip, email, uri, directory)
    if not names:
        raise EncodeError("at least one name", field="subjectAltName")
    return Extension(oid.SUBJECT_ALT_NAME, critical, der.sequence(names))


def subject_key_identifier(identifier: bytes) -> Extension:
    """`identifier` is `PublicKey.key_identifier` of the subject's key."""
    return Extension(oid.SUBJECT_KEY_IDENTIFIER, False, der.octet_string(identifier))


def authority_key_identifier(identifier: bytes) -> Extension:
    """`identifier` is the issuer's subject key identifier."""
    return Extension(oid.AUTHORITY_KEY_IDENTIFIER, False, der.sequence(der.implicit(0, identifier)))


def crl_distribution_points(urls: Iterable[str]) -> Extension:
    """One distribution point with every address in its fullName."""
    return Extension(oid.CRL_DISTRIBUTION_POINTS, False, _points(urls, "cRLDistributionPoints"))


def freshest_crl(urls: Iterable[str]) -> Extension:
    """Where the delta lists are that go with a complete list."""
    return Extension(oid.FRESHEST_CRL, False, _points(urls, "freshestCRL"))


def _points(urls: Iterable[str], field: str) -> bytes:
    names = general_name.encode_all(uri=urls)
    if not names:
        raise EncodeError("at least one address", field=field)
    return der.sequence(der.sequence(der.explicit(0, der.explicit(0, names))))


def authority_info_access(ocsp: Iterable[str] = (), ca_issuers: Iterable[str] = ()) -> Extension:
    accesses = [(oid.AIA_OCSP, url) for url in ocsp] + [(oid.AIA_CA_ISSUERS, url) for url in ca_issuers]
    if not accesses:
        raise EncodeError("at least one address", field="authorityInfoAccess")
    descriptions = (
        der.sequence(der.oid(method), general_name.encode_text(general_name.URI, url)) for method, url in accesses
    )
    return Extension(oid.AUTHORITY_INFO_ACCESS, False, der.sequence(*descriptions))


def certificate_policies(oids: Iterable[str]) -> Extension:
    policies = [der.sequence(der.oid(item)) for item in oids]
    if not policies:
        raise EncodeError("at least one policy", field="certificatePolicies")
    return Extension(oid.CERTIFICATE_POLICIES, False, der.sequence(*policies))


def name_constraints(
    *,
    permitted_dns: Iterable[str] = (),
    excluded_dns: Iterable[str] = (),
    permitted_email: Iterable[str] = (),
    excluded_email: Iterable[str] = (),
    permitted_directory: Iterable[Name] = (),
    excluded_directory: Iterable[Name] = (),
    permitted_ip: Iterable[str] = (),
    excluded_ip: Iterable[str] = (),
) -> Extension:
    """Critical. IP values are networks ("10.0.0.0/8")."""

    def subtrees(
        number: int, dns: Iterable[str], email: Iterable[str], directory: Iterable[Name], ip: Iterable[str]
    ) -> bytes:
        bases = [
            *(general_name.encode_text(general_name.DNS, value) for value in dns),
            *(general_name.encode_text(general_name.EMAIL, value) for value in email),
            *(general_name.encode_directory(value) for value in directory),
            *(general_name.encode_network(value) for value in ip),
        ]
        return der.explicit(number, b"".join(der.sequence(base) for base in bases)) if bases else b""

    permitted = subtrees(0, permitted_dns, permitted_email, permitted_directory, permitted_ip)
    excluded = subtrees(1, excluded_dns, excluded_email, excluded_directory, excluded_ip)
    if not permitted and not excluded:
        raise EncodeError("at least one subtree", field="nameConstraints")
    return Extension(oid.NAME_CONSTRAINTS, True, der.sequence(permitted, excluded))


def crl_number(number: int) -> Extension:
    return Extension(oid.CRL_NUMBER, False, der.integer(number))


def delta_crl_indicator(base: int) -> Extension:
    """Critical: the list tells what changed since the complete list of number `base`."""
    return Extension(oid.DELTA_CRL_INDICATOR, True, der.integer(base))


def crl_reason(reason: int) -> Extension:
    return Extension(oid.CRL_REASON, False, der.integer(reason, der.ENUMERATED))


# --- to read ---------------------------------------------------------------------------------------------------------


def ocsp_nocheck() -> Extension:
    """The certificate is trusted while it is valid: nobody asks the responder about itself (RFC 6960 4.2.2.2.1)."""
    return Extension(oid.OCSP_NOCHECK, False, der.NULL)


def read_extensions(reader: der.Reader) -> tuple[Extension, ...]:
    """Extensions: SEQUENCE OF Extension, in order, duplicates kept."""
    extensions: list[Extension] = []
    sequence = reader.enter(der.SEQUENCE, "extensions")
    while sequence.more:
        if len(extensions) >= _MAX_ITEMS:
            raise sequence.fail("too many", "extensions")
        item = sequence.enter(der.SEQUENCE, "Extension")
        kind = item.oid("extnID")
        critical = item.boolean("critical") if item.peek() == der.BOOLEAN else False
        extensions.append(Extension(kind, critical, item.octet_string("extnValue")))
        item.end()
    return tuple(extensions)


def _open(value: bytes, field: str) -> der.Reader:
    outer = der.Reader(value, field=field)
    inner = outer.enter(der.SEQUENCE, field)
    outer.end()
    return inner


def read_basic_constraints(value: bytes) -> BasicConstraints:
    reader = _open(value, "basicConstraints")
    ca = reader.boolean("cA") if reader.peek() == der.BOOLEAN else False
    length = reader.integer("pathLenConstraint") if reader.more else None
    reader.end()
    if length is not None and length < 0:
        raise reader.fail("negative", "pathLenConstraint")
    return BasicConstraints(ca, length)


def read_key_usage(value: bytes) -> frozenset[str]:
    reader = der.Reader(value, field="keyUsage")
    bits = reader.named_bits()
    reader.end()
    return frozenset(name for bit, name in enumerate(KEY_USAGES) if bits >> bit & 1)


def read_oids(value: bytes, field: str) -> tuple[str, ...]:
    """A SEQUENCE OF OBJECT IDENTIFIER, as extKeyUsage is."""
    reader = _open(value, field)
    found: list[str] = []
    while reader.more and len(found) < _MAX_ITEMS:
        found.append(reader.oid(field))
    reader.end()
    return tuple(found)


def read_general_names(value: bytes, field: str) -> tuple[GeneralName, ...]:
    return general_name.read_all(_open(value, field))


def read_subject_key_identifier(value: bytes) -> bytes:
    reader = der.Reader(value, field="subjectKeyIdentifier")
    identifier = reader.octet_string()
    reader.end()
    return identifier


def read_authority_key_identifier(value: bytes) -> bytes | None:
    """The keyIdentifier, None when only issuer and serial are there."""
    reader = _open(value, "authorityKeyIdentifier")
    identifier = reader.read_if(0x80)
    if reader.peek() == 0xA1:
        reader.raw()
    if reader.peek() == 0x82:
        reader.raw()
    reader.end()
    return identifier


def read_name_constraints(value: bytes) -> NameConstraints:
    reader = _open(value, "nameConstraints")
    permitted = _read_subtrees(reader.enter_if(0xA0, "permittedSubtrees"))
    excluded = _read_subtrees(reader.enter_if(0xA1, "excludedSubtrees"))
    reader.end()
    return NameConstraints(permitted, excluded)


def _read_subtrees(reader: der.Reader | None) -> tuple[GeneralName, ...]:
    bases: list[GeneralName] = []
    while reader is not None and reader.more:
        if len(bases) >= _MAX_ITEMS:
            raise reader.fail("too many")
        subtree = reader.enter(der.SEQUENCE)
        bases.append(general_name.read(subtree, network=True))
        # minimum must be 0 and maximum absent (RFC 5280 4.2.1.10), so nothing may follow the base.
        subtree.end()
    return tuple(bases)


def read_crl_distribution_points(value: bytes) -> tuple[str, ...]:
    """Every URI in any point's fullName."""
    reader = _open(value, "cRLDistributionPoints")
    found: list[str] = []
    while reader.more:
        point = reader.enter(der.SEQUENCE)
        name = point.enter_if(0xA0)
        full = name.enter_if(0xA0) if name is not None else None
        if full is not None:
            found += [str(item.value) for item in general_name.read_all(full) if item.kind == general_name.URI]
    return tuple(found)


def read_authority_info_access(value: bytes) -> tuple[tuple[str, str], ...]:
    """(access method OID, URI) pairs; locations that are not URIs are passed over."""
    reader = _open(value, "authorityInfoAccess")
    found: list[tuple[str, str]] = []
    while reader.more:
        access = reader.enter(der.SEQUENCE)
        method = access.oid()
        location = general_name.read(access)
        access.end()
        if location.kind == general_name.URI:
            found.append((method, str(location.value)))
    return tuple(found)


def read_certificate_policies(value: bytes) -> tuple[str, ...]:
    reader = _open(value, "certificatePolicies")
    found: list[str] = []
    while reader.more:
        policy = reader.enter(der.SEQUENCE)
        found.append(policy.oid())
    return tuple(found)
