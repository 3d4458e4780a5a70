"""Batches of random cases that others' libraries answer too: gmssl-pyx, gmalglib, tongsuopy, cryptography, libcrypto.

Every function takes a source of random numbers and about how many cases to make, lets every provider of this machine
answer them, and returns how many cases were compared. A difference fails with the inputs in the message.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

import gmalglib.sm2
import gmalglib.zuc
import gmssl_pyx
from cryptography.hazmat.decrepit.ciphers import modes as decrepit
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from tongsuopy.crypto import exceptions as tongsuo_exceptions
from tongsuopy.crypto import hashes as tongsuo_hashes
from tongsuopy.crypto.asymciphers import ec
from tongsuopy.crypto.ciphers import Cipher as TongsuoCipher
from tongsuopy.crypto.ciphers import algorithms as tongsuo_algorithms
from tongsuopy.crypto.ciphers import modes as tongsuo_modes

from miyun.gm import kdf, sm2, sm3, sm4, sm4_modes, zuc
from miyun.gm.providers import providers, using

BATCH = 256
ID = sm2.DEFAULT_ID


def same(what: str, inputs: Sequence[object], ours: Sequence[object], theirs: Sequence[object]) -> None:
    for given, mine, other in zip(inputs, ours, theirs, strict=True):
        assert mine == other, f"{what}: {given!r}: {mine!r} and {other!r}"


def on_all(call: Callable[[], list], what: str, inputs: Sequence[object], theirs: Sequence[object]) -> None:
    for provider in providers():
        with using(provider):
            same(f"{what} on {provider.name}", inputs, call(), theirs)


def batches(count: int, size: int = BATCH) -> Iterator[int]:
    while count > 0:
        yield min(size, count)
        count -= size


def sizes(rng: random.Random, count: int) -> list[int]:
    """Mostly short, about the edges of blocks and lanes; now and then some thousands of bytes."""
    return [rng.choice((rng.randrange(130), rng.randrange(20), 16 * rng.randrange(12))) for _ in range(count - 1)] + [
        rng.randrange(6000)
    ]


def sm3_digests(rng: random.Random, count: int) -> int:
    for take in batches(count):
        items = [rng.randbytes(size) for size in sizes(rng, take)]
        theirs = [gmssl_pyx.sm3_hash(item) for item in items]
        same("gmssl-pyx and cryptography", items, theirs, [_digest(item) for item in items])
        on_all(lambda items=items: sm3.digest_many(items), "SM3 of many", items, theirs)
        on_all(lambda items=items: [sm3.digest(items[-1])], "SM3", items[-1:], theirs[-1:])
    return count


def _digest(data: bytes) -> bytes:
    context = hashes.Hash(hashes.SM3())
    context.update(data)
    return context.finalize()


def hmacs(rng: random.Random, count: int) -> int:
    for take in batches(count):
        key = rng.randbytes(rng.choice((16, 32, 63, 64)))
        items = [rng.randbytes(size) for size in sizes(rng, take)]
        theirs = [gmssl_pyx.sm3_hmac(key, item) for item in items]
        same("gmssl-pyx and cryptography", items, theirs, [_hmac(key, item) for item in items])
        on_all(lambda key=key, items=items: sm3.hmac_many(key, items), f"HMAC {key!r}", items, theirs)
    return count


def _hmac(key: bytes, data: bytes) -> bytes:
    context = hmac.HMAC(key, hashes.SM3())
    context.update(data)
    return context.finalize()


def _sealed(mode: object, key: bytes, data: bytes) -> bytes:
    context = Cipher(algorithms.SM4(key), mode).encryptor()  # type: ignore[arg-type]
    return context.update(data) + context.finalize()


def _tongsuo(name: str, key: bytes, iv: bytes, data: bytes) -> bytes:
    mode = getattr(tongsuo_modes, name)
    made = mode() if name == "ECB" else mode(iv)
    context = TongsuoCipher(tongsuo_algorithms.SM4(key), made).encryptor()
    return context.update(data) + context.finalize()


SM4 = {
    "ECB": (sm4.encrypt_ecb, sm4.decrypt_ecb, lambda iv: modes.ECB(), True),
    "CBC": (sm4.encrypt_cbc, sm4.decrypt_cbc, modes.CBC, True),
    "CTR": (sm4.ctr, sm4.ctr, modes.CTR, False),
    "CFB": (sm4_modes.encrypt_cfb, sm4_modes.decrypt_cfb, decrepit.CFB, False),
    "OFB": (sm4_modes.ofb, sm4_modes.ofb, decrepit.OFB, False),
}


def sm4_modes_of_operation(rng: random.Random, count: int) -> int:
    """ECB, CBC, CTR, CFB and OFB, there and back; one in sixteen also by tongsuopy."""
    for take in batches(count, 64):
        name = rng.choice(list(SM4))
        encrypt, decrypt, mode, whole = SM4[name]
        key = rng.randbytes(16)
        cases = []
        for size in sizes(rng, take):
            cases.append((rng.randbytes(16), rng.randbytes(size // 16 * 16 if whole else size)))
        theirs = [_sealed(mode(iv), key, data) for iv, data in cases]
        some = [index for index in range(take) if index % 16 == 0]
        by_tongsuo = [_tongsuo(name, key, *cases[index]) for index in some]
        same(f"tongsuopy and cryptography, {name}", some, by_tongsuo, [theirs[index] for index in some])
        more: tuple = (None,) if name == "CBC" else ()

        def sealed(encrypt=encrypt, key=key, cases=cases, name=name, more=more) -> list[bytes]:
            return [encrypt(key, *((data,) if name == "ECB" else (iv, data)), *more) for iv, data in cases]

        def opened(decrypt=decrypt, key=key, cases=cases, name=name, more=more, theirs=theirs) -> list[bytes]:
            pairs = zip(cases, theirs, strict=True)
            return [decrypt(key, *((other,) if name == "ECB" else (iv, other)), *more) for (iv, _), other in pairs]

        on_all(sealed, f"SM4-{name} {key!r}", cases, theirs)
        on_all(opened, f"SM4-{name} {key!r}, back", cases, [data for _, data in cases])
    return count


def gcm(rng: random.Random, count: int) -> int:
    """Many under one key, there and back, and none opens with a bit changed."""
    for take in batches(count, 64):
        key = rng.randbytes(16)
        items = [
            (rng.randbytes(12), rng.randbytes(size), rng.randbytes(rng.randrange(40))) for size in sizes(rng, take)
        ]
        theirs = [_gcm(key, *item) for item in items]
        some = [(item, other) for item, other in zip(items, theirs, strict=True) if item[1]]  # it refuses empty ones
        by_gmssl = [b"".join(gmssl_pyx.sm4_gcm_encrypt(key, nonce, aad, data)) for (nonce, data, aad), _ in some]
        same("gmssl-pyx and cryptography, GCM", some, by_gmssl, [other for _, other in some])
        on_all(lambda key=key, items=items: sm4.gcm_encrypt_many(key, items), f"GCM {key!r}", items, theirs)
        back = [(nonce, other, aad) for (nonce, _, aad), other in zip(items, theirs, strict=True)]
        plain = [data for _, data, _ in items]
        on_all(lambda key=key, back=back: sm4.gcm_decrypt_many(key, back), f"GCM {key!r}, back", items, plain)
        wrong = [(nonce, _flipped(rng, other), aad) for nonce, other, aad in back]
        nothing = [None] * take
        on_all(lambda key=key, wrong=wrong: sm4.gcm_decrypt_many(key, wrong), f"GCM {key!r}, changed", wrong, nothing)
    return count


def _gcm(key: bytes, nonce: bytes, data: bytes, aad: bytes) -> bytes:
    context = Cipher(algorithms.SM4(key), modes.GCM(nonce)).encryptor()
    context.authenticate_additional_data(aad)
    return context.update(data) + context.finalize() + context.tag


def _flipped(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(8 * len(data))
    changed = bytearray(data)
    changed[at // 8] ^= 1 << at % 8
    return bytes(changed)


def key_derivations(rng: random.Random, count: int) -> int:
    """KDF of GB/T 32918.4, which X9.63's over SM3 is too."""
    for take in batches(count, 64):
        cases = [(rng.randbytes(rng.randrange(1, 100)), rng.randrange(1, 200)) for _ in range(take)]
        theirs = [gmssl_pyx.sm3_kdf(z, length) for z, length in cases]
        other = [X963KDF(hashes.SM3(), length, None).derive(z) for z, length in cases]
        same("gmssl-pyx and cryptography, KDF", cases, theirs, other)
        on_all(lambda cases=cases: [kdf.sm2_kdf(z, length) for z, length in cases], "KDF", cases, theirs)
    return count


def zuc_streams(rng: random.Random, count: int) -> int:
    for take in batches(count, 16):
        cases = [(rng.randbytes(16), rng.randbytes(16), rng.randrange(1, 20)) for _ in range(take)]
        theirs = []
        for key, iv, words in cases:
            stream = gmalglib.zuc.ZUC(key, iv)
            theirs.append(b"".join(stream.generate() for _ in range(words)))
        on_all(lambda cases=cases: [zuc.keystream(*case) for case in cases], "ZUC", cases, theirs)
    return count


class Peer:
    """One other library's SM2 with a key: by message and default ID, signatures in DER, ciphertexts in ASN.1."""

    def __init__(self, d: bytes, public: bytes) -> None:
        self.d, self.public = d, public

    def sign(self, message: bytes) -> bytes:
        raise NotImplementedError

    def verify(self, message: bytes, signature: bytes) -> bool:
        raise NotImplementedError

    def encrypt(self, plaintext: bytes) -> bytes:
        raise NotImplementedError

    def decrypt(self, ciphertext: bytes) -> bytes:
        raise NotImplementedError


class GmSsl(Peer):
    def sign(self, message: bytes) -> bytes:
        return gmssl_pyx.sm2_sign(self.d, self.public[1:], message)

    def verify(self, message: bytes, signature: bytes) -> bool:
        try:
            return gmssl_pyx.sm2_verify(self.public[1:], message, signature)
        except gmssl_pyx.GmsslInnerError:
            return False

    def encrypt(self, plaintext: bytes) -> bytes:
        return gmssl_pyx.sm2_encrypt(self.public[1:], plaintext)

    def decrypt(self, ciphertext: bytes) -> bytes:
        return gmssl_pyx.sm2_decrypt(self.d, ciphertext)


class GmAlgLib(Peer):
    def __init__(self, d: bytes, public: bytes) -> None:
        super().__init__(d, public)
        self.own = gmalglib.sm2.SM2(sk=d, pk=public, uid=ID)

    def sign(self, message: bytes) -> bytes:
        signature = self.own.sign(message)
        return sm2.encode_signature(*(int.from_bytes(half, "big") for half in (signature[:32], signature[32:])))

    def verify(self, message: bytes, signature: bytes) -> bool:
        r, s = sm2.decode_signature(signature)
        return self.own.verify(message, r.to_bytes(32, "big") + s.to_bytes(32, "big"))

    def encrypt(self, plaintext: bytes) -> bytes:
        return sm2.convert_ciphertext(self.own.encrypt(plaintext), "c1c3c2", "asn1")

    def decrypt(self, ciphertext: bytes) -> bytes:
        return self.own.decrypt(sm2.convert_ciphertext(ciphertext, "asn1", "c1c3c2"))


class Tongsuo(Peer):
    algorithm = ec.ECDSA(tongsuo_hashes.SM3())

    def __init__(self, d: bytes, public: bytes) -> None:
        super().__init__(d, public)
        x, y = (int.from_bytes(half, "big") for half in (public[1:33], public[33:]))
        numbers = ec.EllipticCurvePublicNumbers(x, y, ec.SM2())
        self.own = ec.EllipticCurvePrivateNumbers(int.from_bytes(d, "big"), numbers).private_key()

    def sign(self, message: bytes) -> bytes:
        return self.own.sign(message, self.algorithm)

    def verify(self, message: bytes, signature: bytes) -> bool:
        try:
            self.own.public_key().verify(signature, message, self.algorithm)
        except tongsuo_exceptions.InvalidSignature:
            return False
        return True

    def encrypt(self, plaintext: bytes) -> bytes:
        return self.own.public_key().encrypt(plaintext)

    def decrypt(self, ciphertext: bytes) -> bytes:
        return self.own.decrypt(ciphertext)


PEERS = (GmSsl, GmAlgLib, Tongsuo)


def signatures(rng: random.Random, count: int) -> int:
    """Ours of every provider verified by two others, theirs by every provider; changed ones refused by all."""
    done = 0
    while done < count:
        for provider in providers():
            with using(provider):
                ((d, public),) = sm2.generate_many(1)
            own = [kind(d, public) for kind in rng.sample(PEERS, 2)]
            messages = [rng.randbytes(rng.randrange(100)) for _ in range(9)]
            with using(provider):
                made = sm2.sign_many(d, messages[:4], public=public)
            made += [peer.sign(message) for peer, message in zip(own * 2, messages[4:8], strict=True)]
            made.append(sm2.sign(d, messages[8] + b"!", public=public))  # of another message
            expected = [True] * 8 + [False]
            for peer in own:
                theirs = [peer.verify(*pair) for pair in zip(messages, made, strict=True)]
                same(f"{type(peer).__name__} of {d!r}", messages, expected, theirs)
            items = [(public, message, signature) for message, signature in zip(messages, made, strict=True)]
            on_all(lambda items=items: sm2.verify_many(items), f"verification, {d!r}", items, expected)
            done += len(messages)
    return done


def encryptions(rng: random.Random, count: int) -> int:
    """Ours of every provider decrypted by two others, theirs by every provider."""
    done = 0
    while done < count:
        for provider in providers():
            ((d, public),) = sm2.generate_many(1)
            own = [kind(d, public) for kind in rng.sample(PEERS, 2)]
            plain = [rng.randbytes(rng.randrange(1, 100)) for _ in range(8)]
            with using(provider):
                made = [sm2.encrypt(public, data) for data in plain[:4]]
            for peer in own:
                theirs = [peer.decrypt(data) for data in made]
                same(f"{type(peer).__name__} decrypts with {d!r}", made, theirs, plain[:4])
            made += [peer.encrypt(data) for peer, data in zip(own * 2, plain[4:], strict=True)]
            wrong = [_changed_end(rng, data) for data in made]
            for mine, answer in ((made, plain), (wrong, [None] * 8)):
                on_all(lambda d=d, mine=mine: sm2.decrypt_many(d, mine), f"decryption with {d!r}", mine, answer)
            done += len(plain)
    return done


def _changed_end(rng: random.Random, ciphertext: bytes) -> bytes:
    return ciphertext[:-1] + bytes([ciphertext[-1] ^ rng.randrange(1, 256)])
