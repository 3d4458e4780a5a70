"""A client of TLS 1.3 with a certificate of an SM2 key (RFC 8998: sm2sig_sm3), by OpenSSL 4; curl and browsers here are
built on older ones."""

from __future__ import annotations

import base64
import socket
from pathlib import Path

from OpenSSL import SSL

from miyun.gm import sm2
from miyun.wire import der, oid


def key_file(path: Path, private: bytes) -> None:
    """As OpenSSL reads it (RFC 5915)."""
    point = sm2.public_key(private)
    parameters, public = der.explicit(0, der.oid(oid.SM2_CURVE)), der.explicit(1, der.bit_string(point))
    encoded = der.sequence(der.integer(1), der.octet_string(private), parameters, public)
    text = base64.encodebytes(encoded).decode()
    path.write_text(f"-----BEGIN EC PRIVATE KEY-----\n{text}-----END EC PRIVATE KEY-----\n")


def ask(port: int, certificate: Path, key: Path, request: bytes) -> tuple[str, bytes]:
    """The version of TLS and the whole answer; the request has to say `connection: close`."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.use_certificate_file(str(certificate))
    context.use_privatekey_file(str(key))
    with socket.create_connection(("127.0.0.1", port), 20) as raw:
        connection = SSL.Connection(context, raw)
        raw.settimeout(None)
        connection.set_connect_state()
        connection.do_handshake()
        connection.sendall(request)
        answer = b""
        try:
            while True:
                answer += connection.recv(65536)
        except (SSL.ZeroReturnError, SSL.SysCallError):
            return connection.get_protocol_version_name(), answer
