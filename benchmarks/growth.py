"""What one operation costs when the platform holds 10³ to 10⁶ keys, certificates, tenants and ledger records.

    python benchmarks/growth.py [--json] [--write] [--sizes 1000 1000000] [--count 60] [--rounds 6]

Real platforms on SQLite, one of each size, asked in turns. Cost is the CPU time that worker, ledger and VSM together
spend on a request that comes over HTTPS (its client's is not counted), except for `tenant look-up`, which asks the
stores for tenants it never asked before. Each figure is the least of several rounds. Rows give 1/cost as ops/s.
"""

import asyncio
import base64
import itertools
import random
import re
import secrets
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from growth_stores import Stores, record
from report import CHARTS, ROOT, Row, deliver, machine, parser, write_section
from report_chart import lines

from miyun.client import Client
from miyun.core.contracts.store import ContractStore
from miyun.core.ledger.client import LedgerClient
from miyun.core.operation import Role
from miyun.core.storage import Database
from miyun.core.tenancy.applications.store import ApplicationStore
from miyun.core.tenancy.store import TenancyStore
from miyun.gm import sm2
from miyun.wire import pkcs10, spki
from miyun.wire.algorithm import SignatureAlgorithm
from miyun.wire.name import Name

sys.path.insert(0, str(ROOT))
from tests.platform import RunningPlatform, spec

SIZES = (1_000, 10_000, 100_000, 1_000_000)
PROCESSES = ("web-0", "ledger", "vsm-platform")
LIMIT = 1.5  # cost at the greatest size ÷ cost at the least
REAL = 16  # signers and keys that are really used, among those that only fill the tables


@dataclass
class World:
    """A platform with one tenant, and what its operations are done with."""

    platform: RunningPlatform
    stores: Stores
    app: Client
    security: Client
    audit: Client
    signers: list[str]
    ciphertexts: list[tuple[str, str]]
    issued: list[str]

    def spent(self, processes: tuple[str, ...] = PROCESSES) -> float:
        """CPU seconds of the platform's processes so far."""
        total = 0
        for name in processes:
            for task in Path(f"/proc/{self.platform.pid(name)}/task").iterdir():
                total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9


def world(platform: RunningPlatform) -> World:
    tenant = platform.activate(spec("growth"))
    application = platform.application(tenant)
    security = platform.session(platform.person(Role.TENANT_SECURITY, tenant), timeout=120)
    audit = platform.session(platform.person(Role.TENANT_AUDIT, tenant), timeout=120)
    app = platform.client(application, timeout=120)
    signers = []
    for number in range(REAL):
        asked = {"name": f"s{number}", "subject": {"CN": f"s{number}"}, "applications": [application.id]}
        signers.append(security.call("signature.signer.create", **asked)["signer"])
    ciphertexts = []
    for number in range(REAL):
        asked = {"algorithm": "SM4", "usage": "encrypt", "label": f"k{number}", "applications": [application.id]}
        key = security.call("kms.key.create", **asked)["key"]
        sealed = app.call("encryption.encrypt", key=key, plaintext=base64.b64encode(b"x" * 64).decode())
        ciphertexts.append((key, sealed["ciphertext"]))
    stores = Stores(platform.settings.home / "data" / "miyun.db", platform.home / "run" / "ledger.sock", tenant.id)
    return World(platform, stores, app, security, audit, signers, ciphertexts, [])


def _csr() -> str:
    """Of a new key each: a key is certified for one subject."""
    d = sm2.generate_private_key()
    public = sm2.public_key(d)
    request = pkcs10.CertificationRequestInfo(Name.of(("C", "CN"), ("CN", "x")), spki.sm2_spki(public), (), None)
    return base64.b64encode(request.sign(SignatureAlgorithm.SM2_SM3, lambda m: sm2.sign(d, m, public=public))).decode()


def operations(world: World) -> dict[str, Callable[[], object]]:
    signers, keys = itertools.cycle(world.signers), itertools.cycle(world.ciphertexts)
    message = base64.b64encode(b"x" * 64).decode()

    def decrypt() -> None:
        key, ciphertext = next(keys)
        world.app.call("encryption.decrypt", key=key, ciphertext=ciphertext)

    def issue() -> None:
        name = {"CN": secrets.token_hex(6)}
        made = world.security.call("certificate.issue", template="application", csr=_csr(), subject=name)
        world.issued.append(made["certificate"]["serial"])

    return {
        "sign": lambda: world.app.call("signature.sign", signer=next(signers), message=message),
        "decrypt": decrypt,
        "issue": issue,
        "look up a certificate": lambda: world.security.call("certificate.get", serial=random.choice(world.issued)),
        "list certificates": lambda: world.security.call("certificate.list", limit=10),
        "revoke": lambda: world.security.call("certificate.revoke", serial=world.issued.pop(), reason="superseded"),
        "look up a key": lambda: world.security.call("kms.key.get", key=random.choice(world.ciphertexts)[0]),
        "list keys": lambda: world.security.call("kms.key.list", limit=10),
        "list records": lambda: world.audit.call("audit.records", operation="signature.sign", limit=10),
    }


def measure(worlds: dict[int, World], count: int, rounds: int, wanted: re.Pattern[str]) -> dict[int, dict[str, float]]:
    """Size → operation → microseconds: the least of the rounds, which alternate between the sizes."""
    costs: dict[int, dict[str, float]] = {size: {} for size in worlds}
    calls = {size: operations(world) for size, world in worlds.items()}

    def note(size: int, name: str, seconds: float) -> None:
        costs[size][name] = min(costs[size].get(name, 1e9), 1e6 * seconds)

    for _ in range(rounds):
        for name in next(iter(calls.values())):
            if not wanted.search(name) and name != "issue":  # others need what it makes
                continue
            for size, world in worlds.items():
                call = calls[size][name]
                call()
                before = world.spent()
                for _ in range(count):
                    call()
                note(size, name, (world.spent() - before) / count)
        for size, world in worlds.items():
            note(size, "ledger append", asyncio.run(_append(world, 10 * count)))
            note(size, "tenant look-up", _look_up_tenants(world, count))
    return costs


async def _append(world: World, count: int) -> float:
    """CPU seconds of the ledger for a record, 64 in flight."""
    client = await LedgerClient.connect(world.stores.ledger)
    turn, before = iter(range(count)), world.spent(("ledger",))

    async def work() -> None:
        for _ in turn:
            tenant, application, _ = random.choice(world.stores.sample)
            await client.append(record(tenant, application))

    await asyncio.gather(*[work() for _ in range(64)])
    await client.close()
    return (world.spent(("ledger",)) - before) / count


def _look_up_tenants(world: World, count: int) -> float:
    """What authentication and entitlement ask the database when nothing is cached."""
    database = Database(f"sqlite:///{world.stores.database}")
    tenancy, applications, contracts = TenancyStore(database), ApplicationStore(database), ContractStore(database)
    chosen = random.sample(world.stores.sample, min(count, len(world.stores.sample)))
    before = time.process_time()
    for tenant, application, key in chosen:
        found = (applications.find_access_key(key), tenancy.tenant(tenant), contracts.usable(tenant=tenant))
        if not all(found) or not applications.bindings_of(application):
            raise RuntimeError("a tenant is not there")
    spent = time.process_time() - before
    database.close()
    return spent / len(chosen)


def _restart_ledger(world: World) -> float:
    """CPU seconds until it serves again after a kill."""
    old = world.platform.kill("ledger")
    world.platform.wait_replaced("ledger", old, 120)
    return world.spent(("ledger",))


def _chart(costs: dict[int, dict[str, float]]) -> str:
    names = list(next(iter(costs.values())))
    series = {name: [(float(size), made[name]) for size, made in costs.items()] for name in names}
    return lines(series, "keys, certificates, tenants, records", "CPU µs an operation")


def _table(costs: dict[int, dict[str, float]]) -> str:
    sizes = list(costs)
    heads = "".join(f" {size:,} |" for size in sizes)
    written = [f"| CPU µs an operation |{heads} greatest ÷ least |", "| --- |" + " ---: |" * (len(sizes) + 1)]
    for name, least in costs[sizes[0]].items():
        cells = "".join(f" {costs[size][name]:,.0f} |" for size in sizes)
        written.append(f"| {name} |{cells} {costs[sizes[-1]][name] / least:.2f} |")
    return "\n".join(written)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="in rising order")
    arguments.add_argument("--count", type=int, default=60, help="requests of each kind in a round")
    arguments.add_argument("--rounds", type=int, default=6)
    given = arguments.parse_args()
    sizes = list(given.sizes)
    notes = []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the platforms are stopped and removed
    with ExitStack() as running:
        worlds: dict[int, World] = {}
        for size in sizes:
            worlds[size] = world(running.enter_context(RunningPlatform(workers=1)))
            operations(worlds[size])["issue"]()  # a certificate to copy
            began = time.monotonic()
            worlds[size].stores.grow(size)
            print(f"{size:,} of each made in {time.monotonic() - began:.0f} s", file=sys.stderr)
        costs = measure(worlds, given.count, given.rounds, re.compile(given.only))
        for size in (sizes[0], sizes[-1]):
            seconds = _restart_ledger(worlds[size])
            notes.append(f"ledger start-up after a kill, at {size:,} records: {seconds:.2f} s of CPU")
        files = sum(file.stat().st_size for file in worlds[sizes[-1]].platform.home.rglob("*") if file.is_file())
        notes.append(f"all files of the platform with {sizes[-1]:,} of each: {files / 1e6:,.0f} MB")
    steep = [name for name, least in costs[sizes[0]].items() if costs[sizes[-1]][name] > LIMIT * least]
    notes.append(f"beyond {LIMIT} times the cost at the least size: {', '.join(steep) or 'none'}")
    rows = [
        Row(f"growth.{name.replace(' ', '_')}.{size}", "ops/s", 1e6 / cost)
        for size, made in costs.items()
        for name, cost in made.items()
    ]
    if given.write:
        CHARTS.mkdir(exist_ok=True)
        (CHARTS / "growth.svg").write_text(_chart(costs), "utf-8")
        body = ["![growth](performance/growth.svg)", _table(costs), *(f"- {note}" for note in notes)]
        write_section("growth", machine(), body)
        given.write = False
    if given.json:
        deliver("growth", rows, notes, given)
    else:
        print(_table(costs), *(f"- {note}" for note in notes), sep="\n")


if __name__ == "__main__":
    main()
