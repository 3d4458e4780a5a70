"""The API over HTTPS as applications meet it: listener, web workers, pipeline, VSM and ledger are the real ones."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import ssl
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.platform import DIGEST, App, RunningPlatform, Tenant, spec, unique

from miyun.client import AsyncClient, Client, Conflict, InvalidRequest, NotFound, Octets, Unauthenticated
from miyun.client._operations import OPERATIONS
from miyun.core.operation import Role
from miyun.edge.assembly import registry
from miyun.gm import sm3 as algorithm

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def client(platform: RunningPlatform, app_a: App) -> Any:
    with platform.client(app_a) as made:
        yield made


@pytest.fixture(scope="module")
def key(platform: RunningPlatform, tenant_a: Tenant, app_a: App) -> str:
    """An SM4 key of the tenant: applications use keys, people make them and open them."""
    seat = platform.person(Role.TENANT_SECURITY, tenant_a)
    with platform.session(seat) as officer:
        return str(
            officer.call("kms.key.create", algorithm="SM4", usage="encrypt", label="接口测试", applications=[app_a.id])[
                "key"
            ]
        )


def text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def test_an_application_encrypts_and_decrypts(client: Client, key: str) -> None:
    sealed = client.encryption.encrypt(key=key, plaintext="密云".encode(), associated_data=b"case 1")
    opened = client.encryption.decrypt(key=key, ciphertext=sealed["ciphertext"], associated_data=b"case 1")
    assert base64.b64decode(opened["plaintext"]) == "密云".encode()


def test_bulk_data_goes_as_octets_without_base64(client: Client, key: str) -> None:
    plain = os.urandom(1 << 20)
    sealed = client.call("encryption.encrypt", body=plain, key=key, associated_data=b"case 1")
    assert isinstance(sealed, Octets) and sealed.fields["mode"] == "SM4-GCM" and plain[:32] not in sealed.body
    opened = client.call("encryption.decrypt", body=sealed.body, key=key, associated_data=b"case 1")
    assert (opened.body, opened.fields["key"]) == (plain, key)
    as_json = client.encryption.decrypt(key=key, ciphertext=sealed.body, associated_data=b"case 1")
    assert base64.b64decode(as_json["plaintext"]) == plain


def test_the_asynchronous_client_works_against_the_platform(platform: RunningPlatform, app_a: App) -> None:
    async def scenario() -> None:
        async with AsyncClient(platform.url, app_a.access_key, app_a.secret_key, verify=platform.trust) as client:
            tokens = await asyncio.gather(
                *(client.timestamp.issue(digest=DIGEST, hash_algorithm="SM3") for _ in range(16))
            )
            assert len({token["serial"] for token in tokens}) == 16

    asyncio.run(scenario())


def test_a_file_of_many_segments_flows_through_both_ways(client: Client, key: str, tmp_path: Path) -> None:
    plain, sealed, opened = (tmp_path / name for name in ("plain", "sealed", "opened"))
    block = os.urandom(1 << 20)
    with plain.open("wb") as file:
        for number in range(24):
            file.write(number.to_bytes(4) + block)
    seen: list[tuple[int, int]] = []
    client.transfer("encryption.stream.encrypt", plain, sealed, key=key, progress=lambda s, r: seen.append((s, r)))
    assert seen[-1] == (plain.stat().st_size, sealed.stat().st_size)
    client.transfer("encryption.stream.decrypt", sealed, opened, key=key)
    assert sha256(opened) == sha256(plain)


def test_an_altered_stream_leaves_no_plaintext_file(client: Client, key: str, tmp_path: Path) -> None:
    plain, sealed, opened = (tmp_path / name for name in ("plain", "sealed", "opened"))
    plain.write_bytes(os.urandom(5 << 20))
    client.transfer("encryption.stream.encrypt", plain, sealed, key=key)
    content = bytearray(sealed.read_bytes())
    content[-100] ^= 1
    sealed.write_bytes(content)
    with pytest.raises(Exception):  # noqa: B017  refused at once or broken off: in any case an error
        client.transfer("encryption.stream.decrypt", sealed, opened, key=key)
    assert not opened.exists()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_every_operation_refuses_whom_it_does_not_know(platform: RunningPlatform) -> None:
    """Anonymous calls of all operations: 401 as a problem document, or an answer where the declaration says public."""
    with platform.http() as http:
        for operation in registry().operations.values():
            path = "/v1" + operation.path
            for name in OPERATIONS[operation.id].path_fields:
                path = path.replace(f"{{{name}}}", "none")
            headers = {"content-type": OPERATIONS[operation.id].content_type}
            answer = http.request(operation.method, path, headers=headers)
            if Role.PUBLIC in operation.roles:
                assert answer.status_code < 500, operation.id
                continue
            assert answer.status_code == 401, (operation.id, answer.text)
            assert answer.headers["content-type"] == "application/problem+json", operation.id
            assert answer.json()["zh"]["detail"] and answer.json()["en"]["detail"]


def test_no_operation_answers_nonsense_with_an_internal_error(client: Client) -> None:
    """An entitled application sends every operation fields that do not exist: a named refusal, never a 5xx."""
    signer, http = client._signer, client._http
    assert signer is not None
    for operation in OPERATIONS.values():
        path = operation.path
        for name in operation.path_fields:
            path = path.replace(f"{{{name}}}", "x%00y")
        url = f"{client._url}/v1{path}?no_such_field=1"
        content = b'{"no_such_field": 1}' if operation.method in ("POST", "PUT") else b""
        headers = {"content-type": operation.content_type}
        digest = "STREAMING" if operation.body == "stream" else sm3(content)
        answer = http.request(
            operation.method,
            url,
            content=content,
            headers=headers | signer.headers(operation.method, url, digest, headers),
        )
        assert answer.status_code < 500, (operation.id, answer.text)
        if answer.status_code >= 400:
            assert answer.json()["code"], operation.id


def sm3(content: bytes) -> str:
    return algorithm.digest(content).hex()


def test_a_request_cannot_be_replayed(platform: RunningPlatform, app_a: App) -> None:
    url, headers = f"{platform.url}/v1/timestamp/status", {"content-type": "application/json"}
    signed = headers | app_a.signer.headers("GET", url, sm3(b""), headers)
    with platform.http() as http:
        assert http.get(url, headers=signed).status_code == 200
        again = http.get(url, headers=signed)
    assert (again.status_code, again.json()["code"]) == (401, "ReplayedRequest")


def test_a_wrong_secret_is_refused(platform: RunningPlatform, app_a: App) -> None:
    client = Client(platform.url, app_a.access_key, "0" * 64, verify=platform.trust)
    with client, pytest.raises(Unauthenticated):
        client.timestamp.status()


def test_a_client_that_does_not_trust_the_listener_says_so(platform: RunningPlatform) -> None:
    with pytest.raises(httpx.ConnectError, match="certificate"):
        httpx.get(f"{platform.url}/healthz", verify=ssl.create_default_context(), trust_env=False)


@pytest.mark.engine
def test_plain_http_and_old_tls_are_not_spoken(platform: RunningPlatform) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{platform.port}/healthz", trust_env=False)
    old = ["openssl", "s_client", "-connect", f"127.0.0.1:{platform.port}", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]
    refused = subprocess.run(old, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60)
    assert refused.returncode != 0


def test_a_huge_body_is_refused_in_both_languages(client: Client) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        client.call("encryption.encrypt", key="key_x", plaintext=bytes(24 << 20))
    assert refusal.value.code == "TooLarge"
    assert refusal.value.zh["detail"] and refusal.value.en["detail"]


def test_an_idempotent_call_happens_once(client: Client) -> None:
    asked = {"digest": DIGEST, "hash_algorithm": "SM3", "idempotency_key": f"once-{os.urandom(8).hex()}"}
    first, second = (client.call("timestamp.issue", **asked) for _ in range(2))
    assert first == second
    with pytest.raises(Conflict) as refusal:
        client.call("timestamp.issue", **asked | {"include_certificate": False})
    assert refusal.value.code == "IdempotencyMismatch"


def test_what_belongs_to_another_tenant_is_not_found(platform: RunningPlatform, key: str, app_b: App) -> None:
    with platform.client(app_b) as other, pytest.raises(NotFound):
        other.call("encryption.encrypt", key=key, plaintext=b"x")


def test_health_metrics_description_and_reference_are_served(platform: RunningPlatform, client: Client) -> None:
    client.timestamp.issue(digest=DIGEST, hash_algorithm="SM3")
    with platform.http() as http:
        assert http.get("/healthz").json() == {
            "alive": True,
            "ready": True,
            "parts": {"vsm": "ok", "ledger": "ok", "database": "ok", "setup": "ok"},
        }
        metrics = http.get("/metrics").text
        assert "miyun_vsm_operations_total" in metrics and 'miyun_calls_running{worker="1"}' in metrics
        assert 'miyun_worker_up{worker="0"} 1' in metrics and 'miyun_worker_up{worker="1"} 1' in metrics
        assert 'operation="timestamp.issue",outcome="ok"' in metrics
        described = http.get("/openapi.json").json()
        assert described["servers"] == [{"url": platform.url}]
        assert http.get("/reference").status_code == 200


def test_many_connections_at_once_are_all_answered(platform: RunningPlatform, app_a: App) -> None:
    def one(_number: int) -> str:
        with platform.client(app_a, attempts=3) as client:
            return str(client.timestamp.issue(digest=DIGEST, hash_algorithm="SM3")["serial"])

    with ThreadPoolExecutor(16) as pool:
        serials = list(pool.map(one, range(64)))
    assert len(set(serials)) == 64


def test_the_command_line_calls_the_platform(platform: RunningPlatform, app_a: App, key: str, tmp_path: Path) -> None:
    profile = tmp_path / "profile.toml"
    profile.write_text(
        f'[default]\nurl = "{platform.url}"\nauthority = "{platform.authority}"\n'
        f'access_key = "{app_a.access_key}"\nsecret_key = "{app_a.secret_key}"\n'
    )
    profile.chmod(0o600)
    environ = platform.environ | {"MIYUN_PROFILE": str(profile)}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "miyun.edge.cli", *arguments]
        return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)

    issued = run("api", "timestamp", "issue", "--digest", DIGEST, "--hash-algorithm", "SM3")
    assert issued.returncode == 0, issued.stderr
    assert json.loads(issued.stdout)["serial"]
    refused = run("api", "kms", "key", "get", "--key", "key_none")
    assert refused.returncode == 1 and "NotFound" in refused.stderr
    denied = run("api", "account.person.list")
    assert denied.returncode == 3, denied.stderr
    source, sealed = tmp_path / "plain", tmp_path / "sealed"
    source.write_bytes(b"content" * 1000)
    done = run("api", "encryption.stream.encrypt", "--key", key, "--in", str(source), "--out", str(sealed))
    assert done.returncode == 0 and sealed.stat().st_size > source.stat().st_size, done.stderr


@pytest.mark.engine
def test_curl_with_basic_gets_a_timestamp_and_no_traceback_ever(
    platform: RunningPlatform, tenant_a: Any, app_a: App, tmp_path: Path
) -> None:
    username, password = platform.basic(tenant_a, app_a, "timestamp", "timestamp.rfc3161")
    query = tmp_path / "query.tsq"
    (tmp_path / "data").write_bytes(b"data")
    subprocess.run(
        ["openssl", "ts", "-query", "-data", str(tmp_path / "data"), "-sha256", "-cert", "-out", str(query)], check=True
    )
    secret = tmp_path / "netrc"
    secret.write_text(f"machine 127.0.0.1 login {username} password {password}\n")
    secret.chmod(0o600)

    def curl(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = ["curl", "-sS", "--noproxy", "*", "--cacert", str(platform.authority), "--netrc-file", str(secret)]
        return subprocess.run([*command, *arguments], capture_output=True, check=False)

    headers = ("-H", "content-type: application/timestamp-query")
    answer = curl(*headers, "--data-binary", f"@{query}", f"{platform.url}/tsa/ecdsa")
    reply = tmp_path / "reply.tsr"
    reply.write_bytes(answer.stdout)
    shown = subprocess.run(["openssl", "ts", "-reply", "-in", str(reply), "-text"], capture_output=True, check=True)
    assert b"Status: Granted" in shown.stdout
    broken = curl(*headers, "--data-binary", "not a query", f"{platform.url}/tsa/ecdsa")
    assert b"Traceback" not in broken.stdout


def test_a_killed_worker_costs_no_idempotent_call(own_platform: RunningPlatform) -> None:
    tenant = own_platform.activate(spec(unique("w")))
    app = own_platform.application(tenant)
    serials: list[str] = []
    with own_platform.client(app, attempts=10) as client:
        for number in range(40):
            if number in (10, 25):
                own_platform.kill(f"web-{number % 2}")
            serials.append(client.timestamp.issue(digest=DIGEST, hash_algorithm="SM3")["serial"])
    with own_platform.session(own_platform.person(Role.TENANT_SYSTEM, tenant)) as system:
        lines = system.call("usage.statement", contract=tenant.contract)["lines"]
    [counted] = [line["units"] for line in lines if line["meter"] == "timestamp.tokens"]
    assert len(set(serials)) == 40
    assert counted == 40, "a call that was repeated is counted once"
