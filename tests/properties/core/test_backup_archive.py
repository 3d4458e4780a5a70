"""A backup's file gives back what was put in, or says that it cannot; it never gives back something else."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miyun.core.backup import archive
from miyun.core.backup.archive import read_members, writing
from miyun.core.backup.errors import ArchiveUnreadable

PASSPHRASE = "correct horse battery"
contents = st.dictionaries(
    st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8}){0,2}", fullmatch=True),
    st.binary(max_size=3000),
    min_size=1,
    max_size=5,
)


@pytest.fixture(autouse=True, scope="module")
def quick() -> None:
    """Small segments, so that small archives have many; the least number of iterations that is accepted."""
    patch = pytest.MonkeyPatch()
    patch.setattr(archive, "_SEGMENT", 512)
    patch.setattr(archive, "_ITERATIONS", 10_000)
    yield
    patch.undo()


def write(folder: Path, members: dict[str, bytes]) -> Path:
    path = folder / "b.miyun"
    with writing(path, PASSPHRASE) as writer:
        for name, content in members.items():
            writer.add(name, content)
    return path


def read(path: Path, passphrase: str = PASSPHRASE) -> dict[str, bytes]:
    found: dict[str, bytearray] = {}

    def sink(name: str, _mode: int):
        found[name] = bytearray()
        return found[name].extend

    for member in read_members(path, passphrase, sink):
        assert member.size == len(found[member.path])
    return {name: bytes(content) for name, content in found.items()}


@settings(max_examples=30)
@given(contents)
def test_what_goes_in_comes_out(members: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), members)
        assert read(path) == members
        assert path.stat().st_mode & 0o777 == 0o600
        assert not list(Path(folder).glob("*.part"))


@settings(max_examples=60)
@given(st.data())
def test_any_change_is_noticed(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), {"a": b"x" * 2000, "b": b"y" * 700})
        whole = path.read_bytes()
        change = data.draw(st.sampled_from(("flip", "cut", "append", "swap")))
        if change == "flip":
            at = data.draw(st.integers(0, len(whole) - 1))
            altered = whole[:at] + bytes((whole[at] ^ data.draw(st.integers(1, 255)),)) + whole[at + 1 :]
        elif change == "cut":
            altered = whole[: data.draw(st.integers(0, len(whole) - 1))]
        elif change == "append":
            altered = whole + data.draw(st.binary(min_size=1, max_size=40))
        else:
            size = 4 + 512 + 16
            head = 32
            altered = whole[:head] + whole[head + size : head + 2 * size] + whole[head : head + size]
            altered += whole[head + 2 * size :]
        path.write_bytes(altered)
        with pytest.raises(ArchiveUnreadable):
            read(path)


def test_cut_between_segments_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path, {"a": b"x" * 2000})
    whole = path.read_bytes()
    path.write_bytes(whole[: 32 + 2 * (4 + 512 + 16)])
    with pytest.raises(ArchiveUnreadable):
        read(path)


def test_a_wrong_passphrase_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, {"a": b"secret"})
    assert b"secret" not in path.read_bytes()
    with pytest.raises(ArchiveUnreadable):
        read(path, PASSPHRASE + "!")


def test_an_absurd_header_costs_nothing(tmp_path: Path) -> None:
    """The number of iterations is checked before it is computed with."""
    path = tmp_path / "b.miyun"
    path.write_bytes(b"MIYUNBK\x01" + b"\xff" * 24 + b"rest")
    with pytest.raises(ArchiveUnreadable):
        read(path)


def test_an_existing_file_is_not_replaced(tmp_path: Path) -> None:
    write(tmp_path, {"a": b"first"})
    with pytest.raises(FileExistsError):
        write(tmp_path, {"a": b"second"})
    assert read(tmp_path / "b.miyun") == {"a": b"first"}
    assert not list(tmp_path.glob("*.part"))
