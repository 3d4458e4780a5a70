"""The rows of SM2. Messages have 32 bytes, the user ID is the default one, a batch holds 256.

"By message and ID" computes Z and e = SM3(Z‖M) inside, as every peer does; the `.digest` rows begin at e. Verification
of a batch rotates through 32,768 keys, so that no table kept for a key helps; `same_key` is what such tables are for.
"""

import itertools
import os
from collections.abc import Callable, Iterator
from functools import cache

import gmalglib.sm2 as gmalg
import gmssl_pyx as gmssl
from crypto_openssl import OpenSsl
from crypto_race import Race, Work, each
from tongsuopy.crypto import hashes
from tongsuopy.crypto.asymciphers import ec

from miyun.gm import sm2
from miyun.gm.sm2_exchange import Initiator, Party, Responder

BATCH, FEW = 256, 16
KEYS = 128  # batches of 256 keys each


def rows(openssl: OpenSsl | None) -> Iterator[Race]:
    yield from _signing(openssl)
    yield from _verifying(openssl)
    yield from _rest(openssl)


def _tongsuo(d: bytes, public: bytes) -> ec.EllipticCurvePrivateKey:
    x, y = (int.from_bytes(half, "big") for half in (public[1:33], public[33:]))
    numbers = ec.EllipticCurvePublicNumbers(x, y, ec.SM2())
    return ec.EllipticCurvePrivateNumbers(int.from_bytes(d, "big"), numbers).private_key()


def _signing(openssl: OpenSsl | None) -> Iterator[Race]:
    ((d, public),) = sm2.generate_many(1)
    messages = [os.urandom(32) for _ in range(BATCH)]
    few = [(message,) for message in messages[:FEW]]
    theirs = gmalg.SM2(sk=d, pk=public, uid=sm2.DEFAULT_ID)
    tongsuo, algorithm = _tongsuo(d, public), ec.ECDSA(hashes.SM3())
    by_message = {
        "gmssl-pyx": each(lambda message: gmssl.sm2_sign(d, public[1:], message), few),
        "gmalglib": each(theirs.sign, few),
        "tongsuopy": each(lambda message: tongsuo.sign(message, algorithm), few),
    }
    by_digest = {
        "gmssl-pyx": each(lambda e: gmssl.sm2_sign_sm3_digest(d, e), few),
        "gmalglib": each(theirs.sign_digest, few),
    }
    if openssl:
        by_message["openssl"] = each(openssl.sign(d, public), few)
        by_digest["openssl"] = each(openssl.sign_digest(d, public), few)
    pairs = [(d, e) for e in messages]
    ours = (BATCH, lambda: sm2.sign_many(d, messages, public=public))
    yield Race("sm2.sign.batch", "ops/s", ours, by_message, avx2=True)
    yield Race("sm2.sign.batch.digest", "ops/s", (BATCH, lambda: sm2.sign_digest_many(pairs)), by_digest)
    single = each(lambda message: sm2.sign(d, message, public=public), few)
    yield Race("sm2.sign.single", "ops/s", single, by_message, avx2=True)


@cache
def _signed() -> list[list[tuple[bytes, bytes, bytes]]]:
    """Batches of (public, message, signature), every one by another key."""
    batches = []
    for _ in range(KEYS):
        keys = sm2.generate_many(BATCH)
        messages = [os.urandom(32) for _ in keys]
        digests = [sm2.message_digest(public, message) for (_, public), message in zip(keys, messages, strict=True)]
        pairs = [(d, e) for (d, _), e in zip(keys, digests, strict=True)]
        signatures = sm2.sign_digest_many(pairs)
        batches.append([(key[1], *rest) for key, *rest in zip(keys, messages, signatures, strict=True)])
    return batches


def _in_turn(verify: Callable[[list[tuple[bytes, bytes, bytes]]], list[bool]], batches: list) -> Work:
    turn = itertools.cycle(batches)

    def work() -> None:
        if not all(verify(next(turn))):
            raise RuntimeError("a good signature was refused")

    return work


def _verifying(openssl: OpenSsl | None) -> Iterator[Race]:
    batches = _signed()
    digests = [[(p, sm2.message_digest(p, m), s) for p, m, s in batch] for batch in batches[:16]]
    ((d, public),) = sm2.generate_many(1)
    messages = [os.urandom(32) for _ in range(BATCH)]
    same = [(public, *pair) for pair in zip(messages, sm2.sign_many(d, messages, public=public), strict=True)]
    few = [entry[1:] for entry in same[:FEW]]
    tongsuo, algorithm = _tongsuo(d, public).public_key(), ec.ECDSA(hashes.SM3())
    theirs = gmalg.SM2(pk=public, uid=sm2.DEFAULT_ID)
    plain = [(message, _plain(signature)) for message, signature in few]
    by_message = {
        "gmssl-pyx": each(lambda m, s: gmssl.sm2_verify(public[1:], m, s), few),
        "gmalglib": each(theirs.verify, plain),
        "tongsuopy": each(lambda m, s: tongsuo.verify(s, m, algorithm), few),
    }
    few_e = [(sm2.message_digest(public, m), s) for m, s in few]
    by_digest = {
        "gmssl-pyx": each(lambda e, s: gmssl.sm2_verify_sm3_digest(public[1:], e, s), few_e),
        "gmalglib": each(theirs.verify_digest, [(e, _plain(s)) for e, s in few_e]),
    }
    if openssl:
        by_message["openssl"] = each(openssl.verify(public), few)
        by_digest["openssl"] = each(openssl.verify_digest(public), few_e)
    batch = (BATCH, _in_turn(sm2.verify_many, batches))
    yield Race("sm2.verify.batch", "ops/s", batch, by_message, avx2=True)
    batch = (BATCH, _in_turn(sm2.verify_digest_many, digests))
    yield Race("sm2.verify.batch.digest", "ops/s", batch, by_digest)
    yield Race("sm2.verify.same_key", "ops/s", (BATCH, _in_turn(sm2.verify_many, [same])), by_message)
    others = itertools.cycle(itertools.chain.from_iterable(batches))
    single = (FEW, lambda: [sm2.verify(*entry) for entry in itertools.islice(others, FEW)])
    yield Race("sm2.verify.single", "ops/s", single, by_message, avx2=True)


def _plain(signature: bytes) -> bytes:
    """r‖s."""
    return b"".join(value.to_bytes(32, "big") for value in sm2.decode_signature(signature))


def _rest(openssl: OpenSsl | None) -> Iterator[Race]:
    (d, public), (d_b, public_b) = sm2.generate_many(2)
    ciphertexts = [sm2.encrypt(public, os.urandom(32)) for _ in range(BATCH)]
    few = [(ciphertext,) for ciphertext in ciphertexts[:FEW]]
    plain = [(sm2.convert_ciphertext(item, "asn1", "c1c3c2"),) for (item,) in few]
    tongsuo, a, b = _tongsuo(d, public), gmalg.SM2(sk=d, pk=public, uid=b"a"), gmalg.SM2(sk=d_b, pk=public_b, uid=b"b")
    decrypt = {
        "gmssl-pyx": each(lambda item: gmssl.sm2_decrypt(d, item), few),
        "gmalglib": each(a.decrypt, plain),
        "tongsuopy": each(tongsuo.decrypt, few),
    }
    none = [()] * FEW
    generate = {
        "gmssl-pyx": each(gmssl.sm2_key_generate, none),
        "gmalglib": each(a.generate_keypair, none),
        "tongsuopy": each(lambda: ec.generate_private_key(ec.SM2()), none),
    }
    if openssl:
        decrypt["openssl"] = each(openssl.decrypt(d, public), few)
        generate["openssl"] = each(openssl.generate(), none)
    yield Race("sm2.decrypt.batch", "ops/s", (BATCH, lambda: sm2.decrypt_many(d, ciphertexts)), decrypt, avx2=True)
    yield Race("sm2.keygen.batch", "ops/s", (BATCH, lambda: sm2.generate_many(BATCH)), generate)

    def exchange() -> None:
        """Both sides, with both confirmations."""
        initiator = Initiator(d, b"a", Party(public_b, b"b"), 16)
        responder = Responder(d_b, b"b", Party(public, b"a"), 16)
        s_b = responder.respond(initiator.ephemeral)
        _, s_a = initiator.finish(responder.ephemeral, s_b)
        responder.finish(s_a)

    def their_exchange() -> None:
        """Both sides; it has no confirmation."""
        (t_a, r_a), (t_b, r_b) = a.begin_key_exchange(), b.begin_key_exchange()
        a.end_key_exchange(t_a, r_b, public_b, True, 16, b"b")
        b.end_key_exchange(t_b, r_a, public, False, 16, b"a")

    yield Race("sm2.exchange", "ops/s", (1, exchange), {"gmalglib": (1, their_exchange)})
