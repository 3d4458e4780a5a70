"""One declaration per operation.

From an `Operation` come the REST route, OpenAPI, the CLI command, the client method, the permission, the meter and the
audit verb. `core.pipeline` executes all of them in one order: authenticate → tenant and instance → authorise →
entitlement → quota → validate → idempotency → execute → meter + audit → render.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, dataclass_transform

import msgspec

from miyun.core.i18n import Locale, Text


class Role(StrEnum):
    """Who a person is. 三员: no one of the three administrators holds the duties of another."""

    PLATFORM_SYSTEM = "platform.system"  # 平台系统管理员
    PLATFORM_SECURITY = "platform.security"  # 平台安全管理员
    PLATFORM_AUDIT = "platform.audit"  # 平台审计管理员
    SUPPLIER_STAFF = "platform.staff"  # 乙方运维人员: enters a tenant only under its time-limited authorisation
    TENANT_SYSTEM = "tenant.system"  # 租户系统管理员
    TENANT_SECURITY = "tenant.security"  # 租户安全管理员
    TENANT_AUDIT = "tenant.audit"  # 租户审计管理员
    TENANT_DEVELOPER = "tenant.developer"  # 租户应用开发
    APPLICATION = "application"  # an application with AK/SK, bound to instances
    SYSTEM = "system"  # the platform itself: jobs, rehearsal
    PUBLIC = "public"  # nobody in particular: CRL, health, challenge of a login


class Duty(StrEnum):
    """What kind of power an operation is. The separation test forbids one administrator KEYS, POLICY and TRAIL."""

    USE = "use"  # use of a service by an application
    READ = "read"  # look at records
    KEYS = "keys"  # create, import, export, destroy keys
    POLICY = "policy"  # accounts, permissions, entitlements, settings
    TRAIL = "trail"  # anything that touches the audit trail beyond reading
    OPERATE = "operate"  # run the platform: jobs, backup, capacity


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=False):
    """Base of requests and responses. `bytes` fields are base64 in JSON; datetimes are aware."""


class Empty(Struct):
    pass


@dataclass(frozen=True, slots=True)
class Meter:
    """What use is counted. `units(request, response)` tells how many; `None` counts one per call."""

    name: str  # "timestamp.tokens"
    unit: Text  # Text("次", "tokens")
    units: Callable[[Any, Any], int] | None = None
    hourly_quota: bool = False  # counted against the plan's capacity per clock hour (Asia/Shanghai)


@dataclass(frozen=True, slots=True)
class Operation:
    """`handler` is an unbound method of the room's service: `async def verb(self, call: Call, request) -> response`;
    with `run="pool"` it is a plain `def`, run in a worker thread.

    `path` is under /v1 and may hold `{field}`s of the request; GET and DELETE take the rest from the query string.
    `tenant_fields` names request fields that identify something a tenant owns: the isolation test feeds them
    another tenant's identifiers and expects NotFound or PermissionDenied.
    """

    id: str  # "kms.key.rotate"; also permission and audit verb
    summary: Text
    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str  # "/kms/keys/{key}/rotate"
    request: type[Any]
    response: type[Any]
    handler: Callable[..., Any]
    roles: frozenset[Role]
    duty: Duty
    example: Mapping[str, Any]  # a request that works against the example tenant
    meter: Meter | None = None
    run: Literal["inline", "pool"] = "inline"
    scope: Literal["tenant", "platform", "public"] = "tenant"
    idempotent: bool = False  # accepts Idempotency-Key: reserved durably before execution
    secret_response: bool = False  # never stored for replay: a repeat answers Conflict naming the resource
    body: Literal["json", "stream", "raw"] = "json"  # raw: request.body is bytes; stream: call.body
    reply: Literal["json", "stream", "raw"] = "json"  # raw: Reply; stream: AsyncIterator[bytes] or Download
    content_types: tuple[str, ...] = ("application/json",)
    octets: str = ""  # the request's field that an application/octet-stream body is; the others come in the query then
    octets_reply: str = ""  # the response's field that is the answer's body then; empty: the answer stays JSON
    max_body: int = 4 * 1024 * 1024
    tenant_fields: tuple[str, ...] = ()
    quota_free: bool = False  # stays open at term end until exit is closed: decrypt, verify, export
    description: Text | None = None
    pure: bool = False  # no effect but its answer: executed first, then admitted and recorded in one round trip
    step_up: bool = False  # dangerous: a person with a key signs for the very request
    recorded: bool = True  # False: only counted (public reads, "who am I"), never what anybody is billed or judged by

    offering: str = field(init=False)  # the id's first part
    settles: bool = field(init=False)  # admission may wait for the record; that of a stream comes before its body

    def __post_init__(self) -> None:
        object.__setattr__(self, "offering", self.id.split(".", 1)[0])
        pure = self.pure or self.method == "GET"
        object.__setattr__(self, "settles", pure and "stream" not in (self.body, self.reply))


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls. `tenant` is None for platform people."""

    id: str
    role: Role
    name: str
    tenant: str | None = None
    application: str | None = None
    roles: frozenset[Role] = frozenset()  # all roles held (a person may hold several compatible ones)
    grant: str | None = None  # the tenant's authorisation under which supplier staff act
    session: str | None = None  # digest of the session token, for people: what sign-out ends


@dataclass(slots=True)
class Call:
    """What a handler knows about the request it serves. Handlers may fill `resource` and `detail` for the audit, and in
    a public operation `tenant`, `instance` and `binding` when they find out whom it concerns: then a refusal is
    recorded too."""

    principal: Principal
    request_id: str
    now: datetime  # aware UTC, fixed for the whole call
    locale: Locale
    tenant: str | None = None
    instance: str | None = None  # the service instance this call is charged to
    binding: str | None = None
    body: AsyncIterator[bytes] | None = None
    peer: str = ""  # the client's address; "" when the call does not come over the network
    certificate: bytes | None = None  # DER, not judged yet, whose key the client holds; b"": none; None: not asked
    idle: bool = False  # set by a handler of nobody in particular when nothing came of it: only counted
    resource: dict[str, str] = field(default_factory=dict)  # {"key": "key_..."}; goes into the ledger
    detail: dict[str, Any] = field(default_factory=dict)  # small, never secret; goes into the ledger
    private: bool = False  # set by the handler: this answer holds data of the caller's, never stored for replay
    units: int | None = None  # set by the handler when the meter cannot be told from request and response

    @property
    def application(self) -> str | None:
        """The application that calls; None for people and for the platform itself."""
        return self.principal.application if self.principal.role is Role.APPLICATION else None

    def require_tenant(self) -> str:
        assert self.tenant is not None, "the pipeline resolves the tenant before a tenant operation runs"
        return self.tenant


@dataclass(frozen=True, slots=True)
class Reply:
    """A raw answer of a protocol operation (RFC 3161, CRL ...)."""

    body: bytes
    content_type: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Download:
    """The answer of an operation with `reply="stream"` that is a file of its own: what it is, and how to call it."""

    chunks: AsyncIterator[bytes]
    content_type: str
    file_name: str  # ASCII

    @property
    def headers(self) -> Mapping[str, str]:
        return {
            "content-type": self.content_type,
            "content-disposition": f'attachment; filename="{self.file_name}"',
        }
