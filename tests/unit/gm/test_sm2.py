"""SM2: what verifies, what must not, and which keys are refused."""

import os

import pytest

from miyun.gm import curve, sm2, sm3
from miyun.gm.errors import DecryptionFailed, InvalidInput, InvalidKey, InvalidSignature
from miyun.gm.providers import Provider

GENERATOR = b"\4" + curve.GX.to_bytes(32, "big") + curve.GY.to_bytes(32, "big")


def scalar(value: int) -> bytes:
    return value.to_bytes(32, "big")


def test_signatures_of_one_key_verify_for_every_batch_size(provider: Provider) -> None:
    d, public = sm2.generate_many(1)[0]
    for count in (0, 1, 2, 7, 8, 9, 17):
        messages = [os.urandom(index * 5) for index in range(count)]
        signatures = sm2.sign_many(d, messages, public=public)
        assert sm2.verify_many([(public, *pair) for pair in zip(messages, signatures, strict=True)]) == [True] * count


def test_digests_of_different_keys_are_signed_side_by_side(provider: Provider) -> None:
    keys = sm2.generate_many(11)
    items = [(d, os.urandom(32)) for d, _ in keys]
    signatures = sm2.sign_digest_many(items)
    triples = [(public, e, signature) for (_, public), (_, e), signature in zip(keys, items, signatures, strict=True)]
    assert all(sm2.verify_digest_many(triples))
    swapped = [(keys[0][1], e, signature) for _, e, signature in triples]
    assert sm2.verify_digest_many(swapped) == [True] + [False] * 10


def test_batches_beyond_one_round_are_signed_and_verified(provider: Provider) -> None:
    count = 70 if provider.name == "openssl" else 150
    keys = sm2.generate_many(count)
    assert len({d for d, _ in keys}) == count
    items = [(d, os.urandom(32)) for d, _ in keys]
    triples = [
        (public, e, signature)
        for (_, public), (_, e), signature in zip(keys, items, sm2.sign_digest_many(items), strict=True)
    ]
    assert sm2.verify_digest_many(triples) == [True] * count


def test_a_bad_lane_does_not_fail_its_neighbours(provider: Provider) -> None:
    d, public = sm2.generate_many(1)[0]
    items = [(public, bytes([index]), sm2.sign(d, bytes([index]), public=public)) for index in range(9)]
    items[1] = (public, b"other", items[1][2])
    items[4] = (b"\4" + bytes(64), *items[4][1:])
    items[6] = (*items[6][:2], b"\x30\x00")
    assert sm2.verify_many(items) == [index not in (1, 4, 6) for index in range(9)]


def test_another_user_id_does_not_verify(provider: Provider) -> None:
    d, public = sm2.generate_many(1)[0]
    signature = sm2.sign(d, b"message", b"alice")
    sm2.verify(public, b"message", signature, b"alice")
    with pytest.raises(InvalidSignature):
        sm2.verify(public, b"message", signature)


def test_digest_and_message_forms_agree(provider: Provider) -> None:
    d, public = sm2.generate_many(1)[0]
    e = sm2.message_digest(public, b"message")
    assert e == sm3.digest(sm2.za(public) + b"message")
    sm2.verify_digest(public, e, sm2.sign(d, b"message"))
    sm2.verify(public, b"message", sm2.sign_digest(d, e))


@pytest.mark.parametrize("e", [bytes(32), b"\xff" * 32, scalar(curve.N), scalar(curve.N - 1)])
def test_digests_at_the_edges_are_signed(provider: Provider, e: bytes) -> None:
    d, public = sm2.generate_many(1)[0]
    sm2.verify_digest(public, e, sm2.sign_digest(d, e))


@pytest.mark.parametrize("value", [0, curve.N - 1, curve.N, 2**256 - 1])
def test_private_keys_out_of_range_are_refused(provider: Provider, value: int) -> None:
    for use in (sm2.public_key, lambda d: sm2.sign(d, b""), lambda d: sm2.decrypt(d, bytes(200), "c1c3c2")):
        with pytest.raises(InvalidKey):
            use(scalar(value))


@pytest.mark.parametrize("value", [1, 2, 15, 16, 17, 31, 32, 33, 2**255, curve.N // 2, curve.N - 2])
def test_public_keys_of_edge_scalars(provider: Provider, value: int) -> None:
    assert sm2.public_key(scalar(value)) == multiple(value)


def multiple(value: int) -> bytes:
    """value·G by the schoolbook formulas."""
    result: tuple[int, int] | None = None
    addend: tuple[int, int] | None = (curve.GX, curve.GY)
    while value:
        if value & 1:
            result = plus(result, addend)
        addend = plus(addend, addend)
        value >>= 1
    assert result
    return b"\4" + scalar(result[0]) + scalar(result[1])


def plus(a: tuple[int, int] | None, b: tuple[int, int] | None) -> tuple[int, int] | None:
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and (a[1] + b[1]) % curve.P == 0:
        return None
    if a == b:
        slope = (3 * a[0] * a[0] + curve.A) * pow(2 * a[1], -1, curve.P)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, curve.P)
    x = (slope * slope - a[0] - b[0]) % curve.P
    return x, (slope * (a[0] - x) - a[1]) % curve.P


@pytest.mark.parametrize(
    ("s", "t"), [(1056, 32), (5, curve.N - 5), (37, 5), (33, 1), (2**200 + 7, 7), (3, curve.N - 32 - 3)]
)
def test_colliding_additions_inside_verification(provider: Provider, s: int, t: int) -> None:
    """With the key d = 1 the sums s·G and t·P meet equal and opposite points on the way."""
    r = (t - s) % curve.N
    total = (s + t) % curve.N
    if not total:
        # s·G + t·P is infinity: nothing may verify, whatever e is.
        signature = sm2.encode_signature(r, s)
        assert sm2.verify_digest_many([(GENERATOR, scalar(r), signature)] * 9) == [False] * 9
        return
    x = int.from_bytes(multiple(total)[1:33], "big")
    signature = sm2.encode_signature(r, s)
    right, wrong = scalar((r - x) % curve.N), scalar((r - x + 1) % curve.N)
    answers = sm2.verify_digest_many([(GENERATOR, right, signature), (GENERATOR, wrong, signature)] * 5)
    assert answers == [True, False] * 5


def der(*integers: bytes) -> bytes:
    body = b"".join(b"\x02" + bytes([len(value)]) + value for value in integers)
    return b"\x30" + bytes([len(body)]) + body


def test_signatures_not_in_strict_der_are_refused(provider: Provider) -> None:
    d, public = sm2.generate_many(1)[0]
    e = os.urandom(32)
    while True:  # both integers take 32 bytes exactly, without padding, so that every variant below is new
        good = sm2.sign_digest(d, e)
        r, s = sm2.decode_signature(good)
        if all(249 <= value.bit_length() <= 255 for value in (r, s)):
            break
    r_bytes, s_bytes = (value.to_bytes(32, "big") for value in (r, s))
    assert good == der(r_bytes, s_bytes)
    variants = [
        good + b"\0",
        good[:-1],
        der(b"\0" + r_bytes, s_bytes),
        der(r_bytes, s_bytes, b"\1"),
        der(r_bytes),
        b"\x30\x81" + good[1:],
        b"\x31" + good[1:],
        der(b"", s_bytes),
        b"",
    ]
    for variant in variants:
        with pytest.raises(InvalidSignature):
            sm2.verify_digest(public, e, variant)
        with pytest.raises(InvalidInput):
            sm2.decode_signature(variant)


def test_r_and_s_out_of_range_are_refused(provider: Provider) -> None:
    d, public = sm2.generate_many(1)[0]
    e = os.urandom(32)
    r, s = sm2.decode_signature(sm2.sign_digest(d, e))
    for wrong in ((0, s), (r, 0), (r + curve.N, s), (r, s + curve.N), (r, curve.N - r), (curve.N, s), (r, curve.N)):
        encoded = der(*(value.to_bytes(value.bit_length() // 8 + 1, "big") for value in wrong))
        with pytest.raises(InvalidSignature):
            sm2.verify_digest(public, e, encoded)


def test_a_signature_with_t_zero_is_refused(provider: Provider) -> None:
    """GB/T 32918.2, 7.1, step B5: with t = r + s = n the key drops out, and anybody could sign e = r - x(s*G)."""
    _, public = sm2.generate_many(1)[0]
    s = int.from_bytes(sm2.generate_private_key(), "big")
    r = curve.N - s
    x = int.from_bytes(sm2.public_key(scalar(s))[1:33], "big")
    e = scalar((r - x) % curve.N)
    forged = sm2.encode_signature(r, s)
    for count in (1, 2, 9):
        assert sm2.verify_digest_many([(public, e, forged)] * count) == [False] * count


def point_of_small_x() -> tuple[int, int]:
    """The first on the curve, whose x + p still has 32 octets. p is 3 mod 4: a root is a power."""
    for x in range(1, 100):
        square = (x**3 + curve.A * x + curve.B) % curve.P
        y = pow(square, (curve.P + 1) // 4, curve.P)
        if y * y % curve.P == square:
            return x, y
    raise AssertionError


def test_points_off_the_curve_are_refused(provider: Provider) -> None:
    d, public = sm2.generate_many(1)[0]
    x, y = point_of_small_x()
    sm2.check_public_key(b"\4" + scalar(x) + scalar(y))
    above = b"\4" + scalar(curve.P + x) + scalar(y)  # the same point mod p, in octets that are not its own
    for bad in (public[:-1] + bytes([public[-1] ^ 1]), b"\4" + bytes(64), above):
        with pytest.raises(InvalidKey):
            sm2.check_public_key(bad)
        with pytest.raises(InvalidKey):
            sm2.encrypt(bad, b"plaintext")
        with pytest.raises(InvalidKey):
            sm2.verify(bad, b"", sm2.sign(d, b""))
    for bad in (b"\2" + public[1:33], public[1:], b""):
        with pytest.raises(InvalidKey):
            sm2.check_public_key(bad)


@pytest.mark.parametrize("encoding", ["asn1", "c1c3c2", "c1c2c3"])
@pytest.mark.parametrize("size", [1, 31, 32, 33, 300, 5000])
def test_what_was_encrypted_decrypts(provider: Provider, encoding: sm2.Encoding, size: int) -> None:
    d, public = sm2.generate_many(1)[0]
    plaintext = os.urandom(size)
    ciphertext = sm2.encrypt(public, plaintext, encoding)
    assert sm2.decrypt(d, ciphertext, encoding) == plaintext
    if encoding != "asn1":
        assert ciphertext[0] == 4
        assert sm2.decrypt(d, ciphertext[1:], encoding) == plaintext
        assert (
            sm2.convert_ciphertext(sm2.convert_ciphertext(ciphertext, encoding, "asn1"), "asn1", encoding) == ciphertext
        )


def test_every_changed_byte_of_a_ciphertext_is_noticed(provider: Provider) -> None:
    d, public = sm2.generate_many(1)[0]
    ciphertext = sm2.encrypt(public, b"plaintext", "c1c3c2")
    changed = [
        ciphertext[:position] + bytes([ciphertext[position] ^ 1]) + ciphertext[position + 1 :]
        for position in range(1, len(ciphertext), 5)
    ]
    answers = sm2.decrypt_many(d, [*changed, ciphertext[:-1], ciphertext[:97], b"", ciphertext], "c1c3c2")
    assert answers[:-1] == [None] * (len(changed) + 3)
    assert answers[-1] == b"plaintext"
    with pytest.raises(DecryptionFailed):
        sm2.decrypt(d, b"not a ciphertext")


def test_empty_plaintexts_and_unknown_encodings_are_refused() -> None:
    public = sm2.public_key(sm2.generate_private_key())
    with pytest.raises(InvalidInput):
        sm2.encrypt(public, b"")
    with pytest.raises(InvalidInput):
        sm2.encrypt(public, b"x", "c3c2c1")  # type: ignore[arg-type]


def test_all_kinds_of_byte_strings_are_accepted(provider: Provider) -> None:
    d, public = sm2.generate_many(1)[0]
    signature = sm2.sign(bytearray(d), memoryview(b"message"), bytearray(sm2.DEFAULT_ID))
    sm2.verify(memoryview(public), bytearray(b"message"), memoryview(signature))
    with pytest.raises(InvalidInput):
        sm2.sign(d, "text")  # type: ignore[arg-type]
