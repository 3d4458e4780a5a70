"""A web application whose people log in with their certificate: OpenID Connect, by Authlib.

Register a client first, in the console or so:

    miyun api strong_auth client register --application app_… --name 示例 --redirects http://127.0.0.1:8690/callback

    ISSUER=https://127.0.0.1:8600/oidc/ten_… CLIENT_ID=cli_… CLIENT_SECRET=… CA=var/data/listener-ca.pem \\
        python examples/sign_on.py
"""

from __future__ import annotations

import html
import os
import secrets
import sys
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import requests
from authlib.integrations.requests_client import OAuth2Session
from joserfc import jwt
from joserfc.jwk import KeySet

ISSUER, CLIENT_ID = os.environ["ISSUER"], os.environ["CLIENT_ID"]
PORT = int(os.environ.get("PORT", "8690"))
CALLBACK = f"http://127.0.0.1:{PORT}/callback"
CA: Any = os.environ.get("CA") or True
PROVIDER = requests.get(f"{ISSUER}/.well-known/openid-configuration", verify=CA, timeout=10).json()

waiting: dict[str, tuple[str, str, str]] = {}  # browser → state, nonce, PKCE verifier
people: dict[str, str] = {}  # browser → account


def client() -> OAuth2Session:
    session = OAuth2Session(
        CLIENT_ID,
        os.environ["CLIENT_SECRET"],
        scope="openid profile",
        redirect_uri=CALLBACK,
        code_challenge_method="S256",
    )
    session.trust_env = False  # a bundle that the environment names would win over `verify`
    session.verify = CA
    return session


def begin(browser: str) -> str:
    """Where the browser goes to log in."""
    nonce, verifier = secrets.token_urlsafe(16), secrets.token_urlsafe(48)
    address, state = client().create_authorization_url(
        PROVIDER["authorization_endpoint"], code_verifier=verifier, nonce=nonce
    )
    waiting[browser] = state, nonce, verifier
    return str(address)


def finish(browser: str, path: str) -> str:
    """The account that has logged in."""
    state, nonce, verifier = waiting.pop(browser)
    token = client().fetch_token(
        PROVIDER["token_endpoint"],
        authorization_response=f"http://127.0.0.1:{PORT}{path}",
        state=state,
        code_verifier=verifier,
    )
    keys = KeySet.import_key_set(requests.get(PROVIDER["jwks_uri"], verify=CA, timeout=10).json())
    claims = jwt.decode(token["id_token"], keys, algorithms=["ES256", "RS256"]).claims
    jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": ISSUER},
        aud={"essential": True, "value": CLIENT_ID},
        nonce={"essential": True, "value": nonce},
        exp={"essential": True},
    ).validate(claims)
    return str(claims["sub"])


class Application(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        cookie = SimpleCookie(self.headers.get("cookie", "")).get("browser")
        browser = cookie.value if cookie else secrets.token_urlsafe(24)
        if self.path.startswith("/callback") and browser in waiting:
            try:
                people[browser] = finish(browser, self.path)
            except Exception as error:
                self.answer(browser, 403, text=f"登录失败 Login failed: {error}")
                return
            self.answer(browser, 303, location="/")
        elif browser in people:
            self.answer(browser, 200, text=f"您好 Welcome, {people[browser]}")
        else:
            self.answer(browser, 303, location=begin(browser))

    def answer(self, browser: str, status: int, *, text: str = "", location: str = "") -> None:
        content = f"<!doctype html><meta charset=utf-8><h1>{html.escape(text)}</h1>".encode()
        self.send_response(status)
        self.send_header("set-cookie", f"browser={browser}; HttpOnly; SameSite=Lax; Path=/")
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("content-length", str(len(content)))
        if location:
            self.send_header("location", location)
        self.end_headers()
        self.wfile.write(content)


if __name__ == "__main__":
    server = HTTPServer(("127.0.0.1", PORT), Application)
    sys.stdout.write(f"http://127.0.0.1:{PORT}\n")
    sys.stdout.flush()
    server.serve_forever()
