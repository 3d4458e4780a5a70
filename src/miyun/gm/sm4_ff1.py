"""SM4-FF1: encryption that keeps the format (FF1 of NIST SP 800-38G over SM4). Strings of numerals in one radix go to
strings of the same length. It authenticates nothing, and equal inputs with equal tweaks give equal outputs.

The arithmetic on numerals is Python's and takes a time that depends on the lengths and, a little, on the values.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from miyun.gm import _check
from miyun.gm.errors import InvalidInput
from miyun.gm.providers import provider
from miyun.gm.providers.port import Buffer
from miyun.gm.sm4 import checked_key

DIGITS = "0123456789"
_RADIXES = range(2, (1 << 16) + 1)
_LEAST_DOMAIN = 1_000_000  # strings there must be, SP 800-38G revision 1, 5.2
_MOST = 4096  # numerals, and bytes of a tweak: our own limit, far below that of the standard
_ROUNDS = range(10)


class Cipher(NamedTuple):
    """One key of a block cipher, as FF1 needs it."""

    ecb: Callable[[bytes], bytes]
    cbc_mac: Callable[[bytes], bytes]
    """the last block of CBC over whole blocks from a zero IV"""


def _number(numerals: Sequence[int], radix: int) -> int:
    value = 0
    for numeral in numerals:
        value = value * radix + numeral
    return value


def _numerals(value: int, radix: int, length: int) -> list[int]:
    out = [0] * length
    for place in range(length - 1, -1, -1):
        value, out[place] = divmod(value, radix)
    return out


def feistel(cipher: Cipher, tweak: bytes, numerals: Sequence[int], radix: int, encrypt: bool) -> list[int]:
    """Algorithms 7 and 8 of SP 800-38G; the arguments have been checked."""
    n, t = len(numerals), len(tweak)
    u = n // 2
    v = n - u
    size = ((radix**v - 1).bit_length() + 7) // 8
    length = 4 * -(-size // 4) + 4
    moduli = (radix**u, radix**v)
    head = bytes((1, 2, 1)) + radix.to_bytes(3, "big") + bytes((10, u % 256))
    head += n.to_bytes(4, "big") + t.to_bytes(4, "big") + tweak + bytes(-(t + size + 1) % 16)

    def stream(number: int, half: int) -> int:
        block = cipher.cbc_mac(head + bytes((number,)) + half.to_bytes(size, "big"))
        more = range(1, -(-length // 16))
        counters = b"".join((int.from_bytes(block, "big") ^ j).to_bytes(16, "big") for j in more)
        return int.from_bytes((block + (cipher.ecb(counters) if counters else b""))[:length], "big")

    a, b = _number(numerals[:u], radix), _number(numerals[u:], radix)
    if encrypt:
        for i in _ROUNDS:
            a, b = b, (a + stream(i, b)) % moduli[i % 2]
    else:
        for i in reversed(_ROUNDS):
            a, b = (b - stream(i, a)) % moduli[i % 2], a
    return _numerals(a, radix, u) + _numerals(b, radix, v)


def _run(key: Buffer, tweak: Buffer, numerals: Sequence[int], radix: int, encrypt: bool) -> list[int]:
    if radix not in _RADIXES:
        raise InvalidInput("the radix of FF1 lies in 2 … 65536")
    if not 2 <= len(numerals) <= _MOST or radix ** min(len(numerals), 20) < _LEAST_DOMAIN:
        raise InvalidInput(f"FF1 takes 2 … {_MOST} numerals, so many that there are {_LEAST_DOMAIN} strings of them")
    if not all(type(numeral) is int and 0 <= numeral < radix for numeral in numerals):
        raise InvalidInput(f"a numeral of radix {radix} lies in 0 … {radix - 1}")
    if len(tweak := bytes(_check.data(tweak, "tweak"))) > _MOST:
        raise InvalidInput(f"a tweak has at most {_MOST} bytes")
    serving, secret = provider(), checked_key(key)
    cipher = Cipher(lambda data: serving.sm4_ecb(secret, data, True), lambda data: serving.sm4_cbc_mac(secret, data))
    return feistel(cipher, tweak, numerals, radix, encrypt)


def encrypt(key: Buffer, tweak: Buffer, numerals: Sequence[int], radix: int) -> list[int]:
    """The numerals of the ciphertext, as many as were given. The radix is 2 … 65536, the domain 10^6 or more."""
    return _run(key, tweak, numerals, radix, True)


def decrypt(key: Buffer, tweak: Buffer, numerals: Sequence[int], radix: int) -> list[int]:
    """Undo `encrypt`."""
    return _run(key, tweak, numerals, radix, False)


def _text(key: Buffer, tweak: Buffer, text: str, alphabet: str, encrypt: bool) -> str:
    places = {letter: place for place, letter in enumerate(alphabet)}
    if len(places) != len(alphabet):
        raise InvalidInput("a letter occurs twice in the alphabet")
    if not places.keys() >= set(text):
        raise InvalidInput("the text has a letter that is not in the alphabet")
    numerals = _run(key, tweak, [places[letter] for letter in text], len(alphabet), encrypt)
    return "".join(alphabet[numeral] for numeral in numerals)


def encrypt_text(key: Buffer, tweak: Buffer, text: str, alphabet: str = DIGITS) -> str:
    """`encrypt` of letters, whose values are their places in the alphabet."""
    return _text(key, tweak, text, alphabet, True)


def decrypt_text(key: Buffer, tweak: Buffer, text: str, alphabet: str = DIGITS) -> str:
    """Undo `encrypt_text`."""
    return _text(key, tweak, text, alphabet, False)
