"""BER of other people's CMS, turned into DER: indefinite and padded lengths, octet strings in pieces."""

from __future__ import annotations

from typing import Final

from miyun.wire import der
from miyun.wire.errors import DecodeError

MAX_ELEMENTS: Final = 200_000
_CONSTRUCTED_OCTET_STRING: Final = 0x24


def ber_to_der(encoded: bytes, *, max_size: int = der.MAX_SIZE) -> bytes:
    """The same single value with definite, shortest lengths and octet strings in one piece.

    Members of a SET keep their order. Depth, size and number of elements are bounded; raises DecodeError.
    """
    if len(encoded) > max_size:
        raise DecodeError(f"{len(encoded)} octets; at most {max_size} are read")
    budget = [MAX_ELEMENTS]
    whole, position = _convert(encoded, 0, len(encoded), 0, budget)
    if position != len(encoded):
        raise DecodeError(f"{len(encoded) - position} octets too many", offset=position)
    return whole


def _convert(data: bytes, position: int, end: int, depth: int, budget: list[int]) -> tuple[bytes, int]:
    tag, start, stop = _header(data, position, end)
    budget[0] -= 1
    if budget[0] < 0:
        raise DecodeError("too many elements", offset=position)
    if not tag & 0x20:
        if stop is None:
            raise DecodeError("a primitive element needs a length", offset=position)
        return der.tlv(tag, data[start:stop]), stop
    if depth >= der.MAX_DEPTH:
        raise DecodeError("nested too deeply", offset=position)
    parts: list[bytes] = []
    at = start
    limit = end if stop is None else stop
    while True:
        if stop is None:
            if data[at : at + 2] == b"\0\0" and at + 2 <= limit:
                after = at + 2
                break
        elif at == stop:
            after = stop
            break
        part, at = _convert(data, at, limit, depth + 1, budget)
        parts.append(part)
    if tag == _CONSTRUCTED_OCTET_STRING:
        return der.octet_string(join_octet_strings(b"".join(parts))), after
    return der.tlv(tag, b"".join(parts)), after


def join_octet_strings(encoded: bytes) -> bytes:
    """Contents of consecutive OCTET STRINGs, joined."""
    reader = der.Reader(encoded, field="OCTET STRING")
    pieces: list[bytes] = []
    while reader.more:
        pieces.append(reader.octet_string())
    return b"".join(pieces)


def _header(data: bytes, position: int, end: int) -> tuple[int, int, int | None]:
    """(tag, start of content, its end or None for an indefinite length)."""
    if position + 2 > end:
        raise DecodeError("ends where an element should begin", offset=position)
    tag = data[position]
    if tag & 0x1F == 0x1F:
        raise DecodeError("tag numbers above 30 are not used here", offset=position)
    count = data[position + 1]
    start = position + 2
    if count == 0x80:
        return tag, start, None
    if count > 0x80:
        size = count & 0x7F
        start += size
        if size > 8 or start > end:
            raise DecodeError("length too large, or cut off", offset=position + 1)
        count = int.from_bytes(data[position + 2 : start], "big")
    if start + count > end:
        raise DecodeError("element is longer than what holds it", offset=position)
    return tag, start, start + count
