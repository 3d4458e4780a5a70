"""A CA that is none of ours, and requests for it, by `cryptography`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def name_of(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def csr(key: ec.EllipticCurvePrivateKey, *names: str) -> str:
    alternative = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    request = x509.CertificateSigningRequestBuilder().subject_name(name_of(names[0]))
    if names:
        request = request.add_extension(alternative, critical=False)
    return request.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


@dataclass
class OutsideAuthority:
    """`now`: when its certificates begin, but for a day."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    key: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    name: x509.Name = field(default_factory=lambda: name_of("Outside CA"))

    def __post_init__(self) -> None:
        self.certificate = self._sign(self.name, self.key.public_key(), ca=True)

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
        names: Sequence[str] = (),
        *,
        ca: bool,
        days: int = 90,
    ) -> str:
        built = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.now - timedelta(days=1))
            .not_valid_after(self.now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if names:
            alternative = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
            built = built.add_extension(alternative, critical=False)
        return built.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()

    def issue(
        self, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, *names: str, days: int = 90, ca: bool = False
    ) -> str:
        """A chain in PEM, the certificate first."""
        return self._sign(name_of(names[0]), key.public_key(), names, ca=ca, days=days) + self.certificate
