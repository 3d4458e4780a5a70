"""SM9 in Python, for machines without the C extension: slow (some 30 ms a pairing), and not constant time.

An element of GT is twelve integers: the coefficients of w^0 … w^11 in F_p[w] with w^12 = -2, which is the tower of
GB/T 38635.1 (u = w^6, v = w^3). Points are affine, None at infinity; those of G2 have coordinates (a, b) = a + b·u.
"""

import os
from collections.abc import Callable
from functools import lru_cache

from miyun.gm.errors import InvalidKey

from .port import Buffer

T = 0x600000000058F98A
P = 36 * T**4 + 36 * T**3 + 24 * T**2 + 6 * T + 1
N = P - 6 * T**2

Fp2 = tuple[int, int]
G1 = tuple[int, int] | None
G2 = tuple[Fp2, Fp2] | None
Gt = list[int]

P1: G1 = (
    0x93DE051D62BF718FF5ED0704487D01D6E1E4086909DC3280E8C4E4817C66DDDD,
    0x21FE8DDA4F21E607631065125C395BBC1C1C00CBFA6024350C464CD70A3EA616,
)
P2: G2 = (
    (
        0x3722755292130B08D2AAB97FD34EC120EE265948D19C17ABF9B7213BAF82D65B,
        0x85AEF3D078640C98597B6027B441A01FF1DD2C190F5E93C454806C11D8806141,
    ),
    (
        0xA7CF28D519BE3DA65F3170153D278FF247EFBA98A71A08116215BBA5C999A7C7,
        0x17509B092E845C1266BA0D262CBEE6ED0736A96FA347C8BD856DC76B84EBEB96,
    ),
)
_FROBENIUS = [pow(-2, i * (P - 1) // 12, P) for i in range(12)]
"""w^(p·i) / w^i"""


# F_p2 = F_p[u] / (u² + 2)


def _mul2(a: Fp2, b: Fp2) -> Fp2:
    return (a[0] * b[0] - 2 * a[1] * b[1]) % P, (a[0] * b[1] + a[1] * b[0]) % P


def _sub2(a: Fp2, b: Fp2) -> Fp2:
    return (a[0] - b[0]) % P, (a[1] - b[1]) % P


def _div2(a: Fp2, b: Fp2) -> Fp2:
    norm = pow(b[0] * b[0] + 2 * b[1] * b[1], -1, P)
    return _mul2(a, (b[0] * norm, -b[1] * norm))


# Points


def _add1(a: G1, b: G1) -> G1:
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if (a[1] + b[1]) % P == 0:
            return None
        slope = 3 * a[0] * a[0] * pow(2 * a[1], -1, P)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P)
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def _slope2(a: tuple[Fp2, Fp2], b: tuple[Fp2, Fp2]) -> Fp2:
    if a == b:
        x = _mul2(a[0], a[0])
        return _div2((3 * x[0], 3 * x[1]), (2 * a[1][0], 2 * a[1][1]))
    return _div2(_sub2(b[1], a[1]), _sub2(b[0], a[0]))


def _chord2(a: tuple[Fp2, Fp2], b: tuple[Fp2, Fp2], slope: Fp2) -> tuple[Fp2, Fp2]:
    x = _sub2(_sub2(_mul2(slope, slope), a[0]), b[0])
    return x, _sub2(_mul2(slope, _sub2(a[0], x)), a[1])


def _add2(a: G2, b: G2) -> G2:
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and a != b:
        return None
    return _chord2(a, b, _slope2(a, b))


def _times1(k: int, a: G1) -> G1:
    out: G1 = None
    for bit in bin(k)[2:]:
        out = _add1(out, out)
        if bit == "1":
            out = _add1(out, a)
    return out


def _times2(k: int, a: G2) -> G2:
    out: G2 = None
    for bit in bin(k)[2:]:
        out = _add2(out, out)
        if bit == "1":
            out = _add2(out, a)
    return out


def _read(data: bytes) -> list[int]:
    return [int.from_bytes(data[i : i + 32], "big") for i in range(1, len(data), 32)]


def _write(*values: int) -> bytes:
    return b"".join(value.to_bytes(32, "big") for value in values)


def decode1(data: Buffer) -> G1:
    """A point of G1 from 04‖x‖y; InvalidKey unless it is one."""
    raw = bytes(data)
    if len(raw) == 65 and raw[0] == 4:
        x, y = _read(raw)
        if x < P and y < P and (y * y - x * x * x - 5) % P == 0:
            return x, y
    raise InvalidKey("not a point of the group G1 of SM9")


@lru_cache(64)
def _decode2(raw: bytes) -> G2:
    if len(raw) == 129 and raw[0] == 4:
        b, a, d, c = _read(raw)
        x, y = (a, b), (c, d)
        right = _mul2(_mul2(x, x), x)
        on_curve = _mul2(y, y) == (right[0], (right[1] + 5) % P)
        # the p-power map is [6t²] on G2, and nowhere else on the twist: its minimal polynomial gives [N]q = 0
        if max(a, b, c, d) < P and on_curve and _times2(6 * T * T, (x, y)) == _twisted((x, y), 1):
            return x, y
    raise InvalidKey("not a point of the group G2 of SM9")


def decode2(data: Buffer) -> G2:
    """A point of G2 from 04‖x‖y, of each coordinate the coefficient of u first; InvalidKey unless it is one."""
    return _decode2(bytes(data))


def _encode1(a: G1) -> bytes:
    if a is None:
        raise InvalidKey("an SM9 point is the point at infinity")
    return b"\4" + _write(*a)


def _encode2(a: G2) -> bytes:
    if a is None:
        raise InvalidKey("an SM9 point is the point at infinity")
    (xa, xb), (ya, yb) = a
    return b"\4" + _write(xb, xa, yb, ya)


# GT: one product of long integers holds all products of coefficients

_SLOT = 520
_MASK = (1 << _SLOT) - 1


def _mul(a: Gt, b: Gt) -> Gt:
    wide = [int.from_bytes(b"".join(c.to_bytes(_SLOT // 8, "little") for c in value), "little") for value in (a, b)]
    octets = (wide[0] * wide[1]).to_bytes(24 * _SLOT // 8, "little")
    c = [int.from_bytes(octets[i : i + _SLOT // 8], "little") for i in range(0, 23 * _SLOT // 8, _SLOT // 8)]
    return [(c[i] - 2 * c[i + 12]) % P for i in range(11)] + [c[11] % P]


_ONE: Gt = [1] + [0] * 11


def _frobenius(a: Gt, times: int) -> Gt:
    for _ in range(times):
        a = [c * f % P for c, f in zip(a, _FROBENIUS, strict=True)]
    return a


def _conjugate(a: Gt) -> Gt:
    """a^(p^6): the inverse of an element of GT."""
    return [-c % P if i & 1 else c for i, c in enumerate(a)]


def _power(a: Gt, k: int) -> Gt:
    out = _ONE
    for bit in bin(k)[2:]:
        out = _mul(out, out)
        if bit == "1":
            out = _mul(out, a)
    return out


def _power_of_gt(a: Gt, k: int) -> Gt:
    """Of an element of GT, where the p-power map is the power 6t² = p - N."""
    high, low = divmod(k, 6 * T * T)
    b = _frobenius(a, 1)
    choices = (None, a, b, _mul(a, b))
    out = _ONE
    for i in range(max(high, low).bit_length() - 1, -1, -1):
        out = _mul(out, out)
        factor = choices[(high >> i & 1) * 2 + (low >> i & 1)]
        if factor:
            out = _mul(out, factor)
    return out


def _inverse(a: Gt) -> Gt:
    """By norms: to F_p6, F_p2 and F_p."""
    rest = _conjugate(a)
    half = _mul(a, rest)
    for times in (2, 4):
        rest = _mul(rest, _frobenius(half, times))
    whole = _mul(a, rest)
    up = _frobenius(whole, 1)
    norm = pow(_mul(whole, up)[0], -1, P)
    return [c * norm % P for c in _mul(rest, up)]


def _line(a: tuple[Fp2, Fp2], slope: Fp2, p: tuple[int, int]) -> Gt:
    """The line through the image of a, at p, times w^3."""
    constant = _sub2(_mul2(slope, a[0]), a[1])
    out = [0] * 12
    out[0], out[6] = constant
    out[2], out[8] = -slope[0] * p[0] % P, -slope[1] * p[0] % P
    out[3] = p[1]
    return out


def pairing(p: G1, q: G2) -> Gt:
    """The R-ate pairing e(p, q), GB/T 38635.1."""
    if p is None or q is None:
        return _ONE
    f, t = _ONE, q
    for bit in bin(6 * T + 2)[3:]:
        slope = _slope2(t, t)
        f, t = _mul(_mul(f, f), _line(t, slope, p)), _chord2(t, t, slope)
        if bit == "1":
            slope = _slope2(t, q)
            f, t = _mul(f, _line(t, slope, p)), _chord2(t, q, slope)
    for step in (_twisted(q, 1), _twisted(q, 2)):
        slope = _slope2(t, step)
        f, t = _mul(f, _line(t, slope, p)), _chord2(t, step, slope)
    return _final(f)


def _twisted(q: tuple[Fp2, Fp2], times: int) -> tuple[Fp2, Fp2]:
    """The p-power map on the twist, once; or twice and negated."""
    (a, b), (c, d) = q
    if times == 2:
        x, y = pow(_FROBENIUS[2], -2, P), -pow(_FROBENIUS[3], -2, P)
        return (a * x % P, b * x % P), (c * y % P, d * y % P)
    x, y = pow(_FROBENIUS[2], -1, P), pow(_FROBENIUS[3], -1, P)
    return (a * x % P, -b * x % P), (c * y % P, -d * y % P)


def _final(f: Gt) -> Gt:
    """f^((p^12 - 1)/N), the hard part by the addition chain of Scott and others (2009)."""
    f = _mul(_conjugate(f), _inverse(f))
    f = _mul(_frobenius(f, 2), f)
    f1 = _power(f, T)
    f2 = _power(f1, T)
    f3 = _power(f2, T)
    y0 = _mul(_mul(_frobenius(f, 1), _frobenius(f, 2)), _frobenius(f, 3))
    y1, y2, y3 = _conjugate(f), _frobenius(f2, 2), _conjugate(_frobenius(f1, 1))
    y4, y5 = _conjugate(_mul(f1, _frobenius(f2, 1))), _conjugate(f2)
    y6 = _conjugate(_mul(f3, _frobenius(f3, 1)))
    a = _mul(_mul(_mul(y6, y6), y4), y5)
    b = _mul(_mul(y3, y5), a)
    a = _mul(a, y2)
    b = _mul(_mul(b, b), a)
    b = _mul(b, b)
    a, b = _mul(b, y1), _mul(b, y0)
    return _mul(_mul(a, a), b)


_ORDER = (11, 5, 8, 2, 10, 4, 7, 1, 9, 3, 6, 0)
"""Powers of w in the order in which GB/T 38635.1 writes an element: highest of the tower 1-2-4-12 first."""


def encode(a: Gt) -> bytes:
    """The 384 bytes of an element of GT."""
    return _write(*(a[i] for i in _ORDER))


# The algorithms


def _scalar(r: Buffer | None) -> int:
    """The given one, or a random one of 1 … N-1 by rejection."""
    while True:
        value = int.from_bytes(os.urandom(32) if r is None else r, "big")
        if 1 <= value < N:
            return value
        if r is not None:
            raise InvalidKey("an SM9 scalar lies in 1 … N-1")


@lru_cache(16)
def _base(master_public: bytes) -> Gt:
    """e(P1, Ppub-s), or e(Ppub-e, P2)."""
    if len(master_public) == 129:
        return pairing(P1, _decode2(master_public))
    return pairing(decode1(master_public), P2)


class Sm9:
    """The SM9 methods of a provider over its `sm3`."""

    def __init__(self, sm3: Callable[[bytes], bytes]) -> None:
        self._sm3 = sm3

    def _hash(self, prefix: bytes, *z: Buffer) -> int:
        """H1 (prefix 01) and H2 (prefix 02), GB/T 38635.2: in 1 … N-1."""
        body = prefix + b"".join(z)
        octets = self._sm3(body + b"\0\0\0\1") + self._sm3(body + b"\0\0\0\2")
        return int.from_bytes(octets[:40], "big") % (N - 1) + 1

    def sm9_master(self, group: int, s: Buffer | None) -> tuple[bytes, bytes]:
        k = _scalar(s)
        return _write(k), _multiple(group, k)

    def sm9_extract(self, group: int, s: Buffer, identity: Buffer) -> bytes:
        k = _scalar(s)
        t = (self._hash(b"\1", identity) + k) % N
        if not t:
            raise InvalidKey("this SM9 master key cannot serve this identity")
        return _multiple(group, k * pow(t, -1, N) % N)

    def sm9_valid(self, point: Buffer) -> bool:
        try:
            decode1(point) if len(point) == 65 else decode2(point)
        except InvalidKey:
            return False
        return True

    def sm9_sign(self, public: Buffer, key: Buffer, message: Buffer, r: bytes | None) -> bytes:
        base, point = _base(bytes(public)), decode1(key)
        while True:
            k = _scalar(r)
            h = self._hash(b"\2", message, encode(_power_of_gt(base, k)))
            if (k - h) % N:
                return _write(h) + _encode1(_times1((k - h) % N, point))
            if r is not None:
                raise InvalidKey("this nonce does not serve")

    def sm9_verify(self, public: Buffer, identity: Buffer, message: Buffer, signature: Buffer) -> bool:
        raw = bytes(signature)
        h = int.from_bytes(raw[:32], "big")
        try:
            base, master, s = _base(bytes(public)), decode2(public), decode1(raw[32:])
        except InvalidKey:
            return False
        if not 1 <= h < N:
            return False
        p = _add2(_times2(self._hash(b"\1", identity), P2), master)
        return self._hash(b"\2", message, encode(_mul(pairing(s, p), _power_of_gt(base, h)))) == h

    def sm9_ephemeral(self, public: Buffer, identity: Buffer, r: bytes | None) -> tuple[bytes, bytes]:
        k = _scalar(r)
        q = _add1(_times1(self._hash(b"\1", identity), P1), decode1(public))
        return _write(k), _encode1(_times1(k, q))

    def sm9_encapsulate(self, public: Buffer, identity: Buffer, r: bytes | None) -> tuple[bytes, bytes]:
        secret, c = self.sm9_ephemeral(public, identity, r)
        return c, encode(_power_of_gt(_base(bytes(public)), int.from_bytes(secret, "big")))

    def sm9_decapsulate(self, key: Buffer, c: Buffer) -> bytes | None:
        q = decode2(key)
        try:
            return encode(pairing(decode1(c), q))
        except InvalidKey:
            return None

    def sm9_agree(self, public: Buffer, key: Buffer, r: Buffer, peer: Buffer) -> tuple[bytes, bytes, bytes]:
        k = _scalar(r)
        paired = pairing(decode1(peer), decode2(key))
        return encode(paired), encode(_power_of_gt(_base(bytes(public)), k)), encode(_power_of_gt(paired, k))

    def sm9_tables_hold(self) -> bool:
        """There are none here."""
        return True


def _multiple(group: int, k: int) -> bytes:
    return _encode1(_times1(k, P1)) if group == 1 else _encode2(_times2(k, P2))
