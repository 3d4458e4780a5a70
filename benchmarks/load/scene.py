"""A real platform with tenants, applications, keys and signers to load, and what each of its processes costs."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load.client import Request, Target
from benchmarks.load.prepared import OCTETS, Caller, encoded
from tests.platform import App, RunningPlatform, Tenant, spec, unique

from miyun.core.operation import Role
from miyun.wire import ocsp
from miyun.wire.x509 import load_certificates

UNLIMITED = 1_000_000_000  # timestamps an hour
MESSAGE = base64.b64encode(b"a document of a bureau, 32 octets").decode()
DIGEST = base64.b64encode(bytes(range(32))).decode()
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Subject:
    """A tenant with one application, one signer and one SM4 key."""

    tenant: Tenant
    app: App
    caller: Caller
    key: str
    question: bytes  # an OCSPRequest for the signer's certificate

    def noop(self, count: int) -> list[Request]:
        return self.caller.requests(count, "POST", "/v1/tenant/connection", b"{}")

    def sign(self, count: int) -> list[Request]:
        body = encoded({"signer": "bench", "message": MESSAGE})
        return self.caller.requests(count, "POST", "/v1/signature/sign", body)

    def sign_batch(self, count: int, items: int = 64) -> list[Request]:
        body = encoded({"signer": "bench", "items": [{"message": MESSAGE}] * items})
        return self.caller.requests(count, "POST", "/v1/signature/batch/sign", body)

    def timestamp(self, count: int) -> list[Request]:
        body = encoded({"digest": DIGEST, "hash_algorithm": "SM3", "policy": "sm2"})
        return self.caller.requests(count, "POST", "/v1/timestamp/tokens", body)

    def ocsp(self, count: int) -> list[Request]:
        """The same question again and again, as relying parties ask."""
        return [self._posted("/ocsp/sm2-issuing", self.question, "application/ocsp-request")] * count

    def _posted(self, target: str, body: bytes, content_type: str) -> Request:
        head = f"POST {target} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: {content_type}\r\n"
        return (f"{head}content-length: {len(body)}\r\n\r\n".encode() + body,)

    def encrypt(self, count: int, size: int) -> list[Request]:
        target = f"/v1/encryption/encrypt?key={self.key}"
        return self.caller.requests(count, "POST", target, bytes(size), content_type=OCTETS)

    def encrypt_json(self, count: int, size: int) -> list[Request]:
        body = encoded({"key": self.key, "plaintext": base64.b64encode(bytes(size)).decode()})
        return self.caller.requests(count, "POST", "/v1/encryption/encrypt", body)


@contextmanager
def scene(*, workers: int, tenants: int = 1, environ: Mapping[str, str] | None = None) -> Iterator[Scene]:
    with RunningPlatform(workers=workers, environ=environ) as platform:
        yield Scene(platform, [_subject(platform) for _ in range(tenants)])


@dataclass(slots=True)
class Scene:
    platform: RunningPlatform
    subjects: list[Subject]

    @property
    def target(self) -> Target:
        return Target(port=self.platform.port, authority=self.platform.authority)

    def worker(self, number: int = 0) -> Target:
        """Past the listener."""
        return Target(unix=Path(self.platform.home) / "run" / f"web-{number}.sock")


def _subject(platform: RunningPlatform) -> Subject:
    tenant = platform.activate(spec(unique("bench"), capacity=UNLIMITED))
    app = platform.application(tenant, "压测")
    made = platform.as_system(
        tenant, "signature.signer.create", name="bench", subject={"CN": "bench"}, applications=[app.id]
    )
    with platform.session(platform.administrator(Role.TENANT_SECURITY, tenant)) as security:
        key = security.call("kms.key.create", algorithm="SM4", usage="encrypt", label="bench", applications=[app.id])[
            "key"
        ]
    [issuer, *_] = load_certificates(made.chain_pem)
    question = ocsp.OcspRequest((ocsp.CertId.of(issuer, int(made.certificate_serial, 16)),)).encode()
    return Subject(tenant, app, Caller(app.access_key, app.secret_key), str(key), question)


def cpu_seconds(pids: Mapping[str, int]) -> dict[str, float]:
    """User and system time of each process so far."""
    found = {}
    for name, pid in pids.items():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        found[name] = (int(fields[11]) + int(fields[12])) / _TICKS
    return found


def resident(pids: Mapping[str, int]) -> dict[str, int]:
    """Octets of memory that each process holds."""
    page = os.sysconf("SC_PAGE_SIZE")
    return {name: int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * page for name, pid in pids.items()}
