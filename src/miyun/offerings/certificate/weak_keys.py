"""Keys that must not be certified, because others can find the private key (CA/Browser Forum BR 6.1.1.3)."""

from __future__ import annotations

from functools import cache
from math import isqrt
from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from miyun.core.i18n import Text
from miyun.gm import sm2
from miyun.gm.errors import InvalidKey
from miyun.offerings.certificate.errors import WeakKey, unreadable
from miyun.wire.errors import DecodeError
from miyun.wire.spki import KeyAlgorithm, PublicKey, parse_spki

_RSA_BITS: Final = 2048
_ROUNDS: Final = 100
_PRIMES: Final = (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)


def usable_key(field: str, spki: bytes) -> PublicKey:
    """Raises WeakKey, or InvalidArgument for what cannot be read."""
    try:
        key = parse_spki(spki)
    except DecodeError as error:
        raise unreadable(field, error) from None
    if key.algorithm is KeyAlgorithm.SM2 and key.point is not None:
        check_point(field, key.point)
    if key.algorithm is KeyAlgorithm.RSA:
        _check_rsa(field, key.der)
    return key


def check_point(field: str, point: bytes) -> None:
    try:
        sm2.check_public_key(point)
    except InvalidKey:
        raise WeakKey(field, Text("公钥不在曲线上", "the public key is not a point of its curve")) from None
    if point in _guessed():
        raise WeakKey(field, Text("私钥可被猜出", "the private key can be guessed"))


@cache
def _guessed() -> frozenset[bytes]:
    return frozenset(sm2.public_key(d.to_bytes(32, "big")) for d in range(1, 17))


def _check_rsa(field: str, encoded: bytes) -> None:
    try:
        key = load_der_public_key(encoded)
    except ValueError:
        raise WeakKey(field, Text("RSA 公钥不可用", "not a usable RSA key")) from None
    assert isinstance(key, RSAPublicKey)
    if key.key_size < _RSA_BITS:
        raise WeakKey(field, Text(f"RSA 密钥至少 {_RSA_BITS} 位", f"an RSA key needs at least {_RSA_BITS} bits"))
    numbers = key.public_numbers()
    if numbers.e < 65537 or numbers.e % 2 == 0 or numbers.n % 2 == 0:
        raise WeakKey(field, Text("RSA 公钥指数应为不小于 65537 的奇数", "an RSA exponent is odd and at least 65537"))
    if _has_close_primes(numbers.n) or _is_of_roca(numbers.n):
        raise WeakKey(field, Text("RSA 模数可被分解", "the RSA modulus can be factored"))


def _has_close_primes(modulus: int) -> bool:
    """By Fermat's method, which finds them in a few steps (CVE-2022-26320)."""
    middle = isqrt(modulus - 1) + 1
    for a in range(middle, middle + _ROUNDS):
        square = a * a - modulus
        if square & 15 in (0, 1, 4, 9) and isqrt(square) ** 2 == square:
            return True
    return False


def _is_of_roca(modulus: int) -> bool:
    """Whether it is, modulo small primes, a power of 65537, as a faulty library makes them (CVE-2017-15361)."""
    return all(modulus % prime in powers for prime, powers in _powers().items())


@cache
def _powers() -> dict[int, frozenset[int]]:
    return {prime: frozenset(pow(65537, power, prime) for power in range(prime - 1)) for prime in _PRIMES}
