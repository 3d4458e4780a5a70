"""A small web application that logs its people in with idpyoidc, an OpenID Connect client library that is not ours."""

from __future__ import annotations

import html
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from idpyoidc.client.client_auth import ClientAuthnMethod
from idpyoidc.client.defaults import DEFAULT_KEY_DEFS, DEFAULT_OIDC_SERVICES
from idpyoidc.client.rp_handler import RPHandler


class ByConnection(ClientAuthnMethod):
    """`tls_client_auth` for idpyoidc: the request says who asks, and the connection proves it (RFC 8705 2)."""

    def construct(self, request: Any, service: Any = None, http_args: Any = None, **_: Any) -> dict[str, Any]:
        request["client_id"] = service.upstream_get("context").get_client_id()
        return http_args or {}


class WebApplication:
    """`/` leads to the provider, `/callback` says who came, `/logout` ends it."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.sessions: list[dict[str, Any]] = []

    def connect(
        self,
        issuer: str,
        client_id: str,
        secret: str | None,
        authority: Path,
        algorithm: str = "ES256",
        certificate: tuple[str, str] | None = None,
    ) -> None:
        """`certificate` and its key, as files: shown at every connection, and without a secret all there is."""
        self.issuer = issuer
        auth = "client_secret_basic" if secret else "tls_client_auth"
        method = "idpyoidc.client.client_auth.ClientSecretBasic" if secret else f"{__name__}.ByConnection"
        services = {
            **DEFAULT_OIDC_SERVICES,
            "end_session": {"class": "idpyoidc.client.oidc.end_session.EndSession"},
        }
        self.handler = RPHandler(
            base_url=self.url,
            client_configs={
                "miyun": {
                    "client_type": "oidc",
                    "issuer": issuer,
                    "client_id": client_id,
                    **({"client_secret": secret} if secret else {}),
                    "redirect_uris": [f"{self.url}/callback"],
                    "post_logout_redirect_uris": [f"{self.url}/bye"],
                    "response_types_supported": ["code"],
                    "scopes_supported": ["openid", "profile"],
                    "id_token_signed_response_alg": algorithm,
                    "token_endpoint_auth_methods_supported": [auth],
                    "client_authn_methods": {auth: method},
                    "services": services,
                    "add_ons": {
                        "pkce": {
                            "function": "idpyoidc.client.oauth2.add_on.pkce.add_support",
                            "kwargs": {"code_challenge_length": 64, "code_challenge_method": "S256"},
                        }
                    },
                }
            },
            services=services,
            key_conf={"key_defs": DEFAULT_KEY_DEFS},  # in memory: by default it writes them to the working directory
            httpc_params={
                "verify": str(authority),
                "proxies": {"http": "", "https": ""},
                **({"cert": certificate} if certificate else {}),
            },
        )

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        application = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                try:
                    self._route(parts.path, dict(parse_qsl(parts.query)))
                except Exception as error:
                    traceback.print_exc()
                    self._page(500, repr(error))

            def _route(self, path: str, query: dict[str, str]) -> None:
                if path == "/":
                    self._go(application.handler.begin("miyun"))
                elif path == "/callback":
                    client = application.handler.issuer2rp[application.issuer]
                    done = application.handler.finalize(application.issuer, query)
                    if "error" in done:
                        self._page(403, str(done["error"]))
                        return
                    application.sessions.append({"state": query["state"], "client": client, **done})
                    self._page(200, f"welcome {done['userinfo']['sub']}")
                elif path == "/logout":
                    self._go(application.handler.logout(application.sessions[-1]["state"])["url"])
                else:
                    self._page(200, f"at {path}")

            def _go(self, address: str) -> None:
                self.send_response(303)
                self.send_header("location", address)
                self.send_header("content-length", "0")
                self.end_headers()

            def _page(self, status: int, text: str) -> None:
                content = f"<!doctype html><link rel=icon href=data:,><h1>{html.escape(text)}</h1>".encode()
                self.send_response(status)
                self.send_header("content-type", "text/html")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        return Handler

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
