"""TLS that asks its clients for a certificate and lets any in: the handshake proves that the client holds the key.

Whether a certificate is to be relied upon is asked elsewhere, of whoever's trust lists it concerns (ADR 0004). Python's
own `ssl` cannot do this: with a certificate asked for, it insists on judging the chain itself, for all tenants alike,
and a client of whom it does not approve sees a dead connection instead of a reason. So OpenSSL is driven through
pyOpenSSL here, behind the one method by which an event loop gets its TLS from an `ssl.SSLContext`.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable
from typing import Any, Final, TypeVar

from OpenSSL import SSL, crypto

from miyun.edge.listener.certificate import ListenerFiles

T = TypeVar("T")
CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
_PROTOCOL: Final = b"http/1.1"
_RECORD: Final = 16 * 1024  # given to OpenSSL at a time
_FLIGHT: Final = 64 * 1024  # taken from it


class Session:
    """What the event loop knows of an `ssl.SSLObject`: octets in, octets out, nothing of sockets."""

    def __init__(self, context: SSL.Context, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> None:
        self._connection = SSL.Connection(context, None)
        self._connection.set_accept_state()
        self._incoming, self._outgoing = incoming, outgoing
        self._drained = True

    @property
    def certificate(self) -> bytes:
        """DER of the certificate whose key the client holds; empty when it gave none."""
        given = self._connection.get_peer_certificate()
        return crypto.dump_certificate(crypto.FILETYPE_ASN1, given) if given is not None else b""

    def do_handshake(self) -> None:
        self._run(self._connection.do_handshake)

    def read(self, size: int = 1024, buffer: bytearray | memoryview | None = None) -> bytes | int:
        """Nothing, once the client has said goodbye."""
        try:
            if buffer is not None:
                return self._run(lambda: self._connection.recv_into(buffer, size))
            return self._run(lambda: self._connection.recv(min(size, _RECORD)))  # it has room made for all of `size`
        except ssl.SSLZeroReturnError:
            return 0 if buffer is not None else b""

    def write(self, data: bytes | bytearray | memoryview) -> int:
        return self._run(lambda: self._connection.send(bytes(data)))

    def pending(self) -> int:
        """More than nothing also when it is not known: what came with the end of a handshake may lie in OpenSSL."""
        return self._connection.pending() or int(not self._drained)

    def unwrap(self) -> None:
        """Raises SSLWantReadError until the other side has said goodbye too."""
        if not self._run(self._connection.shutdown):
            raise ssl.SSLWantReadError

    def getpeercert(self, binary_form: bool = False) -> bytes | dict[str, Any] | None:
        return self.certificate or None if binary_form else {}

    def cipher(self) -> tuple[str, str, int] | None:
        name, version = self._connection.get_cipher_name(), self._connection.get_cipher_version()
        return (name, version, self._connection.get_cipher_bits() or 0) if name and version else None

    def compression(self) -> None:
        return None

    def _run(self, step: Callable[[], T]) -> T:
        """One step in the terms of `ssl`. It is given more of what has come only when it wants more, so that the loop,
        which holds a client back by what still lies there, knows of it; what it wants sent is handed on in any case."""
        try:
            while True:
                try:
                    done = step()
                    self._drained = False
                    return done
                except (SSL.WantReadError, SSL.WantWriteError):
                    if not self._incoming.pending:
                        self._drained = True
                        raise ssl.SSLWantReadError from None
                    self._connection.bio_write(self._incoming.read(_RECORD))
        except SSL.ZeroReturnError:
            raise ssl.SSLZeroReturnError from None
        except SSL.Error as error:
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, f"TLS failed: {error}") from None
        finally:
            with contextlib.suppress(SSL.WantReadError):
                while True:
                    self._outgoing.write(self._connection.bio_read(_FLIGHT))


class PossessionContext(ssl.SSLContext):
    """Hands out `Session`s where an event loop expects those of `ssl`; nothing else of its base is used."""

    def __new__(cls, files: ListenerFiles) -> PossessionContext:
        return super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)

    def __init__(self, files: ListenerFiles) -> None:
        self._files = files
        self._own = _context(files)

    def renew(self) -> None:
        """For connections from now on: the files hold a new certificate."""
        self._own = _context(self._files)

    def wrap_bio(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *_: Any, **__: Any) -> Any:
        return Session(self._own, incoming, outgoing)


def _context(files: ListenerFiles) -> SSL.Context:
    tls = SSL.Context(SSL.TLS_SERVER_METHOD)
    tls.set_min_proto_version(SSL.TLS1_2_VERSION)
    tls.set_cipher_list(CIPHERS.encode())
    # every connection proves anew that its client holds the key: no sessions are taken up again
    tls.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    tls.set_options(
        SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION | SSL.OP_CIPHER_SERVER_PREFERENCE
    )
    tls.set_alpn_select_callback(_protocol)
    tls.set_verify(SSL.VERIFY_PEER, _any)
    certificate, key = files.served
    tls.use_certificate_chain_file(str(certificate))
    tls.use_privatekey_file(str(key))
    return tls


def _any(*_: object) -> bool:
    """Of the chain: the signature over the handshake is OpenSSL's to check, and nobody is asked about that."""
    return True


def _protocol(_: SSL.Connection, offered: list[bytes]) -> Any:
    return _PROTOCOL if _PROTOCOL in offered else SSL.NO_OVERLAPPING_PROTOCOLS
