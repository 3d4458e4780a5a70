"""SM9 on every provider: what is accepted, what is refused, and how."""

import threading

import pytest

from miyun.gm import sm9, sm9_encoding
from miyun.gm.errors import DecryptionFailed, InvalidInput, InvalidKey, InvalidSignature
from miyun.gm.providers import Provider, providers, using
from miyun.gm.sm9_exchange import Initiator, Responder

SECRET = (0x0123456789ABCDEF).to_bytes(32, "big")
N = 0xB640000002A3A6F1D603AB4FF58EC74449F2934B18EA8BEEE56EE19CD69ECF25
P = N + 6 * 0x600000000058F98A**2
OFF_CURVE = b"\4" + bytes(31) + b"\1" + bytes(31) + b"\1"
CIPHERS: tuple[sm9.Cipher, ...] = ("xor", "sm4-ecb", "sm4-cbc", "sm4-ofb", "sm4-cfb")


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_a_signature_is_of_its_message_user_and_master(provider: Provider) -> None:
    master = sm9.master_public("sign", SECRET)
    signature = sm9.sign(master, sm9.user_key("sign", SECRET, b"Alice"), b"message")
    sm9.verify(master, b"Alice", b"message", signature)
    other = sm9.master_public("sign", SECRET[:-1] + b"\1")
    for wrong in ((master, b"Alice", b"other"), (master, b"Bob", b"message"), (other, b"Alice", b"message")):
        with pytest.raises(InvalidSignature):
            sm9.verify(*wrong, signature)


def test_a_changed_signature_is_refused(provider: Provider) -> None:
    master = sm9.master_public("sign", SECRET)
    signature = sm9.sign(master, sm9.user_key("sign", SECRET, b"Alice"), b"message")
    h, s = sm9_encoding.decode_signature(signature)
    out_of_range = [bytes(32), N.to_bytes(32, "big"), b"\xff" * 32]
    changed = [sm9_encoding.encode_signature(value, s) for value in (*out_of_range, flipped(h, 31))]
    negated = s[:33] + (P - int.from_bytes(s[33:], "big")).to_bytes(32, "big")
    changed += [sm9_encoding.encode_signature(h, point) for point in (OFF_CURVE, negated, b"\4" + bytes(64))]
    changed += [b"", signature + b"\0", signature[:-1], flipped(signature, 0)]
    for wrong in changed:
        with pytest.raises(InvalidSignature):
            sm9.verify(master, b"Alice", b"message", wrong)


def test_two_signatures_of_a_message_differ(provider: Provider) -> None:
    master, key = sm9.master_public("sign", SECRET), sm9.user_key("sign", SECRET, b"Alice")
    assert sm9.sign(master, key, b"message") != sm9.sign(master, key, b"message")


def test_new_master_keys_differ_and_serve(provider: Provider) -> None:
    (secret, master), (other, _) = sm9.generate_master("encrypt"), sm9.generate_master("encrypt")
    assert secret != other
    assert sm9.master_public("encrypt", secret) == master
    sm9.check_master_public("encrypt", master)


@pytest.mark.parametrize("cipher", CIPHERS)
def test_every_cipher_gives_back_the_plaintext(provider: Provider, cipher: sm9.Cipher) -> None:
    master, key = sm9.master_public("encrypt", SECRET), sm9.user_key("encrypt", SECRET, b"Bob")
    for plaintext in (b"x", b"sixteen bytes...", bytes(range(100))):
        assert sm9.decrypt(key, b"Bob", sm9.encrypt(master, b"Bob", plaintext, cipher)) == plaintext
    raw = sm9.encrypt(master, b"Bob", b"raw", cipher, "c1c3c2")
    assert sm9.decrypt(key, b"Bob", raw, "c1c3c2", cipher) == b"raw"


def test_the_block_cipher_example_of_the_standard(provider: Provider) -> None:
    """GM/T 0044.5-2016, D: the message under SM4-ECB with the nonce of the example."""
    secret = bytes.fromhex("0001edee3778f441f8dea3d9fa0acc4e07ee36c93f9a08618af4ad85cede1c22")
    nonce = bytes.fromhex("0000aac0541779c8fc45e3e2cb25c12b5d2576b2129ae8bb5ee2cbe5ec9e785c")
    master = sm9.master_public("encrypt", secret)
    raw = sm9.encrypt_kat(master, b"Bob", b"Chinese IBE standard", "sm4-ecb", "c1c3c2", nonce)
    assert raw[64:96].hex() == "fd3c98dd92c44c68332675a370cceede31e0c5cd209c257601149d12b394a2be"
    assert raw[96:].hex() == "e05b6fac6f11b965268c994f00dba7a8bb00fd60583546cbdf4649250863f10a"


def test_a_changed_ciphertext_is_refused(provider: Provider) -> None:
    master, key = sm9.master_public("encrypt", SECRET), sm9.user_key("encrypt", SECRET, b"Bob")
    sealed = sm9.encrypt(master, b"Bob", b"plaintext", "sm4-cbc")
    kind, c1, c3, c2 = sm9_encoding.decode_ciphertext(sealed)
    negated = c1[:33] + (P - int.from_bytes(c1[33:], "big")).to_bytes(32, "big")
    for parts in (
        (0, c1, c3, c2),
        (3, c1, c3, c2),
        (kind, OFF_CURVE, c3, c2),
        (kind, negated, c3, c2),
        (kind, c1, flipped(c3, 0), c2),
        (kind, c1, c3, flipped(c2, 20)),
        (kind, c1, c3, c2[:-16]),
        (kind, c1, c3, b""),
    ):
        with pytest.raises(DecryptionFailed):
            sm9.decrypt(key, b"Bob", sm9_encoding.encode_ciphertext(*parts))
    for wrong in (b"", sealed + b"\0", sealed[:-1]):
        with pytest.raises(DecryptionFailed):
            sm9.decrypt(key, b"Bob", wrong)
    with pytest.raises(DecryptionFailed):
        sm9.decrypt(key, b"Bob", bytes(50), "c1c3c2")
    with pytest.raises(DecryptionFailed):
        sm9.decrypt(sm9.user_key("encrypt", SECRET, b"Carol"), b"Carol", sealed)


def test_an_encapsulated_key_opens_for_its_user_only(provider: Provider) -> None:
    master = sm9.master_public("encrypt", SECRET)
    key, c = sm9.encapsulate(master, b"Bob", 40)
    assert len(key) == 40
    assert sm9.decapsulate(sm9.user_key("encrypt", SECRET, b"Bob"), b"Bob", c, 40) == key
    assert sm9.decapsulate(sm9.user_key("encrypt", SECRET, b"Eve"), b"Eve", c, 40) != key
    with pytest.raises(DecryptionFailed):
        sm9.decapsulate(sm9.user_key("encrypt", SECRET, b"Bob"), b"Bob", OFF_CURVE, 40)


def test_both_sides_of_an_exchange_agree_and_confirm(provider: Provider) -> None:
    master = sm9.master_public("exchange", SECRET)
    a, b = (sm9.user_key("exchange", SECRET, user) for user in (b"Alice", b"Bob"))
    first = Initiator(master, a, b"Alice", b"Bob", 33)
    second = Responder(master, b, b"Bob", b"Alice", 33)
    s_b = second.respond(first.ephemeral)
    key, s_a = first.finish(second.ephemeral, s_b)
    assert second.finish(s_a) == key
    assert len(key) == 33
    with pytest.raises(InvalidInput, match="over"):
        first.finish(second.ephemeral, s_b)
    with pytest.raises(InvalidInput, match="finish once"):
        second.finish(s_a)


def test_an_exchange_with_someone_else_is_not_confirmed(provider: Provider) -> None:
    master = sm9.master_public("exchange", SECRET)
    a, eve = (sm9.user_key("exchange", SECRET, user) for user in (b"Alice", b"Eve"))
    first = Initiator(master, a, b"Alice", b"Bob", 16)
    second = Responder(master, eve, b"Bob", b"Alice", 16)
    s_b = second.respond(first.ephemeral)
    with pytest.raises(InvalidSignature):
        first.finish(second.ephemeral, s_b)
    with pytest.raises(InvalidSignature):
        second.finish(bytes(32))
    with pytest.raises(InvalidKey):
        Initiator(master, a, b"Alice", b"Bob", 16).finish(OFF_CURVE, None)


def test_keys_that_are_no_points_of_their_group_are_refused(provider: Provider) -> None:
    master, key = sm9.master_public("sign", SECRET), sm9.user_key("sign", SECRET, b"Alice")
    with pytest.raises(InvalidKey):
        sm9.sign(flipped(master, 128), key, b"message")
    with pytest.raises(InvalidKey):
        sm9.sign(master, OFF_CURVE, b"message")
    with pytest.raises(InvalidKey):
        sm9.verify(flipped(master, 128), b"Alice", b"message", sm9.sign(master, key, b"message"))
    with pytest.raises(InvalidKey):
        sm9.encrypt(OFF_CURVE, b"Bob", b"message")
    above_p = b"\4" + P.to_bytes(32, "big") + bytes(32)
    for point in (above_p, OFF_CURVE, b"\4" + bytes(64), b"\4" + b"\xff" * 64):
        with pytest.raises(InvalidKey):
            sm9.check_master_public("encrypt", point)


@pytest.mark.parametrize("secret", [bytes(32), N.to_bytes(32, "big"), b"\xff" * 32, b"\1" * 31, b"\1" * 33])
def test_master_secrets_out_of_range_are_refused(secret: bytes) -> None:
    with pytest.raises(InvalidKey):
        sm9.user_key("sign", secret, b"Alice")
    with pytest.raises(InvalidKey):
        sm9.master_public("encrypt", secret)


def test_the_one_identity_that_a_master_key_cannot_serve(provider: Provider) -> None:
    """H1(ID‖hid) + ks = 0 mod N, made by choosing ks after the identity; and Q is then the point at infinity."""
    for purpose, group in (("sign", 1), ("encrypt", 2)):
        h = h1(provider, sm9.identity(purpose, b"Mallory"))  # type: ignore[arg-type]
        secret = (N - h).to_bytes(32, "big")
        with pytest.raises(InvalidKey):
            provider.sm9_extract(group, secret, sm9.identity(purpose, b"Mallory"))  # type: ignore[arg-type]
    master = sm9.master_public("encrypt", secret)
    with pytest.raises(InvalidKey):
        sm9.encrypt(master, b"Mallory", b"message")


def h1(provider: Provider, z: bytes) -> int:
    digests = provider.sm3(b"\1" + z + b"\0\0\0\1") + provider.sm3(b"\1" + z + b"\0\0\0\2")
    return int.from_bytes(digests[:40], "big") % (N - 1) + 1


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: sm9.generate_master("other"),  # type: ignore[arg-type]
        lambda: sm9.user_key("sign", SECRET, b""),
        lambda: sm9.encrypt(b"\4" + bytes(64), b"Bob", b""),
        lambda: sm9.encrypt(b"\4" + bytes(64), b"Bob", b"x", "des"),  # type: ignore[arg-type]
        lambda: sm9.encrypt(b"\4" + bytes(64), b"Bob", b"x", "xor", "raw"),  # type: ignore[arg-type]
        lambda: sm9.encapsulate(b"\4" + bytes(64), b"Bob", 0),
        lambda: sm9.decapsulate(b"\4" + bytes(128), b"Bob", b"short", 16),
        lambda: Initiator(b"\4" + bytes(64), b"\4" + bytes(128), b"A", b"B", 0),
        lambda: sm9.sign(b"\4" + bytes(128), b"\4" + bytes(64), "text"),  # type: ignore[arg-type]
    ],
)
def test_wrong_arguments_are_named(wrong) -> None:
    with pytest.raises((InvalidInput, InvalidKey)):
        wrong()


def test_buffers_of_every_kind_are_taken(provider: Provider) -> None:
    master, key = (
        sm9.master_public("sign", bytearray(SECRET)),
        sm9.user_key("sign", memoryview(SECRET), bytearray(b"A")),
    )
    signature = sm9.sign(bytearray(master), memoryview(key), memoryview(b"message"))
    sm9.verify(memoryview(master), memoryview(b"A"), bytearray(b"message"), bytearray(signature))
    empty = sm9.sign(master, key, memoryview(b""))
    sm9.verify(master, b"A", b"", empty)


@pytest.mark.parametrize("serving", providers(), ids=lambda entry: entry.name)
def test_more_master_keys_than_are_remembered(serving: Provider) -> None:
    """The powers of a master key are kept for the last few; what was dropped is made again."""
    signed = []
    with using(serving):
        for number in range(1, 20):
            secret = number.to_bytes(32, "big")
            master = sm9.master_public("sign", secret)
            signed.append((master, sm9.sign(master, sm9.user_key("sign", secret, b"A"), b"m")))
        for master, signature in signed:
            sm9.verify(master, b"A", b"m", signature)


def test_threads_share_the_tables(provider: Provider) -> None:
    master, key = sm9.master_public("sign", SECRET), sm9.user_key("sign", SECRET, b"Alice")
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            with using(provider):
                sm9.verify(master, b"Alice", bytes([number]), sm9.sign(master, key, bytes([number])))
        except BaseException as why:
            failures.append(why)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
