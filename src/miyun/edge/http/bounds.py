"""What uvicorn does not know: the size of a request's head, and behind the listener who the client is.

The listener bounds the first head of a connection; those that follow on it come here unseen, and the parser keeps a
head until it is whole. It begins each connection with a line of the PROXY protocol (version 1), which a client cannot
do: whatever a client sends comes after it. Without that line the connection is not the listener's; only the platform's
own user reaches a worker's socket.
"""

from __future__ import annotations

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD: Final = 64 * 1024
PREAMBLE: Final = b"PROXY "
_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class BoundedHttp(HttpToolsProtocol):
    """Closes a connection whose request line and header fields pass `MAX_HEAD` octets."""

    _begun = False
    _in_head = False
    _head = 0

    def data_received(self, data: bytes) -> None:
        if not self._begun:
            self._begun = True
            if data.startswith(PREAMBLE):
                line, _, data = data.partition(b"\r\n")
                _, _, address, _, port, _ = line.decode("ascii").split(" ")
                self.client = (address, int(port))
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

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()


__all__ = ("MAX_HEAD", "BoundedHttp")
