"""A real platform for tests: supervisor, VSM, ledger, web workers, jobs and listener in a home of their own.

`shared()` is one per test process, for tests that leave it as they found it or only add; tests that kill, fill or
restart make their own with `RunningPlatform()`.
"""

from __future__ import annotations

import asyncio
import atexit
import base64
import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx

from miyun.client import Client, MiyunError, Signer
from miyun.core.access import Internal
from miyun.core.clock import SHANGHAI
from miyun.core.contracts.model import ContractSpec, EntitlementSpec, Overuse
from miyun.core.ids import new_id
from miyun.core.ledger.verify import VerifyReport, verify_journal
from miyun.core.operation import Role
from miyun.core.pipeline import Arrival
from miyun.core.settings import Settings, load
from miyun.delivery import importing
from miyun.delivery.contract.checker import check
from miyun.delivery.contract.render import to_json
from miyun.edge import assembly
from miyun.edge.supervisor.child import is_alive, started_ticks

T = TypeVar("T")

EXAMPLE = Path(__file__).parents[1] / "examples" / "contracts" / "contract.txt"
START_SECONDS = 120.0
CONTRACTED = ("strong_auth", "signature", "encryption", "timestamp", "onboarding")  # what contract 2 buys
BESIDES = ("ssl_certificate", "usbkey")  # what tests buy besides
SERVICES = CONTRACTED + BESIDES
CAPACITY = 10_000  # timestamps a clock hour and licence
DIGEST = base64.b64encode(bytes(range(32))).decode()
ADMINISTRATORS = {
    Role.PLATFORM_SYSTEM: "system",
    Role.PLATFORM_SECURITY: "security",
    Role.PLATFORM_AUDIT: "audit",
}


def spec(code: str, *, capacity: int = CAPACITY, quantity: int = 1, overuse: Overuse = Overuse.REFUSE) -> ContractSpec:
    """Our example contract as a rehearsal whose term holds today, and BESIDES: the timestamps limited to `capacity` an
    hour and licence."""
    contract = _example()
    lines = []
    for line in contract.entitlements:
        if line.offering == "timestamp":
            line = replace(line, quantity=quantity, hourly_capacity={"timestamp.tokens": capacity}, overuse=overuse)
        lines.append(line)
    plans = {offering.slug: offering.plans[0].slug for offering in assembly.offerings() if offering.slug in BESIDES}
    lines += [EntitlementSpec(slug, plan, quantity=1) for slug, plan in plans.items()]
    document = {**json.loads(contract.document), "copy": secrets.token_hex(8)}
    return replace(
        contract,
        tenant_code=code,
        tenant_name=f"{contract.tenant_name} {code}",
        document=json.dumps(document, ensure_ascii=False).encode(),
        entitlements=lines,
    )


@cache
def _example() -> ContractSpec:
    read = check(EXAMPLE)
    prepared = importing.prepare(
        read.contract,
        to_json(read),
        read.document.text,
        offerings={offering.slug: offering for offering in assembly.offerings()},
        today=datetime.now(UTC).astimezone(SHANGHAI).date(),
        rehearsal=True,
    )
    assert sorted(line.offering for line in prepared.spec.entitlements) == sorted(CONTRACTED)
    return prepared.spec


@dataclass(slots=True)
class App:
    """An application with its access key, bound to services. `bindings`: offering → binding."""

    id: str
    name: str
    access_key: str
    secret_key: str = field(repr=False)
    bindings: dict[str, str] = field(default_factory=dict)

    @property
    def signer(self) -> Signer:
        return Signer(self.access_key, self.secret_key)


@dataclass(slots=True)
class Tenant:
    """`logins`: login name → one-time password, until it was changed."""

    id: str
    code: str
    contract: str
    instances: Mapping[str, str]
    logins: Mapping[str, str] = field(repr=False)


@dataclass(slots=True)
class Seat:
    """A person who is signed in."""

    id: str
    login: str
    password: str = field(repr=False)
    token: str = field(repr=False)
    half: str = field(default="", repr=False)


_PORTS = iter(range(10_100 + os.getpid() % 20_000, 32_768))  # below those that outgoing connections take by themselves
_CLAIMS: list[socket.socket] = []


def free_port() -> int:
    """Of TCP and of UDP, and given to no other test, of this process or of another, as long as this process lives."""
    for port in _PORTS:
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0miyun-test-port-{port}")  # the kernel gives a name to one only, until its process ends
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_INET, kind) as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        _CLAIMS.append(claim)
        return port
    raise AssertionError("no port is left")


def free_ports(count: int) -> list[int]:
    return [free_port() for _ in range(count)]


class RunningPlatform:
    """`with RunningPlatform() as platform:` starts it and waits until it is ready; leaving it stops and removes all.

    `home` may be given to start on what is there (it is then kept); `environ` adds settings, MIYUN_SECTION__KEY.
    """

    def __init__(
        self, *, workers: int = 2, home: Path | None = None, port: int = 0, environ: Mapping[str, str] | None = None
    ) -> None:
        self._own_home = home is None
        self.home = home or Path(tempfile.mkdtemp(prefix="my", dir="/tmp"))  # socket paths must be short
        self.port, mutual, publication = free_ports(3)
        self.port = port or self.port
        self._environ = {
            "MIYUN_SERVER__PORT": str(self.port),
            "MIYUN_SERVER__MUTUAL_PORT": str(mutual),
            "MIYUN_SERVER__PUBLICATION_PORT": str(publication),
            "MIYUN_SERVER__WORKERS": str(workers),
            **(environ or {}),
        }
        self.process: subprocess.Popen[bytes] | None = None
        self._people: dict[tuple[str, Role, str], Seat] = {}

    # what it is

    @property
    def environ(self) -> dict[str, str]:
        """The environment of its processes, for commands of the CLI too."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MIYUN_")}
        keep = {name: value for name, value in os.environ.items() if name == "MIYUN_GM_PROVIDER"}
        return {**inherited, **keep, **self._environ, "MIYUN_HOME": str(self.home), "MIYUN_LANG": "en"}

    @property
    def settings(self) -> Settings:
        return load(self.home, self._environ)

    @property
    def url(self) -> str:
        return self.settings.url

    @property
    def authority(self) -> Path:
        return assembly.listener_authority(self.settings)

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.authority))

    # its life

    def start(self, *, ready: bool = True) -> Self:
        log = (self.home / "serve.out").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "miyun.edge.cli", "serve", "--foreground", "--home", str(self.home)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=self.environ,
            start_new_session=True,
        )
        log.close()
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self, seconds: float = START_SECONDS) -> None:
        """Until every process is there and /healthz says that all parts serve."""
        deadline = time.monotonic() + seconds
        last = "no answer"
        while time.monotonic() < deadline:
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(f"the supervisor ended with {self.process.returncode}:\n{self.logs()}")
            try:
                if all(child["state"] == "ready" for child in self.children().values()) and self.children():
                    answer = httpx.get(f"{self.url}/healthz", verify=self.trust, timeout=30, trust_env=False)
                    last = answer.text
                    if answer.status_code == 200 and answer.json().get("ready"):
                        return
            except (httpx.HTTPError, OSError, ValueError) as error:
                last = repr(error)
            time.sleep(0.05)
        raise AssertionError(f"not ready in {seconds:.0f} s: {last}\n{self.children()}\n{self.logs()}")

    def children(self) -> dict[str, dict[str, Any]]:
        """Name → what the supervisor says of the process."""
        try:
            state = json.loads((self.home / "run" / "supervisor.json").read_bytes())
        except (OSError, ValueError):
            return {}
        if self.process is not None and state["pid"] != self.process.pid:
            return {}  # left by an earlier one
        return {child["name"]: child for child in state["children"]}

    def pid(self, name: str) -> int:
        if name == "supervisor":
            assert self.process is not None
            return self.process.pid
        pid = self.children()[name]["pid"]
        assert pid is not None, f"{name} does not run"
        return int(pid)

    def pids(self) -> dict[str, int]:
        """Of everything that runs now, the supervisor too."""
        running = {name: int(child["pid"]) for name, child in self.children().items() if child["pid"]}
        return {"supervisor": self.pid("supervisor"), **running}

    def kill(self, name: str) -> int:
        """kill -9 of one process; returns its pid."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGKILL)
        return pid

    def kill_everything(self) -> None:
        """kill -9 of the supervisor and of all its processes at once, as when the machine loses its power."""
        assert self.process is not None
        for pid in self.pids().values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(60)

    def wait_replaced(self, name: str, old: int, seconds: float = START_SECONDS) -> None:
        """Until the supervisor has started `name` anew and all is ready."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            child = self.children().get(name)
            if child and child["state"] == "ready" and child["pid"] not in (None, old):
                break
            time.sleep(0.02)
        self.wait_ready(max(1.0, deadline - time.monotonic()))

    def stop(self) -> dict[str, int]:
        """SIGTERM; returns the pids of what did not end (should be empty)."""
        if self.process is None or self.process.poll() is not None:
            return {}
        ticks = {name: (pid, started_ticks(pid)) for name, pid in self.pids().items()}
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        return {name: pid for name, (pid, when) in ticks.items() if is_alive(pid, when)}

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *exception: object) -> None:
        try:
            if self.process is not None and self.process.poll() is None:
                try:
                    self.stop()
                except subprocess.TimeoutExpired:
                    self.kill_everything()
        finally:
            if self._own_home:
                shutil.rmtree(self.home, ignore_errors=True)

    def logs(self, last: int = 3000) -> str:
        """The end of every log, for messages of failing tests."""
        files = [self.home / "serve.out", *sorted((self.home / "log").glob("*.log"))]
        return "\n".join(f"--- {file.name}\n{_tail(file, last)}" for file in files if file.exists())

    def verify_journal(self) -> VerifyReport:
        return verify_journal(self.home / "journal")

    # what only the platform itself may do: in this process, over its sockets

    def inside(self, work: Callable[[assembly.Platform], Awaitable[T]]) -> T:
        async def run() -> T:
            platform = await assembly.assemble(self.settings, process="cli")
            try:
                return await work(platform)
            finally:
                await platform.close()

        # in a thread of its own: the caller's may hold a running loop (a browser's driver does)
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, run()).result()

    def activate(self, contract: ContractSpec) -> Tenant:
        opened = self.inside(lambda platform: platform.cloud.contracts.activate(contract))
        code = contract.tenant_code or ""
        return Tenant(opened.tenant, code, opened.contract, opened.instances, dict(opened.first_logins))

    def as_system(self, tenant: Tenant | None, operation_id: str, **values: Any) -> Any:
        """Run an operation that the role SYSTEM may, through the pipeline."""

        async def work(platform: assembly.Platform) -> Any:
            return await _internal(platform, tenant.id if tenant else None, operation_id, values)

        return self.inside(work)

    def application(self, tenant: Tenant, name: str = "办件系统", services: tuple[str, ...] | None = None) -> App:
        """A new application, bound to `services` (default: all but onboarding, which nobody calls)."""
        wanted = services if services is not None else tuple(s for s in tenant.instances if s != "onboarding")

        async def work(platform: assembly.Platform) -> App:
            made = await _internal(platform, tenant.id, "tenant.application.create", {"name": name})
            key = await _internal(platform, tenant.id, "tenant.access_key.create", {"application": made.application})
            bindings = {}
            for service in wanted:
                values = {"application": made.application, "instance": tenant.instances[service]}
                bound = await _internal(platform, tenant.id, "tenant.binding.create", values)
                bindings[service] = bound.binding
            return App(made.application, name, key.access_key, key.secret_key, bindings)

        return self.inside(work)

    def basic(self, tenant: Tenant, app: App, service: str, *operations: str) -> tuple[str, str]:
        """User name and password of a single-purpose credential."""
        made = self.as_system(
            tenant, "tenant.credential.create", binding=app.bindings[service], operations=list(operations)
        )
        return made.username, made.password

    # who calls it over HTTPS

    def http(self, **options: Any) -> httpx.Client:
        return httpx.Client(
            base_url=self.url, verify=self.trust, timeout=options.pop("timeout", 60), trust_env=False, **options
        )

    def client(self, app: App, **options: Any) -> Client:
        return Client(self.url, app.access_key, app.secret_key, verify=self.trust, **{"attempts": 1, **options})

    def session(self, seat: Seat, **options: Any) -> Client:
        return Client(self.url, session=seat.token, verify=self.trust, **{"attempts": 1, **options})

    def administrator(self, role: Role, tenant: Tenant | None = None) -> Seat:
        """One of the three administrators of the platform or of a tenant, with an own password by now."""
        seat = self._people.get((tenant.id if tenant else "", role, ""))
        if seat is None:
            name = role.rpartition(".")[2]
            if tenant is None:
                file = self.home / "secrets" / f"first-login-{name}.txt"
                login, first = name, file.read_text("utf-8").rpartition(": ")[2].strip()
            else:
                login = f"{name}@{tenant.code}"
                first = tenant.logins[login]
            seat = self._people[tenant.id if tenant else "", role, ""] = self.first_login(login, first)
        return seat

    def first_login(self, login: str, first: str) -> Seat:
        """Sign in with a one-time password and choose an own one."""
        password = f"own-{secrets.token_urlsafe(12)}"
        with Client(self.url, session=self.sign_in(login, first)[1], verify=self.trust) as client:
            client.call("account.change_password", current=first, new=password)
        person, token = self.sign_in(login, password)
        return Seat(person, login, password, token)

    def sign_in(self, login: str, password: str) -> tuple[str, str]:
        """Person and session token."""
        with Client(self.url, verify=self.trust) as client:
            answer = client.call("account.login", login=login, password=password)
        return answer["person"]["person"], answer["token"]

    def person(self, role: Role, tenant: Tenant | None = None, *, who: str = "") -> Seat:
        """Somebody with `role`: an administrator, or a person made by two of them; another one for another `who`."""
        administrators = (*ADMINISTRATORS, Role.TENANT_SYSTEM, Role.TENANT_SECURITY, Role.TENANT_AUDIT)
        if not who and role in administrators:
            return self.administrator(role, tenant)
        key = (tenant.id if tenant else "", role, who)
        if key not in self._people:
            side = (Role.TENANT_SYSTEM, Role.TENANT_SECURITY) if tenant else tuple(ADMINISTRATORS)[:2]
            with (
                self.session(self.administrator(side[0], tenant)) as system,
                self.session(self.administrator(side[1], tenant)) as security,
            ):
                name = unique(f"{role.rpartition('.')[2]}-")
                made = system.call("account.person.create", login=name, name="某人")
                person = made["person"]
                other = security.call("account.person.assign_roles", person=person["person"], roles=[role.value])
                seat = self.first_login(person["login"], f"{made['password_half']}-{other['password_half']}")
                self._people[key] = seat
        return self._people[key]


async def _internal(platform: assembly.Platform, tenant: str | None, operation_id: str, values: dict[str, Any]) -> Any:
    operation = platform.registry.operation(operation_id)
    arrival = Arrival(
        credential=Internal("test", tenant=tenant),
        request_id=new_id("req"),
        decode=lambda: operation.request(**values),
    )
    return (await platform.pipeline.execute(operation, arrival)).value


@cache
def shared() -> RunningPlatform:
    """One platform of this test process, stopped when it ends. Its pages ask for a key agent at a port of its own,
    `settings.login.agent`: tests of keys start one there."""
    platform = RunningPlatform(environ={"MIYUN_LOGIN__AGENT": f"http://127.0.0.1:{free_port()}"})
    atexit.register(platform.__exit__)
    return platform.__enter__()


_NUMBERS = count(1)


def unique(prefix: str = "t") -> str:
    """A tenant code, or another name, that no other test of this process uses.

    Counted: a name drawn by chance is a word now and then.
    """
    return f"{prefix}{next(_NUMBERS):04}"


def all_pages(client: Client, operation_id: str, **values: Any) -> Iterator[dict[str, Any]]:
    """The items of a list operation, page after page."""
    cursor = None
    while True:
        page = client.call(operation_id, cursor=cursor, limit=500, **values)
        yield from page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return


def answered(call: Callable[[], T]) -> T | None:
    """What the call returned, None when it was refused or never answered."""
    try:
        return call()
    except MiyunError:
        return None


def _tail(file: Path, last: int) -> str:
    return file.read_bytes()[-last:].decode("utf-8", "replace")
