"""Keys and certificates under a password: PFX of RFC 7292 with SM4 and SM3, as GM/T 0093 and GM/T 0091 have it."""

from miyun.wire.pkcs12.pbes2 import Pbes2
from miyun.wire.pkcs12.pfx import Bag, Pfx, PrivateKey, Protection, make_pfx, parse_pfx

__all__ = ["Bag", "Pbes2", "Pfx", "PrivateKey", "Protection", "make_pfx", "parse_pfx"]
