"""The listener's certificate: made at first start by a CA of this installation, renewed by itself before it expires.

The CA certificate is what clients trust (`curl --cacert var/data/listener-ca.pem`). It signs nothing but listener
certificates. `miyun ssl deploy listener` puts a certificate of another CA before it, and that CA into the same file.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from miyun.core.settings import Settings

CA_DAYS = 3650
DAYS = 365
RENEW_BEFORE = timedelta(days=30)
_CA = "Miyun listener CA"
_BACKDATED = timedelta(minutes=10)  # clients whose clock is a little behind


@dataclass(frozen=True, slots=True)
class ListenerFiles:
    """Where the files are. `deployed` holds key and chain of another CA's certificate, in one file so that they change
    at once; it is served while it is there."""

    ca: Path
    ca_key: Path
    certificate: Path
    key: Path

    @classmethod
    def of(cls, settings: Settings) -> ListenerFiles:
        data, secrets = settings.folder("data"), settings.folder("secrets")
        return cls(
            data / "listener-ca.pem", secrets / "listener-ca.key", data / "listener.pem", secrets / "listener.key"
        )

    @property
    def deployed(self) -> Path:
        return self.key.with_name("listener-deployed.pem")

    @property
    def served(self) -> tuple[Path, Path]:
        """Chain and key."""
        return (self.deployed, self.deployed) if self.deployed.exists() else (self.certificate, self.key)


def names(settings: Settings) -> tuple[str, ...]:
    """Host names and addresses the certificate is for: loopback, this machine, the configured address and URL."""
    wanted = ["127.0.0.1", "::1", "localhost", socket.gethostname(), settings.server.host]
    wanted.append(urlsplit(settings.url).hostname or "")
    return tuple(dict.fromkeys(name for name in wanted if name and name not in ("0.0.0.0", "::")))


def ensure(files: ListenerFiles, wanted: Sequence[str], now: datetime | None = None) -> bool:
    """Make or renew what is missing, about to expire, or does not name all of `wanted`. True when something changed."""
    now = now or datetime.now(UTC)
    ca, ca_key, changed = _ensure_ca(files, now)
    current = _load(files.certificate)
    if current is not None and files.key.exists():
        if current.issuer != _name(_CA):
            return False
        fresh = current.not_valid_after_utc - now > RENEW_BEFORE
        if fresh and not changed and set(wanted) <= _names_of(current) and _belong(current, ca, files.key):
            return False
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = (
        _builder(_name("Miyun listener"), ca.subject, key, now, DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in wanted]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    write(files.key, _private(key), 0o600)
    pem = leaf.public_bytes(serialization.Encoding.PEM) + ca.public_bytes(serialization.Encoding.PEM)
    write(files.certificate, pem, 0o644)
    return True


def _ensure_ca(files: ListenerFiles, now: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey, bool]:
    current = _load(files.ca)
    if current is not None and files.ca_key.exists() and current.not_valid_after_utc - now > timedelta(days=DAYS):
        key = serialization.load_pem_private_key(files.ca_key.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return current, key, False
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(_CA)
    certificate = (
        _builder(subject, subject, key, now, CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    write(files.ca_key, _private(key), 0o600)
    write(files.ca, certificate.public_bytes(serialization.Encoding.PEM) + besides(files), 0o644)
    return certificate, key, True


def trust(files: ListenerFiles, authority: bytes) -> None:
    """Clients trust this CA besides the installation's own: PEM, or nothing."""
    own = x509.load_pem_x509_certificate(files.ca.read_bytes())
    write(files.ca, own.public_bytes(serialization.Encoding.PEM) + authority, 0o644)


def besides(files: ListenerFiles) -> bytes:
    """The CAs after the installation's own in the file that clients trust."""
    try:
        others = x509.load_pem_x509_certificates(files.ca.read_bytes())
    except (FileNotFoundError, ValueError):
        return b""
    return b"".join(other.public_bytes(serialization.Encoding.PEM) for other in others if other.subject != _name(_CA))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    # the host in the name tells the CAs of two installations apart in a client's trust store
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Miyun"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, socket.gethostname()[:64]),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name.encode("idna").decode("ascii"))


def _names_of(certificate: x509.Certificate) -> set[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return {str(name.value) for name in found}


def _belong(certificate: x509.Certificate, ca: x509.Certificate, key: Path) -> bool:
    """Whether key, certificate and CA fit: a crash between two writes may leave files of two generations."""
    try:
        certificate.verify_directly_issued_by(ca)
        return serialization.load_pem_private_key(key.read_bytes(), None).public_key() == certificate.public_key()
    except (ValueError, TypeError, InvalidSignature):
        return False


def _load(path: Path) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def write(path: Path, content: bytes, mode: int) -> None:
    """Atomic and durable; never readable by others, not even for a moment."""
    fresh = path.with_name(path.name + ".new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        os.fchmod(fd, mode)
        os.write(fd, content)
        os.fsync(fd)
    finally:
        os.close(fd)
    fresh.replace(path)
