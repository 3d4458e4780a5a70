"""Keys and certificates under a password."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.unit.wire.authority import key, pki

from miyun.gm import rand, sm2
from miyun.gm.errors import DecryptionFailed
from miyun.wire import der, oid
from miyun.wire.cms import Dialect
from miyun.wire.errors import DecodeError
from miyun.wire.pkcs8 import parse_sm2_private_key, sm2_private_key
from miyun.wire.pkcs12 import Bag, Pbes2, PrivateKey, Protection, make_pfx, parse_pfx

PASSWORD = "口令 correct horse"
D = key().private
INFO = sm2_private_key(D, sm2.public_key(D))


def protection(iterations: int = 10, mac_iterations: int = 10, hmac: str = oid.HMAC_SM3) -> Protection:
    def scheme() -> Pbes2:
        return Pbes2(rand.token(16), iterations, rand.token(16), hmac=hmac)

    return Protection(scheme, rand.token(16), mac_iterations)


def made(dialect: Dialect = Dialect.RFC5652, **more: int) -> bytes:
    leaf, issuing = pki().leaf.certificate, pki().issuing.certificate
    certificates = [Bag(leaf, "张三", b"\x01"), Bag(issuing)]
    return make_pfx(PASSWORD, [PrivateKey(INFO, "张三", b"\x01")], certificates, protection(**more), dialect=dialect)


@pytest.mark.parametrize("dialect", Dialect)
def test_what_went_in_comes_out(dialect: Dialect) -> None:
    encoded = made(dialect)
    assert D not in encoded and pki().leaf.certificate.der not in encoded
    found = parse_pfx(encoded, PASSWORD)
    assert [(item.info, item.name, item.local_id) for item in found.keys] == [(INFO, "张三", b"\x01")]
    assert [item.certificate for item in found.certificates] == [pki().leaf.certificate, pki().issuing.certificate]
    assert parse_sm2_private_key(found.keys[0].info) == D
    assert "info" not in repr(found.keys[0])


@pytest.mark.parametrize("password", ["", PASSWORD[:-1], PASSWORD + "x", PASSWORD.upper()])
def test_a_wrong_password_opens_nothing(password: str) -> None:
    with pytest.raises(DecryptionFailed):
        parse_pfx(made(), password)


def test_a_changed_octet_anywhere_is_noticed() -> None:
    encoded = made()
    for at in range(len(encoded)):
        changed = bytearray(encoded)
        changed[at] ^= 1
        with pytest.raises((DecodeError, DecryptionFailed)):
            parse_pfx(bytes(changed), PASSWORD)


def without_mac(encoded: bytes) -> bytes:
    reader = der.Reader(encoded).enter()
    return der.sequence(reader.raw(), reader.raw())


@pytest.mark.parametrize(
    "spoiled",
    [
        lambda: without_mac(made()),
        lambda: made(mac_iterations=100_001),
        lambda: made(iterations=500_001),
        lambda: der.sequence(der.integer(3)),
    ],
    ids=["no MAC", "a costly MAC", "costly bags", "nothing"],
)
def test_what_is_not_authentic_or_too_costly_is_refused(spoiled: Callable[[], bytes]) -> None:
    with pytest.raises(DecodeError):
        parse_pfx(spoiled(), PASSWORD)


@pytest.mark.parametrize(
    "encoded",
    [INFO[:-1], INFO + b"\0", der.sequence(der.integer(0)), sm2_private_key(D, sm2.public_key(D))[:40]],
    ids=["cut", "longer", "an integer", "half of SM2"],  # not the key itself: every worker draws another
)
def test_a_private_key_that_is_none_is_refused(encoded: bytes) -> None:
    with pytest.raises(DecodeError):
        parse_sm2_private_key(encoded)
