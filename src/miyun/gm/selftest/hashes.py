"""SM3, HMAC-SM3, key derivation, and the random generator."""

from miyun.gm import kdf, rand, sm3
from miyun.gm.providers import provider
from miyun.gm.selftest.answer import octets, same
from miyun.gm.selftest.data import SPREAD


def _sm3() -> None:
    """GB/T 32905-2016, A.1 and A.2."""
    one = octets("66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0")
    two = octets("debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732")
    same(sm3.digest_many([b"abc", b"abcd" * 16] * 9), [one, two] * 9)
    hasher = sm3.new(b"ab")
    hasher.update(b"c")
    same(hasher.digest(), one)


def _sm3_widths() -> None:
    """Lanes and lengths: the digest of the digests is OpenSSL's."""
    sizes = (0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 183, 184, 247, 248, 300, 777, 3200, 5)
    items = [SPREAD[:size] for size in sizes * 2]
    digests = sm3.digest_many(items)
    same(digests, [sm3.digest(item) for item in items])
    same(sm3.digest(b"".join(digests)), octets("6ea7d27573ceb4e36ca6863b3344fae2dd6b77ab9911fb5a444739d9b301ac2e"))


def _hmac() -> None:
    """GM/T 0042-2015, D.3."""
    key = bytes(range(1, 33))
    message = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq" * 2
    tag = octets("ca05e144ed05d1857840d1f318a4a8669e559fc8391f414485bfdf7bb408963a")
    same(sm3.hmac(key, message), tag)
    same(sm3.hmac_many(key, [message] * 3), [tag] * 3)


def _kdf() -> None:
    same(kdf.sm2_kdf(b"emmansun", 16), octets("708993ef1388a0ae4245a19bb6c02554"))
    okm = octets("c69fe91b7aaee2dd5718d72dcaee0cce93f1b8e41f792da51261b6a517e68b36ed2c595572b01dfa359b")
    same(kdf.hkdf(b"\x0b" * 22, bytes(range(13)), bytes(range(0xF0, 0xFA)), 42), okm)
    derived = octets(
        "30530b86537c85ea33fbe26ee0adea8d8bd91d283b87936f400e83ad2364ef26"
        "32cd8662313657c0e6138ffeda2c4e6805869cbd8030188858d8a675ac762523"
    )
    same(kdf.pbkdf2(b"passwd", b"salt", 1, 64), derived)
    secret = octets("2993b5fb3b571d7ace77bbaa5052d965662f4e98fd05ad3b7520a6d2958165f1e46c12723cad7d7eb496422e62d6c78e")
    seed = octets("34d334c8e54b2711c38bb284d48d8212fb5e95b0f7d30bc2e6ab0bf54059135c")
    same(kdf.tlcp_prf(secret, b"server finished", seed, 12), octets("161415a8d1d03c2291c1d54e"))


def _random() -> None:
    """The generator with given seeds: made with the block cipher of `cryptography`; then fresh bytes that differ."""
    same(
        provider().random_kat(bytes(range(32)), bytes(range(16)), b"", 80),
        octets(
            "11586db851bb7f62b0a50334f1d71b3e8cfba574f0341938de039c2288bb516147363109518ca58bf90c9cecb6ea8da9"
            "4bd5032d5b15f6776012ef0099a7b398d1f9db469ab1e9caf9f54da56be69ee0"
        ),
    )
    same(len({rand.token(16) for _ in range(4)}), 4)


TESTS = (
    ("SM3", _sm3),
    ("SM3 widths", _sm3_widths),
    ("HMAC-SM3", _hmac),
    ("KDF", _kdf),
    ("random generator", _random),
)
