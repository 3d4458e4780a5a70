"""Random bytes: SM4 in CTR_DRBG over the operating system's source, behind health tests (native/drbg.c).

Keys, nonces and tokens come from here, or inside the extension from the same generator.
"""

from miyun.gm.errors import InvalidInput, SelfTestFailed
from miyun.gm.providers import provider

_LIMIT = 1 << 26


def token(n: int) -> bytes:
    """`n` random bytes. SelfTestFailed once the source did not pass a health test: only a new process tries again."""
    if not 0 <= n <= _LIMIT:
        raise InvalidInput(f"ask for 0 … {_LIMIT} random bytes")
    try:
        return provider().random(n)
    except OSError as why:
        raise SelfTestFailed("random source") from why
