"""One request of a browser or a client: as it came, what is known of it before Authlib judges it, what it decides."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from authlib.oauth2 import OAuth2Request
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload

from miyun.core.ports import Custody
from miyun.offerings.strong_auth.model import Account, Session
from miyun.offerings.strong_auth.sso.connection import Connection
from miyun.offerings.strong_auth.sso.model import Client, Grant, SigningKey, Token


@dataclass(frozen=True, slots=True)
class Answer:
    """What a protocol's endpoint answers: to a client over HTTP, or to the browser (`location`)."""

    status: int
    body: Any
    headers: tuple[tuple[str, str], ...]

    @property
    def location(self) -> str:
        return next((value for name, value in self.headers if name == "Location"), "")

    @property
    def content(self) -> bytes:
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()


@dataclass(slots=True)
class Exchange:
    """One request: what is known before Authlib judges it, and what it decides."""

    tenant: str
    issuer: str
    now: datetime
    find_client: Callable[[str], Client | None]
    # looked up before: the code's or token's grant, its session and account while they hold
    grant: Grant | None = None
    token: Token | None = None
    session: Session | None = None
    account: Account | None = None
    keys: list[SigningKey] = field(default_factory=list)  # that may have signed an id_token_hint
    connection: Connection | None = None
    custody: Custody | None = None  # of the key that the person has signed with, if that is known
    # decided
    code: str = ""
    claims: dict[str, Any] | None = None  # of the ID token that is to be signed
    issued: dict[str, Any] | None = None
    client: Client | None = None
    thumbprint: str = ""
    revoke: bool = False
    reused: bool = False


class HttpRequest(OAuth2Request):
    """Raises ValueError for a query or form of more than 64 fields."""

    def __init__(self, method: str, uri: str, query: str, form: str, headers: Mapping[str, str]) -> None:
        super().__init__(method, uri, headers=headers)
        self._args, self._form = _pairs(query), _pairs(form)
        self.payload = _Payload(self._args + self._form)

    @property
    def args(self) -> dict[str, str]:
        return dict(self._args)

    @property
    def form(self) -> dict[str, str]:
        return dict(self._form)


class _Payload(BasicOAuth2Payload):
    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        super().__init__(dict(pairs))
        for name in self._datalist:
            self._datalist[name] = [value for given, value in pairs if given == name]


@contextmanager
def readable(refusal: Callable[[str], Exception]) -> Iterator[None]:
    """Authlib quotes what it was sent in its errors and trips over characters that have no place there."""
    try:
        yield
    except ValueError:
        raise refusal("the request cannot be read") from None


def _pairs(text: str) -> list[tuple[str, str]]:
    return parse_qsl(text, keep_blank_values=True, max_num_fields=64)
