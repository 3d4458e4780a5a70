"""The SDK: signatures by the written rule, retries that never execute twice, whole files or none."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from miyun.client import (
    AsyncClient,
    Client,
    Conflict,
    ConnectionFailed,
    CryptoFailure,
    IncompleteAnswer,
    InvalidRequest,
    QuotaExceeded,
    Signer,
    Unavailable,
    _sm3,
)
from miyun.client import _client as client_module
from miyun.client._call import Operation

SECRET = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
THING = Operation(
    "t.get", "GET", "/t/{thing}", ("thing",), ("limit", "tags"), "json", "json", "application/json", False
)
MAKE = Operation("t.make", "POST", "/t", (), (), "json", "json", "application/json", True)
PLAIN = Operation("t.plain", "POST", "/t/plain", (), (), "json", "json", "application/json", False)
FLOW = Operation("t.flow", "POST", "/t/flow", (), ("key",), "stream", "stream", "application/octet-stream", False)


@pytest.fixture(autouse=True)
def operations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "OPERATIONS", {op.id: op for op in (THING, MAKE, PLAIN, FLOW)})
    monkeypatch.setattr(client_module.time, "sleep", lambda seconds: SLEPT.append(seconds))
    SLEPT.clear()


SLEPT: list[float] = []


class Server:
    """Answers in turn with what it was given; keeps the requests."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self, **options: Any) -> Client:
        return Client("https://miyun.test", "ak_1", SECRET, transport=httpx.MockTransport(self), **options)


def problem(status: int, code: str, **headers: str) -> httpx.Response:
    body = {"code": code, "detail": "why", "remedy": "what to do", "field": "f", "request_id": "req_1"}
    return httpx.Response(status, json=body, headers=headers)


def ok(**body: Any) -> httpx.Response:
    return httpx.Response(200, json=body)


# GB/T 32905-2016, annex A, and GM/T 0042-2015, D.3
@pytest.mark.parametrize("make", [_sm3.new, _sm3.PortableSm3], ids=["hashlib", "portable"])
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"abc", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
        (b"abcd" * 16, "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"),
    ],
)
def test_sm3_gives_the_answers_of_its_standard(make: Any, data: bytes, expected: str) -> None:
    assert make(data).digest().hex() == expected


def test_the_portable_sm3_agrees_with_openssl_at_every_length(monkeypatch: pytest.MonkeyPatch) -> None:
    if "sm3" not in hashlib.algorithms_available:
        pytest.skip("this OpenSSL has no SM3")
    for size in range(0, 200, 7):
        hasher = _sm3.PortableSm3(bytes(size // 2))
        hasher.update(bytes(size - size // 2))
        assert hasher.digest() == hashlib.new("sm3", bytes(size)).digest(), size


def test_hmac_sm3_gives_the_answer_of_its_standard() -> None:
    message = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq" * 2
    expected = "ca05e144ed05d1857840d1f318a4a8669e559fc8391f414485bfdf7bb408963a"
    assert _sm3.hmac(bytes(range(1, 33)), message).hex() == expected


def test_a_signature_is_made_by_the_written_rule() -> None:
    headers = Signer("ak_1", SECRET).headers(
        "POST",
        "https://miyun.test/v1/t/a%2Fb?b=2&a=%E5%AF%86&a=1",
        _sm3.digest(b"{}").hex(),
        {"content-type": "application/json", "idempotency-key": "k1"},
        now=datetime(2026, 3, 2, 8, 30, 5, tzinfo=UTC),
        nonce="n-0123456789",
    )
    to_sign = "\n".join(
        (
            "MIYUN1-HMAC-SM3",
            "20260302T083005Z",
            "n-0123456789",
            "POST",
            "/v1/t/a%2Fb",
            "a=%E5%AF%86&a=1&b=2",
            "application/json",
            "k1",
            _sm3.digest(b"{}").hex(),
        )
    )
    # sorted as text: '1' (0x31) comes after '%' (0x25)
    day_key = _sm3.hmac(SECRET.encode(), b"20260302")
    assert headers["authorization"] == (
        f"MIYUN1-HMAC-SM3 Credential=ak_1, Signature={_sm3.hmac(day_key, to_sign.encode()).hex()}"
    )
    # a fixed answer, so that a change of the rule is seen
    assert headers["authorization"].rpartition("=")[2] == FIXED


FIXED = "f727a22fe6de5246ca705ad8bc9e444c52801d06a3bc04b026998b4888b159fc"


def test_secrets_are_in_no_repr() -> None:
    assert SECRET not in repr(Signer("ak_1", SECRET))


def test_values_go_where_they_belong() -> None:
    server = Server(ok(a=1))
    with server.client() as client:
        assert client.call("t.get", thing="密 云/1", limit=2, tags=["a", "b"]) == {"a": 1}
    url = server.requests[0].url
    assert url.raw_path == b"/v1/t/%E5%AF%86%20%E4%BA%91%2F1?limit=2&tags=a&tags=b"


def test_octets_become_base64_and_absent_values_are_left_out() -> None:
    server = Server(ok())
    with server.client() as client:
        client.call("t.make", data=b"\x00\x01", none=None, nested={"x": [b"a"]}, charge_to="ins_1")
    request = server.requests[0]
    assert json.loads(request.content) == {"data": "AAE=", "nested": {"x": ["YQ=="]}}
    assert request.headers["x-miyun-instance"] == "ins_1"


def test_a_value_the_operation_does_not_know_is_refused_here() -> None:
    with Server().client() as client, pytest.raises(TypeError, match="nope"):
        client.call("t.get", thing="x", nope=1)


def test_a_busy_platform_is_asked_again_when_it_says() -> None:
    server = Server(problem(503, "Unavailable", **{"retry-after": "2"}), problem(429, "QuotaExceeded"), ok())
    with server.client() as client:
        client.call("t.plain")
    assert SLEPT == [2, 0.4]
    nonces = {request.headers["x-miyun-nonce"] for request in server.requests}
    assert len(nonces) == 3, "each attempt is signed anew"


def test_an_hours_wait_is_the_callers_to_decide() -> None:
    server = Server(problem(429, "QuotaExceeded", **{"retry-after": "1800"}))
    with server.client() as client, pytest.raises(QuotaExceeded) as refusal:
        client.call("t.make")
    assert refusal.value.retry_after == 1800
    assert len(server.requests) == 1


def test_a_broken_connection_repeats_with_the_same_idempotency_key() -> None:
    server = Server(httpx.ReadError("gone"), ok())
    with server.client() as client:
        client.call("t.make")
    keys = {request.headers["idempotency-key"] for request in server.requests}
    assert len(server.requests) == 2 and len(keys) == 1


def test_what_might_execute_twice_is_not_repeated() -> None:
    server = Server(httpx.ReadError("gone"))
    with server.client() as client, pytest.raises(ConnectionFailed):
        client.call("t.plain")
    assert len(server.requests) == 1


def test_a_connection_that_was_never_made_is_tried_again() -> None:
    server = Server(httpx.ConnectError("refused"), ok())
    with server.client() as client:
        client.call("t.plain")
    assert len(server.requests) == 2


def test_attempts_end() -> None:
    server = Server(*(problem(503, "Unavailable") for _ in range(9)))
    with server.client(attempts=3) as client, pytest.raises(Unavailable):
        client.call("t.make")
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "InvalidArgument", InvalidRequest),
        (400, "InvalidSignature", CryptoFailure),
        (409, "InDoubt", Conflict),
        (500, "InternalError", Unavailable),
    ],
)
def test_errors_are_typed_and_carry_what_was_said(status: int, code: str, kind: type[Exception]) -> None:
    with Server(problem(status, code)).client() as client, pytest.raises(kind) as refusal:
        client.call("t.plain")
    error: Any = refusal.value
    assert (error.code, error.detail, error.remedy, error.field, error.request_id) == (
        code, "why", "what to do", "f", "req_1",
    )  # fmt: skip


def test_an_answer_that_is_no_problem_document_is_an_error_too() -> None:
    with Server(httpx.Response(502, text="<html>")).client(attempts=1) as client, pytest.raises(Unavailable):
        client.call("t.plain")


def test_a_file_flows_through_with_progress(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    server = Server(httpx.Response(200, content=b"answer" * 100))
    source = io.BytesIO(b"x" * 600_000)
    with server.client() as client:
        size = client.transfer("t.flow", source, tmp_path / "out", key="k", progress=lambda s, r: seen.append((s, r)))
    assert size == 600 and (tmp_path / "out").read_bytes() == b"answer" * 100
    assert seen[-1] == (600_000, 600)
    assert server.requests[0].headers["x-miyun-content-sm3"] == "STREAMING"


def test_half_an_answer_leaves_no_file(tmp_path: Path) -> None:
    def broken() -> Any:
        yield b"half"
        raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")

    with Server(httpx.Response(200, content=broken())).client() as client, pytest.raises(IncompleteAnswer):
        client.transfer("t.flow", io.BytesIO(b"x"), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_refused_transfer_says_why(tmp_path: Path) -> None:
    with Server(problem(503, "MachineLocked")).client() as client, pytest.raises(Unavailable, match="MachineLocked"):
        client.transfer("t.flow", io.BytesIO(b"x"), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_the_asynchronous_client_does_the_same(tmp_path: Path) -> None:
    server = Server(problem(503, "Unavailable", **{"retry-after": "0"}), ok(a=1), httpx.Response(200, content=b"out"))

    async def scenario() -> None:
        transport = httpx.MockTransport(server)
        async with AsyncClient("https://miyun.test", session="tok", tenant="ten_1", transport=transport) as client:
            assert await client.call("t.make") == {"a": 1}
            await client.transfer("t.flow", io.BytesIO(b"x"), tmp_path / "out")

    asyncio.run(scenario())
    assert (tmp_path / "out").read_bytes() == b"out"
    assert server.requests[0].headers["authorization"] == "Bearer tok"
    assert server.requests[0].headers["x-miyun-tenant"] == "ten_1"
