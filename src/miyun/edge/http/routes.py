"""The ASGI endpoints made from declarations: one for each path, which runs the operation of the request's method."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from miyun.core.access import Anonymous, Credential
from miyun.core.errors import MiyunError
from miyun.core.i18n import Locale, locale_of
from miyun.core.ids import new_id
from miyun.core.operation import Download, Operation, Reply
from miyun.core.pipeline import Arrival, Outcome, Pipeline
from miyun.core.protocol import ProtocolRoute, WireRequest
from miyun.edge.http import arrival, body, problem
from miyun.edge.http.binding import Binding
from miyun.edge.http.errors import MethodNotAllowed, UnsupportedMediaType

Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Endpoint = Callable[[Scope, body.Receive, Send], Awaitable[None]]

log = logging.getLogger("miyun.http")
OCTETS = "application/octet-stream"
_REQUEST_ID = "miyun.request_id"
_json = msgspec.json.Encoder(decimal_format="string")


class StoredReply(msgspec.Struct, array_like=True):
    """A raw answer as it is kept for replay under an idempotency key."""

    status: int
    content_type: str
    headers: dict[str, str]
    body: bytes


class Request(msgspec.Struct, frozen=True):
    """What every endpoint needs of a request."""

    scope: Scope
    receive: body.Receive
    send: Send
    id: str
    locale: Locale
    headers: Mapping[str, str]


class Paths:
    """The endpoints of all operations and protocol routes, by path template; `mutual`, `plain`: of those addresses."""

    def __init__(
        self, pipeline: Pipeline, operations: Sequence[Operation], protocols: Sequence[ProtocolRoute] = ()
    ) -> None:
        methods: dict[str, dict[str, Callable[[Request], Awaitable[None]]]] = {}
        room = body.Room()
        for operation in operations:
            runner = OperationRunner(pipeline, operation, room)
            methods.setdefault("/v1" + operation.path, {})[operation.method] = runner
        for route in protocols:
            operation = pipeline.registry.operation(route.operation_id)
            methods.setdefault(route.path, {})[route.method] = ProtocolRunner(pipeline, operation, route)
        self.endpoints: dict[str, Endpoint] = {path: _endpoint(by) for path, by in methods.items()}
        self.mutual = {route.path: self.endpoints[route.path] for route in protocols if route.mutual}
        self.plain = {route.path: self.endpoints[route.path] for route in protocols if route.plain}


def _endpoint(methods: Mapping[str, Callable[[Request], Awaitable[None]]]) -> Endpoint:
    allowed = ", ".join(sorted(methods))

    async def endpoint(scope: Scope, receive: body.Receive, send: Send) -> None:
        headers = arrival.headers_of(scope)
        request = Request(scope, receive, send, request_id(scope), locale_of(headers.get("accept-language")), headers)
        run = methods.get(scope["method"])
        try:
            if run is None:
                raise MethodNotAllowed(method=scope["method"])
            await run(request)
        except MiyunError as error:
            status, answer_headers, content = problem.render(error, request.locale, request.id)
            if run is None:
                answer_headers["allow"] = allowed
            await respond(request, status, answer_headers, content)

    return endpoint


def request_id(scope: Scope) -> str:
    """Made here, never taken from the caller: it has to be unique in the ledger. One for all layers of a request."""
    found: str | None = scope.get(_REQUEST_ID)
    if found is None:
        found = scope[_REQUEST_ID] = new_id("req")
    return found


class OperationRunner:
    """Runs one operation for /v1 requests, in JSON or, where it declares so, with an octet string as its body."""

    def __init__(self, pipeline: Pipeline, operation: Operation, room: body.Room) -> None:
        self._pipeline = pipeline
        self._room = room
        self._operation = operation
        self._binding = Binding(operation)
        self._octets = Binding(operation, octets=True) if operation.octets else None
        self._encode: Callable[[Any], bytes] | None = {"json": _json.encode, "raw": _store, "stream": None}[
            operation.reply
        ]

    async def __call__(self, request: Request) -> None:
        if self._operation.body == "stream":
            await self._run(request)
            return
        size = self._room.take(request.headers, self._operation.max_body)
        try:
            await self._run(request)
        finally:
            self._room.give(size)

    async def _run(self, request: Request) -> None:
        operation, scope = self._operation, request.scope
        query = arrival.query_of(scope)
        credential, content_sm3 = arrival.credential(scope, request.headers, query)
        key = arrival.idempotency_key(operation, request.headers)
        incoming: AsyncIterator[bytes] | None = None
        content = b""
        if operation.body == "stream":
            expected = None if content_sm3 in (None, arrival.STREAMING) else content_sm3
            incoming = body.stream(request.receive, expected)
        else:
            content = await body.read(request.receive, request.headers, operation.max_body, content_sm3)
        binding, encode, in_octets = self._binding, self._encode, False
        if self._octets is not None and _media_type(request.headers) == OCTETS:
            binding = self._octets
            in_octets = bool(operation.octets_reply)
            if in_octets:  # encoded only to be stored: what is not stored is sent as it is
                encode = self._store_octets if key else None

        def decode() -> Any:
            if binding is not self._octets:
                check_content_type(operation, request.headers, content)
            return binding.decode(scope["path_params"], query, content)

        outcome = await self._pipeline.execute(
            operation,
            Arrival(
                credential=credential,
                request_id=request.id,
                decode=decode,
                locale=request.locale,
                instance=request.headers.get("x-miyun-instance"),
                idempotency_key=key,
                fingerprint=arrival.fingerprint(scope, request.headers, query, content) if key else b"",
                body=incoming,
                proof=request.headers.get("x-miyun-step-up"),
                peer=arrival.peer(request.scope),
            ),
            encode=encode,
        )
        headers = outcome_headers(outcome)
        if operation.reply == "stream":
            value = outcome.value
            if isinstance(value, Download):
                headers, value = {**headers, **value.headers}, value.chunks
            await respond_stream(request, headers, value)
        elif in_octets and outcome.answer is None:
            reply = in_octets_reply(operation, outcome.value)
            await respond(request, 200, {**headers, "content-type": OCTETS, **reply.headers}, reply.body)
        elif operation.reply == "json" and not in_octets:
            assert outcome.answer is not None
            headers["content-type"] = "application/json"
            await respond(request, 200, headers, outcome.answer)
        else:
            assert outcome.answer is not None
            stored = msgspec.msgpack.decode(outcome.answer, type=StoredReply)
            await respond(
                request, stored.status, headers | {"content-type": stored.content_type} | stored.headers, stored.body
            )

    def _store_octets(self, value: Any) -> bytes:
        return _store(in_octets_reply(self._operation, value))


def in_octets_reply(operation: Operation, value: Any) -> Reply:
    """One field of the response as the body, the others as headers: `certificate_serial` → x-miyun-certificate-serial.

    Octets are base64 there; what is null is left out."""
    headers = {}
    for field in value.__struct_fields__:
        if field == operation.octets_reply or (member := getattr(value, field)) is None:
            continue
        plain = msgspec.to_builtins(member)
        text = plain if isinstance(plain, str) else _json.encode(plain).decode()
        headers["x-miyun-" + field.replace("_", "-")] = text
    return Reply(getattr(value, operation.octets_reply), OCTETS, headers=headers)


class ProtocolRunner:
    """Runs one operation for a standard's own wire format."""

    def __init__(self, pipeline: Pipeline, operation: Operation, route: ProtocolRoute) -> None:
        self._pipeline, self._operation, self._route = pipeline, operation, route

    async def __call__(self, request: Request) -> None:
        try:
            reply, headers = await self._run(request)
        except MiyunError as error:
            if self._route.error is None:
                raise
            reply, headers = self._route.error(error), problem.headers_of(error)
        if self._route.headers is not None:
            headers |= await self._route.headers(self._pipeline.services[self._operation.offering])
        headers |= {"content-type": reply.content_type} | {k.lower(): v for k, v in reply.headers.items()}
        await respond(request, reply.status, headers, reply.body)

    async def _run(self, request: Request) -> tuple[Reply, dict[str, str]]:
        operation, route, scope = self._operation, self._route, request.scope
        credential: Credential = Anonymous()
        content_sm3 = None
        if not route.whole and route.credential is None:
            credential, content_sm3 = arrival.credential(scope, request.headers, arrival.query_of(scope))
        given = _media_type(request.headers)
        if route.content_types and given not in route.content_types:
            raise UnsupportedMediaType(field="content-type", given=given, expected=", ".join(route.content_types))
        content = await body.read(request.receive, request.headers, operation.max_body, content_sm3)
        if route.credential is not None:
            credential = route.credential(arrival.raw_path(scope), content)

        def decode() -> Any:
            if not route.whole:
                return route.decode(content, scope["path_params"])
            query = scope["query_string"].decode("ascii", "replace")
            return route.decode(WireRequest(scope["method"], scope["path_params"], query, request.headers, content))

        outcome = await self._pipeline.execute(
            operation,
            Arrival(
                credential=credential,
                request_id=request.id,
                decode=decode,
                locale=request.locale,
                instance=request.headers.get("x-miyun-instance"),
                peer=arrival.peer(request.scope),
                certificate=arrival.certificate(request.scope),
            ),
        )
        return route.encode(outcome.value), outcome_headers(outcome)


def check_content_type(operation: Operation, headers: Mapping[str, str], content: bytes) -> None:
    """Raises UnsupportedMediaType. A JSON body without a type is accepted; one with another type is not guessed."""
    given = _media_type(headers)
    if operation.body == "json":
        if content and given not in ("", "application/json"):
            expected = f"application/json, {OCTETS}" if operation.octets else "application/json"
            raise UnsupportedMediaType(field="content-type", given=given, expected=expected)
    elif operation.content_types != ("application/json",) and given not in operation.content_types:
        raise UnsupportedMediaType(field="content-type", given=given, expected=", ".join(operation.content_types))


def _media_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def outcome_headers(outcome: Outcome) -> dict[str, str]:
    """Where the record of this call is in the journal, and what is left of an hourly quota."""
    headers: dict[str, str] = {}
    if outcome.receipt is not None:
        headers["x-miyun-receipt"] = f"{outcome.receipt.seq}:{outcome.receipt.leaf.hex()}"
    if outcome.limit is not None and outcome.used is not None:
        headers["x-miyun-quota"] = f"used={outcome.used}, limit={outcome.limit}"
    if outcome.replayed:
        headers["idempotency-replayed"] = "true"
    return headers


async def respond(request: Request, status: int, headers: Mapping[str, str], content: bytes) -> None:
    await request.send(_start(request, status, {**headers, "content-length": str(len(content))}))
    await request.send({"type": "http.response.body", "body": content})


async def respond_stream(request: Request, headers: dict[str, str], chunks: AsyncIterator[bytes]) -> None:
    """The first chunk is awaited before the status is sent, so that a refusal of the beginning is still a problem.

    What fails later ends the connection without the final chunk: the client sees that the answer is not whole.
    """
    iterator = aiter(chunks)
    first = await anext(iterator, b"")
    await request.send(_start(request, 200, {"content-type": "application/octet-stream"} | headers))
    await request.send({"type": "http.response.body", "body": first, "more_body": True})
    try:
        async for chunk in iterator:
            await request.send({"type": "http.response.body", "body": chunk, "more_body": True})
    except MiyunError as error:
        log.warning("stream of request %s broke off: %s", request.id, error.code)
        raise BrokenStream from error
    await request.send({"type": "http.response.body", "body": b""})


class BrokenStream(Exception):
    """An answer that had begun cannot be finished."""


def _start(request: Request, status: int, headers: Mapping[str, str]) -> dict[str, Any]:
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    pairs.append((b"x-request-id", request.id.encode()))
    return {"type": "http.response.start", "status": status, "headers": pairs}


def _store(reply: Reply) -> bytes:
    headers = {name.lower(): value for name, value in reply.headers.items()}
    return msgspec.msgpack.encode(StoredReply(reply.status, reply.content_type, headers, reply.body))
