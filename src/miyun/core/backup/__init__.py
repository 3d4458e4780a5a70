"""Backup of the whole platform in one encrypted file, and its restoration on an empty machine.

    backup(home, out, passphrase, database=…, ledger=…, machine=…)   while the platform runs
    verify(archive, passphrase)                                       anywhere, writes nothing
    restore(archive, passphrase, home)                                the platform does not run

No long lock: the journal's head is noted, the database's snapshot is pinned (milliseconds), and then both are copied
while work goes on. A record in the backup therefore never lacks its rows. What was done while the snapshot was being
pinned may be in the rows without its record, as after a crash; the manifest says `exact` when there was nothing.
"""

from miyun.core.backup.creation import backup
from miyun.core.backup.errors import ArchiveUnreadable, BackupDamaged, TargetNotEmpty
from miyun.core.backup.manifest import Manifest
from miyun.core.backup.restoration import restore, verify

__all__ = ("ArchiveUnreadable", "BackupDamaged", "Manifest", "TargetNotEmpty", "backup", "restore", "verify")
