"""A small platform in memory for tests of the edge: a room with one operation of each kind, an in-memory ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

import httpx
import msgspec

from miyun.core.access import Anonymous, Authenticated, Entitled, SignedRequest
from miyun.core.catalogue import Offering
from miyun.core.clock import SystemClock
from miyun.core.errors import IdempotencyMismatch, MiyunError, NotFound, QuotaExceeded, Unauthenticated, Unavailable
from miyun.core.i18n import Text
from miyun.core.ledger.port import Admission, Entry, Receipt, Settled, Ticket
from miyun.core.operation import Call, Duty, Empty, Operation, Principal, Reply, Role, Struct
from miyun.core.pipeline import Pipeline
from miyun.core.protocol import ProtocolRoute
from miyun.core.registry import Registry
from miyun.edge.http.app import Web, create_app
from miyun.edge.http.front import Front
from miyun.edge.http.health import Health
from miyun.gm import sm3

SECRET = b"a secret key for tests"


class Note(Struct):
    note: str
    text: Annotated[str, msgspec.Meta(max_length=20)]
    tags: tuple[str, ...] = ()
    count: Annotated[int, msgspec.Meta(ge=1, le=9)] = 1
    data: bytes = b""


class Find(Struct):
    text: str | None = None
    tags: tuple[str, ...] = ()
    limit: Annotated[int, msgspec.Meta(ge=1, le=500)] = 50
    since: datetime | None = None


class Seen(Struct):
    value: dict[str, Any]


class NoteRef(Struct):
    note: str


class Octets(Struct):
    kind: str
    body: bytes


class Mix(Struct, frozen=True):
    kind: str
    data: Annotated[bytes, msgspec.Meta(max_length=100_000)]
    salt: bytes = b""
    rounds: int = 1


class Mixed(Struct, frozen=True):
    mixed: bytes
    kind: str
    rounds: int
    nothing: str | None = None


class Room:
    """Answers with what it was asked."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.error: Exception | None = None

    async def put(self, call: Call, request: Note) -> Seen:
        self.calls.append(call)
        if self.error is not None:
            raise self.error
        return Seen(value=msgspec.to_builtins(request))

    async def find(self, call: Call, request: Find) -> Seen:
        self.calls.append(call)
        return Seen(value=msgspec.to_builtins(request))

    def digest(self, call: Call, request: Octets) -> Reply:
        return Reply(sm3.digest(request.body), "application/octet-stream", headers={"X-Kind": request.kind})

    async def mix(self, call: Call, request: Mix) -> Mixed:
        return Mixed(mixed=request.salt + request.data, kind=request.kind, rounds=request.rounds)

    async def reverse(self, call: Call, request: Empty) -> AsyncIterator[bytes]:
        assert call.body is not None
        chunks = [chunk async for chunk in call.body]
        if self.error is not None:
            raise self.error

        async def answer() -> AsyncIterator[bytes]:
            yield b"".join(chunks)[::-1]
            if b"break" in b"".join(chunks):
                raise Unavailable("vsm")

        return answer()

    async def public(self, call: Call, request: NoteRef) -> Reply:
        if request.note == "none":
            raise NotFound("note", request.note)
        return Reply(request.note.encode(), "text/x-note", headers={"cache-control": "max-age=60"})


def operation(verb: str, method: str, path: str, request: Any, response: Any, handler: Any, **more: Any) -> Operation:
    values: dict[str, Any] = {
        "id": f"room.{verb}",
        "summary": Text(f"操作 {verb}", f"Operation {verb}"),
        "method": method,
        "path": path,
        "request": request,
        "response": response,
        "handler": handler,
        "roles": frozenset({Role.APPLICATION}),
        "duty": Duty.USE,
        "example": {},
    }
    return Operation(**(values | more))


OPERATIONS = (
    operation("put", "POST", "/room/notes/{note}", Note, Seen, Room.put, idempotent=True, max_body=1000,
              example={"note": "n1", "text": "hello", "tags": ["a"]}),
    operation("find", "GET", "/room/notes", Find, Seen, Room.find, example={"text": "x"}),
    operation("remove", "DELETE", "/room/notes/{note}", NoteRef, Seen, Room.find, example={"note": "n1"}),
    operation("digest", "POST", "/room/digest/{kind}", Octets, Reply, Room.digest, body="raw", reply="raw", run="pool",
              content_types=("application/octet-stream",), max_body=1000, example={"kind": "sm3"}, idempotent=True),
    operation("mix", "POST", "/room/mix/{kind}", Mix, Mixed, Room.mix, octets="data", octets_reply="mixed",
              idempotent=True, max_body=200_000, example={"kind": "sm3"}),
    operation("reverse", "POST", "/room/reverse", Empty, Any, Room.reverse, body="stream", reply="stream"),
    operation("public", "GET", "/room/public/{note}", NoteRef, Reply, Room.public, reply="raw", scope="public",
              roles=frozenset({Role.PUBLIC}), example={"note": "n1"}),
)  # fmt: skip

ROOM = Offering(
    slug="room",
    name=Text("房间", "Room"),
    summary=Text("房间", "Room"),
    category="platform",
    state="available",
    operations=OPERATIONS,
)

ROUTES = (
    ProtocolRoute(
        method="GET",
        path="/files/{note}.note",
        operation_id="room.public",
        decode=lambda body, path: NoteRef(note=path["note"]),
        encode=lambda reply: reply,
    ),
    ProtocolRoute(
        method="POST",
        path="/protocol",
        operation_id="room.put",
        decode=lambda body, path: Note(note="p", text=body.decode()),
        encode=lambda seen: Reply(seen.value["text"].encode(), "text/x-note"),
        error=lambda error: Reply(f"refused {error.code}".encode(), "text/x-note", status=200),
        content_types=("text/x-note",),
    ),
)


class Guard:
    """Verifies signatures with SECRET; everybody else is anonymous."""

    def __init__(self) -> None:
        self.credentials: list[Any] = []

    async def authenticate(self, credential: Any, operation: Operation, now: datetime) -> Authenticated:
        self.credentials.append(credential)
        if isinstance(credential, SignedRequest):
            day_key = sm3.hmac(SECRET, credential.date[:8].encode())
            if sm3.hmac(day_key, credential.string_to_sign).hex() != credential.signature:
                raise Unauthenticated
            nonce = f"{credential.access_key}:{credential.nonce}"
            return Authenticated(Principal("app_1", Role.APPLICATION, "app", tenant="ten_1"), nonce=nonce)
        if isinstance(credential, Anonymous) and Role.PUBLIC not in operation.roles:
            raise Unauthenticated
        return Authenticated(Principal("app_1", Role.APPLICATION, "app", tenant="ten_1"))


class Everything:
    async def resolve(self, principal: Principal, operation: Operation, *, instance: Any, now: Any) -> Entitled:
        return Entitled(tenant="ten_1", instance=instance or "ins_1")


@dataclass
class MemoryLedger:
    entries: list[Entry] = field(default_factory=list)
    answers: dict[str, bytes] = field(default_factory=dict)
    nonces: set[str] = field(default_factory=set)
    refuse: MiyunError | None = None
    _pending: dict[int, str] = field(default_factory=dict)
    _prints: dict[str, bytes] = field(default_factory=dict)

    async def admit(self, admission: Admission) -> Ticket:
        if self.refuse:
            raise self.refuse
        if admission.nonce:
            if admission.nonce in self.nonces:
                raise Unauthenticated
            self.nonces.add(admission.nonce)
        number = len(self._pending) + 1
        if admission.idempotency:
            self._pending[number] = admission.idempotency
            if self._prints.setdefault(admission.idempotency, admission.fingerprint) != admission.fingerprint:
                raise IdempotencyMismatch
            if (kept := self.answers.get(admission.idempotency)) is not None:
                return Ticket(number, replay=kept)
        return Ticket(number)

    async def append(self, entry: Entry, ticket: Ticket | None = None, *, answer: bytes | None = None) -> Receipt:
        self.entries.append(entry)
        if ticket and answer is not None and (key := self._pending.get(ticket.number)):
            self.answers[key] = answer
        return Receipt(len(self.entries) - 1, sm3.digest(b"leaf"), b"")

    async def settle(self, admission: Admission, entry: Entry) -> Settled:
        return Settled(await self.append(entry, await self.admit(admission)))

    async def release(self, ticket: Ticket, *, in_doubt: bool = False) -> None: ...


@dataclass
class World:
    app: Front
    room: Room
    ledger: MemoryLedger
    guard: Guard
    pipeline: Pipeline
    parts: dict[str, str]

    def client(self, **options: Any) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(
            app=self.app,  # type: ignore[arg-type]
            raise_app_exceptions=options.pop("raise_app_exceptions", True),
            client=options.pop("peer", ("127.0.0.1", 123)),
        )
        return httpx.AsyncClient(transport=transport, base_url="https://miyun.test", **options)

    def signed(self, method: str, url: str, body: bytes = b"", **headers: str) -> dict[str, str]:
        """Headers of a signed request, made here from the written rule and not by the SDK."""
        from urllib.parse import parse_qsl, quote, urlsplit

        parts = urlsplit(url)
        query = "&".join(
            sorted(
                f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}"
                for k, v in parse_qsl(parts.query, keep_blank_values=True)
            )
        )
        date = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        nonce = headers.pop("nonce", "") or f"nonce-{len(self.ledger.nonces)}-{id(body)}"
        content = sm3.digest(body).hex()
        lines = ("MIYUN1-HMAC-SM3", date, nonce, method, parts.path, query, headers.get("content-type", ""),
                 headers.get("idempotency-key", ""), content)  # fmt: skip
        day_key = sm3.hmac(SECRET, date[:8].encode())
        signature = sm3.hmac(day_key, "\n".join(lines).encode()).hex()
        return {
            "authorization": f"MIYUN1-HMAC-SM3 Credential=ak_1, Signature={signature}",
            "x-miyun-date": date,
            "x-miyun-nonce": nonce,
            "x-miyun-content-sm3": content,
            **headers,
        }


def make_world(**web: Any) -> World:
    room, ledger, guard = Room(), MemoryLedger(), Guard()
    pipeline = Pipeline(
        registry=Registry([ROOM]),
        services={"room": room},
        authenticator=guard,
        entitlements=Everything(),
        ledger=ledger,  # type: ignore[arg-type]
        clock=SystemClock(),
    )
    parts: dict[str, str] = {"vsm": "ok", "ledger": "ok"}
    health = Health({name: _check(parts, name) for name in parts})
    app = create_app(Web(pipeline=pipeline, health=health, protocols=ROUTES, **web))
    return World(app, room, ledger, guard, pipeline, parts)


def _check(parts: Mapping[str, str], name: str) -> Any:
    async def check() -> str:
        return parts[name]

    return check


__all__ = ("QuotaExceeded", "World", "make_world")
