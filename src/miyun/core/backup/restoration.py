"""Putting a backup on an empty machine. Everything is verified before anything is written, and the platform's folder
appears all at once, by one rename (into a mounted volume: by one rename for each of its folders)."""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from miyun.core.backup.archive import Sink, read_members
from miyun.core.backup.errors import ArchiveUnreadable, BackupDamaged, TargetNotEmpty
from miyun.core.backup.manifest import FORMAT, NAME, Manifest, Member
from miyun.core.i18n import Text
from miyun.core.ledger.verify import verify_journal
from miyun.core.settings import FOLDERS
from miyun.core.settings import load as load_settings
from miyun.core.storage import schema
from miyun.core.storage.snapshot import is_empty, put_back, sqlite_path


def verify(archive: Path, passphrase: str) -> Manifest:
    """Decrypt and check every octet; write nothing. Raises ArchiveUnreadable, BackupDamaged, SchemaNewer."""
    content = bytearray()

    def sink(path: str, _mode: int) -> Sink:
        return content.extend if path == NAME else _nothing

    found = list(read_members(archive, passphrase, sink))
    manifest = _manifest(bytes(content), found)
    if not schema.known(manifest.schema):
        raise schema.SchemaNewer(found=manifest.schema, known=schema.head())
    return manifest


def restore(archive: Path, passphrase: str, home: Path, *, dsn: str | None = None, machine_uid: int = 0) -> Manifest:
    """Bring the platform of the backup back as `home`, which must not exist or be empty.

    `dsn`: the empty PostgreSQL database to fill, default that of the restored settings. `machine_uid`: the user of the
    VSM process, as in the settings. Raises what `verify` raises, TargetNotEmpty, DatabaseToolFailed."""
    home = home.absolute()
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise TargetNotEmpty(target=str(home), field="home")
    manifest = verify(archive, passphrase)
    home.parent.mkdir(parents=True, exist_ok=True)
    # the mount point of a volume cannot be renamed onto: its content then appears entry by entry
    inside = home.exists() and os.path.ismount(home)
    staging = (home if inside else home.parent) / f".{home.name}.restoring-{secrets.token_hex(4)}"
    staging.mkdir(mode=0o700)
    try:
        _extract(archive, passphrase, staging, manifest)
        platform = staging / "home"
        for name in FOLDERS:
            (platform / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chmod(platform, 0o700)
        _check_journal(platform / "journal", manifest)
        _restore_machine(staging, manifest, passphrase, machine_uid)
        _restore_database(staging, manifest, home, dsn)
        _sync(platform)
        if inside:
            for entry in sorted(platform.iterdir()):
                os.rename(entry, home / entry.name)
            _sync(home)
        else:
            os.rename(platform, home)
            _sync(home.parent)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return manifest


def _nothing(_data: bytes) -> None:
    return None


def _manifest(content: bytes, found: list[Member]) -> Manifest:
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
    except msgspec.DecodeError as error:
        raise BackupDamaged(Text("清单缺失或无法读取", "the manifest is missing or cannot be read")) from error
    if manifest.format != FORMAT:
        raise BackupDamaged(Text(f"格式 {manifest.format} 未知", f"format {manifest.format} is unknown"))
    members = [member for member in found if member.path != NAME]
    if tuple(members) != manifest.members or len({member.path for member in members}) != len(members):
        raise BackupDamaged(Text("成员与清单不符", "the members are not those of the manifest"))
    return manifest


def _extract(archive: Path, passphrase: str, staging: Path, manifest: Manifest) -> None:
    expected = {member.path: member for member in manifest.members}
    opened: list[int] = []

    def sink(path: str, mode: int) -> Sink:
        target = staging / path
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode or 0o600)
        opened.append(descriptor)
        return _writer(descriptor)

    for member in read_members(archive, passphrase, sink):
        descriptor = opened.pop()
        os.fsync(descriptor)
        os.close(descriptor)
        if member.path != NAME and expected.get(member.path) != member:
            raise ArchiveUnreadable  # the file changed between the two readings


def _writer(descriptor: int) -> Callable[[bytes], None]:
    def write(data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]

    return write


def _check_journal(journal: Path, manifest: Manifest) -> None:
    report = verify_journal(journal)
    if not report.ok:
        reason = report.problems[0].message
        raise BackupDamaged(Text(f"账本：{reason.zh}", f"journal: {reason.en}"))
    stated = (manifest.journal_size, manifest.journal_link)
    if manifest.journal_size and (report.records, report.link.hex()) != stated:
        raise BackupDamaged(Text("账本与清单不符", "the journal is not the one of the manifest"))


def _restore_machine(staging: Path, manifest: Manifest, passphrase: str, uid: int) -> None:
    """The VSM puts its own root back; the passphrase reaches it through a pipe."""
    read, write = os.pipe()
    os.write(write, passphrase.encode())
    os.close(write)
    try:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "miyun.hsm.soft", "--home", str(staging / "home"), "--name", manifest.machine),
                *("--restore", str(staging / "vsm" / f"{manifest.machine}.root"), "--passphrase-fd", str(read)),
                *("--uid", str(uid)),
            ],
            pass_fds=(read,),
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        os.close(read)
    if done.returncode:
        reason = done.stderr.strip().rpartition("\n")[2]
        raise BackupDamaged(Text(f"密码机根密钥：{reason}", f"the machine's root: {reason}"))


def _restore_database(staging: Path, manifest: Manifest, home: Path, dsn: str | None) -> None:
    dsn = dsn or load_settings(staging / "home", {}).database.dsn
    if manifest.database == "postgresql":
        if not dsn or sqlite_path(dsn) is not None:
            raise BackupDamaged(
                Text(
                    "备份来自 PostgreSQL，请给出空数据库的 DSN",
                    "it holds PostgreSQL's data: name an empty database's DSN",
                )
            )
        if not is_empty(dsn):
            raise TargetNotEmpty(target="database", field="dsn")
        put_back(dsn, staging / "database" / "miyun.dump")
        return
    copy = staging / "database" / "miyun.db"
    _check_sqlite(copy)
    elsewhere = sqlite_path(dsn) if dsn else None
    if elsewhere is None or elsewhere.is_relative_to(home):
        place = (elsewhere or home / "data" / "miyun.db").relative_to(home)
        os.rename(copy, staging / "home" / place)
        return
    if elsewhere.exists():
        raise TargetNotEmpty(target=str(elsewhere), field="dsn")
    shutil.copyfile(copy, elsewhere)


def _check_sqlite(path: Path) -> None:
    connection = sqlite3.connect(path)
    try:
        (state,) = connection.execute("PRAGMA integrity_check").fetchone()
    except sqlite3.DatabaseError as error:
        state = str(error)
    finally:
        connection.close()
    if state != "ok":
        raise BackupDamaged(Text(f"数据库：{state}", f"database: {state}"))


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
