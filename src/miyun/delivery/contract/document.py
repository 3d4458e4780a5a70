"""Files into numbered lines: .txt, .docx and text PDF. A scan is refused: nothing is guessed from pixels.

The result keeps the order of the paper; a table row is a line whose `cells` are set.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from miyun.core.errors import MiyunError
from miyun.core.i18n import Text
from miyun.delivery.contract import tables
from miyun.delivery.contract.text import plain_characters

MAX_BYTES = 20 * 2**20
MAX_CHARACTERS = 2_000_000
MAX_PAGES = 600
LONGEST_LINE = 2000


class UnreadableDocument(MiyunError):
    """The file holds no text that could be read; `reason` says why. CLI exit status 2."""

    status = 422
    text = Text("无法读取合同文件“{name}”：{reason_zh}", "The contract file '{name}' cannot be read: {reason_en}")
    remedy = Text(
        "请提供可复制文字的 .docx、.txt 或 PDF；扫描件请先录入并核对。",
        "Provide a .docx, .txt or PDF whose text can be copied; have a scan typed and proof-read first.",
    )

    def __init__(self, name: str, reason: Text) -> None:
        super().__init__(field="file", name=name, reason_zh=reason.zh, reason_en=reason.en)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Line:
    """`number` counts from 1 in the file's own order; `cells` are set for a table row."""

    number: int
    text: str
    cells: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """`notes` name what the reader saw but could not use: tracked changes, a text box."""

    name: str
    kind: str
    lines: tuple[Line, ...]
    tables: tuple[tables.Table, ...]
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return "\n".join(line.text for line in self.lines)


def read(path: Path | str) -> Document:
    """Read a file by its content, not only by its name. Raises UnreadableDocument."""
    path = Path(path)
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise UnreadableDocument(path.name, Text("不是普通文件。", "not a regular file."))
        if size > MAX_BYTES:
            raise UnreadableDocument(path.name, Text("超过 20 MiB。", "larger than 20 MiB."))
        data = path.read_bytes()
    except FileNotFoundError:
        raise UnreadableDocument(path.name, Text("文件不存在。", "no such file.")) from None
    except OSError as problem:
        reason = problem.strerror or "I/O"
        raise UnreadableDocument(path.name, Text(f"读取失败（{reason}）。", f"reading failed ({reason}).")) from None
    return read_bytes(data, path.name)


def join(body: Document, annexes: Sequence[Document]) -> Document:
    """One document: the body and the annexes that came in files of their own, in the order given."""
    papers = (body, *annexes)
    rows = [line.cells or line.text for paper in papers for line in paper.lines]
    notes = tuple(note for paper in papers for note in paper.notes)
    return _from_rows(" + ".join(paper.name for paper in papers), body.kind, rows, notes)


def read_bytes(data: bytes, name: str) -> Document:
    """As `read`, for a file already in memory (an upload)."""
    # pypdf and python-docx (lxml) are loaded only for the files that need them.
    if len(data) > MAX_BYTES:
        raise UnreadableDocument(name, Text("超过 20 MiB。", "larger than 20 MiB."))
    if not data.strip():
        raise UnreadableDocument(name, Text("文件是空的。", "the file is empty."))
    if data.startswith(b"%PDF-") or b"%PDF-" in data[:1024]:
        from miyun.delivery.contract import pdf

        return _from_text(name, "pdf", pdf.extract(data, name))
    if data.startswith(b"PK\x03\x04"):
        from miyun.delivery.contract import docx

        rows, notes = docx.extract(data, name)
        return _from_rows(name, "docx", rows, notes)
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        raise UnreadableDocument(name, Text("是旧式 .doc，请另存为 .docx。", "an old .doc file; save it as .docx."))
    if data.startswith((b"\x89PNG", b"\xff\xd8\xff", b"II*\x00", b"MM\x00*", b"GIF8", b"BM")):
        raise UnreadableDocument(name, Text("是图像（扫描件），没有文字。", "an image (a scan) without text."))
    return _from_text(name, "txt", _decode(data, name))


def _decode(data: bytes, name: str) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    else:
        encodings = ["utf-8-sig", "gb18030"]
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not _looks_like_text(text):
            break
        return text
    raise UnreadableDocument(
        name, Text("不是 UTF-8、UTF-16 或 GB18030 文本。", "not text in UTF-8, UTF-16 or GB18030.")
    )


def _looks_like_text(text: str) -> bool:
    sample = text[:100_000]
    strange = sum((c < " " and c not in "\t\r\n\f\v") or 0xE000 <= ord(c) <= 0xF8FF or c == "\ufffd" for c in sample)
    return strange * 50 <= len(sample) and "\x00" not in sample


def _from_text(name: str, kind: str, text: str) -> Document:
    text = re.sub(r"\r\n?|[\f\v\x85\u2028\u2029]", "\n", text)
    text = plain_characters(re.sub(r"[\u200b\u200c\u200d\ufeff\u00ad]", "", text).replace("\u00a0", " "))
    lines = [piece for line in text.split("\n") for piece in _pieces(line)]
    rows: list[str | tuple[str, ...]] = list(tables.fold(lines))
    return _from_rows(name, kind, rows, ())


def _pieces(line: str) -> list[str]:
    """A file without line breaks is cut at the ends of sentences: the forms of words are sought line by line."""
    pieces = []
    while len(line) > LONGEST_LINE:
        at = line.rfind("。", 0, LONGEST_LINE) + 1 or LONGEST_LINE
        pieces.append(line[:at])
        line = line[at:]
    return [*pieces, line]


def _from_rows(name: str, kind: str, rows: list[str | tuple[str, ...]], notes: tuple[str, ...]) -> Document:
    lines: list[Line] = []
    for row in rows:
        number = len(lines) + 1
        if isinstance(row, tuple):
            lines.append(Line(number, "\t".join(row), row))
        else:
            lines.append(Line(number, row.rstrip()))
    if sum(len(line.text) for line in lines) > MAX_CHARACTERS:
        raise UnreadableDocument(name, Text("文字超过二百万字。", "more than two million characters."))
    if not any(line.text.strip() for line in lines):
        raise UnreadableDocument(name, Text("没有可读的文字。", "it holds no readable text."))
    return Document(name, kind, tuple(lines), tables.collect([(line.number, line.cells) for line in lines]), notes)
