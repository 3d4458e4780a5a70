"""A small authority for tests: keys of every kind, and certificates to order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache

from miyun.gm import intl, sm2
from miyun.wire import oid, spki, x509
from miyun.wire.algorithm import SignatureAlgorithm
from miyun.wire.name import Name

NOW = datetime(2026, 11, 21, 6, 0, 0, tzinfo=UTC)
SM2 = SignatureAlgorithm.SM2_SM3
ECDSA = SignatureAlgorithm.ECDSA_SHA256
RSA = SignatureAlgorithm.RSA_SHA256
PSS = SignatureAlgorithm.RSA_PSS_SHA256
ALGORITHMS = (SM2, ECDSA, RSA, PSS)


@dataclass(frozen=True)
class Key:
    algorithm: SignatureAlgorithm
    spki: bytes
    sign: Callable[[bytes], bytes]
    private: bytes = field(repr=False)

    @property
    def identifier(self) -> bytes:
        return spki.parse_spki(self.spki).key_identifier


def key(algorithm: SignatureAlgorithm = SM2, number: int = 0) -> Key:
    """The same key for the same arguments: RSA keys take long to make."""
    return _key(algorithm, number)


@cache
def _key(algorithm: SignatureAlgorithm, number: int) -> Key:
    if algorithm is SM2:
        d = sm2.generate_private_key()
        point = sm2.public_key(d)
        return Key(algorithm, spki.sm2_spki(point), lambda message: sm2.sign(d, message, public=point), d)
    if algorithm is ECDSA:
        private = intl.ecdsa_p256_generate()
        return Key(algorithm, intl.public_key(private), lambda message: intl.ecdsa_p256_sign(private, message), private)
    private = intl.rsa_generate(2048)
    padding = "pss" if algorithm is PSS else "pkcs1v15"
    return Key(
        algorithm, intl.public_key(private), lambda message: intl.rsa_sign(private, message, padding=padding), private
    )


def name(common_name: str) -> Name:
    return Name.of(("C", "CN"), ("O", "密云测试"), ("CN", common_name))


@dataclass(frozen=True)
class Identity:
    certificate: x509.Certificate
    key: Key


def make(
    common_name: str,
    *extensions: x509.Extension,
    issuer: Identity | None = None,
    key: Key,
    serial: int = 1,
    not_before: datetime = NOW - timedelta(days=30),
    not_after: datetime = NOW + timedelta(days=300),
    sign: Callable[[bytes], bytes] | None = None,
    subject: Name | None = None,
) -> Identity:
    """A certificate for `key`, self-signed without an issuer; `sign` replaces the issuer's way of signing, `subject`
    the name that `common_name` makes."""
    subject = subject or name(common_name)
    by = issuer.key if issuer else key
    identifiers = (
        x509.subject_key_identifier(key.identifier),
        x509.authority_key_identifier(by.identifier),
    )
    tbs = x509.TbsCertificate(
        serial=serial,
        issuer=issuer.certificate.subject if issuer else subject,
        subject=subject,
        not_before=not_before,
        not_after=not_after,
        spki=key.spki,
        signature_algorithm=by.algorithm,
        extensions=(*extensions, *identifiers),
    )
    return Identity(x509.parse_certificate(tbs.sign(sign or by.sign)), key)


CA_EXTENSIONS = (x509.basic_constraints(True), x509.key_usage("keyCertSign", "cRLSign"))
LEAF_EXTENSIONS = (x509.basic_constraints(False), x509.key_usage("digitalSignature", "nonRepudiation"))
TSA_EXTENSIONS = (
    x509.basic_constraints(False),
    x509.key_usage("digitalSignature"),
    x509.ext_key_usage(oid.KP_TIME_STAMPING, critical=True),
)


@dataclass(frozen=True)
class Pki:
    root: Identity
    issuing: Identity
    leaf: Identity
    tsa: Identity


def pki(algorithm: SignatureAlgorithm = SM2) -> Pki:
    """Root, issuing CA, a signer's and a timestamping certificate, all of one algorithm."""
    return _pki(algorithm)


@cache
def _pki(algorithm: SignatureAlgorithm) -> Pki:
    suffix = "" if algorithm is SM2 else f" {algorithm.name}"
    root = make(f"Root{suffix}", *CA_EXTENSIONS, key=key(algorithm, 0), serial=1)
    issuing = make(f"Issuing{suffix}", *CA_EXTENSIONS, issuer=root, key=key(algorithm, 1), serial=2)
    leaf = make("张三", *LEAF_EXTENSIONS, issuer=issuing, key=key(algorithm, 2), serial=3)
    tsa = make(f"TSA{suffix}", *TSA_EXTENSIONS, issuer=issuing, key=key(algorithm, 3), serial=4)
    return Pki(root, issuing, leaf, tsa)
