"""Another CA's certificate for the listener: judged before it is put there, then seen in a handshake or taken back."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from miyun.core.settings import Settings
from miyun.edge.deployment import NotDeployed
from miyun.edge.listener.certificate import ListenerFiles, besides, trust, write

TAKES_SECONDS: Final = 20.0  # the listener looks every second; a busy machine is given time
_HANDSHAKE_SECONDS: Final = 5.0


class ListenerGateway:
    """`authorities`: PEM of the CAs that may have issued it. None: the platform's own roots, and those that this
    machine trusts."""

    def __init__(self, settings: Settings, authorities: bytes | None = None) -> None:
        self._settings = settings
        self._files = ListenerFiles.of(settings)
        self._authorities = authorities
        self._host = urlsplit(settings.url).hostname or settings.server.host

    def put(self, files: Mapping[str, bytes]) -> Path:
        """As `Gateway.put`; of `fullchain.pem` and `privkey.pem`."""
        _check_key(files["privkey.pem"])
        chain = _certificates(files["fullchain.pem"])
        authority = self._issuer(chain)
        content = files["privkey.pem"].rstrip() + b"\n" + b"".join(_pem(item) for item in chain if item != authority)
        fresh = self._files.deployed.with_suffix(".new")
        write(fresh, content, 0o600)
        try:
            self._judge(fresh, authority)
        except NotDeployed:
            fresh.unlink(missing_ok=True)
            raise
        before = self._before()
        trust(self._files, before[1] + _pem(authority))  # nobody is to meet a certificate that is not vouched for
        fresh.replace(self._files.deployed)
        try:
            self._seen(chain[0])
        except NotDeployed:
            self._back(*before)
            raise
        trust(self._files, _pem(authority))
        return self._files.deployed

    def restore(self) -> Path:
        """The installation's own certificate again. Raises NotDeployed."""
        before = self._before()
        self._files.deployed.unlink(missing_ok=True)
        try:
            self._seen(_certificates(self._files.certificate.read_bytes())[0])
        except NotDeployed:
            self._back(*before)
            raise
        trust(self._files, b"")
        return self._files.certificate

    def _issuer(self, chain: list[x509.Certificate]) -> x509.Certificate:
        last = chain[-1]
        for candidate in self._candidates(last.issuer.public_bytes()):
            with contextlib.suppress(ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
                last.verify_directly_issued_by(candidate)
                return candidate
        raise NotDeployed(
            f"nobody who is trusted issued {last.subject.rfc4514_string()}: put the whole chain into the file, or name "
            "the CA by --authority"
        )

    def _candidates(self, name: bytes) -> list[x509.Certificate]:
        if self._authorities is not None:
            return _certificates(self._authorities)
        roots = sorted((self._settings.folder("data") / "trust").glob("root-*.pem"))
        machine = ssl.create_default_context().get_ca_certs(binary_form=True)
        return [
            *(certificate for root in roots for certificate in _certificates(root.read_bytes())),
            *(x509.load_der_x509_certificate(der) for der in machine if name in der),
        ]

    def _judge(self, file: Path, authority: x509.Certificate) -> None:
        """A handshake within this process: key, chain, dates and the name that clients use, as a client judges them."""
        server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), _client(authority)
        try:
            server.load_cert_chain(file)
        except ssl.SSLError as error:
            raise NotDeployed(f"key and certificate do not belong together: {error.reason}") from None
        there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
        ends = [
            client.wrap_bio(back, there, server_hostname=self._host),
            server.wrap_bio(there, back, server_side=True),
        ]
        try:
            for _ in range(4):
                for end in ends:
                    with contextlib.suppress(ssl.SSLWantReadError):
                        end.do_handshake()
        except ssl.SSLError as error:
            raise NotDeployed(getattr(error, "verify_message", "") or str(error)) from None

    def _seen(self, wanted: x509.Certificate) -> None:
        """Until the running listener answers with it, to a client that trusts what the platform says is trusted."""
        deadline = time.monotonic() + TAKES_SECONDS
        address = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(
            self._settings.server.host, self._settings.server.host
        )
        said = ""
        while time.monotonic() < deadline:
            try:
                trusting = ssl.create_default_context(cafile=str(self._files.ca))
                with (
                    socket.create_connection((address, self._settings.server.port), _HANDSHAKE_SECONDS) as connection,
                    trusting.wrap_socket(connection, server_hostname=self._host) as answered,
                ):
                    if answered.getpeercert(binary_form=True) == wanted.public_bytes(Encoding.DER):
                        return
                    said = "it serves another certificate"
            except OSError as error:
                said = str(error)
            time.sleep(0.2)
        raise NotDeployed(f"the listener at {address} port {self._settings.server.port} did not take it: {said}")

    def _before(self) -> tuple[bytes | None, bytes]:
        served = self._files.deployed
        return (served.read_bytes() if served.exists() else None), besides(self._files)

    def _back(self, deployed: bytes | None, authority: bytes) -> None:
        if deployed is None:
            self._files.deployed.unlink(missing_ok=True)
        else:
            write(self._files.deployed, deployed, 0o600)
        trust(self._files, authority)


def _client(authority: x509.Certificate) -> ssl.SSLContext:
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.load_verify_locations(cadata=_pem(authority).decode())
    return trusting


def _certificates(pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise NotDeployed(f"not certificates in PEM: {error}") from None


def _check_key(pem: bytes) -> None:
    """Nobody is there to type a pass phrase when the listener starts."""
    try:
        load_pem_private_key(pem, None)
    except TypeError:
        raise NotDeployed("the private key has a pass phrase: take it off first (openssl pkey -in … -out …)") from None
    except (ValueError, UnsupportedAlgorithm) as error:
        raise NotDeployed(f"not a private key in PEM: {error}") from None


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)
