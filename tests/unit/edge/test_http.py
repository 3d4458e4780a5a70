"""The HTTP edge in process: what arrives, what is refused and how, what goes out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from miyun.core.access import Anonymous, BasicCredential, SessionCredential
from miyun.core.errors import MachineLocked, MiyunError, QuotaExceeded, registry
from miyun.edge.http import problem
from miyun.edge.http.arrival import SESSION_COOKIE
from miyun.edge.http.router import Router
from miyun.edge.http.routes import BrokenStream

from .world import World, make_world

JSON = {"content-type": "application/json"}
NOTE = "/v1/room/notes/n1"


@pytest.fixture
def world() -> World:
    return make_world()


def run(scenario: Callable[[httpx.AsyncClient], Awaitable[None]], world: World, **options: Any) -> None:
    async def whole() -> None:
        async with world.client(**options) as client:
            await scenario(client)

    asyncio.run(whole())


def post(world: World, body: bytes, path: str = NOTE, **headers: str) -> httpx.Response:
    """One signed POST."""

    async def whole() -> httpx.Response:
        async with world.client() as client:
            merged = JSON | headers
            return await client.post(path, content=body, headers=world.signed("POST", path, body, **merged))

    return asyncio.run(whole())


def get(world: World, path: str, **headers: str) -> httpx.Response:
    async def whole() -> httpx.Response:
        async with world.client() as client:
            return await client.get(path, headers=world.signed("GET", path, b"", **headers))

    return asyncio.run(whole())


def test_path_and_body_become_one_request(world: World) -> None:
    answer = post(world, b'{"text": "hello", "tags": ["a"], "data": "AAE="}')
    assert answer.status_code == 200
    assert answer.json()["value"] == {"note": "n1", "text": "hello", "tags": ["a"], "count": 1, "data": "AAE="}
    assert answer.headers["x-miyun-receipt"].startswith("0:")
    assert answer.headers["x-request-id"] == world.ledger.entries[0].request_id


def test_query_values_are_typed_and_lists_repeat(world: World) -> None:
    answer = get(world, "/v1/room/notes?tags=a&tags=b&limit=7&since=2026-01-01T00:00:00%2B08:00")
    assert answer.json()["value"] == {
        "text": None,
        "tags": ["a", "b"],
        "limit": 7,
        "since": "2026-01-01T00:00:00+08:00",
    }


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        (b'{"text": "x", "extra": 1}', "UnknownField", "extra"),
        (b'{"text": "x", "note": "n2"}', "UnknownField", "note"),  # belongs to the path
        (b"{}", "InvalidArgument", "text"),
        (b'{"text": 5}', "InvalidArgument", "text"),
        (b'{"text": "%s"}' % (b"x" * 21), "InvalidArgument", "text"),
        (b'{"text": "x", "count": 10}', "InvalidArgument", "count"),
        (b'{"text": "x", "tags": ["a", 1]}', "InvalidArgument", "tags[1]"),
        (b'{"text": "x", "data": "***"}', "InvalidArgument", "data"),
        (b'{"text": "x"', "InvalidArgument", "body"),
        (b'{"text": "\xff"}', "InvalidArgument", "body"),
        (b"[]", "InvalidArgument", "body"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(world: World, body: bytes, code: str, field: str) -> None:
    answer = post(world, body)
    assert answer.status_code == 400
    problem = answer.json()
    assert (problem["code"], problem["field"]) == (code, field)
    assert world.room.calls == []


@pytest.mark.parametrize(
    ("query", "field"), [("limit=x", "limit"), ("limit=0", "limit"), ("nope=1", "nope"), ("text=a&text=b", "text")]
)
def test_a_wrong_query_is_refused_by_its_name(world: World, query: str, field: str) -> None:
    assert get(world, f"/v1/room/notes?{query}").json()["field"] == field


@pytest.mark.parametrize(
    "moment", ["2026-11-21T11:00:00", "0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-12:00", "2026-11-21"]
)
def test_a_time_without_its_zone_or_at_the_calendars_ends_is_refused(world: World, moment: str) -> None:
    answer = get(world, f"/v1/room/notes?since={moment}")
    assert (answer.status_code, answer.json()["field"]) == (400, "since")


def test_a_refusal_is_a_problem_document_in_both_languages(world: World) -> None:
    zh, en = (post(world, b"{}", **{"accept-language": tag}) for tag in ("zh-CN", "en-US,en;q=0.9"))
    assert zh.headers["content-type"] == "application/problem+json"
    assert "缺少该字段" in zh.json()["detail"]
    assert "it is required" in en.json()["detail"]
    for answer in (zh.json(), en.json()):
        assert answer["type"] == "urn:miyun:error:InvalidArgument"
        assert answer["status"] == 400
        assert "缺少该字段" in answer["zh"]["detail"]
        assert "it is required" in answer["en"]["detail"]
        assert answer["request_id"].startswith("req_")
        assert answer["remedy"]


def test_retry_after_goes_into_header_and_document(world: World) -> None:
    world.ledger.refuse = QuotaExceeded(retry_after=1234, used=10, limit=10, meter="room.notes")
    answer = post(world, b'{"text": "x"}')
    assert (answer.status_code, answer.headers["retry-after"], answer.json()["retry_after"]) == (429, "1234", 1234)


def test_a_locked_machine_is_said_to_be_locked(world: World) -> None:
    world.room.error = MachineLocked()
    answer = post(world, b'{"text": "x"}')
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "MachineLocked", "30")


def test_nothing_of_an_unexpected_error_reaches_the_caller(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.room.error = RuntimeError("the secret detail")
    with caplog.at_level(logging.ERROR):
        answer = post(world, b'{"text": "x"}')
    assert answer.status_code == 500
    assert answer.json()["code"] == "InternalError"
    assert "secret detail" not in answer.text and "Traceback" not in answer.text
    assert "the secret detail" in caplog.text  # the log has it
    assert answer.json()["request_id"] in caplog.text


def test_an_unexpected_error_outside_the_pipeline_is_hidden_too(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("the secret detail")

    monkeypatch.setattr(world.pipeline, "execute", broken)
    answer = post(world, b'{"text": "x"}')
    assert answer.json()["code"] == "InternalError"
    assert "secret detail" not in answer.text


def test_unknown_addresses_and_methods_answer_in_the_same_form(world: World) -> None:
    async def scenario(client: httpx.AsyncClient) -> None:
        missing = await client.get("/v1/none", headers={"accept-language": "en"})
        assert (missing.status_code, missing.json()["code"]) == (404, "NotFound")
        wrong = await client.put("/v1/room/notes/n1")
        assert (wrong.status_code, wrong.json()["code"], wrong.headers["allow"]) == (
            405,
            "MethodNotAllowed",
            "DELETE, POST",
        )
        page = await client.post("/healthz")
        assert (page.status_code, page.headers["allow"]) == (405, "GET, HEAD")

    run(scenario, world)


def test_a_body_over_the_limit_is_refused_when_declared_and_when_not(world: World) -> None:
    declared = post(world, b'{"text": "%s"}' % (b"x" * 2000))
    assert (declared.status_code, declared.json()["code"]) == (413, "TooLarge")

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 100

    async def scenario(client: httpx.AsyncClient) -> None:
        answer = await client.post(NOTE, content=chunks(), headers=JSON)
        assert (answer.status_code, answer.headers["connection"]) == (413, "close")

    run(scenario, world)


@pytest.mark.parametrize("path", [NOTE, "/v1/room/reverse"])
def test_a_body_that_trickles_in_is_cut_off_although_something_arrives(
    world: World, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("miyun.edge.http.body.CHUNK_SECONDS", 0.2)

    async def trickle() -> AsyncIterator[bytes]:
        for _ in range(100):
            await asyncio.sleep(0.02)
            yield b" "

    async def scenario(client: httpx.AsyncClient) -> None:
        answer = await client.post(path, content=trickle(), headers={"authorization": "Bearer t"})
        assert (answer.status_code, answer.json()["code"]) == (408, "RequestTimeout")

    run(scenario, world)


def test_a_form_is_not_taken_for_json(world: World) -> None:
    answer = post(world, b"text=x", **{"content-type": "application/x-www-form-urlencoded"})
    assert (answer.status_code, answer.json()["code"]) == (415, "UnsupportedMediaType")


def test_a_changed_body_does_not_fit_its_signature(world: World) -> None:
    async def scenario(client: httpx.AsyncClient) -> None:
        headers = world.signed("POST", NOTE, b'{"text": "a"}', **JSON)
        answer = await client.post(NOTE, content=b'{"text": "b"}', headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "ContentMismatch")
        assert "MIYUN1-HMAC-SM3" in answer.headers["www-authenticate"]

    run(scenario, world)


@pytest.mark.parametrize(
    "change", ["x-miyun-date", "x-miyun-nonce", "content-type", "idempotency-key", "path", "query"]
)
def test_everything_that_is_signed_is_checked(world: World, change: str) -> None:
    async def scenario(client: httpx.AsyncClient) -> None:
        body, path = b'{"text": "a"}', NOTE
        headers = world.signed("POST", path, body, **JSON, **{"idempotency-key": "k1"})
        if change == "path":
            path = "/v1/room/notes/n2"
        elif change == "query":
            path += "?x=1"
        elif change == "content-type":
            headers[change] = "application/json; a=b"
        else:
            last = headers[change][-1]  # a nonce may end with any letter
            headers[change] = headers[change][:-1] + ("R" if last == "Q" else "Q")
        answer = await client.post(path, content=body, headers=headers)
        assert answer.status_code == 401

    run(scenario, world)


def test_a_request_that_lacks_a_signing_header_names_it(world: World) -> None:
    async def scenario(client: httpx.AsyncClient) -> None:
        headers = world.signed("GET", "/v1/room/notes")
        del headers["x-miyun-nonce"]
        answer = await client.get("/v1/room/notes", headers=headers)
        assert (answer.status_code, answer.json()["field"]) == (401, "x-miyun-nonce")

    run(scenario, world)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, Anonymous()),
        ({"authorization": "Basic dXNlcjpwYTpzcw=="}, BasicCredential("user", "pa:ss")),
        (
            {"authorization": "Bearer abc", "x-miyun-tenant": "ten_2"},
            SessionCredential("abc", None, False, True, "ten_2"),
        ),
        (
            {"cookie": f"a=b; {SESSION_COOKIE}=tok", "x-csrf-token": "c"},
            SessionCredential("tok", "c", True, True, None),
        ),
    ],
)
def test_each_kind_of_credential_is_recognised(world: World, headers: dict[str, str], expected: Any) -> None:
    async def scenario(client: httpx.AsyncClient) -> None:
        await client.post(NOTE, content=b'{"text": "a"}', headers=JSON | headers)
        assert world.guard.credentials == [expected]

    run(scenario, world)


@pytest.mark.parametrize(
    "value", ["Basic ###", "Basic dXNlcg==", "Digest a", "MIYUN1-HMAC-SM3 Credential=a", "Bearer "]
)
def test_a_malformed_authorization_is_never_anonymous(world: World, value: str) -> None:
    async def scenario(client: httpx.AsyncClient) -> None:
        answer = await client.get("/v1/room/public/n1", headers={"authorization": value})
        assert (answer.status_code, answer.json()["code"]) == (401, "Unauthenticated")
        assert world.guard.credentials == []

    run(scenario, world)


def test_a_repeat_under_one_idempotency_key_is_answered_from_the_record(world: World) -> None:
    first, second = (post(world, b'{"text": "x"}', **{"idempotency-key": "k1"}) for _ in range(2))
    assert first.content == second.content
    assert second.headers["idempotency-replayed"] == "true"
    assert len(world.room.calls) == 1


@pytest.mark.parametrize("header", ["x-miyun-tenant", "x-miyun-instance"])
def test_an_answer_for_one_tenant_or_instance_is_never_given_for_another(world: World, header: str) -> None:
    first, second = (
        post(world, b'{"text": "x"}', **{"idempotency-key": "k1", header: named}) for named in ("one", "two")
    )
    assert first.status_code == 200
    assert (second.json()["code"], len(world.room.calls)) == ("IdempotencyMismatch", 1)


def test_an_idempotency_key_that_would_not_be_honoured_is_refused(world: World) -> None:
    async def scenario(client: httpx.AsyncClient) -> None:
        headers = world.signed("DELETE", NOTE, b"", **{"idempotency-key": "k1"})
        answer = await client.request("DELETE", NOTE, headers=headers)
        assert (answer.status_code, answer.json()["field"]) == (400, "idempotency-key")

    run(scenario, world)


def test_an_octet_string_may_be_the_whole_body_and_is_answered_in_kind(world: World) -> None:
    data = bytes(range(256)) * 300
    url = "/v1/room/mix/a%20b?salt=AAE%3D&rounds=3"
    answer = post(world, data, url, **{"content-type": "application/octet-stream"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/octet-stream")
    assert answer.content == b"\x00\x01" + data
    assert (answer.headers["x-miyun-kind"], answer.headers["x-miyun-rounds"]) == ("a b", "3")
    assert "x-miyun-nothing" not in answer.headers and answer.headers["x-miyun-receipt"]
    json = post(world, b'{"data":"AAA="}', "/v1/room/mix/k", **{"content-type": "application/json"})
    assert json.json() == {"mixed": "AAA=", "kind": "k", "rounds": 1, "nothing": None}


def test_an_octet_string_has_the_same_bounds_and_repeats_the_same_answer(world: World) -> None:
    octets = {"content-type": "application/octet-stream"}
    long = post(world, bytes(100_001), "/v1/room/mix/k", **octets)
    assert (long.status_code, long.json()["field"]) == (400, "data")
    unknown = post(world, b"x", "/v1/room/mix/k?other=1", **octets)
    assert (unknown.status_code, unknown.json()["field"]) == (400, "other")
    first = post(world, b"x", "/v1/room/mix/k", **{**octets, "idempotency-key": "k1"})
    again = post(world, b"x", "/v1/room/mix/k", **{**octets, "idempotency-key": "k1"})
    assert again.headers["idempotency-replayed"] == "true"
    assert (again.content, again.headers["x-miyun-kind"]) == (first.content, "k") == (b"x", "k")


def test_raw_octets_go_in_and_out_and_replay(world: World) -> None:
    headers = {"content-type": "application/octet-stream", "idempotency-key": "k1"}
    first, second = (post(world, b"abc", "/v1/room/digest/sm3", **headers) for _ in range(2))
    assert first.content.hex() == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    assert (first.headers["x-kind"], second.headers["x-kind"]) == ("sm3", "sm3")
    assert second.content == first.content and second.headers["idempotency-replayed"] == "true"


def test_a_stream_goes_in_and_out(world: World) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"ab"
        yield b"cd"

    async def scenario(client: httpx.AsyncClient) -> None:
        answer = await client.post("/v1/room/reverse", content=chunks(), headers={"authorization": "Bearer t"})
        assert (answer.status_code, answer.content) == (200, b"dcba")

    run(scenario, world)


def test_a_stream_refused_before_its_first_octet_is_a_problem(world: World) -> None:
    world.room.error = MachineLocked()
    answer = post(world, b"abc", "/v1/room/reverse")
    assert (answer.status_code, answer.json()["code"]) == (503, "MachineLocked")


def test_a_stream_that_breaks_off_does_not_end_like_a_whole_one(world: World) -> None:
    async def scenario(client: httpx.AsyncClient) -> None:
        with pytest.raises(BrokenStream):
            await client.post("/v1/room/reverse", content=b"break", headers={"authorization": "Bearer t"})

    run(scenario, world)


def test_protocol_routes_speak_their_standards_form(world: World) -> None:
    async def scenario(client: httpx.AsyncClient) -> None:
        file = await client.get("/files/a%2Fb.note")
        assert (file.content, file.headers["content-type"], file.headers["cache-control"]) == (
            b"a/b",
            "text/x-note",
            "max-age=60",
        )
        assert (await client.get("/files/a.txt")).status_code == 404
        headers = {"content-type": "text/x-note", "authorization": "Basic dTpw"}
        assert (await client.post("/protocol", content=b"hi", headers=headers)).content == b"hi"
        world.room.error = MachineLocked()
        refused = await client.post("/protocol", content=b"hi", headers=headers)
        assert (refused.status_code, refused.content) == (200, b"refused MachineLocked")
        other = await client.post("/protocol", content=b"hi", headers=headers | {"content-type": "text/plain"})
        assert other.content == b"refused UnsupportedMediaType"

    run(scenario, world)


def test_every_answer_carries_the_security_headers(world: World) -> None:
    async def scenario(client: httpx.AsyncClient) -> None:
        for path in ("/healthz", "/v1/none", "/reference", "/v1/room/public/n1", "/v1/room/notes"):
            headers = (await client.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["strict-transport-security"]
            assert "default-src 'self'" in headers["content-security-policy"]
            assert headers["x-request-id"].startswith("req_")

    run(scenario, world)


def test_readiness_names_the_part_that_is_not_ready(world: World) -> None:
    async def scenario(client: httpx.AsyncClient) -> None:
        assert (await client.get("/healthz")).json() == {
            "alive": True,
            "ready": True,
            "parts": {"vsm": "ok", "ledger": "ok"},
        }
        world.parts["vsm"] = "locked"
        await asyncio.sleep(1.05)  # answers are kept for a second
        answer = await client.get("/healthz")
        assert (answer.status_code, answer.json()["parts"]["vsm"]) == (503, "locked")
        assert (await client.get("/healthz/alive")).status_code == 200

    run(scenario, world)


def test_metrics_count_outcomes(world: World) -> None:
    post(world, b'{"text": "x"}')
    post(world, b"{}")

    async def scenario(client: httpx.AsyncClient) -> None:
        text = (await client.get("/metrics")).text
        assert 'miyun_operations_total{operation="room.put",outcome="ok",worker="0"} 1' in text
        assert 'miyun_operations_total{operation="room.put",outcome="InvalidArgument",worker="0"} 1' in text

    run(scenario, world)


@pytest.mark.parametrize("path", ["/metrics", "/metrics/local"])
@pytest.mark.parametrize(
    ("peer", "authorization", "status"),
    [
        ("127.0.0.1", "", 200),
        ("::1", "", 200),
        ("203.0.113.7", "", 403),
        ("2001:db8::7", "", 403),
        ("203.0.113.7", "Bearer another", 403),
        ("203.0.113.7", "Bearer ", 403),
        ("203.0.113.7", "Bearer long-and-random", 200),
    ],
)
def test_metrics_are_for_this_machine_and_who_knows_the_token(
    path: str, peer: str, authorization: str, status: int
) -> None:
    world = make_world(metrics_token="long-and-random")

    async def scenario() -> None:
        async with world.client(peer=(peer, 1)) as client:
            headers = {"authorization": authorization} if authorization else {}
            answer = await client.get(path, headers=headers)
            assert answer.status_code == status
            assert ("miyun_worker_up" in answer.text) is (status == 200)

    asyncio.run(scenario())


def test_without_a_token_no_token_is_right() -> None:
    async def scenario() -> None:
        async with make_world().client(peer=("203.0.113.7", 1)) as client:
            for given in ("Bearer ", "Bearer", ""):
                assert (await client.get("/metrics", headers={"authorization": given})).status_code == 403

    asyncio.run(scenario())


def test_too_many_requests_at_once_are_told_to_come_back() -> None:
    world = make_world(concurrency=1)

    async def scenario(client: httpx.AsyncClient) -> None:
        world.app.running = 1
        answer = await client.get("/healthz")
        assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "Overloaded", "1")

    run(scenario, world)


def test_every_declared_error_can_be_rendered_in_both_languages() -> None:
    for kind in registry().values():
        error = kind.__new__(kind)
        placeholders = _Anything()
        for text in (kind.text, kind.remedy):
            assert text.zh.format_map(placeholders) and text.en.format_map(placeholders)
        MiyunError.__init__(error, **dict.fromkeys(placeholders.asked, "x"))
        status, headers, body = problem.render(error, "zh", "req_1")
        assert 400 <= status < 600 and headers["content-type"] == problem.MEDIA_TYPE
        assert kind.__name__.encode() in body


class _Anything(dict[str, str]):
    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()

    def __missing__(self, key: str) -> str:
        self.asked.add(key)
        return "x"


def test_the_rest_of_a_path_may_hold_slashes() -> None:
    router = Router({"/a/{x}/{rest...}": 1, "/a/{x}": 2, "/a/b/c": 3, "/a/{x}/{y}/d": 4})
    assert router.match("/a/z/p/q//r%2Fs") == (1, {"x": "z", "rest": "p/q//r/s"})
    assert router.match("/a/z//p") == (1, {"x": "z", "rest": "/p"})
    assert router.match("/a/b/c") == (3, {}) and router.match("/a/z") == (2, {"x": "z"})
    assert router.match("/a/z/y/d") == (4, {"x": "z", "y": "y"})
    assert router.match("/a/z/") is None is router.match("/a/z//")


def test_the_router_prefers_what_is_more_exact() -> None:
    router = Router({"/a/{x}": 1, "/a/b": 2, "/a/{x}.crl": 3, "/a/{x}/c": 4, "/a/b/{y}": 5})
    assert router.match("/a/b") == (2, {})
    assert router.match("/a/z") == (1, {"x": "z"})
    assert router.match("/a/z.crl") == (3, {"x": "z"})
    assert router.match("/a/b/c") == (5, {"y": "c"})
    assert router.match("/a/z/c") == (4, {"x": "z"})
    assert router.match("/a/%2e%2e%2Fb/c") == (4, {"x": "../b"})
    for missing in ("/a", "/a/", "/a/z/", "/a//c", "/a/%ff", "a", ""):
        assert router.match(missing) is None
