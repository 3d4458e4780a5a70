"""Properties of SM9: the native core and the plain Python one agree on everything; the pairing is bilinear."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from miyun.gm import sm9
from miyun.gm.errors import GmError
from miyun.gm.providers import Provider, providers
from miyun.gm.providers import composed_sm9 as plain
from miyun.gm.providers.openssl import OpenSslProvider

few = settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
some = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
edges = [1, 2, 3, 31, 32, 33, 2**64 - 1, 2**64, 2**128, plain.T, 6 * plain.T**2, plain.N - 2, plain.N - 1, plain.N // 2]
scalars = st.one_of(st.integers(1, plain.N - 1), st.sampled_from(edges)).map(lambda value: value.to_bytes(32, "big"))
users = st.binary(min_size=1, max_size=40)


@pytest.fixture(scope="module")
def native() -> Provider:
    found = next((entry for entry in providers() if entry.name == "portable"), None)
    if found is None:
        pytest.skip("the C extension is not built here")
    return found


@pytest.fixture(scope="module")
def python() -> Provider:
    return OpenSslProvider(None)


@some
@given(s=scalars, user=users)
def test_keys_agree(native: Provider, python: Provider, s: bytes, user: bytes) -> None:
    for group in (1, 2):
        assert native.sm9_master(group, s) == python.sm9_master(group, s)
        assert native.sm9_extract(group, s, user) == python.sm9_extract(group, s, user)
        assert native.sm9_valid(native.sm9_master(group, s)[1])


@few
@given(s=scalars, r=scalars, user=users, message=st.binary(max_size=200))
def test_signatures_agree(native: Provider, python: Provider, s: bytes, r: bytes, user: bytes, message: bytes) -> None:
    _, master = native.sm9_master(2, s)
    key = native.sm9_extract(1, s, user + b"\1")
    signature = native.sm9_sign(master, key, message, r)
    assert signature == python.sm9_sign(master, key, message, r)
    assert native.sm9_verify(master, user + b"\1", message, signature)
    assert python.sm9_verify(master, user + b"\1", message, signature)


@few
@given(s=scalars, r=scalars, r_peer=scalars)
def test_encapsulation_and_exchange_agree(
    native: Provider, python: Provider, s: bytes, r: bytes, r_peer: bytes
) -> None:
    _, master = native.sm9_master(1, s)
    key, peer = (native.sm9_extract(2, s, user) for user in (b"A\2", b"B\2"))
    c, w = native.sm9_encapsulate(master, b"A\2", r)
    assert (c, w) == python.sm9_encapsulate(master, b"A\2", r)
    assert native.sm9_decapsulate(key, c) == python.sm9_decapsulate(key, c) == w
    _, point = native.sm9_ephemeral(master, b"B\2", r)
    _, answer = native.sm9_ephemeral(master, b"A\2", r_peer)
    agreed = native.sm9_agree(master, key, r, answer)
    assert agreed == python.sm9_agree(master, key, r, answer)
    paired, own, both = native.sm9_agree(master, peer, r_peer, point)
    assert agreed == (own, paired, both)


@some
@given(a=scalars, b=scalars, s=scalars)
def test_the_pairing_is_bilinear(native: Provider, a: bytes, b: bytes, s: bytes) -> None:
    """e([a]P1, [b]P2) = e([ab]P1, P2) = e(P1, [ab]P2)."""
    product = (int.from_bytes(a, "big") * int.from_bytes(b, "big") % plain.N).to_bytes(32, "big")
    one = (1).to_bytes(32, "big")
    (_, pa), (_, qb) = native.sm9_master(1, a), native.sm9_master(2, b)
    (_, pab), (_, qab) = native.sm9_master(1, product), native.sm9_master(2, product)
    (_, p1), (_, p2) = native.sm9_master(1, one), native.sm9_master(2, one)
    expected = native.sm9_decapsulate(qb, pa)
    assert expected == native.sm9_decapsulate(p2, pab) == native.sm9_decapsulate(qab, p1)


@some
@given(user=users, message=st.binary(max_size=100), flip=st.integers(0, 8 * 97 - 1))
def test_no_changed_bit_of_a_signature_verifies(native: Provider, user: bytes, message: bytes, flip: int) -> None:
    s = (7).to_bytes(32, "big")
    _, master = native.sm9_master(2, s)
    signature = bytearray(native.sm9_sign(master, native.sm9_extract(1, s, user), message, None))
    assert native.sm9_verify(master, user, message, bytes(signature))
    signature[flip // 8] ^= 1 << flip % 8
    assert not native.sm9_verify(master, user, message, bytes(signature))


@some
@given(
    plaintext=st.binary(min_size=1, max_size=300),
    cipher=st.sampled_from(["xor", "sm4-ecb", "sm4-cbc", "sm4-ofb", "sm4-cfb"]),
    encoding=st.sampled_from(["asn1", "c1c3c2"]),
    data=st.data(),
)
def test_ciphertexts_open_unless_a_bit_changed(
    plaintext: bytes, cipher: sm9.Cipher, encoding: sm9.Encoding, data: st.DataObject
) -> None:
    secret = (9).to_bytes(32, "big")
    key = sm9.user_key("encrypt", secret, b"Bob")
    sealed = bytearray(sm9.encrypt(sm9.master_public("encrypt", secret), b"Bob", plaintext, cipher, encoding))
    assert sm9.decrypt(key, b"Bob", bytes(sealed), encoding, cipher) == plaintext
    flip = data.draw(st.integers(0, 8 * len(sealed) - 1))
    sealed[flip // 8] ^= 1 << flip % 8
    with pytest.raises(GmError):
        sm9.decrypt(key, b"Bob", bytes(sealed), encoding, cipher)
