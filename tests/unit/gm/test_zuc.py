"""ZUC: bits and bytes agree, encryption undoes itself, a wrong MAC and numbers out of range are refused."""

import os
from collections.abc import Callable

import pytest

from miyun.gm import zuc
from miyun.gm.errors import InvalidInput, InvalidSignature
from miyun.gm.providers import Provider

KEY = bytes(range(16))
PLACE = (KEY, 0x12345678, 17, 1)


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 63, 64, 65, 500, 3000])
def test_encryption_undoes_itself_at_any_length(provider: Provider, size: int) -> None:
    data = os.urandom(size)
    ciphertext = zuc.eea3(*PLACE, data)
    assert len(ciphertext) == size
    assert zuc.eea3(*PLACE, ciphertext) == data
    assert zuc.eea3(*PLACE, data + b"more")[:size] == ciphertext


@pytest.mark.parametrize("bits", [0, 1, 7, 8, 9, 31, 32, 33, 63, 64, 65, 79, 80])
def test_only_the_first_bits_count(provider: Provider, bits: int) -> None:
    data = os.urandom(10)
    kept = int.from_bytes(data, "big") >> (80 - bits) << (80 - bits)
    same = (kept | (1 << (80 - bits)) - 1).to_bytes(10, "big")
    assert zuc.eea3(*PLACE, data, bits) == zuc.eea3(*PLACE, same, bits)
    assert int.from_bytes(zuc.eea3(*PLACE, data, bits), "big") & ((1 << (80 - bits)) - 1) == 0
    assert zuc.eia3(*PLACE, data, bits) == zuc.eia3(*PLACE, same, bits)


@pytest.mark.parametrize("bits", [0, 1, 31, 32, 33, 64, 577, 4000])
def test_the_mac_follows_its_definition(provider: Provider, bits: int) -> None:
    message = os.urandom(-(-bits // 8))
    iv = bytes.fromhex("1234567888000000923456788800" + "8000")
    words = -(-bits // 32) + 2
    stream = int.from_bytes(zuc.keystream(KEY, iv, words), "big")
    t = 0
    for i in range(bits):
        if message[i // 8] >> (7 - i % 8) & 1:
            t ^= stream >> (32 * words - 32 - i) & 0xFFFFFFFF
    t ^= stream >> (32 * words - 32 - bits) & 0xFFFFFFFF
    t ^= stream & 0xFFFFFFFF
    assert zuc.eia3(*PLACE, message, bits) == t.to_bytes(4, "big")


def test_every_part_of_the_place_changes_the_result(provider: Provider) -> None:
    places = [PLACE, (KEY[::-1], *PLACE[1:]), (KEY, 1, 17, 1), (KEY, PLACE[1], 16, 1), (KEY, PLACE[1], 17, 0)]
    assert len({zuc.eea3(*place, bytes(16)) for place in places}) == len(places)
    assert len({zuc.eia3(*place, bytes(16)) for place in places}) == len(places)


def test_a_wrong_mac_does_not_verify(provider: Provider) -> None:
    mac = zuc.eia3(*PLACE, b"message")
    zuc.eia3_verify(*PLACE, b"message", mac)
    for message, wrong in ((b"messagf", mac), (b"message", mac[:3]), (b"message", bytes(4)), (b"message", b"")):
        with pytest.raises(InvalidSignature):
            zuc.eia3_verify(*PLACE, message, wrong)


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: zuc.keystream(KEY[:15], bytes(16), 1),
        lambda: zuc.keystream(KEY, bytes(15), 1),
        lambda: zuc.keystream(KEY, bytes(16), -1),
        lambda: zuc.keystream(KEY, bytes(16), 2**24 + 1),
        lambda: zuc.eea3(KEY, 2**32, 0, 0, b""),
        lambda: zuc.eea3(KEY, -1, 0, 0, b""),
        lambda: zuc.eea3(KEY, 0, 32, 0, b""),
        lambda: zuc.eia3(KEY, 0, 0, 2, b""),
        lambda: zuc.eia3(KEY, 0, 0, 0, b"x", 9),
        lambda: zuc.eia3(KEY, 0, 0, 0, b"x", -1),
    ],
)
def test_what_is_out_of_range_is_refused(attempt: Callable[[], object]) -> None:
    with pytest.raises(InvalidInput):
        attempt()
