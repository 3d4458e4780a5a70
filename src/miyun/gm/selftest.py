"""Known-answer and pairwise self-tests of a provider.

`run` is meant for every start of a process that holds keys (GM/T 0028, 7.10): deterministic, below 100 ms, one answer
per algorithm taken from its standard. `run_vectors` runs whole folders of published vectors.
"""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

from miyun.gm import intl, kdf, rand, sm2, sm2_exchange, sm3, sm4, sm4_ff1, sm4_mac, sm4_modes, sm9, sm9_exchange, zuc
from miyun.gm.errors import DecryptionFailed, GmError, InvalidKey, InvalidSignature, SelfTestFailed
from miyun.gm.providers import Provider, provider, using
from miyun.gm.sm9_encoding import encode_signature as sm9_signature
from miyun.gm.vectors import FileReport, Report, run_vectors


@dataclass(frozen=True, slots=True)
class Result:
    """One passed self-test."""

    name: str
    provider: str
    milliseconds: float


def _h(text: str) -> bytes:
    return bytes.fromhex(text.replace(" ", ""))


def _same(got: object, expected: object) -> None:
    if got != expected:
        raise ValueError("wrong answer")


def _sm3() -> None:
    """GB/T 32905-2016, A.1 and A.2."""
    one = _h("66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0")
    two = _h("debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732")
    _same(sm3.digest_many([b"abc", b"abcd" * 16] * 9), [one, two] * 9)
    hasher = sm3.new(b"ab")
    hasher.update(b"c")
    _same(hasher.digest(), one)


def _hmac() -> None:
    """GM/T 0042-2015, D.3."""
    key = bytes(range(1, 33))
    message = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq" * 2
    tag = _h("ca05e144ed05d1857840d1f318a4a8669e559fc8391f414485bfdf7bb408963a")
    _same(sm3.hmac(key, message), tag)
    _same(sm3.hmac_many(key, [message] * 3), [tag] * 3)


def _kdf() -> None:
    _same(kdf.sm2_kdf(b"emmansun", 16), _h("708993ef1388a0ae4245a19bb6c02554"))
    okm = _h("c69fe91b7aaee2dd5718d72dcaee0cce93f1b8e41f792da51261b6a517e68b36ed2c595572b01dfa359b")
    _same(kdf.hkdf(b"\x0b" * 22, bytes(range(13)), bytes(range(0xF0, 0xFA)), 42), okm)
    derived = _h(
        "30530b86537c85ea33fbe26ee0adea8d8bd91d283b87936f400e83ad2364ef26"
        "32cd8662313657c0e6138ffeda2c4e6805869cbd8030188858d8a675ac762523"
    )
    _same(kdf.pbkdf2(b"passwd", b"salt", 1, 64), derived)
    secret = _h("2993b5fb3b571d7ace77bbaa5052d965662f4e98fd05ad3b7520a6d2958165f1e46c12723cad7d7eb496422e62d6c78e")
    seed = _h("34d334c8e54b2711c38bb284d48d8212fb5e95b0f7d30bc2e6ab0bf54059135c")
    _same(kdf.tlcp_prf(secret, b"server finished", seed, 12), _h("161415a8d1d03c2291c1d54e"))


_SM4_KEY = _h("0123456789abcdeffedcba9876543210")
_SPREAD = bytes((i * i >> 4 ^ 37 * i) & 255 for i in range(3200))
"""Data long enough for every width that a kernel has, and for what is left over behind it"""
_LAST_COUNTERS = b"\xff" * 15 + b"\xfa"
_LATE_WRAP = _h("dbf3673a03bed0367e1b74bbefc52662")
"""The nonce whose first counter is 150 below 2^32 under that key"""


def _sm3_widths() -> None:
    """Lanes and lengths: the digest of the digests is OpenSSL's."""
    sizes = (0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 183, 184, 247, 248, 300, 777, 3200, 5)
    items = [_SPREAD[:size] for size in sizes * 2]
    digests = sm3.digest_many(items)
    _same(digests, [sm3.digest(item) for item in items])
    _same(sm3.digest(b"".join(digests)), _h("6ea7d27573ceb4e36ca6863b3344fae2dd6b77ab9911fb5a444739d9b301ac2e"))


def _sm4_widths() -> None:
    """Every width and tail of the modes that run wide: the digest of what comes out is OpenSSL's."""
    parts = []
    for size in (16, 32, 256, 272, 528, 1040, 2080):
        data = _SPREAD[:size]
        parts += [sm4.encrypt_ecb(_SM4_KEY, data), sm4.decrypt_ecb(_SM4_KEY, data)]
        parts.append(sm4.decrypt_cbc(_SM4_KEY, _SM4_KEY, data, None))
    parts.append(sm4.encrypt_cbc(_SM4_KEY, _SM4_KEY, _SPREAD[:80], None))
    for size in (1, 15, 31, 127, 255, 257, 513, 1023, 1025, 3199):
        parts.append(sm4.ctr(_SM4_KEY, _LAST_COUNTERS, _SPREAD[:size]))
    _same(sm3.digest(b"".join(parts)), _h("0318b79d7105d9ea399b90f922fd7dd4b6f5d4bb102c88a2de726beb0f986254"))


def _sm4_gcm_widths() -> None:
    """The same for GCM, short messages in shared lanes and long ones in one pass; every wrong tag is refused."""
    sizes = (0, 1, 16, 64, 65, 239, 240, 241, 1000, 2047, 2048, 3100)
    items = [(_SPREAD[size : size + 12], _SPREAD[:size], _SPREAD[: size % 23]) for size in sizes]
    items += [(_SPREAD[:16], _SPREAD[:100], _SPREAD[:300]), (_LATE_WRAP, _SPREAD[:3100], b"")]
    sealed = sm4.gcm_encrypt_many(_SM4_KEY, items)
    _same(sm3.digest(b"".join(sealed)), _h("c171c81d52020486c63d95ddd735c87a478f48e256290e373e0cf9f166f4084e"))
    ready = sm4.GcmKey(_SM4_KEY)
    again = [(nonce, whole, aad) for (nonce, _, aad), whole in zip(items, sealed, strict=True)]
    _same(ready.decrypt_many(again), [data for _, data, _ in items])
    wrong = [(nonce, whole[:-1] + bytes([whole[-1] ^ 1]), aad) for nonce, whole, aad in again]
    _same(ready.decrypt_many(wrong), [None] * len(items))
    _same(ready.encrypt(*items[-1]), sealed[-1])


def _random() -> None:
    """The generator with given seeds: made with the block cipher of `cryptography`; then fresh bytes that differ."""
    _same(
        provider().random_kat(bytes(range(32)), bytes(range(16)), b"", 80),
        _h(
            "11586db851bb7f62b0a50334f1d71b3e8cfba574f0341938de039c2288bb516147363109518ca58bf90c9cecb6ea8da9"
            "4bd5032d5b15f6776012ef0099a7b398d1f9db469ab1e9caf9f54da56be69ee0"
        ),
    )
    _same(len({rand.token(16) for _ in range(4)}), 4)


def _sm4_ff1() -> None:
    """As BouncyCastle does it."""
    hidden = sm4_ff1.encrypt_text(_SM4_KEY, b"tweak", "0123456789")
    _same(hidden, "3685402476")
    _same(sm4_ff1.decrypt_text(_SM4_KEY, b"tweak", hidden), "0123456789")


def _sm4() -> None:
    """GB/T 32907-2016, A.1, then the same block through every mode that must agree with it."""
    block = _h("681edf34d206965e86b3e94f536e4246")
    _same(sm4.encrypt_ecb(_SM4_KEY, _SM4_KEY * 40), block * 40)
    _same(sm4.decrypt_ecb(_SM4_KEY, block * 40), _SM4_KEY * 40)
    _same(sm4.encrypt_cbc(_SM4_KEY, bytes(16), _SM4_KEY, None), block)
    _same(sm4.decrypt_cbc(_SM4_KEY, bytes(16), block, None), _SM4_KEY)
    _same(sm4.ctr(_SM4_KEY, _SM4_KEY, bytes(16)), block)


_GCM_PLAINTEXT = b"".join(bytes([value]) * 8 for value in _h("aabbccddeeffeeaa"))


def _sm4_gcm() -> None:
    """RFC 8998, A.1, and a refused tag."""
    nonce, aad = _h("00001234567800000000abcd"), _h("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    expected = _h(
        "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735"
        "d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d"
        "83de3541e4c2b58177e065a9bf7b62ec"
    )
    _same(sm4.encrypt_gcm(_SM4_KEY, nonce, _GCM_PLAINTEXT, aad), expected)
    _same(sm4.decrypt_gcm(_SM4_KEY, nonce, expected, aad), _GCM_PLAINTEXT)
    _refused(DecryptionFailed, lambda: sm4.decrypt_gcm(_SM4_KEY, nonce, expected[:-1] + b"\xed", aad))


_MODES_KEY, _MODES_IV = _h("2b7e151628aed2a6abf7158809cf4f3c"), bytes(range(16))
_MODES_PLAINTEXT = _h(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52ef"
    "f69f2445df4f9b17ad2b417be66c3710"
)


def _sm4_modes() -> None:
    """GB/T 17964-2021: BC, OFBNLF, HCTR and XTS; CFB and OFB; both doublings of XTS with a stolen block."""
    key, iv, plaintext = _MODES_KEY, _MODES_IV, _MODES_PLAINTEXT
    bc = _h(
        "ac529af989a62fce9cddc5ffb84125cafb8cde77339ffe481d113c40bbd5b6786ffc9916f98f94ff12d78319707e2404"
        "28718707605bc1eac503153ebaa0fb1d"
    )
    _same((sm4_modes.encrypt_bc(key, iv, plaintext), sm4_modes.decrypt_bc(key, iv, bc)), (bc, plaintext))
    nlf = _h(
        "00a5b5c9e645557c20ce7f267736f308a18037828850b9d78883ca622851f86cb7caefdfb6d4caba6ae2d2fce369ceb3"
        "1001dd71fdda9341f8d221cb720ff27b"
    )
    _same((sm4_modes.encrypt_ofbnlf(key, iv, plaintext), sm4_modes.decrypt_ofbnlf(key, iv, nlf)), (nlf, plaintext))
    tweak = bytes(range(0xF0, 0x100))
    hctr = _h(
        "9cd7481d3b7ca904b14b4084d9d4c83ed39eac8e16747895fc2ae1eecd220276af3d0d2f21cb3807561347c81ad13811"
        "7dd85c652afe16a47dc68eb884068ae3"
    )
    _same(sm4_modes.encrypt_hctr(key, iv, tweak, plaintext), hctr)
    _same(sm4_modes.decrypt_hctr(key, iv, tweak, hctr), plaintext)
    cfb = _h("693d9a535bad5bb1786f53d7253a70569ed258a85a0467cc92aab393dd978995")
    _same(
        sm4_modes.encrypt_cfb(_SM4_KEY, _SM4_KEY, _SM4_KEY * 2),
        cfb,
    )
    _same(
        sm4_modes.decrypt_cfb(_SM4_KEY, _SM4_KEY, cfb),
        _SM4_KEY * 2,
    )
    stream = sm4.encrypt_ecb(_SM4_KEY, _SM4_KEY)
    _same(sm4_modes.ofb(_SM4_KEY, _SM4_KEY, bytes(32)), stream + sm4.encrypt_ecb(_SM4_KEY, stream))
    key, sector, plaintext = (
        _h("56ffcc9bbbdf413f0fc0f888f44b7493bb1925a39b8adf02d9009bb16db0a887"),
        _h("90000000000000000000000000000000"),
        _h("9a839cc14363bafcfc0cc93b14f8e769d35b94cc98267438e3"),
    )
    gb = _h("f04f3f16b354cccdc39fc664ec7f8db010a83bcacbc5c96353")
    ieee = _h("af027012c829206c32a31706999d046f10a83bcacbc5c96353")
    _same(sm4_modes.encrypt_xts(key, sector, plaintext, standard="GB"), gb)
    _same(sm4_modes.decrypt_xts(key, sector, gb, standard="GB"), plaintext)
    _same(sm4_modes.encrypt_xts(key, sector, plaintext, standard="IEEE"), ieee)
    _same(sm4_modes.decrypt_xts(key, sector, ieee, standard="IEEE"), plaintext)


def _sm4_ccm() -> None:
    """RFC 8998, A.2, and a refused tag."""
    nonce, aad = _h("00001234567800000000abcd"), _h("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    expected = _h(
        "48af93501fa62adbcd414cce6034d895dda1bf8f132f042098661572e7483094fd12e518ce062c98acee28d95df4416b"
        "ed31a2f04476c18bb40c84a74b97dc5b16842d4fa186f56ab33256971fa110f4"
    )
    _same(sm4.encrypt_ccm(_SM4_KEY, nonce, _GCM_PLAINTEXT, aad), expected)
    _same(sm4.decrypt_ccm(_SM4_KEY, nonce, expected, aad), _GCM_PLAINTEXT)
    _refused(DecryptionFailed, lambda: sm4.decrypt_ccm(_SM4_KEY, nonce, expected[:-1] + b"\xed", aad))


def _sm4_mac() -> None:
    """GB/T 15852.1: algorithms 1, 2 and 5, and a refused tag."""
    message = _h("54686973206973207468652074657374206d65737361676520")
    key2 = _h("4149d2aded9456681ec8b511d9e7ee04")
    _same(sm4_mac.cbc_mac(_SM4_KEY, message, padding="M3"), _h("6a4a86f5b5e468dad27df25fb9d9be16"))
    _same(sm4_mac.emac(_SM4_KEY, key2, message, padding="M2"), _h("f02625cead008d4efbf3f0b2b0c2a75b"))
    _same(sm4_mac.cmac(_SM4_KEY, b""), _h("29e154322e5c7bd8ee6a25ba549b24bc"))
    sm4_mac.cmac_verify(_SM4_KEY, message, _h("4738a6c760b280fc0c8a8af3886e9f5d"))
    _refused(InvalidSignature, lambda: sm4_mac.cmac_verify(_SM4_KEY, message, bytes(16)))


def _zuc() -> None:
    """GB/T 33133.1, 33133.2 and 33133.3: keystream, 128-EEA3, 128-EIA3, and a refused MAC."""
    _same(zuc.keystream(bytes(16), bytes(16), 2), _h("27bede74018082da"))
    _same(zuc.keystream(b"\xff" * 16, b"\xff" * 16, 2), _h("0657cfa07096398b"))
    ciphertext = _h("a6c85fc66afb8533aafc2518dfe784940ee1e4b030238cc8")
    plaintext = _h("6cf65340735552ab0c9752fa6f9025fe0bd675d9005875b2")
    _same(zuc.eea3(_h("173d14ba5003731d7a60049470f00a29"), 0x66035492, 15, 0, plaintext), ciphertext)
    _same(zuc.eia3(bytes(16), 0, 0, 0, bytes(4), 1), _h("c8a9595e"))
    key, message = _h("47054125561eb2dda94059da05097850"), bytes(12)
    _same(zuc.eia3(key, 0x561EB2DD, 20, 0, message), _h("89a58b47"))
    _refused(InvalidSignature, lambda: zuc.eia3_verify(key, 0x561EB2DD, 20, 0, message, bytes(4)))


_D = _h("3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8")
_K = _h("59276e27d506861a16680f3ad9c02dccef3cc1fa3cdbe4ce6d54b80deac1bc21")
_PUBLIC = _h(
    "04 09f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020"
    "ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13"
)


def _sm2_sign() -> None:
    """GB/T 32918.5-2017, A.2, and a refused signature."""
    signature = sm2.encode_signature(
        0xF5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3,
        0xB1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA,
    )
    e = sm2.message_digest(_PUBLIC, b"message digest")
    _same(e, _h("f0b43e94ba45accaace692ed534382eb17e6ab5a19ce7b31f4486fdfc0d28640"))
    _same(sm2.public_key(_D), _PUBLIC)
    _same(provider().sm2_sign_kat(_D, e, _K), signature)
    bad = signature[:-1] + bytes([signature[-1] ^ 1])
    _same(sm2.verify_digest_many([(_PUBLIC, e, signature), (_PUBLIC, e, bad)]), [True, False])
    _same(sm2.verify_many([(_PUBLIC, b"message digest", signature), (_PUBLIC, b"other", signature)]), [True, False])


def _sm2_encrypt() -> None:
    """GB/T 32918.5-2017, C.2, and a refused ciphertext."""
    plaintext = b"encryption standard"
    ciphertext = _h(
        "04 04ebfc718e8d1798620432268e77feb6415e2ede0e073c0f4f640ecd2e149a73"
        "e858f9d81e5430a57b36daab8f950a3c64e6ee6a63094d99283aff767e124df0"
        "59983c18f809e262923c53aec295d30383b54e39d609d160afcb1908d0bd8766"
        "21886ca989ca9c7d58087307ca93092d651efa"
    )
    _same(provider().sm2_encrypt_kat(_PUBLIC, plaintext, _K), ciphertext)
    _same(sm2.decrypt(_D, ciphertext, "c1c3c2"), plaintext)
    _refused(DecryptionFailed, lambda: sm2.decrypt(_D, ciphertext[:-1] + b"\0", "c1c3c2"))


def _sm2_exchange() -> None:
    """GB/T 32918.5-2017, B.2, from both sides, and a refused confirmation."""
    d_a = _h("81eb26e941bb5af16df116495f90695272ae2cd63d6c4ae1678418be48230029")
    d_b = _h("785129917d45a9ea5437a59356b82338eaadda6ceb199088f14ae10defa229b5")
    r_a = _h("d4de15474db74d06491c440d305e012400990f3e390c7e87153c12db2ea60bb3")
    r_b = _h("7e07124814b309489125eaed101113164ebf0f3458c5bd88335c1f9d596243d6")
    a, b = sm2_exchange.Party(sm2.public_key(d_a)), sm2_exchange.Party(sm2.public_key(d_b))
    agreed = sm2_exchange.Agreed(
        _h("6c89347354de2484c60b4ab1fde4c6e5"),
        _h("18c7894b3816df16cf07b05c5ec0bef5d655d58f779cc1b400a4f3884644db88"),
        _h("d3a0fe15dee185ceae907a6b595cc32a266ed7b3367e9983a896dc32fa20f8eb"),
    )
    _same(sm2_exchange.agree_kat(True, d_a, sm2.DEFAULT_ID, r_a, b, sm2.public_key(r_b), 16), agreed)
    _same(sm2_exchange.agree_kat(False, d_b, sm2.DEFAULT_ID, r_b, a, sm2.public_key(r_a), 16), agreed)
    initiator = sm2_exchange.Initiator(d_a, sm2.DEFAULT_ID, b, 16)
    _refused(InvalidSignature, lambda: initiator.finish(sm2.public_key(r_b), bytes(32)))


def _sm9_sign() -> None:
    """GM/T 0044.5-2016, A; a refused signature, and a point of the twist that is not in G2; the tables of multiples."""
    secret = _h("000130e78459d78545cb54c587e02cf480ce0b66340f319f348a1d5b1f2dc5f4")
    master = _h(
        "049f64080b3084f733e48aff4b41b565011ce0711c5e392cfb0ab1b6791b94c40829dba116152d1f786ce843ed24a3b5"
        "73414d2177386a92dd8f14d65696ea5e3269850938abea0112b57329f447e3a0cbad3e2fdb1a77f335e89e1408d0ef1c"
        "2541e00a53dda532da1a7ce027b7a46f741006e85f5cdff0730e75c05fb4e3216d"
    )
    key, message = sm9.user_key("sign", secret, b"Alice"), b"Chinese IBS standard"
    raw = _h(
        "823c4b21e4bd2dfe1ed92c606653e996668563152fc33f55d7bfbb9bd9705adb0473bf96923ce58b6ad0e13e9643a406"
        "d8eb98417c50ef1b29cef9adb48b6d598c856712f1c2e0968ab7769f42a99586aed139d5b8b3e15891827cc2aced9baa"
        "05"
    )
    _same(sm9.master_public("sign", secret), master)
    r = _h("00033c8616b06704813203dfd00965022ed15975c662337aed648835dc4b1cbe")
    _same(provider().sm9_sign(master, key, message, r), raw)
    sm9.verify(master, b"Alice", message, sm9_signature(raw[:32], raw[32:]))
    _refused(InvalidSignature, lambda: sm9.verify(master, b"Bob", message, sm9_signature(raw[:32], raw[32:])))
    outside = _h(
        "040000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
        "00000000000000000000000000000000010453e9be88d22ccfe209a420669cac8b9ec1fccf14061eb8bd714e6a1f6a3e"
        "e179a8eb911912ef24a4a0796b7a21a0935854b7cb00ee547f244a76f4c3718630"
    )
    _refused(InvalidKey, lambda: sm9.check_master_public("sign", outside))
    _same(provider().sm9_tables_hold(), True)


def _sm9_encrypt() -> None:
    """GM/T 0044.5-2016, D, and a refused ciphertext."""
    secret = _h("0001edee3778f441f8dea3d9fa0acc4e07ee36c93f9a08618af4ad85cede1c22")
    r = _h("0000aac0541779c8fc45e3e2cb25c12b5d2576b2129ae8bb5ee2cbe5ec9e785c")
    master, key = sm9.master_public("encrypt", secret), sm9.user_key("encrypt", secret, b"Bob")
    plaintext = b"Chinese IBE standard"
    ciphertext = _h(
        "2445471164490618e1ee20528ff1d545b0f14c8bcaa44544f03dab5dac07d8ff42ffca97d57cddc05ea405f2e586feb3"
        "a6930715532b8000759f13059ed59ac0ba672387bcd6de5016a158a52bb2e7fc429197bcab70b25afee37a2b9db9f367"
        "1b5f5b0e951489682f3e64e1378cdd5da9513b1c"
    )
    _same(sm9.encrypt_kat(master, b"Bob", plaintext, "xor", "c1c3c2", r), ciphertext)
    _same(sm9.decrypt(key, b"Bob", ciphertext, "c1c3c2"), plaintext)
    _refused(DecryptionFailed, lambda: sm9.decrypt(key, b"Bob", b"\0" + ciphertext[1:], "c1c3c2"))


def _sm9_exchange() -> None:
    """GM/T 0044.5-2016, B, from both sides."""
    secret = _h("0002e65b0762d042f51f0d23542b13ed8cfa2e9a0e7206361e013a283905e31f")
    master = sm9.master_public("exchange", secret)
    a, b = (sm9.user_key("exchange", secret, user_id) for user_id in (b"Alice", b"Bob"))
    first = sm9_exchange.Initiator(master, a, b"Alice", b"Bob", 16)
    second = sm9_exchange.Responder(master, b, b"Bob", b"Alice", 16)
    sm9_exchange.start_kat(first, _h("00005879dd1d51e175946f23b1b41e93ba31c584ae59a426ec1046a4d03b06c8"))
    sm9_exchange.start_kat(second, _h("00018b98c44bef9f8537fb7d071b2c928b3bc65bd3d69e1eee213564905634fe"))
    s_b = second.respond(first.ephemeral)
    _same(s_b, _h("3bb4bcee8139c960b4d6566db1e0d5f0b2767680e5e1bf934103e6c66e40ffee"))
    key, s_a = first.finish(second.ephemeral, s_b)
    _same(
        (key, s_a),
        (
            _h("c5c13a8f59a97cdeae64f16a2272a9e7"),
            _h("195d1b7256ba7e0e67c71202a25f8c94ff8241702c2f55d613ae1c6b98215172"),
        ),
    )
    _same(second.finish(s_a), key)


def _sm2_tables() -> None:
    """Every entry of the tables and every lane, against the portable code."""
    fault = provider().sm2_fault()
    if fault:
        raise ValueError(fault)


def _sm2_pairwise() -> None:
    """A fresh key signs what it verifies and decrypts what it encrypts (GM/T 0028, 7.10.3.3)."""
    ((d, public),) = sm2.generate_many(1)
    _same(sm2.public_key(d), public)
    sm2.check_public_key(public)
    sm2.verify(public, b"pairwise", sm2.sign(d, b"pairwise"))
    _refused(InvalidSignature, lambda: sm2.verify(public, b"pairwise", sm2.sign(_D, b"pairwise")))
    _same(sm2.decrypt(d, sm2.encrypt(public, b"pairwise")), b"pairwise")


def _aes_gcm() -> None:
    """NIST GCM test case 2."""
    _same(
        intl.aes_gcm_encrypt(bytes(16), bytes(12), bytes(16)),
        _h("0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf"),
    )


def _ecdsa_pairwise() -> None:
    key = intl.ecdsa_p256_generate()
    intl.ecdsa_p256_verify(intl.public_key(key), b"pairwise", intl.ecdsa_p256_sign(key, b"pairwise"))


def _refused(error: type[GmError], attempt: Callable[[], object]) -> None:
    try:
        attempt()
    except error:
        return
    raise ValueError("accepted what is wrong")


_TESTS: tuple[tuple[str, Callable[[], None]], ...] = (
    ("SM3", _sm3),
    ("SM3 widths", _sm3_widths),
    ("HMAC-SM3", _hmac),
    ("KDF", _kdf),
    ("SM4", _sm4),
    ("SM4 widths", _sm4_widths),
    ("SM4-GCM", _sm4_gcm),
    ("SM4-GCM widths", _sm4_gcm_widths),
    ("SM4-CCM", _sm4_ccm),
    ("SM4 further modes", _sm4_modes),
    ("SM4 MACs", _sm4_mac),
    ("SM4-FF1", _sm4_ff1),
    ("random generator", _random),
    ("ZUC", _zuc),
    ("SM2 signature", _sm2_sign),
    ("SM2 encryption", _sm2_encrypt),
    ("SM2 key exchange", _sm2_exchange),
    ("SM2 tables and lanes", _sm2_tables),
    ("SM2 pairwise consistency", _sm2_pairwise),
    ("SM9 signature", _sm9_sign),
    ("SM9 encryption", _sm9_encrypt),
    ("SM9 key exchange", _sm9_exchange),
    ("AES-GCM", _aes_gcm),
    ("ECDSA pairwise consistency", _ecdsa_pairwise),
)


def run(on: Provider | None = None) -> list[Result]:
    """Run all self-tests on the serving provider, or on the given one; SelfTestFailed names the first that fails."""
    serving = on or provider()
    results = []
    with using(serving):
        for name, test in _TESTS:
            start = perf_counter()
            try:
                test()
            except (GmError, ValueError) as why:
                raise SelfTestFailed(f"{name} on {serving.name}") from why
            results.append(Result(name, serving.name, 1000 * (perf_counter() - start)))
    return results


__all__ = ["FileReport", "Report", "Result", "run", "run_vectors"]
