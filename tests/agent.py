"""A key agent for tests: one software key behind the calls that the sign-in page makes, with a PIN that locks."""

from __future__ import annotations

import base64
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from miyun.gm import sm2

TRIES = 5


@dataclass
class KeyAgent:
    """`with KeyAgent(private, certificate) as agent:` answers at `agent.url`. `signed` is what it was asked to sign."""

    private: bytes = field(repr=False)
    certificate: bytes
    pin: str = "135790"
    port: int = 0
    left: int = TRIES
    open: bool = False
    signed: list[str] = field(default_factory=list)

    def answer(self, method: str, values: list[Any]) -> dict[str, Any]:
        if method == "SOF_GetUserList":
            return {"code": 0, "value": "张三||login-1&&&"}
        if method == "SOF_GetPinRetryCount":
            return {"code": 0, "value": self.left}
        if method == "SOF_ExportUserCert":
            return {"code": 0, "value": base64.b64encode(self.certificate).decode()}
        if method == "SOF_Login":
            if self.left and values[1] == self.pin:
                self.left, self.open = TRIES, True
                return {"code": 0, "value": True}
            self.left = max(0, self.left - 1)
            return {"code": 0x0B000021, "message": {"zh": "PIN 不正确", "en": "the PIN is wrong"}}
        if method == "SOF_SignData" and self.open:
            self.signed.append(values[1])
            return {"code": 0, "value": base64.b64encode(sm2.sign(self.private, values[1].encode())).decode()}
        return {"code": 0x0B000001, "message": {"zh": "失败", "en": "failed"}}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        agent = self

        class Handler(BaseHTTPRequestHandler):
            def do_OPTIONS(self) -> None:
                self._send(b"")

            def do_POST(self) -> None:
                values = json.loads(self.rfile.read(int(self.headers["content-length"])))
                self._send(json.dumps(agent.answer(self.path.rpartition("/")[2], values)).encode())

            def _send(self, content: bytes) -> None:
                self.send_response(200)
                self.send_header("access-control-allow-origin", self.headers.get("origin", "null"))
                self.send_header("access-control-allow-headers", "content-type")
                self.send_header("access-control-allow-private-network", "true")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
