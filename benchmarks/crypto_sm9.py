"""The rows of SM9, one operation a call: gmalg is pure Python, gmssl-pyx has encryption only."""

import os
from collections.abc import Iterator

import gmssl_pyx as gmssl
from asn1crypto import core
from crypto_race import Race
from gmalg import sm9 as gmalg

from miyun.gm import sm9
from miyun.gm.sm9_encoding import decode_signature

USER = b"Alice"


def rows() -> Iterator[Race]:
    secret, master = sm9.generate_master("sign")
    key, message = sm9.user_key("sign", secret, USER), os.urandom(32)
    peer = gmalg.SM9(hid_s=b"\1", mpk_s=master, sk_s=key, uid=USER)
    signature = sm9.sign(master, key, message)
    h, s = decode_signature(signature)
    yield Race(
        "sm9.sign", "ops/s", (1, lambda: sm9.sign(master, key, message)), {"gmalg": (1, lambda: peer.sign(message))}
    )
    yield Race(
        "sm9.verify",
        "ops/s",
        (1, lambda: sm9.verify(master, USER, message, signature)),
        {"gmalg": (1, lambda: peer.verify(message, h, s))},
    )
    yield from _encryption(message)


def _encryption(plaintext: bytes) -> Iterator[Race]:
    other = gmssl.SM9MasterKey.generate()
    other_public, other_key = other.public_key(), other.extract_key(USER)
    theirs = other_public.encrypt(USER, plaintext)
    secret = core.Sequence.load(other.to_der())[0].native.to_bytes(32, "big")
    master, key = sm9.master_public("encrypt", secret), sm9.user_key("encrypt", secret, USER)
    peer = gmalg.SM9(hid_e=b"\3", mpk_e=master, sk_e=key, uid=USER)
    sealed = sm9.encrypt(master, USER, plaintext)
    raw = b"\4" + sm9.encrypt(master, USER, plaintext, "xor", "c1c3c2")
    yield Race(
        "sm9.encrypt",
        "ops/s",
        (1, lambda: sm9.encrypt(master, USER, plaintext)),
        {
            "gmalg": (1, lambda: peer.encrypt(plaintext, USER)),
            "gmssl-pyx": (1, lambda: other_public.encrypt(USER, plaintext)),
        },
    )
    yield Race(
        "sm9.decrypt",
        "ops/s",
        (1, lambda: sm9.decrypt(key, USER, sealed)),
        {
            "gmalg": (1, lambda: peer.decrypt(raw)),
            "gmssl-pyx": (1, lambda: other_key.decrypt(USER, theirs)),
        },
    )
