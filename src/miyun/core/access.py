"""Credentials as they arrive, and the two questions the pipeline asks of tenancy: who is it, and what may it use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import msgspec

from miyun.core.errors import MiyunError
from miyun.core.operation import Operation, Principal


class SignedRequest(msgspec.Struct, frozen=True):
    """AK/SK: `MIYUN1-HMAC-SM3`. The signature is HMAC-SM3(day key, string_to_sign), hex.

    day key = HMAC-SM3(secret key, "YYYYMMDD"); string_to_sign = the lines
    MIYUN1-HMAC-SM3 / x-miyun-date (YYYYMMDDTHHMMSSZ) / x-miyun-nonce / METHOD / path / canonical query (sorted,
    percent-encoded) / content-type (as sent, "" when absent) / idempotency-key ("" when absent) /
    x-miyun-content-sm3 (hex SM3 of the body, or STREAMING), joined by "\\n".
    Header: `Authorization: MIYUN1-HMAC-SM3 Credential=<access key>, Signature=<hex>`.
    """

    access_key: str
    date: str
    nonce: str
    signature: str
    string_to_sign: bytes


@dataclass(frozen=True, slots=True)
class BasicCredential:
    """HTTP Basic with a per-binding, single-purpose credential, for clients that cannot sign (RFC 3161 by curl)."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SessionCredential:
    """A console session (cookie) or a bearer session token. `csrf` is required for cookie sessions on writes."""

    token: str = field(repr=False)
    csrf: str | None = field(default=None, repr=False)
    cookie: bool = True
    unsafe: bool = False  # the request changes something
    tenant: str | None = None  # supplier staff name the tenant they enter under a grant


@dataclass(frozen=True, slots=True)
class Anonymous:
    pass


@dataclass(frozen=True, slots=True)
class Internal:
    """The platform itself (jobs, rehearsal). Only ever constructed in-process; no edge maps a request to it."""

    actor: str
    tenant: str | None = None
    instance: str | None = None


@dataclass(frozen=True, slots=True)
class MessageCredential:
    """A request of a standard's own protocol whose body proves who sent it (a JWS of RFC 8555). The room that speaks
    the protocol judges it: `room` is the operation prefix under which it told the authenticator how."""

    room: str
    path: str  # as it was sent
    body: bytes = field(repr=False)


Credential = SignedRequest | BasicCredential | SessionCredential | Anonymous | Internal | MessageCredential


class Authenticated(msgspec.Struct, frozen=True):
    principal: Principal
    nonce: str | None = None
    nonce_expires: float = 0.0
    instance: str | None = None  # the credential itself belongs to this instance
    must_change_password: bool = False
    must_register_key: bool = False  # a role of theirs needs a key, and they came without
    refusal: MiyunError | None = None  # known who it is, but not let in: raised once the principal can be recorded


class Authenticator(Protocol):
    async def authenticate(self, credential: Credential, operation: Operation, now: datetime) -> Authenticated:
        """Raises Unauthenticated, CredentialExpired, MachineLocked."""
        ...


Judge = Callable[[MessageCredential, Operation, datetime], Awaitable[Authenticated]]


class Entitled(msgspec.Struct, frozen=True):
    """The instance a call is charged to. `hourly_limit`: licensed capacity of the meter (None: no limit)."""

    tenant: str
    instance: str | None
    binding: str | None = None
    hourly_limit: int | None = None
    refuse: bool = True


class Entitlements(Protocol):
    async def resolve(
        self, principal: Principal, operation: Operation, *, instance: str | None, now: datetime
    ) -> Entitled:
        """For tenant operations. Raises NotEntitled (none, out of term), NotFound (foreign instance), InvalidArgument
        (several instances fit: name one)."""
        ...


class StepUp(Protocol):
    async def step_up(
        self,
        principal: Principal,
        operation: Operation,
        request: Any,
        proof: str | None,
        now: datetime,
        *,
        tenant: str | None,
    ) -> str | None:
        """For a person with a key: the name of the fresh signature that allows this very call, good once. None for
        everybody else. Raises StepUpRequired."""
        ...
