"""What uvicorn does not know: the size of a request's head, and behind the listener who the client is.

The listener bounds the first head of a connection; those that follow on it come here unseen, and the parser keeps a
head until it is whole. It begins each connection with a header of the PROXY protocol, which a client cannot do:
whatever a client sends comes after it. Without that header the connection is not the listener's; only the platform's
own user reaches a worker's socket.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from miyun.edge.http.arrival import MUTUAL, PLAIN
from miyun.wire import proxy
from miyun.wire.errors import DecodeError

MAX_HEAD: Final = 64 * 1024
_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class BoundedHttp(HttpToolsProtocol):
    """Closes a connection whose request line and header fields pass `MAX_HEAD` octets."""

    _header: bytearray | None = bytearray()  # as far as it has come; None once it is past
    _extensions: Mapping[str, Any] | None = None  # of every request's scope
    _in_head = False
    _head = 0

    def data_received(self, data: bytes) -> None:
        if self._header is not None:
            data = self._begin(self._header + data)
            if not data:
                return
        super().data_received(data)
        if not self._in_head:
            return
        self._head += len(data)
        if self._head > MAX_HEAD and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        self._in_head, self._head = True, 0
        super().on_message_begin()
        if self._extensions is not None:
            self.scope["extensions"] = dict(self._extensions)

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def _begin(self, data: bytearray) -> bytes:
        """What comes after the listener's header; nothing as long as that is not whole."""
        try:
            size = proxy.size_of(data)
        except DecodeError:
            self._header = None
            return bytes(data)
        if size is None or len(data) < size:
            self._header = data
            return b""
        self._header = None
        origin = proxy.decode(bytes(data[:size]))
        self.client = (origin.address, origin.port)
        if origin.certificate is not None:
            self._extensions = {MUTUAL: {"certificate": origin.certificate}}
        elif not origin.tls:
            self._extensions = {PLAIN: {}}
        return bytes(data[size:])


__all__ = ("MAX_HEAD", "BoundedHttp")
