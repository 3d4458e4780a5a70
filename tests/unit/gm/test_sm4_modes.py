"""The further modes of SM4, CCM and the MACs: by their definitions, round trips, and what they refuse."""

import os
from collections.abc import Callable

import pytest

from miyun.gm import sm4, sm4_mac, sm4_modes
from miyun.gm.errors import DecryptionFailed, InvalidInput, InvalidSignature
from miyun.gm.providers import Provider

KEY = bytes(range(16))
IV = bytes(range(16, 32))
NONCE = bytes(12)
SIZES = (0, 1, 15, 16, 17, 31, 32, 33, 1023, 1024, 1025, 1040, 2049, 5000)


def xor(a: bytes, b: bytes) -> bytes:
    return bytes(x ^ y for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("size", SIZES)
def test_cfb_and_ofb_follow_their_definitions(provider: Provider, size: int) -> None:
    data = os.urandom(size)
    for feeds_back, ours in ((True, sm4_modes.encrypt_cfb), (False, sm4_modes.ofb)):
        register, expected = IV, b""
        for start in range(0, size, 16):
            stream, piece = sm4.encrypt_ecb(KEY, register), data[start : start + 16]
            expected += xor(piece, stream[: len(piece)])
            register = expected[-16:] if feeds_back else stream
        assert ours(KEY, IV, data) == expected
    assert sm4_modes.decrypt_cfb(KEY, IV, sm4_modes.encrypt_cfb(KEY, IV, data)) == data


@pytest.mark.parametrize("blocks", [0, 1, 2, 63, 64, 65, 130])
def test_bc_and_ofbnlf_follow_their_definitions(provider: Provider, blocks: int) -> None:
    data = os.urandom(16 * blocks)
    total, once, chained, nonlinear = IV, IV, b"", b""
    for start in range(0, len(data), 16):
        piece = data[start : start + 16]
        chained += sm4.encrypt_ecb(KEY, xor(piece, total))
        total = xor(total, chained[-16:])
        once = sm4.encrypt_ecb(KEY, once)
        nonlinear += sm4.encrypt_ecb(once, piece)
    assert sm4_modes.encrypt_bc(KEY, IV, data) == chained
    assert sm4_modes.decrypt_bc(KEY, IV, chained) == data
    assert sm4_modes.encrypt_ofbnlf(KEY, IV, data) == nonlinear
    assert sm4_modes.decrypt_ofbnlf(KEY, IV, nonlinear) == data


@pytest.mark.parametrize("size", [16, 17, 31, 32, 33, 1023, 1024, 1025, 1039, 1040, 1041, 2049, 5000])
def test_xts_and_hctr_round_trips(provider: Provider, size: int) -> None:
    data, tweak = os.urandom(size), os.urandom(16)
    sealed = {}
    for standard in ("GB", "IEEE"):
        sealed[standard] = sm4_modes.encrypt_xts(KEY + IV, tweak, data, standard=standard)
        assert sm4_modes.decrypt_xts(KEY + IV, tweak, sealed[standard], standard=standard) == data
    assert sealed["GB"][:16] == sealed["IEEE"][:16] or size % 16
    assert (sealed["GB"] == sealed["IEEE"]) == (size == 16)
    wide = sm4_modes.encrypt_hctr(KEY, IV, tweak, data)
    assert sm4_modes.decrypt_hctr(KEY, IV, tweak, wide) == data


def test_one_bit_changes_everything_in_hctr(provider: Provider) -> None:
    data = bytearray(os.urandom(64))
    before = sm4_modes.encrypt_hctr(KEY, IV, IV, data)
    data[-1] ^= 1
    after = sm4_modes.encrypt_hctr(KEY, IV, IV, data)
    assert all(before[start : start + 16] != after[start : start + 16] for start in range(0, 64, 16))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("tag_size", [4, 10, 16])
def test_ccm_round_trip(provider: Provider, size: int, tag_size: int) -> None:
    data, aad, nonce = os.urandom(size), os.urandom(size % 40), os.urandom(7 + size % 7)
    sealed = sm4.encrypt_ccm(KEY, nonce, data, aad, tag_size)
    assert len(sealed) == size + tag_size
    assert sm4.decrypt_ccm(KEY, nonce, sealed, aad, tag_size) == data


def test_ccm_refuses_every_change(provider: Provider) -> None:
    sealed = sm4.encrypt_ccm(KEY, NONCE, b"sixteen bytes or more", b"aad")
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 0x80
        with pytest.raises(DecryptionFailed):
            sm4.decrypt_ccm(KEY, NONCE, changed, b"aad")
    for arguments in ((NONCE, sealed, b"AAD"), (b"\1" * 12, sealed, b"aad"), (NONCE, sealed[:15], b"aad")):
        with pytest.raises(DecryptionFailed):
            sm4.decrypt_ccm(KEY, *arguments)


@pytest.mark.parametrize("size", SIZES)
def test_macs_follow_their_definitions(provider: Provider, size: int) -> None:
    data = os.urandom(size)
    second = data + b"\x80" + bytes(-(size + 1) % 16)
    third = (8 * size).to_bytes(16, "big") + (data + bytes(-size % 16) or bytes(16))
    for padding, padded in (("M2", second), ("M3", third)):
        expected = sm4.encrypt_cbc(KEY, bytes(16), padded, None)[-16:]
        assert sm4_mac.cbc_mac(KEY, data, padding=padding) == expected
        assert sm4_mac.emac(KEY, IV, data, padding=padding) == sm4.encrypt_ecb(IV, expected)


@pytest.mark.parametrize("wrong", [b"", bytes(15), bytes(16), bytes(17)])
def test_a_wrong_or_short_mac_does_not_verify(provider: Provider, wrong: bytes) -> None:
    sm4_mac.cmac_verify(KEY, b"data", sm4_mac.cmac(KEY, b"data"))
    sm4_mac.cbc_mac_verify(KEY, b"data", sm4_mac.cbc_mac(KEY, b"data", padding="M2"), padding="M2")
    sm4_mac.emac_verify(KEY, IV, b"data", sm4_mac.emac(KEY, IV, b"data", padding="M3"), padding="M3")
    for attempt in (
        lambda: sm4_mac.cmac_verify(KEY, b"data", wrong),
        lambda: sm4_mac.cbc_mac_verify(KEY, b"data", wrong, padding="M2"),
        lambda: sm4_mac.emac_verify(KEY, IV, b"data", wrong, padding="M3"),
        lambda: sm4_mac.cmac_verify(KEY, b"data", sm4_mac.cmac(KEY, b"data")[:8]),
    ):
        with pytest.raises(InvalidSignature):
            attempt()


@pytest.mark.parametrize(
    "attempt",
    [
        lambda: sm4_modes.encrypt_cfb(KEY, IV[:15], b""),
        lambda: sm4_modes.ofb(KEY[:15], IV, b""),
        lambda: sm4_modes.encrypt_bc(KEY, IV, bytes(17)),
        lambda: sm4_modes.decrypt_ofbnlf(KEY, IV, bytes(15)),
        lambda: sm4_modes.encrypt_xts(KEY, IV, bytes(16), standard="GB"),
        lambda: sm4_modes.encrypt_xts(KEY + IV, IV, bytes(15), standard="GB"),
        lambda: sm4_modes.encrypt_xts(KEY + IV, IV, bytes(16), standard="gb"),
        lambda: sm4_modes.encrypt_xts(KEY + IV, IV, bytes(2**24 + 1), standard="IEEE"),
        lambda: sm4_modes.encrypt_hctr(KEY, IV, IV, bytes(15)),
        lambda: sm4_modes.encrypt_hctr(KEY, IV[:8], IV, bytes(16)),
        lambda: sm4.encrypt_ccm(KEY, bytes(6), b""),
        lambda: sm4.encrypt_ccm(KEY, bytes(14), b""),
        lambda: sm4.encrypt_ccm(KEY, NONCE, b"", tag_size=2),
        lambda: sm4.encrypt_ccm(KEY, NONCE, b"", tag_size=5),
        lambda: sm4.encrypt_ccm(KEY, NONCE, b"", tag_size=18),
        lambda: sm4.encrypt_ccm(KEY, bytes(13), bytes(2**16)),
        lambda: sm4.decrypt_ccm(KEY, bytes(13), bytes(2**16 + 16)),
        lambda: sm4_mac.cbc_mac(KEY, b"", padding="M1"),
        lambda: sm4_mac.cmac(KEY[:15], b""),
    ],
)
def test_wrong_sizes_and_names_are_refused(attempt: Callable[[], object]) -> None:
    with pytest.raises(InvalidInput):
        attempt()


def test_the_standard_of_xts_must_be_said() -> None:
    with pytest.raises(TypeError):
        sm4_modes.encrypt_xts(KEY + IV, IV, bytes(16))  # type: ignore[call-arg]


def test_ccm_takes_the_longest_message_of_its_nonce(provider: Provider) -> None:
    data = bytes(2**16 - 1)
    assert sm4.decrypt_ccm(KEY, bytes(13), sm4.encrypt_ccm(KEY, bytes(13), data)) == data
    aad = bytes(0xFF00)
    assert sm4.decrypt_ccm(KEY, NONCE, sm4.encrypt_ccm(KEY, NONCE, b"x", aad), aad) == b"x"
