"""Keys that others can find the private key of are certified for nobody (CA/Browser Forum BR 6.1.1.3)."""

from __future__ import annotations

import hashlib
from functools import reduce

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from miyun.gm import sm2
from miyun.offerings.certificate.errors import WeakKey
from miyun.offerings.certificate.weak_keys import usable_key
from miyun.wire.spki import sm2_spki

CLOSE = (int.from_bytes(hashlib.shake_256(b"miyun close primes").digest(128), "big") | 3 << 1022 | 1) + 1118
_SMALL = [n for n in range(2, 702) if all(n % d for d in range(2, n))]
ROCA = reduce(lambda product, prime: product * prime, _SMALL)  # what the faulty library makes its primes from


def key_of(modulus: int) -> bytes:
    public = rsa.RSAPublicNumbers(65537, modulus).public_key()
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    "modulus",
    [CLOSE * (CLOSE + 2**500 + 398), CLOSE * CLOSE, (3 << 2046) // ROCA * ROCA + pow(65537, 12345, ROCA)],
    ids=["close primes", "one prime twice", "ROCA"],
)
def test_a_modulus_that_can_be_factored(modulus: int) -> None:
    with pytest.raises(WeakKey, match="can be factored") as refused:
        usable_key("csr", key_of(modulus))
    assert refused.value.field == "csr"


def test_a_key_of_any_other_make_is_taken() -> None:
    for number in range(3):
        public = rsa.generate_private_key(65537, 2048 + 8 * number).public_key()
        assert usable_key("csr", public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def test_a_private_key_that_is_guessed() -> None:
    with pytest.raises(WeakKey, match="can be guessed"):
        usable_key("public_key", sm2_spki(sm2.public_key((7).to_bytes(32, "big"))))
