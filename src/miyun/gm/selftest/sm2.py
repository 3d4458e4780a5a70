"""SM2, and ECDSA."""

from miyun.gm import intl, sm2, sm2_exchange
from miyun.gm.errors import DecryptionFailed, InvalidSignature
from miyun.gm.providers import provider
from miyun.gm.selftest.answer import octets, refused, same

_D = octets("3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8")
_K = octets("59276e27d506861a16680f3ad9c02dccef3cc1fa3cdbe4ce6d54b80deac1bc21")
_PUBLIC = octets(
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
    same(e, octets("f0b43e94ba45accaace692ed534382eb17e6ab5a19ce7b31f4486fdfc0d28640"))
    same(sm2.public_key(_D), _PUBLIC)
    same(provider().sm2_sign_kat(_D, e, _K), signature)
    bad = signature[:-1] + bytes([signature[-1] ^ 1])
    same(sm2.verify_digest_many([(_PUBLIC, e, signature), (_PUBLIC, e, bad)]), [True, False])
    same(sm2.verify_many([(_PUBLIC, b"message digest", signature), (_PUBLIC, b"other", signature)]), [True, False])


def _sm2_encrypt() -> None:
    """GB/T 32918.5-2017, C.2, and a refused ciphertext."""
    plaintext = b"encryption standard"
    ciphertext = octets(
        "04 04ebfc718e8d1798620432268e77feb6415e2ede0e073c0f4f640ecd2e149a73"
        "e858f9d81e5430a57b36daab8f950a3c64e6ee6a63094d99283aff767e124df0"
        "59983c18f809e262923c53aec295d30383b54e39d609d160afcb1908d0bd8766"
        "21886ca989ca9c7d58087307ca93092d651efa"
    )
    same(provider().sm2_encrypt_kat(_PUBLIC, plaintext, _K), ciphertext)
    same(sm2.decrypt(_D, ciphertext, "c1c3c2"), plaintext)
    refused(DecryptionFailed, lambda: sm2.decrypt(_D, ciphertext[:-1] + b"\0", "c1c3c2"))


def _sm2_exchange() -> None:
    """GB/T 32918.5-2017, B.2, from both sides, and a refused confirmation."""
    d_a = octets("81eb26e941bb5af16df116495f90695272ae2cd63d6c4ae1678418be48230029")
    d_b = octets("785129917d45a9ea5437a59356b82338eaadda6ceb199088f14ae10defa229b5")
    r_a = octets("d4de15474db74d06491c440d305e012400990f3e390c7e87153c12db2ea60bb3")
    r_b = octets("7e07124814b309489125eaed101113164ebf0f3458c5bd88335c1f9d596243d6")
    a, b = sm2_exchange.Party(sm2.public_key(d_a)), sm2_exchange.Party(sm2.public_key(d_b))
    agreed = sm2_exchange.Agreed(
        octets("6c89347354de2484c60b4ab1fde4c6e5"),
        octets("18c7894b3816df16cf07b05c5ec0bef5d655d58f779cc1b400a4f3884644db88"),
        octets("d3a0fe15dee185ceae907a6b595cc32a266ed7b3367e9983a896dc32fa20f8eb"),
    )
    same(sm2_exchange.agree_kat(True, d_a, sm2.DEFAULT_ID, r_a, b, sm2.public_key(r_b), 16), agreed)
    same(sm2_exchange.agree_kat(False, d_b, sm2.DEFAULT_ID, r_b, a, sm2.public_key(r_a), 16), agreed)
    initiator = sm2_exchange.Initiator(d_a, sm2.DEFAULT_ID, b, 16)
    refused(InvalidSignature, lambda: initiator.finish(sm2.public_key(r_b), bytes(32)))


def _sm2_tables() -> None:
    """Every entry of the tables and every lane, against the portable code."""
    fault = provider().sm2_fault()
    if fault:
        raise ValueError(fault)


def _sm2_pairwise() -> None:
    """A fresh key signs what it verifies and decrypts what it encrypts (GM/T 0028, 7.10.3.3)."""
    ((d, public),) = sm2.generate_many(1)
    same(sm2.public_key(d), public)
    sm2.check_public_key(public)
    sm2.verify(public, b"pairwise", sm2.sign(d, b"pairwise"))
    refused(InvalidSignature, lambda: sm2.verify(public, b"pairwise", sm2.sign(_D, b"pairwise")))
    same(sm2.decrypt(d, sm2.encrypt(public, b"pairwise")), b"pairwise")


def _ecdsa_pairwise() -> None:
    key = intl.ecdsa_p256_generate()
    intl.ecdsa_p256_verify(intl.public_key(key), b"pairwise", intl.ecdsa_p256_sign(key, b"pairwise"))


TESTS = (
    ("SM2 signature", _sm2_sign),
    ("SM2 encryption", _sm2_encrypt),
    ("SM2 key exchange", _sm2_exchange),
    ("SM2 tables and lanes", _sm2_tables),
    ("SM2 pairwise consistency", _sm2_pairwise),
    ("ECDSA pairwise consistency", _ecdsa_pairwise),
)
