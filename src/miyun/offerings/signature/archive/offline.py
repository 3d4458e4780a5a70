"""Verifying exported evidence without the platform: the record over the files, the signatures, every time-stamp."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from miyun.core.i18n import Text
from miyun.gm.errors import InvalidSignature
from miyun.offerings.signature.archive.model import MATERIAL, RECORD, Kind
from miyun.wire.cms import parse_signed_data, verify_signed_data
from miyun.wire.errors import DecodeError
from miyun.wire.ers import Link, NotProven, check_record, parse_evidence_record
from miyun.wire.tsp import TimeStampMismatch
from miyun.wire.x509 import Certificate, ChainError, Purpose, verify_chain

MAX_FILE: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Checked:
    """One statement about the evidence."""

    good: bool
    text: Text


def read_files(encoded: bytes) -> dict[str, bytes]:
    """Of an exported ZIP. Raises DecodeError."""
    try:
        with zipfile.ZipFile(io.BytesIO(encoded)) as archive:
            entries = archive.infolist()
            if len(entries) > 16 or sum(entry.file_size for entry in entries) > MAX_FILE:
                raise DecodeError("too many or too large files", field="evidence")
            return {entry.filename: archive.read(entry) for entry in entries}
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError, ValueError, zlib.error) as error:
        raise DecodeError(f"not an exported file: {error}", field="evidence") from None


def verify(files: dict[str, bytes], anchors: Sequence[Certificate], now: datetime) -> list[Checked]:
    """Everything is good when all statements are. The documents' own signatures are checked for CMS; signed PDF and
    XML files are proven to be unchanged, and their signatures are for their own readers to check."""
    if RECORD not in files or MATERIAL not in files or not any(kind.file in files for kind in Kind):
        missing = Text("缺少已签名文件、证据记录或验证资料", "the signed object, the record or the material is missing")
        return [Checked(False, missing)]
    documents = [octets for name, octets in files.items() if name != RECORD]
    try:
        links = check_record(parse_evidence_record(files[RECORD]), documents)
    except NotProven as error:
        return [Checked(False, Text(f"证据记录不成立：{error.text}", f"the record does not hold: {error.text}"))]
    except (DecodeError, InvalidSignature, TimeStampMismatch) as error:
        said = str(error) or "a time-stamp's signature does not verify"
        return [Checked(False, Text(f"证据记录不成立：{said}", f"the record does not hold: {said}"))]
    known = parse_signed_data(files[MATERIAL]).certificates
    checked = [_time_stamp(link, known, anchors, now) for link in links]
    proven = links[0].time
    if Kind.CMS.file in files:
        checked.append(_message(files, known, anchors, proven))
    return checked


def _time_stamp(link: Link, known: Sequence[Certificate], anchors: Sequence[Certificate], now: datetime) -> Checked:
    until = link.until or now
    time = link.time.isoformat()
    try:
        verify_chain(
            link.signed.certificate,
            (*link.signed.certificates, *known),
            anchors,
            until,
            purpose=Purpose.TIME_STAMPING,
        )
    except ChainError as error:
        return Checked(
            False, Text(f"{time} 的时间戳不可信：{error}", f"the time-stamp of {time} is not trusted: {error}")
        )
    return Checked(
        True,
        Text(f"{time} 的时间戳有效至 {until.isoformat()}", f"the time-stamp of {time} holds until {until.isoformat()}"),
    )


def _message(
    files: dict[str, bytes], known: Sequence[Certificate], anchors: Sequence[Certificate], at: datetime
) -> Checked:
    try:
        info = verify_signed_data(files[Kind.CMS.file], content=files.get("content"), certificates=known)
        for signer in info.signers:
            assert signer.certificate is not None, "verified"
            verify_chain(signer.certificate, (*info.certificates, *known), anchors, at, purpose=Purpose.SIGNATURE)
    except (DecodeError, InvalidSignature, ChainError) as error:
        said = str(error) or "the signature does not verify"
        return Checked(False, Text(f"签名不成立：{said}", f"the signature does not hold: {said}"))
    names = "; ".join(str(signer.certificate.subject) for signer in info.signers if signer.certificate)
    return Checked(True, Text(f"签名有效：{names}", f"signed by {names}"))
