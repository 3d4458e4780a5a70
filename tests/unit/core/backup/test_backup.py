"""Backup, loss of the machine, restore on an empty one: same keys, same chain, same answers."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.postgres import cluster
from tests.unit.core.neighbours import OWN_PASSWORD, STAMP, Platform, error_of, platform_on, signed
from tests.vsm import Vsm

from miyun.core.backup import backup, restore, verify
from miyun.core.contracts.model import Term
from miyun.core.ledger.client import LedgerClient
from miyun.core.ledger.engine import Engine
from miyun.core.ledger.port import Entry
from miyun.core.ledger.server import LedgerServer
from miyun.core.ledger.verify import verify_journal
from miyun.core.metering import HOUR, clock_hour
from miyun.core.pipeline import Arrival
from miyun.core.storage import Database, schema
from miyun.hsm.port import CipherItem, CipherMode, KeyAlgorithm, KeyBinding, WrappedKey

pytestmark = pytest.mark.anyio
PASSPHRASE = "a passphrase for the safe"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="my", dir="/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@dataclass
class Running:
    """A small platform with a real cryptographic machine and a real ledger."""

    vsm: Vsm
    platform: Platform

    @property
    def home(self) -> Path:
        return self.vsm.home

    async def backup(self, out: Path, passphrase: str = PASSPHRASE):
        p = self.platform
        return await backup(self.home, out, passphrase, database=p.database, ledger=p.ledger, machine=p.machine)


@contextlib.asynccontextmanager
async def running(home: Path | None = None, dsn: str | None = None) -> AsyncIterator[Running]:
    vsm = Vsm()
    if home is not None:
        shutil.rmtree(vsm.home)
        vsm.home, vsm.socket = home, home / "run" / "vsm-platform.sock"
        vsm._arguments = ("--home", str(home), *vsm._arguments[2:])
    with vsm:
        (vsm.home / "data").mkdir(exist_ok=True)
        database = Database(dsn or f"sqlite:///{vsm.home / 'data' / 'miyun.db'}")
        schema.upgrade(database)
        engine = Engine(vsm.home)
        await engine.open()
        server = LedgerServer(engine)
        socket = vsm.home / "run" / "ledger.sock"
        socket.parent.mkdir(exist_ok=True)
        await server.start(socket)
        ledger = await LedgerClient.connect(socket)
        machine = vsm.machine()
        platform = platform_on(database, ledger=ledger, machine=machine)
        platform.clock.at = datetime.now(UTC)
        try:
            yield Running(vsm, platform)
        finally:
            await machine.aclose()
            await ledger.close()
            await server.close()  # and the engine
            database.close()


@dataclass
class Known:
    """What a customer has in hand, and what was answered before the loss."""

    access_key: str
    secret_key: str
    instance: str
    answer: bytes
    units: int
    binding: KeyBinding
    blob: bytes
    cipher: tuple[bytes, bytes]
    link: bytes
    size: int


async def stamp(platform: Platform, key: tuple[str, str], nonce: str, idempotency: str | None = None):
    arrival = Arrival(
        signed(*key, platform.clock.now(), nonce=nonce), nonce, lambda: STAMP.request(), idempotency_key=idempotency
    )
    return await platform.pipeline.execute(STAMP, arrival, encode=lambda _value: b'{"answer": "%s"}' % nonce.encode())


async def live(house: Platform) -> Known:
    now = datetime.now(UTC).date()
    term = Term(now, now + timedelta(days=365))
    one = await house.tenant(1, term=term, effective=term)
    by = one.people["system"]
    application = (await house.run("tenant.application.create", by, name="办件系统")).application
    await house.run("tenant.binding.create", by, application=application, instance=one.instances["stamps"])
    issued = await house.run("tenant.access_key.create", by, application=application)
    key = issued.access_key, issued.secret_key
    outcome = await stamp(house, key, "nonce-000", "once")
    for number in range(1, 5):
        await stamp(house, key, f"nonce-00{number}")
    binding = KeyBinding(one.tenant, "key_1", 1, "enabled")
    wrapped = await house.machine.generate(KeyAlgorithm.SM4, binding)
    [cipher] = await house.machine.encrypt(wrapped, CipherMode.SM4_GCM, [CipherItem("内容".encode(), aad=b"a")])
    head = await house.ledger.head()
    return Known(
        *key,
        one.instances["stamps"],
        outcome.answer,
        5,
        binding,
        wrapped.blob,
        (cipher.iv, cipher.data),
        head.link,
        head.size,
    )


async def check_same(house: Platform, known: Known) -> None:
    key = known.access_key, known.secret_key
    # same keys
    assert (await house.cloud.applications._secret_keys.secret_key(known.access_key)) == known.secret_key
    wrapped = WrappedKey(KeyAlgorithm.SM4, known.binding, known.blob)
    iv, data = known.cipher
    [plain] = await house.machine.decrypt(wrapped, CipherMode.SM4_GCM, [CipherItem(data, iv, b"a")])
    assert plain == "内容".encode()
    # same chain
    head = await house.ledger.head()
    assert head.size >= known.size
    # same answers: the nonce is used up, the idempotent answer is repeated, usage is what it was
    assert (await error_of(stamp(house, key, "nonce-001"))).code == "ReplayedRequest"
    again = await stamp(house, key, "nonce-100", "once")
    assert again.replayed and again.answer == known.answer
    hour = clock_hour(house.clock.now())
    used = await house.ledger.usage(instances=[known.instance], start=hour - HOUR, end=hour + HOUR)
    assert sum(row.units for row in used) == known.units
    assert await house.sign_in("system@t1", OWN_PASSWORD)
    assert await stamp(house, key, "nonce-101")


async def test_the_platform_comes_back_as_it_was(folder: Path) -> None:
    out, home = folder / "b.miyun", folder / "home"
    async with running() as before:
        (before.home / "secrets").mkdir(exist_ok=True)
        (before.home / "miyun.toml").write_text("[server]\nport = 8611\n")
        (before.home / "secrets" / "listener.key").write_text("the listener's key")
        known = await live(before.platform)
        manifest = await before.backup(out)
        assert manifest.exact and manifest.database == "sqlite" and manifest.journal_size == known.size
        root_key = (before.home / "secrets" / "vsm-root.key").read_text().strip().splitlines()[-1]
        await stamp(before.platform, (known.access_key, known.secret_key), "nonce-after")  # lost with the machine
    assert root_key.encode() not in out.read_bytes()
    assert "secrets/vsm-root.key" not in {member.path for member in manifest.members}
    assert restore(out, PASSPHRASE, home, machine_uid=0) == manifest
    assert (home / "miyun.toml").read_text() == "[server]\nport = 8611\n"
    assert (home / "secrets" / "listener.key").read_text() == "the listener's key"
    assert home.stat().st_mode & 0o777 == 0o700
    report = verify_journal(home / "journal")
    assert report.ok and report.records == known.size and report.link == known.link
    async with running(home) as after:
        await check_same(after.platform, known)


@pytest.mark.engine
async def test_the_same_on_postgresql(folder: Path) -> None:
    out, home = folder / "b.miyun", folder / "home"
    with cluster() as dsn:
        async with running(dsn=dsn) as before:
            known = await live(before.platform)
            manifest = await before.backup(out)
            assert manifest.database == "postgresql"
        with pytest.raises(Exception, match="not empty"):
            restore(out, PASSPHRASE, home, dsn=dsn)
        assert not home.exists()
        emptied = Database(dsn)
        with emptied.write() as connection:
            connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")
        emptied.close()
        restore(out, PASSPHRASE, home, dsn=dsn)
        async with running(home, dsn=dsn) as after:
            await check_same(after.platform, known)


async def test_a_backup_under_load_is_consistent_and_stops_nobody(folder: Path) -> None:
    """Every record in the backup has its row; nobody waits for the backup."""
    out, home = folder / "b.miyun", folder / "home"
    async with running() as busy:
        house, made, stopping = busy.platform, [], asyncio.Event()
        one = await house.tenant(1)

        async def work(worker: int) -> None:
            while not stopping.is_set():
                name = f"应用 {worker} {len(made)}"
                made.append(await house.cloud.applications.create(one.tenant, name, house.clock.now()))
                await house.ledger.append(
                    Entry("tenant.application.create", "ok", house.clock.now(), resource={"application": made[-1].id})
                )

        workers = [asyncio.create_task(work(number)) for number in range(3)]
        await asyncio.sleep(0.2)
        before = len(made)
        manifest = await busy.backup(out)
        during = len(made) - before
        stopping.set()
        await asyncio.gather(*workers)
    assert during > 0
    restore(out, PASSPHRASE, home)
    async with running(home) as after:
        rows = {a.id for a in after.platform.cloud.applications.store.list_applications(one.tenant, limit=10**6)}
        recorded = {
            record.entry.resource["application"]
            async for record in after.platform.ledger.scan()
            if record.entry.operation == "tenant.application.create"
        }
    assert recorded and recorded <= rows
    assert not manifest.exact or recorded == rows or len(rows - recorded) <= 3  # at most what was in flight


@pytest.fixture
async def archive(folder: Path) -> Path:
    out = folder / "b.miyun"
    async with running() as house:
        await house.platform.cloud.accounts.open_platform()
        await house.backup(out)
    return out


async def test_a_target_that_is_not_empty_is_left_alone(archive: Path, folder: Path) -> None:
    home = folder / "home"
    home.mkdir()
    (home / "miyun.toml").write_text("# mine")
    with pytest.raises(Exception) as caught:
        restore(archive, PASSPHRASE, home)
    assert type(caught.value).__name__ == "TargetNotEmpty"
    assert [p.name for p in home.iterdir()] == ["miyun.toml"] and (home / "miyun.toml").read_text() == "# mine"


async def test_an_empty_folder_is_a_fine_target(archive: Path, folder: Path) -> None:
    (folder / "home").mkdir()
    restore(archive, PASSPHRASE, folder / "home")
    assert (folder / "home" / "data" / "miyun.db").exists()


async def test_a_mounted_volume_is_a_fine_target(archive: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It can be neither replaced nor reached from outside by a rename."""
    home = folder / "home"
    home.mkdir()
    number = home.stat().st_ino
    monkeypatch.setattr("os.path.ismount", lambda path: path == home)
    restore(archive, PASSPHRASE, home)
    assert home.stat().st_ino == number and sorted(p.name for p in folder.iterdir()) == ["b.miyun", "home"]
    assert sorted(p.name for p in home.iterdir()) == ["data", "journal", "log", "run", "secrets"]


async def test_a_wrong_passphrase_or_a_damaged_file_writes_nothing(archive: Path, folder: Path) -> None:
    home = folder / "home"
    with pytest.raises(Exception, match="cannot be read"):
        restore(archive, PASSPHRASE + "!", home)
    whole = bytearray(archive.read_bytes())
    whole[len(whole) // 2] ^= 1
    damaged = folder / "damaged.miyun"
    damaged.write_bytes(whole)
    for broken in (restore, lambda a, p, _h: verify(a, p)):
        with pytest.raises(Exception, match="cannot be read"):
            broken(damaged, PASSPHRASE, home)
    assert sorted(p.name for p in folder.iterdir()) == ["b.miyun", "damaged.miyun"]


async def test_a_restoration_that_fails_late_leaves_nothing(
    archive: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("miyun.core.backup.restoration._restore_database", fail)
    with pytest.raises(OSError, match="space"):
        restore(archive, PASSPHRASE, folder / "home")
    assert [p.name for p in folder.iterdir()] == ["b.miyun"]


async def test_verification_names_what_is_inside(archive: Path) -> None:
    manifest = verify(archive, PASSPHRASE)
    paths = {member.path for member in manifest.members}
    assert {"vsm/platform.root", "database/miyun.db", "home/journal/00000000000000000000.seg"} <= paths
    assert manifest.schema == schema.head() and manifest.machine == "platform"


async def test_a_backup_of_a_newer_release_is_refused(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "known", lambda _revision: False)
    with pytest.raises(schema.SchemaNewer):
        verify(archive, PASSPHRASE)


async def test_making_one_is_recorded_and_a_short_passphrase_or_taken_name_refused(folder: Path) -> None:
    async with running() as house:
        assert (await error_of(house.backup(folder / "b", "short"))).field == "passphrase"
        assert not list(folder.iterdir())
        (folder / "b").write_text("mine")
        assert (await error_of(house.backup(folder / "b"))).code == "AlreadyExists"
        await house.backup(folder / "c")
        [record] = await house.platform.ledger.records(operation="platform.backup")
        assert record.entry.outcome == "ok" and PASSPHRASE not in str(record)
    assert sorted(p.name for p in folder.iterdir()) == ["b", "c"]
