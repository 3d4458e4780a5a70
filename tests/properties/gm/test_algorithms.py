"""Properties that hold for every input: round trips, agreement of all providers, no acceptance of changed data."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from miyun.gm import curve, sm2, sm3, sm4, sm4_mac, sm4_modes, zuc
from miyun.gm.errors import GmError, InvalidInput
from miyun.gm.providers import Provider, providers, using
from miyun.gm.providers.openssl import OpenSslProvider

few = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
some = settings(max_examples=100)
scalars = st.integers(1, curve.N - 2).map(lambda value: value.to_bytes(32, "big"))
keys16 = st.binary(min_size=16, max_size=16)


@few
@given(key=keys16, nonce=st.binary(min_size=1, max_size=40), data=st.binary(max_size=3000), aad=st.binary(max_size=99))
def test_providers_agree_on_gcm(key: bytes, nonce: bytes, data: bytes, aad: bytes) -> None:
    answers = set()
    for entry in providers():
        with using(entry):
            answers.add(sm4.encrypt_gcm(key, nonce, data, aad))
            assert sm4.decrypt_gcm(key, nonce, sm4.encrypt_gcm(key, nonce, data, aad), aad) == data
    assert len(answers) == 1


@few
@given(key=keys16, iv=keys16, data=st.binary(max_size=3000))
def test_providers_agree_on_the_modes(key: bytes, iv: bytes, data: bytes) -> None:
    answers = set()
    for entry in providers():
        with using(entry):
            padded = sm4.encrypt_cbc(key, iv, data)
            assert sm4.decrypt_cbc(key, iv, padded) == data
            whole = sm4.encrypt_ecb(key, padded)
            assert sm4.decrypt_ecb(key, whole) == padded
            answers.add((padded, whole, sm4.ctr(key, iv, data), sm3.digest(data), sm3.hmac(key, data)))
    assert len(answers) == 1


def every() -> list[Provider]:
    """The providers of this machine, and libcrypto alone when it is one of them."""
    found = providers()
    return [*found, OpenSslProvider(None)] if any(entry.name == "openssl" for entry in found) else found


@few
@given(key=keys16, iv=keys16, other=keys16, data=st.binary(min_size=16, max_size=3000))
def test_providers_agree_on_the_further_modes(key: bytes, iv: bytes, other: bytes, data: bytes) -> None:
    answers = set()
    whole = data[: len(data) // 16 * 16]
    for entry in every():
        with using(entry):
            cfb, ofb = sm4_modes.encrypt_cfb(key, iv, data), sm4_modes.ofb(key, iv, data)
            assert sm4_modes.decrypt_cfb(key, iv, cfb) == sm4_modes.ofb(key, iv, ofb) == data
            bc, nonlinear = sm4_modes.encrypt_bc(key, iv, whole), sm4_modes.encrypt_ofbnlf(key, iv, whole)
            assert sm4_modes.decrypt_bc(key, iv, bc) == sm4_modes.decrypt_ofbnlf(key, iv, nonlinear) == whole
            gb = sm4_modes.encrypt_xts(key + other, iv, data, standard="GB")
            ieee = sm4_modes.encrypt_xts(key + other, iv, data, standard="IEEE")
            assert sm4_modes.decrypt_xts(key + other, iv, gb, standard="GB") == data
            assert sm4_modes.decrypt_xts(key + other, iv, ieee, standard="IEEE") == data
            hctr = sm4_modes.encrypt_hctr(key, other, iv, data)
            assert sm4_modes.decrypt_hctr(key, other, iv, hctr) == data
            answers.add((cfb, ofb, bc, nonlinear, gb, ieee, hctr))
    assert len(answers) == 1


@few
@given(
    key=keys16,
    nonce=st.binary(min_size=7, max_size=13),
    data=st.binary(max_size=3000),
    aad=st.binary(max_size=99),
    tag_size=st.sampled_from([4, 6, 8, 10, 12, 14, 16]),
)
def test_providers_agree_on_ccm_and_macs(key: bytes, nonce: bytes, data: bytes, aad: bytes, tag_size: int) -> None:
    answers = set()
    for entry in every():
        with using(entry):
            sealed = sm4.encrypt_ccm(key, nonce, data, aad, tag_size)
            assert sm4.decrypt_ccm(key, nonce, sealed, aad, tag_size) == data
            second, third = (sm4_mac.cbc_mac(key, data, padding=padding) for padding in ("M2", "M3"))
            answers.add((sealed, second, third, sm4_mac.cmac(key, data)))
    assert len(answers) == 1


@few
@given(
    key=keys16,
    count=st.integers(0, 2**32 - 1),
    bearer=st.integers(0, 31),
    direction=st.integers(0, 1),
    data=st.binary(max_size=300),
    spare=st.integers(0, 7),
)
def test_providers_agree_on_zuc(key: bytes, count: int, bearer: int, direction: int, data: bytes, spare: int) -> None:
    answers = set()
    bits = max(0, 8 * len(data) - spare)
    for entry in every():
        with using(entry):
            ciphertext = zuc.eea3(key, count, bearer, direction, data)
            assert zuc.eea3(key, count, bearer, direction, ciphertext) == data
            short = zuc.eea3(key, count, bearer, direction, data, bits)
            answers.add((ciphertext, short, zuc.eia3(key, count, bearer, direction, data, bits)))
    assert len(answers) == 1


@few
@given(d=scalars, k=scalars, e=st.binary(min_size=32, max_size=32), message=st.binary(min_size=16, max_size=200))
def test_providers_agree_on_sm2_with_a_given_nonce(d: bytes, k: bytes, e: bytes, message: bytes) -> None:
    # One nonce in 256 gives a mask of one zero octet, which encryption refuses: hence messages of 16 octets or more.
    answers = set()
    for entry in providers():
        with using(entry):
            public = sm2.public_key(d)
            signature = entry.sm2_sign_kat(d, e, k)
            ciphertext = entry.sm2_encrypt_kat(public, message, k)
            sm2.verify_digest(public, e, signature)
            assert sm2.decrypt(d, ciphertext, "c1c3c2") == message
            answers.add((public, signature, ciphertext, entry.sm2_multiply(k, public)))
    assert len(answers) == 1


@few
@given(data=st.data())
def test_signatures_hold_for_their_message_only(provider: Provider, data: st.DataObject) -> None:
    d = data.draw(scalars)
    message, other = data.draw(st.lists(st.binary(max_size=50), min_size=2, max_size=2, unique=True))
    public = sm2.public_key(d)
    signature = sm2.sign(d, message, public=public)
    assert sm2.verify_many([(public, message, signature), (public, other, signature)]) == [True, False]


@some
@given(st.binary(max_size=80))
def test_reading_signatures_never_crashes_and_is_strict(data: bytes) -> None:
    try:
        r, s = sm2.decode_signature(data)
    except InvalidInput:
        return
    if 0 < r < curve.N and 0 < s < curve.N:
        assert sm2.encode_signature(r, s) == data


@some
@given(st.integers(1, curve.N - 1), st.integers(1, curve.N - 1))
def test_signature_encoding_round_trip(r: int, s: int) -> None:
    assert sm2.decode_signature(sm2.encode_signature(r, s)) == (r, s)


@some
@given(st.binary(max_size=200), st.sampled_from(["asn1", "c1c3c2", "c1c2c3"]))
def test_reading_ciphertexts_never_crashes(data: bytes, encoding: sm2.Encoding) -> None:
    try:
        raw = sm2.convert_ciphertext(data, encoding, "c1c3c2")
    except InvalidInput:
        return
    back = sm2.convert_ciphertext(raw, "c1c3c2", encoding)
    assert back == data or encoding != "asn1"


@few
@given(junk=st.binary(max_size=200))
def test_junk_neither_verifies_nor_decrypts(provider: Provider, junk: bytes) -> None:
    d = (5).to_bytes(32, "big")
    public = sm2.public_key(d)
    assert sm2.verify_digest_many([(public, bytes(32), junk)]) == [False]
    assert sm2.decrypt_many(d, [junk]) == [None]
    with pytest.raises(GmError):
        sm4.decrypt_gcm(bytes(16), bytes(12), junk)
