"""DER (X.690): a small writer of concatenations and a strict reader.

Writing is concatenation: every function returns a whole element, so that a hot path can keep the parts that never
change. Reading refuses what DER forbids (indefinite or padded lengths, padded integers, trailing octets), counts
depth, and knows only tag numbers below 31, since these standards use no others. `miyun.wire.ber` turns BER of
other people's CMS into DER first.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from miyun.wire import oid as oids
from miyun.wire.errors import DecodeError, EncodeError

BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
OCTET_STRING: Final = 0x04
NULL_TAG: Final = 0x05
OID: Final = 0x06
ENUMERATED: Final = 0x0A
UTF8_STRING: Final = 0x0C
NUMERIC_STRING: Final = 0x12
PRINTABLE_STRING: Final = 0x13
TELETEX_STRING: Final = 0x14
IA5_STRING: Final = 0x16
UTC_TIME: Final = 0x17
GENERALIZED_TIME: Final = 0x18
VISIBLE_STRING: Final = 0x1A
UNIVERSAL_STRING: Final = 0x1C
BMP_STRING: Final = 0x1E
SEQUENCE: Final = 0x30
SET: Final = 0x31

NULL: Final = b"\x05\x00"
TRUE: Final = b"\x01\x01\xff"
FALSE: Final = b"\x01\x01\x00"

MAX_DEPTH: Final = 32
MAX_SIZE: Final = 64 * 1024 * 1024
MAX_INTEGER: Final = 2048  # octets; RSA-16384 is the largest anyone sends


# --- writer ----------------------------------------------------------------------------------------------------------


def length(count: int) -> bytes:
    """Length octets in the shortest form."""
    if count < len(_LENGTHS):
        return _LENGTHS[count]
    octets = count.to_bytes((count.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(octets),)) + octets


_LENGTHS: Final = (
    *(bytes((count,)) for count in range(0x80)),
    *(bytes((0x81, count)) for count in range(0x80, 0x100)),
    *(bytes((0x82, count >> 8, count & 0xFF)) for count in range(0x100, 0x1000)),
)


def tlv(tag: int, content: bytes) -> bytes:
    """One element with a single-octet tag."""
    return bytes((tag,)) + length(len(content)) + content


def sequence(*parts: bytes) -> bytes:
    return tlv(SEQUENCE, b"".join(parts))


def set_of(*parts: bytes) -> bytes:
    """SET OF, sorted by encoding as DER demands."""
    return tlv(SET, b"".join(sorted(parts)))


def explicit(number: int, content: bytes) -> bytes:
    """[number] EXPLICIT around a whole element; also [number] IMPLICIT of a constructed type, given its content."""
    return tlv(0xA0 | number, content)


def implicit(number: int, content: bytes) -> bytes:
    """[number] IMPLICIT of a primitive type, given its content octets."""
    return tlv(0x80 | number, content)


def integer(value: int, tag: int = INTEGER) -> bytes:
    """INTEGER of any sign, minimal."""
    return tlv(
        tag,
        value.to_bytes((value.bit_length() if value >= 0 else (value + 1).bit_length()) // 8 + 1, "big", signed=True),
    )


def boolean(value: bool) -> bytes:
    return TRUE if value else FALSE


def octet_string(value: bytes) -> bytes:
    return tlv(OCTET_STRING, value)


def bit_string(value: bytes, unused: int = 0) -> bytes:
    return tlv(BIT_STRING, bytes((unused,)) + value)


def named_bits(bits: int, tag: int = BIT_STRING) -> bytes:
    """BIT STRING of a named-bit list without trailing zero bits; bit 0 of the list is bit 0 of `bits`."""
    if bits == 0:
        return tlv(tag, b"\x00")
    count = bits.bit_length()
    size = (count + 7) // 8
    octets = int(f"{bits:b}"[::-1].ljust(size * 8, "0"), 2).to_bytes(size, "big")
    return tlv(tag, bytes((size * 8 - count,)) + octets)


def oid(dotted: str) -> bytes:
    return oids.encode(dotted)


def utf8(text: str) -> bytes:
    return tlv(UTF8_STRING, text.encode())


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise EncodeError("the time has no zone", field="Time")
    return moment.astimezone(UTC)


def utc_time(moment: datetime) -> bytes:
    """UTCTime YYMMDDHHMMSSZ of an aware time between 1950 and 2049 (RFC 5280 4.1.2.5.1); fractions are cut."""
    moment = _aware(moment)
    if not 1950 <= moment.year < 2050:
        raise EncodeError("UTCTime reaches from 1950 to 2049", field="Time")
    return tlv(UTC_TIME, moment.strftime("%y%m%d%H%M%SZ").encode())


def generalized_time(moment: datetime, *, fraction: bool = False) -> bytes:
    """GeneralizedTime of an aware time; with `fraction`, microseconds without trailing zeros (RFC 3161 2.4.2)."""
    moment = _aware(moment)
    text = f"{moment.year:04d}" + moment.strftime("%m%d%H%M%S")
    if fraction and moment.microsecond:
        text += f".{moment.microsecond:06d}".rstrip("0")
    return tlv(GENERALIZED_TIME, text.encode() + b"Z")


@lru_cache(maxsize=256)
def time(moment: datetime) -> bytes:
    """X.509 Time: UTCTime through 2049, GeneralizedTime from 2050 (RFC 5280 4.1.2.5)."""
    moment = _aware(moment)
    return utc_time(moment) if 1950 <= moment.year < 2050 else generalized_time(moment)


# --- reader ----------------------------------------------------------------------------------------------------------


def read_header(data: bytes, position: int, end: int, field: str) -> tuple[int, int, int]:
    """(tag, start of content, end of content) of the element at `position`. Raises DecodeError."""
    if position + 2 > end:
        raise DecodeError("ends where an element should begin", offset=position, field=field)
    tag = data[position]
    if tag & 0x1F == 0x1F:
        raise DecodeError("tag numbers above 30 are not used here", offset=position, field=field)
    count = data[position + 1]
    start = position + 2
    if count >= 0x80:
        size = count & 0x7F
        if size == 0:
            raise DecodeError("indefinite length is not DER", offset=position + 1, field=field)
        if size > 4:
            raise DecodeError("length too large", offset=position + 1, field=field)
        start += size
        if start > end:
            raise DecodeError("ends inside a length", offset=position + 1, field=field)
        count = int.from_bytes(data[position + 2 : start], "big")
        if count < 0x80 or data[position + 2] == 0:
            raise DecodeError("length is not in its shortest form", offset=position + 1, field=field)
    if start + count > end:
        raise DecodeError("element is longer than what holds it", offset=position, field=field)
    return tag, start, start + count


class Reader:
    """Reads the elements of one buffer in order. Every failure is a DecodeError with offset and field."""

    __slots__ = ("_data", "_depth", "_end", "_field", "_position")

    def __init__(self, data: bytes, *, field: str = "", max_size: int = MAX_SIZE) -> None:
        if not isinstance(data, bytes):
            data = bytes(data)
        if len(data) > max_size:
            raise DecodeError(f"{len(data)} octets; at most {max_size} are read", field=field)
        self._data = data
        self._position = 0
        self._end = len(data)
        self._depth = 0
        self._field = field

    # position

    @property
    def offset(self) -> int:
        return self._position

    @property
    def more(self) -> bool:
        return self._position < self._end

    def peek(self) -> int:
        """Tag of the next element, 0 at the end."""
        return self._data[self._position] if self._position < self._end else 0

    def fail(self, message: str, field: str = "") -> DecodeError:
        """A DecodeError at this position, to be raised by the caller."""
        return DecodeError(message, offset=self._position, field=field or self._field)

    def end(self) -> None:
        """Refuses what is left over."""
        if self._position != self._end:
            raise self.fail(f"{self._end - self._position} octets too many")

    # elements

    def element(self, field: str = "") -> tuple[int, bytes]:
        """Any element: (tag, content)."""
        tag, start, stop = read_header(self._data, self._position, self._end, field or self._field)
        self._position = stop
        return tag, self._data[start:stop]

    def raw(self, field: str = "") -> bytes:
        """Any element, whole."""
        _, _, stop = read_header(self._data, self._position, self._end, field or self._field)
        whole = self._data[self._position : stop]
        self._position = stop
        return whole

    def raw_of(self, tag: int, field: str = "") -> bytes:
        """An element of this tag, whole."""
        self._expect(tag, field)
        return self.raw(field)

    def rest(self) -> bytes:
        """Everything not yet read."""
        left = self._data[self._position : self._end]
        self._position = self._end
        return left

    def read(self, tag: int, field: str = "") -> bytes:
        """Content of an element that must have this tag."""
        self._expect(tag, field)
        return self.element(field)[1]

    def enter(self, tag: int = SEQUENCE, field: str = "") -> Reader:
        """A reader over the content of a constructed element."""
        self._expect(tag, field)
        if self._depth >= MAX_DEPTH:
            raise self.fail("nested too deeply", field)
        _, start, stop = read_header(self._data, self._position, self._end, field or self._field)
        inner = Reader.__new__(Reader)
        inner._data = self._data
        inner._position = start
        inner._end = stop
        inner._depth = self._depth + 1
        inner._field = field or self._field
        self._position = stop
        return inner

    def enter_if(self, tag: int, field: str = "") -> Reader | None:
        """As `enter` when the next element has this tag, else None."""
        return self.enter(tag, field) if self.peek() == tag else None

    def read_if(self, tag: int, field: str = "") -> bytes | None:
        """As `read` when the next element has this tag, else None."""
        return self.read(tag, field) if self.peek() == tag else None

    def _expect(self, tag: int, field: str) -> None:
        found = self.peek()
        if found != tag or self._position >= self._end:
            what = f"0x{found:02x}" if self._position < self._end else "the end"
            raise self.fail(f"expected tag 0x{tag:02x}, found {what}", field)

    # values

    def integer(self, field: str = "", tag: int = INTEGER) -> int:
        at = self._position
        content = self.read(tag, field)
        if not content:
            raise DecodeError("empty integer", offset=at, field=field or self._field)
        if len(content) > MAX_INTEGER:
            raise DecodeError("integer too large", offset=at, field=field or self._field)
        if len(content) > 1 and (
            (content[0] == 0 and not content[1] & 0x80) or (content[0] == 0xFF and content[1] & 0x80)
        ):
            raise DecodeError("integer is not in its shortest form", offset=at, field=field or self._field)
        return int.from_bytes(content, "big", signed=True)

    def boolean(self, field: str = "") -> bool:
        content = self.read(BOOLEAN, field)
        if content not in (b"\x00", b"\xff"):
            raise self.fail("a DER BOOLEAN is 00 or FF", field)
        return content == b"\xff"

    def null(self, field: str = "") -> None:
        if self.read(NULL_TAG, field):
            raise self.fail("NULL with content", field)

    def oid(self, field: str = "") -> str:
        at = self._position
        content = self.read(OID, field)
        try:
            return oids.decode(content)
        except DecodeError as error:
            raise DecodeError(error.message, offset=at, field=field or self._field) from None

    def octet_string(self, field: str = "") -> bytes:
        return self.read(OCTET_STRING, field)

    def bit_string(self, field: str = "") -> bytes:
        """Octets of a BIT STRING that has no unused bits."""
        content = self.read(BIT_STRING, field)
        if not content or content[0] != 0:
            raise self.fail("BIT STRING must fill whole octets", field)
        return content[1:]

    def named_bits(self, field: str = "", tag: int = BIT_STRING) -> int:
        """Named-bit list as an integer: bit n of the list is bit n of the result."""
        content = self.read(tag, field)
        if not content or content[0] > 7 or (len(content) == 1 and content[0]):
            raise self.fail("malformed BIT STRING", field)
        if len(content) > 9:
            raise self.fail("more named bits than any standard has", field)
        bits = int.from_bytes(content[1:], "big")
        if bits & ((1 << content[0]) - 1):
            raise self.fail("unused bits must be zero", field)
        return int(f"{bits:0{(len(content) - 1) * 8}b}"[::-1], 2) if len(content) > 1 else 0

    def time(self, field: str = "") -> datetime:
        """UTCTime or GeneralizedTime as aware UTC."""
        at = self._position
        tag, content = self.element(field)
        if tag not in (UTC_TIME, GENERALIZED_TIME):
            raise DecodeError("not a time", offset=at, field=field or self._field)
        return decode_time(tag, content, offset=at, field=field or self._field)

    def text(self, field: str = "") -> str:
        """Any of the character string types."""
        at = self._position
        tag, content = self.element(field)
        return decode_text(tag, content, offset=at, field=field or self._field)


def decode_time(tag: int, content: bytes, *, offset: int = 0, field: str = "") -> datetime:
    """DER time: seconds present, zone Z, fraction (GeneralizedTime only) without trailing zeros."""
    body, _, fraction = content[:-1].partition(b".")
    size = 12 if tag == UTC_TIME else 14
    well_formed = (
        content[-1:] == b"Z"
        and len(body) == size
        and body.isdigit()
        and (not fraction or (fraction.isdigit() and len(fraction) <= 9 and fraction[-1:] != b"0"))
        and (b"." not in content or (tag == GENERALIZED_TIME and fraction))
    )
    if not well_formed:
        raise DecodeError("malformed time", offset=offset, field=field)
    digits = body.decode()
    if tag == UTC_TIME:
        digits = ("20" if digits[:2] < "50" else "19") + digits
    micro = int(fraction[:6].ljust(6, b"0")) if fraction else 0
    parts = [int(digits[:4]), *(int(digits[at : at + 2]) for at in range(4, 14, 2))]
    try:
        return datetime(*parts, micro, UTC)  # type: ignore[call-arg, arg-type]
    except ValueError:
        raise DecodeError("no such time", offset=offset, field=field) from None


_CODECS: Final = {
    UTF8_STRING: "utf-8",
    NUMERIC_STRING: "ascii",
    PRINTABLE_STRING: "ascii",
    IA5_STRING: "ascii",
    VISIBLE_STRING: "ascii",
    TELETEX_STRING: "latin-1",
    BMP_STRING: "utf-16-be",
    UNIVERSAL_STRING: "utf-32-be",
}


def decode_text(tag: int, content: bytes, *, offset: int = 0, field: str = "") -> str:
    """Characters of a string type; TeletexString is read as Latin-1, as everyone does."""
    codec = _CODECS.get(tag)
    if codec is None:
        raise DecodeError(f"tag 0x{tag:02x} is no character string", offset=offset, field=field)
    try:
        return content.decode(codec)
    except UnicodeDecodeError:
        raise DecodeError("characters that the string type does not have", offset=offset, field=field) from None
