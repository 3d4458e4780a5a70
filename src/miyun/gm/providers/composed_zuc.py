"""ZUC (GB/T 33133) in Python, for machines without the C extension. Slow, and its S-boxes are plain look-ups."""

from collections.abc import Iterator

from .port import Buffer

_S0 = bytes.fromhex(
    "3e725b47cae0003304d1549809b96dcb7b1bf932af9d6aa5b82dfc1d08530390"
    "4d4e8499e4ced991ddb685488b296eaccdc1f81e734369c6b5bdfd396320d438"
    "767db2a7cfed57c5f32cbb142106559be3ef5e314f7f5aa40d8251495fba581c"
    "4a16d517a892241f8cffd8ae2e01d3ad3b4bda46ebc9de9a8f87d73a806f2fc8"
    "b1b437f70a2213287ccc3c89c7c3965607bf7ef00b2b975235417961a64c10fe"
    "bc2695888ab0a3fbc01894f2e1e5e95dd0dc1166645cec59427512f5749caa23"
    "0e86abbe2a02e767e644a26cc2939ff1f6fa36d250689e6271153dd640c4e20f"
    "8e83776b25053f0c30ea70b7a1e8a9658d271adb81b3a0f4457a19dfee783460"
)
_S1 = bytes.fromhex(
    "55c263713bc847869f3cda5b29aafd778cc5940ca61a1300e3a8167240f9f842"
    "4426689681d9453e1076c6a78b3943e13ab5562ac06db3052266bfdc0bfa6248"
    "dd20110636c9c1cff62752bb69f5d4877f844cd29c57a4bc4f9adffed68d7aeb"
    "2b53d85ca11417fb23d57d3067730809eeb7703f61b2198e4ee54b938f5ddba9"
    "adf1ae2ecb0dfcf42d466e1d97e8d1e94d37a5755e839eab829db91ce0cd4989"
    "01b6bd5824a25f387899159050b895e4d091c7ceed0fb46fa0ccf0024a79c3de"
    "a3efea51e66b18ec1b2c80f774e7ff215a6a541e41319235c433070aba7e0e34"
    "88b1987cf33d606c7bcad31f3265042864be859b2f598ad7b025acaf1203e2f2"
)
_D = bytes.fromhex("44d726bc626b135e578935e2713509af4d782f136bc41af15e263c4d789a47ac")
_M31 = 0x7FFFFFFF
_M32 = 0xFFFFFFFF


def _linear(x: int, shifts: tuple[int, ...]) -> int:
    result = x
    for n in shifts:
        result ^= (x << n | x >> (32 - n)) & _M32
    return result


def _substitute(x: int) -> int:
    return _S0[x >> 24] << 24 | _S1[x >> 16 & 255] << 16 | _S0[x >> 8 & 255] << 8 | _S1[x & 255]


def _words(key: Buffer, iv: Buffer) -> Iterator[int]:
    """The keystream, a word of 32 bits at a time, without end."""
    d = [int.from_bytes(_D[2 * i : 2 * i + 2], "big") for i in range(16)]
    s = [k << 23 | middle << 8 | v for k, middle, v in zip(bytes(key), d, bytes(iv), strict=True)]
    r1 = r2 = 0
    count = -33
    while True:
        x0 = (s[15] & 0x7FFF8000) << 1 | s[14] & 0xFFFF
        x1 = s[11] << 16 & _M32 | s[9] >> 15
        x2 = s[7] << 16 & _M32 | s[5] >> 15
        x3 = s[2] << 16 & _M32 | s[0] >> 15
        w = ((x0 ^ r1) + r2) & _M32
        w1, w2 = (r1 + x1) & _M32, r2 ^ x2
        r1 = _substitute(_linear(w1 << 16 & _M32 | w2 >> 16, (2, 10, 18, 24)))
        r2 = _substitute(_linear(w2 << 16 & _M32 | w1 >> 16, (8, 14, 22, 30)))
        fed_back = (s[15] << 15) + (s[13] << 17) + (s[10] << 21) + (s[4] << 20) + 257 * s[0]
        if count < -1:
            fed_back += w >> 1
        s = [*s[1:], fed_back % _M31 or _M31]
        if count >= 0:
            yield w ^ x3
        count = min(count + 1, 0)


def xor(key: Buffer, iv: Buffer, data: Buffer) -> bytes:
    """The data XOR the keystream."""
    raw, words = bytes(data), _words(key, iv)
    stream = b"".join(next(words).to_bytes(4, "big") for _ in range(-(-len(raw) // 4)))[: len(raw)]
    return (int.from_bytes(raw, "big") ^ int.from_bytes(stream, "big")).to_bytes(len(raw), "big")


def mac(key: Buffer, iv: Buffer, data: Buffer, bits: int) -> bytes:
    """128-EIA3 over the first `bits` bits."""
    words, raw = _words(key, iv), bytes(data)
    count = -(-bits // 32) + 2
    stream = int.from_bytes(b"".join(next(words).to_bytes(4, "big") for _ in range(count)), "big")
    total = 32 * count
    tag = 0
    for i in range(bits + 1):
        if i == bits or raw[i // 8] >> (7 - i % 8) & 1:
            tag ^= stream >> (total - 32 - i) & _M32
    return (tag ^ stream & _M32).to_bytes(4, "big")
