"""SM9 agrees with gmalg (pure Python) and, as far as it goes, with GmSSL through gmssl-pyx.

Both are slow, so this runs on the provider that serves; that the others give the same is said elsewhere.
"""

import os

import pytest
from asn1crypto import core
from gmalg import sm9 as gmalg

from miyun.gm import sm3, sm9, sm9_encoding
from miyun.gm.sm9_exchange import Initiator, Responder

N = 0xB640000002A3A6F1D603AB4FF58EC74449F2934B18EA8BEEE56EE19CD69ECF25


def secret() -> bytes:
    return (int.from_bytes(os.urandom(40), "big") % (N - 1) + 1).to_bytes(32, "big")


def test_gmalg_makes_the_same_keys() -> None:
    for user in (b"Alice", os.urandom(20)):
        ks, ke = secret(), secret()
        theirs = gmalg.SM9KGC(b"\1", ks, None, b"\3", ke)
        assert theirs.generate_mpk_sign(ks) == sm9.master_public("sign", ks)
        assert theirs.generate_mpk_encrypt(ke) == sm9.master_public("encrypt", ke)
        theirs = gmalg.SM9KGC(b"\1", ks, sm9.master_public("sign", ks), b"\3", ke, sm9.master_public("encrypt", ke))
        assert theirs.generate_sk_sign(user) == sm9.user_key("sign", ks, user)
        assert theirs.generate_sk_encrypt(user) == sm9.user_key("encrypt", ke, user)


def test_gmalg_verifies_our_signatures_and_we_its() -> None:
    ks, user = secret(), os.urandom(9)
    master, key = sm9.master_public("sign", ks), sm9.user_key("sign", ks, user)
    theirs = gmalg.SM9(hid_s=b"\1", mpk_s=master, sk_s=key, uid=user)
    for message in (b"", os.urandom(100)):
        h, s = sm9_encoding.decode_signature(sm9.sign(master, key, message))
        assert theirs.verify(message, h, s)
        sm9.verify(master, user, message, sm9_encoding.encode_signature(*theirs.sign(message)))


def test_gmalg_opens_what_we_encapsulate_and_we_its() -> None:
    ke, user = secret(), os.urandom(9)
    master, key = sm9.master_public("encrypt", ke), sm9.user_key("encrypt", ke, user)
    theirs = gmalg.SM9(hid_e=b"\3", mpk_e=master, sk_e=key, uid=user)
    derived, c = sm9.encapsulate(master, user, 33)
    assert theirs.decapsulate(c, 33) == derived
    derived, c = theirs.encapsulate(20, user)
    assert sm9.decapsulate(key, user, c, 20) == derived
    plaintext = os.urandom(50)
    assert theirs.decrypt(b"\4" + sm9.encrypt(master, user, plaintext, "xor", "c1c3c2")) == plaintext
    assert sm9.decrypt(key, user, theirs.encrypt(plaintext, user)[1:], "c1c3c2") == plaintext


@pytest.mark.parametrize("side", [Initiator, Responder])
def test_gmalg_agrees_on_keys_with_us_in_both_roles(side: type[Initiator] | type[Responder]) -> None:
    ke, ids = secret(), (b"ours", b"theirs")
    master = sm9.master_public("exchange", ke)
    mine, other = (sm9.user_key("exchange", ke, user) for user in ids)
    theirs = gmalg.SM9(hid_e=b"\2", mpk_e=master, sk_e=other, uid=ids[1])
    ours = side(master, mine, *ids, 24)
    r, point = theirs.begin_key_exchange(ids[0])
    role = gmalg.KEYXCHG_MODE.RESPONDER if isinstance(ours, Initiator) else gmalg.KEYXCHG_MODE.INITIATOR
    key = theirs.end_key_exchange(24, r, point, ids[0], ours.ephemeral, role)
    if isinstance(ours, Initiator):
        assert ours.finish(point, None)[0] == key
    else:
        ours.respond(point)
        assert ours.finish(None) == key


def test_gmssl_derives_the_same_keys() -> None:
    """Its C3 is HMAC-SM3(K2, C2) where the standard's is SM3(C2‖K2); all before that is the same."""
    gmssl_pyx = pytest.importorskip("gmssl_pyx", reason="gmssl-pyx has no wheel for this machine")
    theirs = gmssl_pyx.SM9MasterKey.generate()
    ke = core.Sequence.load(theirs.to_der())[0].native.to_bytes(32, "big")
    master, key = sm9.master_public("encrypt", ke), sm9.user_key("encrypt", ke, b"Bob")
    assert core.Sequence.load(theirs.public_key().to_der())[0].contents[1:] == master
    assert core.Sequence.load(theirs.extract_key(b"Bob").to_der())[0].contents[1:] == key
    plaintext = os.urandom(40)
    kind, c1, c3, c2 = sm9_encoding.decode_ciphertext(theirs.public_key().encrypt(b"Bob", plaintext))
    derived = sm9.decapsulate(key, b"Bob", c1, 40 + 32)
    assert bytes(a ^ b for a, b in zip(derived, c2, strict=False)) == plaintext
    assert (kind, sm3.hmac(derived[40:], c2)) == (0, c3)
    derived, c1 = sm9.encapsulate(master, b"Bob", 40 + 32)
    c2 = bytes(a ^ b for a, b in zip(derived, plaintext, strict=False))
    sealed = sm9_encoding.encode_ciphertext(0, c1, sm3.hmac(derived[40:], c2), c2)
    assert theirs.extract_key(b"Bob").decrypt(b"Bob", sealed) == plaintext
