"""SM9."""

from miyun.gm import sm9, sm9_exchange
from miyun.gm.errors import DecryptionFailed, InvalidKey, InvalidSignature
from miyun.gm.providers import provider
from miyun.gm.selftest.answer import octets, refused, same
from miyun.gm.sm9_encoding import encode_signature


def _sm9_sign() -> None:
    """GM/T 0044.5-2016, A; a refused signature, and a point of the twist that is not in G2; the tables of multiples."""
    secret = octets("000130e78459d78545cb54c587e02cf480ce0b66340f319f348a1d5b1f2dc5f4")
    master = octets(
        "049f64080b3084f733e48aff4b41b565011ce0711c5e392cfb0ab1b6791b94c40829dba116152d1f786ce843ed24a3b5"
        "73414d2177386a92dd8f14d65696ea5e3269850938abea0112b57329f447e3a0cbad3e2fdb1a77f335e89e1408d0ef1c"
        "2541e00a53dda532da1a7ce027b7a46f741006e85f5cdff0730e75c05fb4e3216d"
    )
    key, message = sm9.user_key("sign", secret, b"Alice"), b"Chinese IBS standard"
    raw = octets(
        "823c4b21e4bd2dfe1ed92c606653e996668563152fc33f55d7bfbb9bd9705adb0473bf96923ce58b6ad0e13e9643a406"
        "d8eb98417c50ef1b29cef9adb48b6d598c856712f1c2e0968ab7769f42a99586aed139d5b8b3e15891827cc2aced9baa"
        "05"
    )
    same(sm9.master_public("sign", secret), master)
    r = octets("00033c8616b06704813203dfd00965022ed15975c662337aed648835dc4b1cbe")
    same(provider().sm9_sign(master, key, message, r), raw)
    sm9.verify(master, b"Alice", message, encode_signature(raw[:32], raw[32:]))
    refused(InvalidSignature, lambda: sm9.verify(master, b"Bob", message, encode_signature(raw[:32], raw[32:])))
    outside = octets(
        "040000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
        "00000000000000000000000000000000010453e9be88d22ccfe209a420669cac8b9ec1fccf14061eb8bd714e6a1f6a3e"
        "e179a8eb911912ef24a4a0796b7a21a0935854b7cb00ee547f244a76f4c3718630"
    )
    refused(InvalidKey, lambda: sm9.check_master_public("sign", outside))
    same(provider().sm9_tables_hold(), True)


def _sm9_encrypt() -> None:
    """GM/T 0044.5-2016, D, and a refused ciphertext."""
    secret = octets("0001edee3778f441f8dea3d9fa0acc4e07ee36c93f9a08618af4ad85cede1c22")
    r = octets("0000aac0541779c8fc45e3e2cb25c12b5d2576b2129ae8bb5ee2cbe5ec9e785c")
    master, key = sm9.master_public("encrypt", secret), sm9.user_key("encrypt", secret, b"Bob")
    plaintext = b"Chinese IBE standard"
    ciphertext = octets(
        "2445471164490618e1ee20528ff1d545b0f14c8bcaa44544f03dab5dac07d8ff42ffca97d57cddc05ea405f2e586feb3"
        "a6930715532b8000759f13059ed59ac0ba672387bcd6de5016a158a52bb2e7fc429197bcab70b25afee37a2b9db9f367"
        "1b5f5b0e951489682f3e64e1378cdd5da9513b1c"
    )
    same(sm9.encrypt_kat(master, b"Bob", plaintext, "xor", "c1c3c2", r), ciphertext)
    same(sm9.decrypt(key, b"Bob", ciphertext, "c1c3c2"), plaintext)
    refused(DecryptionFailed, lambda: sm9.decrypt(key, b"Bob", b"\0" + ciphertext[1:], "c1c3c2"))


def _sm9_exchange() -> None:
    """GM/T 0044.5-2016, B, from both sides."""
    secret = octets("0002e65b0762d042f51f0d23542b13ed8cfa2e9a0e7206361e013a283905e31f")
    master = sm9.master_public("exchange", secret)
    a, b = (sm9.user_key("exchange", secret, user_id) for user_id in (b"Alice", b"Bob"))
    first = sm9_exchange.Initiator(master, a, b"Alice", b"Bob", 16)
    second = sm9_exchange.Responder(master, b, b"Bob", b"Alice", 16)
    sm9_exchange.start_kat(first, octets("00005879dd1d51e175946f23b1b41e93ba31c584ae59a426ec1046a4d03b06c8"))
    sm9_exchange.start_kat(second, octets("00018b98c44bef9f8537fb7d071b2c928b3bc65bd3d69e1eee213564905634fe"))
    s_b = second.respond(first.ephemeral)
    same(s_b, octets("3bb4bcee8139c960b4d6566db1e0d5f0b2767680e5e1bf934103e6c66e40ffee"))
    key, s_a = first.finish(second.ephemeral, s_b)
    same(
        (key, s_a),
        (
            octets("c5c13a8f59a97cdeae64f16a2272a9e7"),
            octets("195d1b7256ba7e0e67c71202a25f8c94ff8241702c2f55d613ae1c6b98215172"),
        ),
    )
    same(second.finish(s_a), key)


TESTS = (
    ("SM9 signature", _sm9_sign),
    ("SM9 encryption", _sm9_encrypt),
    ("SM9 key exchange", _sm9_exchange),
)
