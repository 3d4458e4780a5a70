"""SM4 in its modes, ZUC, and AES-GCM."""

from miyun.gm import intl, sm3, sm4, sm4_ff1, sm4_mac, sm4_modes, zuc
from miyun.gm.errors import DecryptionFailed, InvalidSignature
from miyun.gm.selftest.answer import octets, refused, same
from miyun.gm.selftest.data import SPREAD

_SM4_KEY = octets("0123456789abcdeffedcba9876543210")
_LAST_COUNTERS = b"\xff" * 15 + b"\xfa"
_LATE_WRAP = octets("dbf3673a03bed0367e1b74bbefc52662")
"""The nonce whose first counter is 150 below 2^32 under that key"""


def _sm4() -> None:
    """GB/T 32907-2016, A.1, then the same block through every mode that must agree with it."""
    block = octets("681edf34d206965e86b3e94f536e4246")
    same(sm4.encrypt_ecb(_SM4_KEY, _SM4_KEY * 40), block * 40)
    same(sm4.decrypt_ecb(_SM4_KEY, block * 40), _SM4_KEY * 40)
    same(sm4.encrypt_cbc(_SM4_KEY, bytes(16), _SM4_KEY, None), block)
    same(sm4.decrypt_cbc(_SM4_KEY, bytes(16), block, None), _SM4_KEY)
    same(sm4.ctr(_SM4_KEY, _SM4_KEY, bytes(16)), block)


def _sm4_widths() -> None:
    """Every width and tail of the modes that run wide: the digest of what comes out is OpenSSL's."""
    parts = []
    for size in (16, 32, 256, 272, 528, 1040, 2080):
        data = SPREAD[:size]
        parts += [sm4.encrypt_ecb(_SM4_KEY, data), sm4.decrypt_ecb(_SM4_KEY, data)]
        parts.append(sm4.decrypt_cbc(_SM4_KEY, _SM4_KEY, data, None))
    parts.append(sm4.encrypt_cbc(_SM4_KEY, _SM4_KEY, SPREAD[:80], None))
    for size in (1, 15, 31, 127, 255, 257, 513, 1023, 1025, 3199):
        parts.append(sm4.ctr(_SM4_KEY, _LAST_COUNTERS, SPREAD[:size]))
    same(sm3.digest(b"".join(parts)), octets("0318b79d7105d9ea399b90f922fd7dd4b6f5d4bb102c88a2de726beb0f986254"))


_GCM_PLAINTEXT = b"".join(bytes([value]) * 8 for value in octets("aabbccddeeffeeaa"))


def _sm4_gcm() -> None:
    """RFC 8998, A.1, and a refused tag."""
    nonce, aad = octets("00001234567800000000abcd"), octets("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    expected = octets(
        "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735"
        "d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d"
        "83de3541e4c2b58177e065a9bf7b62ec"
    )
    same(sm4.encrypt_gcm(_SM4_KEY, nonce, _GCM_PLAINTEXT, aad), expected)
    same(sm4.decrypt_gcm(_SM4_KEY, nonce, expected, aad), _GCM_PLAINTEXT)
    refused(DecryptionFailed, lambda: sm4.decrypt_gcm(_SM4_KEY, nonce, expected[:-1] + b"\xed", aad))


def _sm4_gcm_widths() -> None:
    """The same for GCM, short messages in shared lanes and long ones in one pass; every wrong tag is refused."""
    sizes = (0, 1, 16, 64, 65, 239, 240, 241, 1000, 2047, 2048, 3100)
    items = [(SPREAD[size : size + 12], SPREAD[:size], SPREAD[: size % 23]) for size in sizes]
    items += [(SPREAD[:16], SPREAD[:100], SPREAD[:300]), (_LATE_WRAP, SPREAD[:3100], b"")]
    sealed = sm4.gcm_encrypt_many(_SM4_KEY, items)
    same(sm3.digest(b"".join(sealed)), octets("c171c81d52020486c63d95ddd735c87a478f48e256290e373e0cf9f166f4084e"))
    ready = sm4.GcmKey(_SM4_KEY)
    again = [(nonce, whole, aad) for (nonce, _, aad), whole in zip(items, sealed, strict=True)]
    same(ready.decrypt_many(again), [data for _, data, _ in items])
    wrong = [(nonce, whole[:-1] + bytes([whole[-1] ^ 1]), aad) for nonce, whole, aad in again]
    same(ready.decrypt_many(wrong), [None] * len(items))
    same(ready.encrypt(*items[-1]), sealed[-1])


_MODES_KEY, _MODES_IV = octets("2b7e151628aed2a6abf7158809cf4f3c"), bytes(range(16))
_MODES_PLAINTEXT = octets(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52ef"
    "f69f2445df4f9b17ad2b417be66c3710"
)


def _sm4_modes() -> None:
    """GB/T 17964-2021: BC, OFBNLF, HCTR and XTS; CFB and OFB; both doublings of XTS with a stolen block."""
    key, iv, plaintext = _MODES_KEY, _MODES_IV, _MODES_PLAINTEXT
    bc = octets(
        "ac529af989a62fce9cddc5ffb84125cafb8cde77339ffe481d113c40bbd5b6786ffc9916f98f94ff12d78319707e2404"
        "28718707605bc1eac503153ebaa0fb1d"
    )
    same((sm4_modes.encrypt_bc(key, iv, plaintext), sm4_modes.decrypt_bc(key, iv, bc)), (bc, plaintext))
    nlf = octets(
        "00a5b5c9e645557c20ce7f267736f308a18037828850b9d78883ca622851f86cb7caefdfb6d4caba6ae2d2fce369ceb3"
        "1001dd71fdda9341f8d221cb720ff27b"
    )
    same((sm4_modes.encrypt_ofbnlf(key, iv, plaintext), sm4_modes.decrypt_ofbnlf(key, iv, nlf)), (nlf, plaintext))
    tweak = bytes(range(0xF0, 0x100))
    hctr = octets(
        "9cd7481d3b7ca904b14b4084d9d4c83ed39eac8e16747895fc2ae1eecd220276af3d0d2f21cb3807561347c81ad13811"
        "7dd85c652afe16a47dc68eb884068ae3"
    )
    same(sm4_modes.encrypt_hctr(key, iv, tweak, plaintext), hctr)
    same(sm4_modes.decrypt_hctr(key, iv, tweak, hctr), plaintext)
    cfb = octets("693d9a535bad5bb1786f53d7253a70569ed258a85a0467cc92aab393dd978995")
    same(
        sm4_modes.encrypt_cfb(_SM4_KEY, _SM4_KEY, _SM4_KEY * 2),
        cfb,
    )
    same(
        sm4_modes.decrypt_cfb(_SM4_KEY, _SM4_KEY, cfb),
        _SM4_KEY * 2,
    )
    stream = sm4.encrypt_ecb(_SM4_KEY, _SM4_KEY)
    same(sm4_modes.ofb(_SM4_KEY, _SM4_KEY, bytes(32)), stream + sm4.encrypt_ecb(_SM4_KEY, stream))
    key, sector, plaintext = (
        octets("56ffcc9bbbdf413f0fc0f888f44b7493bb1925a39b8adf02d9009bb16db0a887"),
        octets("90000000000000000000000000000000"),
        octets("9a839cc14363bafcfc0cc93b14f8e769d35b94cc98267438e3"),
    )
    gb = octets("f04f3f16b354cccdc39fc664ec7f8db010a83bcacbc5c96353")
    ieee = octets("af027012c829206c32a31706999d046f10a83bcacbc5c96353")
    same(sm4_modes.encrypt_xts(key, sector, plaintext, standard="GB"), gb)
    same(sm4_modes.decrypt_xts(key, sector, gb, standard="GB"), plaintext)
    same(sm4_modes.encrypt_xts(key, sector, plaintext, standard="IEEE"), ieee)
    same(sm4_modes.decrypt_xts(key, sector, ieee, standard="IEEE"), plaintext)


def _sm4_ccm() -> None:
    """RFC 8998, A.2, and a refused tag."""
    nonce, aad = octets("00001234567800000000abcd"), octets("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    expected = octets(
        "48af93501fa62adbcd414cce6034d895dda1bf8f132f042098661572e7483094fd12e518ce062c98acee28d95df4416b"
        "ed31a2f04476c18bb40c84a74b97dc5b16842d4fa186f56ab33256971fa110f4"
    )
    same(sm4.encrypt_ccm(_SM4_KEY, nonce, _GCM_PLAINTEXT, aad), expected)
    same(sm4.decrypt_ccm(_SM4_KEY, nonce, expected, aad), _GCM_PLAINTEXT)
    refused(DecryptionFailed, lambda: sm4.decrypt_ccm(_SM4_KEY, nonce, expected[:-1] + b"\xed", aad))


def _sm4_mac() -> None:
    """GB/T 15852.1: algorithms 1, 2 and 5, and a refused tag."""
    message = octets("54686973206973207468652074657374206d65737361676520")
    key2 = octets("4149d2aded9456681ec8b511d9e7ee04")
    same(sm4_mac.cbc_mac(_SM4_KEY, message, padding="M3"), octets("6a4a86f5b5e468dad27df25fb9d9be16"))
    same(sm4_mac.emac(_SM4_KEY, key2, message, padding="M2"), octets("f02625cead008d4efbf3f0b2b0c2a75b"))
    same(sm4_mac.cmac(_SM4_KEY, b""), octets("29e154322e5c7bd8ee6a25ba549b24bc"))
    sm4_mac.cmac_verify(_SM4_KEY, message, octets("4738a6c760b280fc0c8a8af3886e9f5d"))
    refused(InvalidSignature, lambda: sm4_mac.cmac_verify(_SM4_KEY, message, bytes(16)))


def _sm4_ff1() -> None:
    """As BouncyCastle does it."""
    hidden = sm4_ff1.encrypt_text(_SM4_KEY, b"tweak", "0123456789")
    same(hidden, "3685402476")
    same(sm4_ff1.decrypt_text(_SM4_KEY, b"tweak", hidden), "0123456789")


def _zuc() -> None:
    """GB/T 33133.1, 33133.2 and 33133.3: keystream, 128-EEA3, 128-EIA3, and a refused MAC."""
    same(zuc.keystream(bytes(16), bytes(16), 2), octets("27bede74018082da"))
    same(zuc.keystream(b"\xff" * 16, b"\xff" * 16, 2), octets("0657cfa07096398b"))
    ciphertext = octets("a6c85fc66afb8533aafc2518dfe784940ee1e4b030238cc8")
    plaintext = octets("6cf65340735552ab0c9752fa6f9025fe0bd675d9005875b2")
    same(zuc.eea3(octets("173d14ba5003731d7a60049470f00a29"), 0x66035492, 15, 0, plaintext), ciphertext)
    same(zuc.eia3(bytes(16), 0, 0, 0, bytes(4), 1), octets("c8a9595e"))
    key, message = octets("47054125561eb2dda94059da05097850"), bytes(12)
    same(zuc.eia3(key, 0x561EB2DD, 20, 0, message), octets("89a58b47"))
    refused(InvalidSignature, lambda: zuc.eia3_verify(key, 0x561EB2DD, 20, 0, message, bytes(4)))


def _aes_gcm() -> None:
    """NIST GCM test case 2."""
    same(
        intl.aes_gcm_encrypt(bytes(16), bytes(12), bytes(16)),
        octets("0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf"),
    )


TESTS = (
    ("SM4", _sm4),
    ("SM4 widths", _sm4_widths),
    ("SM4-GCM", _sm4_gcm),
    ("SM4-GCM widths", _sm4_gcm_widths),
    ("SM4-CCM", _sm4_ccm),
    ("SM4 further modes", _sm4_modes),
    ("SM4 MACs", _sm4_mac),
    ("SM4-FF1", _sm4_ff1),
    ("ZUC", _zuc),
    ("AES-GCM", _aes_gcm),
)
