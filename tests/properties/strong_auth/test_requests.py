"""Whatever a browser or a client sends, the answer is a refusal by the protocol: never an internal error, and nobody is
sent to an address that is not registered."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from urllib.parse import urlencode

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.strong_auth import CALLBACK, Browser, Hall, Relying, register

from miyun.core.errors import InternalError, MiyunError
from miyun.core.operation import Reply
from miyun.offerings.strong_auth.sso import messages as sso
from miyun.offerings.strong_auth.sso.errors import ClientRefused

NAMES = ("response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "prompt", "max_age", "code_challenge",
         "code_challenge_method", "service", "renew", "gateway", "grant_type", "code", "refresh_token", "token",
         "code_verifier", "client_secret", "id_token_hint", "post_logout_redirect_uri", "ticket")  # fmt: skip
VALUES = st.sampled_from(
    ["", "code", "none", "login", "S256", "openid", CALLBACK, "authorization_code", "refresh_token"]
)
PAIRS = st.lists(st.tuples(st.sampled_from(NAMES) | st.text(max_size=8), VALUES | st.text(max_size=40)), max_size=12)
PROTOCOLS = st.sampled_from(["oidc", "cas"])


@cache
def world() -> tuple[Hall, Relying]:
    hall = Hall(Path(tempfile.mkdtemp(prefix="miyun-sso-")))
    return hall, register(hall)


def asked(pairs: list[tuple[str, str]], client: Relying) -> str:
    known = [(name, client.view.client if name == "client_id" and value else value) for name, value in pairs]
    return urlencode(known)


@settings(max_examples=150)
@given(PAIRS, PROTOCOLS)
def test_a_browser_is_shown_a_page_or_refused(pairs: list[tuple[str, str]], protocol: str) -> None:
    hall, client = world()
    try:
        page = Browser(hall).visit(asked(pairs, client), protocol)
    except MiyunError as error:
        assert not isinstance(error, InternalError)
    else:
        assert page.challenge or page.redirect.startswith(CALLBACK)


@settings(max_examples=150)
@given(PAIRS, st.text(max_size=40), st.sampled_from(["token", "revoke", "introspect", "userinfo"]))
def test_a_client_gets_the_protocols_own_error(pairs: list[tuple[str, str]], authorization: str, name: str) -> None:
    hall, client = world()
    request = sso.Exchanged(tenant="ten_a", form=asked(pairs, client), authorization=authorization)
    try:
        reply: Reply = hall.do(getattr(hall.service.sso.oidc, name), hall.public(), request)
    except ClientRefused as refused:
        reply = refused.reply
    assert reply.status in (400, 401, 403) and b'"error"' in reply.body


@settings(max_examples=100)
@given(PAIRS, PROTOCOLS)
def test_signing_out_leads_nowhere_by_chance(pairs: list[tuple[str, str]], protocol: str) -> None:
    hall, client = world()
    request = sso.Logout(protocol=protocol, tenant="ten_a", query=asked(pairs, client))  # type: ignore[arg-type]
    try:
        assert hall.do(hall.service.sso.logout, hall.public(), request).redirect == ""
    except MiyunError as error:
        assert not isinstance(error, InternalError)
