"""The agent's addresses, for this machine only: `POST /sof/{function}` for allowed pages, and its own page of consent.

A request is answered when it comes from a program of the same user (others may be signed in to the machine), its Host
is the agent's own (no page can point its name at 127.0.0.1), and its Origin one that the user allowed. The page of
consent is the agent's own origin: nobody can frame it or post its form for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

import jinja2
import msgspec

from miyun.core.i18n import Locale, Text, locale_of
from miyun.edge.agent import peer
from miyun.edge.agent.consent import Consents, now
from miyun.edge.agent.functions import Asking, ConsentNeeded, Functions, SofError
from miyun.wire.sof import Sor

log = logging.getLogger("miyun.edge.agent")

PORT: Final = 8610
MAX_BODY: Final = 1024 * 1024
_HERE: Final = Path(__file__).parent
_JSON, _HTML = "application/json", "text/html; charset=utf-8"
_PAGE_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",  # with no-referrer a browser posts the form as from nowhere: Origin: null
}
_ORIGIN_REFUSED: Final = Text(
    "此网站（{origin}）未被允许使用智能密码钥匙。如信任它，请在本机执行：miyun agent allow {origin}",
    "This site ({origin}) may not use the keys. If you trust it, run on this machine: miyun agent allow {origin}",
)
_CONSENT: Final = Text("请在密码钥匙助手的页面上确认。", "Confirm on the page of the key agent.")
_FAILED: Final = Text("内部错误。", "Internal error.")
_BAD_BODY: Final = Text("请求应为 JSON 数组。", "The request should be a JSON array.")

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Answer = tuple[int, dict[str, str], bytes]

_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=jinja2.StrictUndefined
)


class Agent:
    """An ASGI application. The token's library is called by one thread, as not every maker's bears more."""

    def __init__(
        self,
        functions: Functions,
        consents: Consents,
        *,
        port: int = PORT,
        is_own: Callable[[Scope], bool] = peer.is_own,
    ) -> None:
        self._functions = functions
        self._is_own = is_own
        self._consents = consents
        self._hosts = (f"127.0.0.1:{port}", f"localhost:{port}")
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="keys")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        body = await _body(receive)
        status, extra, content = await self._route(scope, headers, body)
        sent = {"cache-control": "no-store", "x-content-type-options": "nosniff", **extra}
        listed = [(name.encode(), value.encode("latin-1")) for name, value in sent.items()]
        await send({"type": "http.response.start", "status": status, "headers": listed})
        await send({"type": "http.response.body", "body": content})

    async def in_thread(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Whatever calls the library."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    async def _route(self, scope: Scope, headers: Mapping[str, str], body: bytes | None) -> Answer:
        method, path = scope["method"], scope["path"]
        if not self._is_own(scope):
            log.warning("refused a program that is not known to be this user's")
            return 403, {"content-type": "text/plain"}, b"not this user's program\n"
        if headers.get("host") not in self._hosts:
            return 421, {"content-type": "text/plain"}, b"not this host\n"
        if body is None:
            return 413, {"content-type": "text/plain"}, b"too large\n"
        if path.startswith("/sof/") and method in ("POST", "OPTIONS"):
            return await self._sof(method, path.removeprefix("/sof/"), headers, body)
        if path == "/consent" and method == "GET":
            return self._page(_first(scope["query_string"].decode("latin-1"), "request"), headers)
        if path == "/consent" and method == "POST":
            return self._answered(headers, body.decode("latin-1"))
        if path == "/agent.css" and method == "GET":
            return 200, {"content-type": "text/css; charset=utf-8"}, (_HERE / "agent.css").read_bytes()
        return 404, {"content-type": "text/plain"}, b"not found\n"

    # --- what pages call ---------------------------------------------------------------------------------------------

    async def _sof(self, method: str, name: str, headers: Mapping[str, str], body: bytes) -> Answer:
        origin = headers.get("origin", "")
        if origin not in self._consents.origins():
            text = _ORIGIN_REFUSED.format(origin=origin or "-")
            return 403, {"content-type": _JSON}, _refusal(Sor.ORIGIN_NOT_ALLOWED, text)
        shared = {"access-control-allow-origin": origin, "vary": "Origin"}
        if method == "OPTIONS":
            shared |= {
                "access-control-allow-methods": "POST",
                "access-control-allow-headers": "content-type",
                "access-control-max-age": "600",
            }
            if headers.get("access-control-request-private-network") == "true":
                shared["access-control-allow-private-network"] = "true"
            return 204, shared, b""
        shared["content-type"] = _JSON
        if headers.get("content-type", "").split(";")[0].strip() != _JSON:  # what a form can send without being asked
            return 415, shared, _refusal(Sor.IN_DATA, _BAD_BODY)
        try:
            parameters = msgspec.json.decode(body, type=list[Any])
        except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError):
            return 400, shared, _refusal(Sor.IN_DATA, _BAD_BODY)
        status, content = await self._called(name, parameters, origin)
        return status, shared, content

    async def _called(self, name: str, parameters: list[Any], origin: str) -> tuple[int, bytes]:
        try:
            value = await self.in_thread(self._functions.call, name, parameters, Asking(origin, now()))
        except ConsentNeeded as needed:
            address = f"http://{self._hosts[0]}/consent?request={needed.asked.request}"
            return 200, _refusal(Sor.CONSENT_NEEDED, _CONSENT, consent=address)
        except SofError as error:
            log.info("%s for %s: %#010x", name, origin, error.code)
            return 200, _refusal(error.code, error.text, **error.more)
        except Exception as error:
            log.error("%s for %s failed", name, origin, exc_info=error)
            return 500, _refusal(Sor.UNKNOWN, _FAILED)
        log.info("%s for %s", name, origin)
        return 200, msgspec.json.encode({"code": 0, "value": value})

    # --- the page of consent -----------------------------------------------------------------------------------------

    def _page(self, request: str, headers: Mapping[str, str]) -> Answer:
        locale = locale_of(headers.get("accept-language"))
        asked = self._consents.asked(request, now())
        return _rendered("consent.html" if asked else "gone.html", locale, asked=asked)

    def _answered(self, headers: Mapping[str, str], form: str) -> Answer:
        locale = locale_of(headers.get("accept-language"))
        if headers.get("origin") not in {f"http://{host}" for host in self._hosts}:
            return 403, {"content-type": "text/plain"}, b"not from this page\n"
        request, token, answer = (_first(form, name) for name in ("request", "token", "answer"))
        asked = self._consents.answer(request, token, answer, now())
        if asked is not None:
            log.info("consent for %s: %s", asked.origin, answer if answer in ("hour", "month") else "no")
        return _rendered("done.html" if asked else "gone.html", locale, asked=asked)


async def _body(receive: Receive) -> bytes | None:
    """None when it is too large."""
    parts, size = [], 0
    while True:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size > MAX_BODY:
            return None
        parts.append(part)
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return b"".join(parts)


def _first(query: str, name: str) -> str:
    try:
        return parse_qs(query, max_num_fields=10).get(name, [""])[0]
    except ValueError:  # more than the agent's own page ever sends
        return ""


def _refusal(code: int, text: Text, **more: Any) -> bytes:
    return msgspec.json.encode({"code": int(code), "message": {"zh": text.zh, "en": text.en}, **more})


def _rendered(template: str, locale: Locale, **values: Any) -> Answer:
    def say(zh: str, en: str) -> str:
        return zh if locale == "zh" else en

    content = _templates.get_template(template).render(say=say, locale=locale, **values)
    return 200, {"content-type": _HTML, **_PAGE_HEADERS}, content.encode()
