"""Whatever the octets, what reads SM9 answers with a value or refuses; and what it reads is the one encoding of it."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miyun.gm import sm9, sm9_encoding
from miyun.gm.errors import DecryptionFailed, InvalidInput, InvalidKey, InvalidSignature
from miyun.gm.providers import provider

ROUNDS = settings(max_examples=200)
SECRET = (3).to_bytes(32, "big")
POINT = sm9.master_public("encrypt", SECRET)
MASTER = sm9.master_public("sign", SECRET)
KEY = sm9.user_key("encrypt", SECRET, b"Bob")

DECODERS = {
    "point": (
        lambda data: sm9_encoding.encode_point(sm9_encoding.decode_point(data)),
        [sm9_encoding.encode_point(POINT), sm9_encoding.encode_point(MASTER)],
    ),
    "signature": (
        lambda data: sm9_encoding.encode_signature(*sm9_encoding.decode_signature(data)),
        [sm9_encoding.encode_signature(SECRET, POINT)],
    ),
    "ciphertext": (
        lambda data: sm9_encoding.encode_ciphertext(*sm9_encoding.decode_ciphertext(data)),
        [sm9_encoding.encode_ciphertext(kind, POINT, SECRET, bytes(size)) for kind, size in ((0, 1), (2, 200))],
    ),
    "key package": (
        lambda data: sm9_encoding.encode_key_package(*sm9_encoding.decode_key_package(data)),
        [sm9_encoding.encode_key_package(bytes(16), POINT)],
    ),
}


@st.composite
def changed(draw: st.DrawFn, samples: list[bytes]) -> bytes:
    data = bytearray(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        kind = draw(st.sampled_from(["change", "insert", "delete", "length"]))
        if kind == "change" and at < len(data):
            data[at] = draw(st.integers(0, 255))
        elif kind == "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=6))
        elif kind == "delete":
            del data[at : at + draw(st.integers(1, 6))]
        elif at < len(data):
            data[at : at + 1] = draw(st.sampled_from([b"\x80", b"\x84\xff\xff\xff\xff", b"\x81\x01", b"\x82\0\1"]))
    return bytes(data)


@pytest.mark.parametrize("decoder", DECODERS)
@ROUNDS
@given(data=st.data())
def test_mutated(decoder: str, data: st.DataObject) -> None:
    again, samples = DECODERS[decoder]
    octets = data.draw(st.one_of(changed(samples), st.binary(max_size=200)))
    with contextlib.suppress(InvalidInput):
        assert again(octets) == octets


@pytest.mark.parametrize("decoder", DECODERS)
def test_every_truncation_is_refused(decoder: str) -> None:
    again, samples = DECODERS[decoder]
    for sample in samples:
        assert again(sample) == sample
        for size in range(len(sample)):
            with pytest.raises(InvalidInput):
                again(sample[:size])
        with pytest.raises(InvalidInput):
            again(sample + b"\0")


@ROUNDS
@given(octets=st.one_of(changed([POINT, MASTER]), st.binary(max_size=140)))
def test_points(octets: bytes) -> None:
    valid = provider().sm9_valid(octets)
    assert not valid or octets in (POINT, MASTER)


@ROUNDS
@given(octets=st.one_of(changed([sm9.encrypt(POINT, b"Bob", b"plaintext")]), st.binary(max_size=200)))
def test_ciphertexts(octets: bytes) -> None:
    for encoding in ("asn1", "c1c3c2"):
        with contextlib.suppress(DecryptionFailed):
            sm9.decrypt(KEY, b"Bob", octets, encoding)


@ROUNDS
@given(
    master=st.one_of(changed([MASTER]), st.just(MASTER)),
    octets=st.one_of(changed([sm9_encoding.encode_signature(SECRET, POINT)]), st.binary(max_size=150)),
)
def test_signatures(master: bytes, octets: bytes) -> None:
    with pytest.raises((InvalidSignature, InvalidKey)):
        sm9.verify(master, b"Alice", b"message", octets)
