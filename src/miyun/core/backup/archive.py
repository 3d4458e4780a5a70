"""The file of a backup: a tar stream, encrypted in segments, so that any size needs constant memory.

    magic (8) ‖ u32 iterations ‖ salt (16) ‖ u32 segment size, then segments: u32 length ‖ ciphertext ‖ tag (16)

The key comes from passphrase and salt. The nonce of a segment is its number (11 octets) and 1 for the last one, else
0: segments can be neither reordered nor cut off unnoticed. The header is the associated data of every segment.
"""

from __future__ import annotations

import io
import os
import struct
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

from miyun.core import digest
from miyun.core.backup.errors import ArchiveUnreadable, BackupDamaged
from miyun.core.backup.manifest import Member
from miyun.core.i18n import Text
from miyun.gm import rand

_HEAD: Final = struct.Struct("!8sI16sI")
_LENGTH: Final = struct.Struct("!I")
_MAGIC: Final = b"MIYUNBK\x01"
_ITERATIONS: Final = 200_000
_SEGMENT: Final = 1 << 20
_TAG: Final = 16
_CHUNK: Final = 1 << 20


class _Encrypting(io.RawIOBase):
    """Write only; `finish` writes the last segment."""

    def __init__(self, file: BinaryIO, passphrase: str) -> None:
        salt = rand.token(16)
        self._file = file
        self._header = _HEAD.pack(_MAGIC, _ITERATIONS, salt, _SEGMENT)
        self._key = digest.stretch(passphrase, salt, _ITERATIONS, 16)
        self._number = 0
        self._buffer = bytearray()
        file.write(self._header)

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._buffer += data
        while len(self._buffer) > _SEGMENT:
            self._put(bytes(self._buffer[:_SEGMENT]), last=False)
            del self._buffer[:_SEGMENT]
        return len(data)

    def finish(self) -> None:
        self._put(bytes(self._buffer), last=True)
        self._buffer.clear()

    def _put(self, plain: bytes, *, last: bool) -> None:
        cipher = digest.encrypt(self._key, _nonce(self._number, last), plain, self._header)
        self._file.write(_LENGTH.pack(len(cipher)) + cipher)
        self._number += 1


class _Decrypting(io.RawIOBase):
    """Read only. Raises ArchiveUnreadable; every octet it answers is authentic, and the end is the true end."""

    def __init__(self, file: BinaryIO, passphrase: str) -> None:
        header = file.read(_HEAD.size)
        if len(header) < _HEAD.size:
            raise ArchiveUnreadable
        magic, iterations, salt, size = _HEAD.unpack(header)
        if magic != _MAGIC or not 10_000 <= iterations <= 5_000_000 or not 1 <= size <= 64 * _SEGMENT:
            raise ArchiveUnreadable
        self._file = file
        self._header = header
        self._largest = size + _TAG
        self._key = digest.stretch(passphrase, salt, iterations, 16)
        self._number = 0
        self._rest = memoryview(b"")
        self._ended = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        found = bytearray()
        while size < 0 or len(found) < size:
            if not self._rest and not self._next():
                break
            part = self._rest if size < 0 else self._rest[: size - len(found)]
            found += part
            self._rest = self._rest[len(part) :]
        return bytes(found)

    def _next(self) -> bool:
        if self._ended:
            return False
        prefix = self._file.read(_LENGTH.size)
        if len(prefix) < _LENGTH.size:
            raise ArchiveUnreadable
        (length,) = _LENGTH.unpack(prefix)
        if not _TAG <= length <= self._largest:
            raise ArchiveUnreadable
        cipher = self._file.read(length)
        following = self._file.peek(1) if isinstance(self._file, io.BufferedReader) else b""
        last = not following
        plain = digest.decrypt(self._key, _nonce(self._number, last), cipher, self._header)
        if plain is None:
            raise ArchiveUnreadable
        self._number += 1
        self._rest, self._ended = memoryview(plain), last
        return True


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11) + bytes((last,))


class Writer:
    """Adds members in order; `members` lists what was added."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self.members: list[Member] = []

    def add(self, path: str, content: bytes) -> None:
        self._put(path, io.BytesIO(content), len(content), 0o600)

    def add_file(self, path: str, source: Path, *, size: int | None = None) -> None:
        """The first `size` octets (default: as many as there are now) of a file that may grow meanwhile."""
        with source.open("rb") as file:
            stat = os.fstat(file.fileno())
            self._put(path, file, stat.st_size if size is None else size, stat.st_mode & 0o750)

    def _put(self, path: str, file: BinaryIO, size: int, mode: int) -> None:
        information = tarfile.TarInfo(path)
        information.size, information.mode = size, mode
        hashing = _Hashing(file)
        self._tar.addfile(information, hashing)
        self.members.append(Member(path, size, hashing.hasher.digest().hex()))


class _Hashing(io.RawIOBase):
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.hasher = digest.hasher()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.hasher.update(data)
        return data


@contextmanager
def writing(target: Path, passphrase: str) -> Iterator[Writer]:
    """A new archive at `target` (0600), there only when it is whole and on disk."""
    part = target.with_name(target.name + ".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            encrypting = _Encrypting(file, passphrase)
            with tarfile.open(fileobj=encrypting, mode="w|", format=tarfile.PAX_FORMAT, bufsize=_SEGMENT) as tar:
                yield Writer(tar)
            encrypting.finish()
            file.flush()
            os.fsync(file.fileno())
        os.link(part, target)  # fails when the target has come into being meanwhile
        _sync(target.parent)
    finally:
        part.unlink(missing_ok=True)


Sink = Callable[[bytes], object]


def read_members(source: Path, passphrase: str, open_sink: Callable[[str, int], Sink]) -> Iterator[Member]:
    """Go through the archive; each member's content goes to the sink opened for (path, mode).

    Raises ArchiveUnreadable, BackupDamaged for a member that is no plain file with a plain relative name."""
    with source.open("rb") as file:
        decrypting = _Decrypting(file, passphrase)
        try:
            with tarfile.open(fileobj=decrypting, mode="r|", bufsize=_SEGMENT) as tar:
                for information in tar:
                    yield _take(tar, information, open_sink)
            decrypting.read()
        except tarfile.TarError as error:
            raise BackupDamaged(Text(f"归档格式有误：{error}", f"not an archive: {error}")) from error


def _take(tar: tarfile.TarFile, information: tarfile.TarInfo, open_sink: Callable[[str, int], Sink]) -> Member:
    path = PurePosixPath(information.name)
    if not information.isreg() or path.is_absolute() or ".." in path.parts or str(path) != information.name:
        raise BackupDamaged(
            Text(f"不允许的成员：{information.name}", f"a member that is not allowed: {information.name}")
        )
    content = tar.extractfile(information)
    assert content is not None
    sink, hasher = open_sink(information.name, information.mode & 0o750), digest.hasher()
    while chunk := content.read(_CHUNK):
        hasher.update(chunk)
        sink(chunk)
    return Member(information.name, information.size, hasher.digest().hex())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
