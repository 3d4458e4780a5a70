"""Wrong input over HTTP: a documented error in both languages, no trace of our inside, and the platform goes on."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from tests.platform import DIGEST, App, RunningPlatform, Tenant

from miyun.client import Client, CryptoFailure, Signer, Unauthenticated
from miyun.core import errors
from miyun.core.operation import Role
from miyun.edge.http import errors as http_errors
from miyun.gm import sm3
from miyun.wire.algorithm import DigestAlgorithm
from miyun.wire.tsp import MessageImprint, PKIStatus, build_request, parse_response

INSIDE = re.compile(
    rb"Traceback|File \"|\.py\b|sqlalchemy|sqlite|site-packages|(?<![0-9a-z_])0x[0-9a-f]{8}|/tmp/|/src/miyun"
)
CHINESE = re.compile("[\u4e00-\u9fff]")
STAMP = "/v1/timestamp/tokens"
GOOD = json.dumps({"digest": DIGEST, "hash_algorithm": "SM3"}).encode()


@dataclass
class Sender:
    """Signs whatever octets it is given, as an application with an access key."""

    http: httpx.Client
    signer: Signer
    url: str

    def __call__(
        self,
        path: str = STAMP,
        content: bytes = GOOD,
        *,
        method: str = "POST",
        content_type: str = "application/json",
        language: str = "zh",
        now: datetime | None = None,
        nonce: str | None = None,
        sent: bytes | None = None,
        **extra: str,
    ) -> httpx.Response:
        """`sent` goes out instead of the signed content."""
        headers = {"content-type": content_type, "accept-language": language}
        headers |= {name.replace("_", "-"): value for name, value in extra.items()}
        signed = self.signer.headers(method, self.url + path, sm3.digest(content).hex(), headers, now=now, nonce=nonce)
        body = content if sent is None else sent
        return self.http.request(method, self.url + path, content=body, headers=headers | signed)


@pytest.fixture(scope="module")
def send(platform: RunningPlatform, app_a: App) -> Sender:
    return Sender(platform.http(), app_a.signer, platform.url)


def check(answer: httpx.Response, status: int, code: str, field: str | None = None) -> dict[str, Any]:
    """A whole problem document of a documented code, and nothing of our inside."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert not INSIDE.search(answer.content), answer.text
    problem: dict[str, Any] = answer.json()
    assert (problem["status"], problem["code"]) == (status, code), problem
    assert code in errors.registry() or hasattr(http_errors, code)
    for name in ("detail", "remedy"):
        assert CHINESE.search(problem["zh"][name]) and not CHINESE.search(problem["en"][name].replace("密云", ""))
    assert problem["request_id"] == answer.headers["x-request-id"]
    if field is not None:
        assert problem["field"] == field
    return problem


BAD_BODIES = {
    "no JSON": (b"{", 400, "InvalidArgument", None),
    "not an object": (b"[]", 400, "InvalidArgument", None),
    "empty": (b"", 400, "InvalidArgument", None),
    "not UTF-8": (b'{"digest": "\xff\xfe"}', 400, "InvalidArgument", None),
    "a lone surrogate": (b'{"digest": "\\ud800"}', 400, "InvalidArgument", None),
    "nested without end": (b'{"digest":' * 20_000, 400, "InvalidArgument", None),
    "no base64": (json.dumps({"digest": "***"}).encode(), 400, "InvalidArgument", "digest"),
    "half a base64": (json.dumps({"digest": "QUJ"}).encode(), 400, "InvalidArgument", "digest"),
    "a digest of wrong length": (json.dumps({"digest": "QUJD"}).encode(), 400, "InvalidArgument", "digest"),
    "SHA-1": (json.dumps({"digest": DIGEST, "hash_algorithm": "SHA-1"}).encode(), 400, "InvalidArgument", None),
    "an unknown field": (json.dumps({"digest": DIGEST, "dijest": 1}).encode(), 400, "UnknownField", "dijest"),
    "a number for text": (json.dumps({"digest": 5}).encode(), 400, "InvalidArgument", "digest"),
    "a missing field": (b"{}", 400, "InvalidArgument", "digest"),
    "an unknown policy": (
        json.dumps({"digest": DIGEST, "hash_algorithm": "SM3", "policy": "md5"}).encode(), 400, "InvalidArgument",
        "policy",
    ),
    "too large": (b'{"digest": "' + b"A" * (5 << 20) + b'"}', 413, "TooLarge", None),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_bad_body_is_refused_in_both_languages(send: Sender, name: str) -> None:
    content, status, code, field = BAD_BODIES[name]
    in_chinese = check(send(content=content), status, code, field)
    in_english = check(send(content=content, language="en"), status, code, field)
    assert in_chinese["detail"] == in_chinese["zh"]["detail"]
    assert in_english["detail"] == in_english["en"]["detail"]


def test_wrong_addresses_methods_and_types(send: Sender) -> None:
    check(send("/v1/nothing/here"), 404, "NotFound")
    check(send(STAMP, b"", method="PUT"), 405, "MethodNotAllowed")
    check(send(content_type="text/plain"), 415, "UnsupportedMediaType")
    check(send("/v1/timestamp/drift?start=yesterday&end=today", b"", method="GET"), 400, "InvalidArgument", "start")
    check(send("/v1/kms/keys/key_unknown/public", b"", method="GET"), 404, "NotFound")


def test_a_body_that_only_claims_to_be_huge_is_refused_unread(platform: RunningPlatform, send: Sender) -> None:
    def endless() -> Any:
        for _ in range(64):
            yield b" " * (1 << 20)

    try:  # were it not cut off, this would never end
        answer = send.http.post(
            f"{platform.url}/v1/account/login", content=endless(), headers={"content-type": "application/json"}
        )
    except (httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
        pass  # cut off while we still wrote: also an answer
    else:
        assert answer.status_code == 413


def test_signatures_dates_and_nonces(send: Sender) -> None:
    check(send(sent=GOOD.replace(b"SM3", b"SM4")), 401, "ContentMismatch")
    check(send(now=datetime.now(UTC) - timedelta(minutes=6)), 401, "ClockSkew")
    check(send(now=datetime.now(UTC) + timedelta(minutes=6)), 401, "ClockSkew")
    nonce = f"nonce-{time.time_ns()}"
    assert send(nonce=nonce).status_code == 200
    check(send(nonce=nonce), 401, "ReplayedRequest")
    stranger = Sender(send.http, Signer(send.signer.access_key, "0" * 64), send.url)
    check(stranger(), 401, "Unauthenticated")
    nobody = Sender(send.http, Signer("ak_" + "0" * 26, send.signer.secret_key), send.url)
    check(nobody(), 401, "Unauthenticated")
    plain = send.http.post(send.url + STAMP, content=GOOD, headers={"content-type": "application/json"})
    check(plain, 401, "Unauthenticated")
    assert "MIYUN1-HMAC-SM3" in plain.headers["www-authenticate"]
    for authorization in (
        "Bearer nonsense",
        "Basic !!!",
        "Digest x",
        "MIYUN1-HMAC-SM3 Credential=",
        "Basic " + "A" * 999,
    ):
        answer = send.http.post(send.url + STAMP, content=GOOD, headers={"authorization": authorization})
        assert answer.status_code == 401
        check(answer, 401, answer.json()["code"])


def test_a_replayed_request_is_refused_by_every_worker(platform: RunningPlatform, send: Sender) -> None:
    nonce = f"nonce-{time.time_ns()}"
    assert send(nonce=nonce).status_code == 200
    for _ in range(6):
        with platform.http() as other:
            check(Sender(other, send.signer, send.url)(nonce=nonce), 401, "ReplayedRequest")


def test_one_idempotency_key_for_two_requests(send: Sender) -> None:
    key = f"k{time.time_ns()}"
    assert send(idempotency_key=key).status_code == 200
    again = send(idempotency_key=key)
    assert again.status_code == 200 and again.headers["idempotency-replayed"] == "true"
    other = json.dumps({"digest": DIGEST, "hash_algorithm": "SM3", "policy": "sm2"}).encode()
    check(send(content=other, idempotency_key=key), 409, "IdempotencyMismatch")
    check(send(idempotency_key="x" * 200), 400, "InvalidArgument", "idempotency-key")


def test_expired_and_revoked_credentials(platform: RunningPlatform, tenant_a: Tenant, send: Sender) -> None:
    app = platform.application(tenant_a, "临时", services=("timestamp",))
    with platform.session(platform.person(Role.TENANT_SYSTEM, tenant_a)) as system:
        for seconds in (1.5, 12, 100):  # however slow the machine, one of them is used before it expires
            soon = datetime.now(UTC) + timedelta(seconds=seconds)
            short = system.call("tenant.access_key.create", application=app.id, expires_at=soon)
            other = Sender(send.http, Signer(short["access_key"], short["secret_key"]), send.url)
            if other().status_code == 200:
                break
        else:
            raise AssertionError("no key is good before it expires")
        time.sleep(max(0.0, (soon - datetime.now(UTC)).total_seconds()) + 0.1)
        check(other(), 401, "CredentialExpired")
        revoked = Sender(send.http, app.signer, send.url)
        assert revoked().status_code == 200
        system.call("tenant.access_key.revoke", access_key=app.access_key)
        for _ in range(4):
            check(revoked(), 401, "CredentialExpired")
        username, password = platform.basic(tenant_a, app, "timestamp", "timestamp.issue")
        basic = {"auth": (username, password), "headers": {"content-type": "application/json"}}
        assert send.http.post(send.url + STAMP, content=GOOD, **basic).status_code == 200  # type: ignore[arg-type]
        check(send.http.get(f"{send.url}/v1/timestamp/status", auth=(username, password)), 401, "Unauthenticated")
        system.call("tenant.credential.revoke", username=username)
        check(send.http.post(send.url + STAMP, content=GOOD, **basic), 401, "CredentialExpired")  # type: ignore[arg-type]


def test_wrong_keys_and_altered_ciphertexts(platform: RunningPlatform, tenant_a: Tenant, app_a: App) -> None:
    with platform.session(platform.person(Role.TENANT_SECURITY, tenant_a)) as security, platform.client(app_a) as app:
        key = security.call("kms.key.create", algorithm="SM4", usage="encrypt", label="甲", applications=[app_a.id])[
            "key"
        ]
        other = security.call("kms.key.create", algorithm="SM4", usage="encrypt", label="乙", applications=[app_a.id])[
            "key"
        ]
        signing = security.call("kms.key.create", algorithm="SM2", usage="sign", label="丙", applications=[app_a.id])[
            "key"
        ]
        made = base64.b64decode(app.call("encryption.encrypt", key=key, plaintext=DIGEST)["ciphertext"])
        altered = made[:-1] + bytes([made[-1] ^ 1])
        texts = set()
        for name, ciphertext, aad in ((key, altered, ""), (key, made, "QUJD"), (key, made[:-4], "")):
            with pytest.raises(CryptoFailure) as failed:
                app.call(
                    "encryption.decrypt",
                    key=name,
                    ciphertext=base64.b64encode(ciphertext).decode(),
                    associated_data=aad,
                )
            assert failed.value.code == "DecryptionFailed"
            texts.add((failed.value.detail, failed.value.field))
        assert len(texts) == 1  # why is not told
        for name in (other, signing):
            answer = _refused(lambda name=name: app.call(  # type: ignore[misc]
                "encryption.decrypt", key=name, ciphertext=base64.b64encode(made).decode()
            ))  # fmt: skip
            assert answer.status in (400, 409) and answer.zh and answer.en
        security.call("kms.key.disable", key=key)
        assert _refused(lambda: app.call("encryption.encrypt", key=key, plaintext=DIGEST)).status == 409


def _refused(call: Callable[[], Any]) -> Any:
    from miyun.client import ApiError

    with pytest.raises(ApiError) as refused:
        call()
    return refused.value


def test_a_wrong_password_tells_nothing(platform: RunningPlatform) -> None:
    told = set()
    with Client(platform.url, verify=platform.trust, attempts=1) as client:
        for login in ("system", "nobody", "x" * 300, "系统", "' or 1=1 --"):
            with pytest.raises((Unauthenticated, Exception)) as refused:
                client.call("account.login", login=login, password="not the password")
            if refused.value.status == 401:  # type: ignore[attr-defined]
                told.add(refused.value.detail)  # type: ignore[attr-defined]
    assert len(told) == 1


# RFC 3161: every answer is a TimeStampResp


def query(digest: bytes, algorithm: DigestAlgorithm) -> bytes:
    return build_request(MessageImprint.of(algorithm, digest), nonce=5, cert_req=True)


TSQ = query(hashlib.sha256(b"x").digest(), DigestAlgorithm.SHA256)
BAD_QUERIES = {
    "truncated": TSQ[:-3],
    "truncated within the imprint": TSQ[:20],
    "with octets after it": TSQ + b"\0",
    "empty": b"",
    "no DER": b"hello",
    "an indefinite length": b"\x30\x80" + TSQ[2:] + b"\0\0",
    "a length of gigabytes": b"\x30\x84\xff\xff\xff\xff",
    "version 2": TSQ.replace(b"\x02\x01\x01", b"\x02\x01\x02", 1),
}


@pytest.mark.parametrize("name", BAD_QUERIES)
def test_a_malformed_timestamp_query_gets_a_timestamp_response(send: Sender, name: str) -> None:
    answer = send("/tsa/ecdsa", BAD_QUERIES[name], content_type="application/timestamp-query")
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/timestamp-reply"
    assert not INSIDE.search(answer.content)
    response = parse_response(answer.content)
    assert response.status == PKIStatus.REJECTION
    text = "".join(response.texts)
    assert CHINESE.search(text) and re.search("[a-z]{4}", text)


def test_a_query_of_another_type_or_size_gets_a_timestamp_response(send: Sender) -> None:
    for content, content_type, status in (
        (TSQ, "text/plain", 415),
        (b"0" * (5 << 20), "application/timestamp-query", 413),
    ):
        answer = send("/tsa/ecdsa", content, content_type=content_type)
        assert answer.status_code == status
        assert parse_response(answer.content).status == PKIStatus.REJECTION


def test_the_platform_is_well_after_all_of_this(platform: RunningPlatform, send: Sender) -> None:
    assert send().status_code == 200
    with platform.http() as http:
        assert http.get("/healthz").json()["ready"]
    for file in (platform.home / "log").glob("*.log"):
        assert "Traceback" not in file.read_text("utf-8", "replace"), file.name
    assert platform.verify_journal().problems == []
