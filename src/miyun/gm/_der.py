"""The little DER that signatures and ciphertexts need; certificates and messages are read by `miyun.wire`."""

from miyun.gm.errors import InvalidInput


def tlv(tag: int, body: bytes) -> bytes:
    """One element with a tag of one octet."""
    size = len(body)
    if size < 128:
        return bytes((tag, size)) + body
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + body


def read(data: bytes, start: int, tag: int, malformed: str) -> tuple[bytes, int]:
    """The body of the element at `start` and where it ends; InvalidInput with the given text when there is none."""
    if start + 2 > len(data) or data[start] != tag:
        raise InvalidInput(malformed)
    size, position = data[start + 1], start + 2
    if size & 0x80:
        count = size & 0x7F
        octets = data[position : position + count]
        size = int.from_bytes(octets, "big")
        if not 1 <= count <= 4 or len(octets) != count or octets[0] == 0 or size < 128:
            raise InvalidInput(malformed)
        position += count
    if position + size > len(data):
        raise InvalidInput(malformed)
    return data[position : position + size], position + size
