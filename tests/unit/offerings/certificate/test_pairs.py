"""Pairs of certificates whose encryption key the key-management centre makes."""

from __future__ import annotations

import asyncio

import pytest
from tests.rooms import Rooms
from tests.standin import START

from miyun.core.errors import InvalidArgument, MachineLocked
from miyun.gm import intl, sm2, sm4
from miyun.offerings.certificate.store import CertificateStore
from miyun.wire.cms import parse_enveloped_key
from miyun.wire.spki import sm2_spki
from miyun.wire.x509 import parse_certificate, verify_chain

HOLDER = sm2.generate_private_key()
SIGNING_KEY = sm2_spki(sm2.public_key(HOLDER))
SUBJECT = {"CN": "张三", "O": "某局"}


def test_the_holder_alone_gets_the_encryption_key_of_the_pair(rooms: Rooms) -> None:
    pair = asyncio.run(
        rooms.issuer.issue_pair(
            "ten_a", template="person", subject=SUBJECT, spki=SIGNING_KEY, days=30, at=rooms.clock.now()
        )
    )
    signing, encryption = parse_certificate(pair.signing.der), parse_certificate(pair.encryption.der)
    assert signing.spki_der == SIGNING_KEY
    assert signing.key_usage == {"digitalSignature", "nonRepudiation"}
    assert encryption.key_usage == {"keyEncipherment", "dataEncipherment", "keyAgreement"}
    assert signing.subject == encryption.subject and signing.not_after == encryption.not_after
    for certificate, issued in ((signing, pair.signing), (encryption, pair.encryption)):
        chain = [parse_certificate(item) for item in issued.chain]
        verify_chain(certificate, chain[:1], chain[1:], rooms.clock.now())
    sent = parse_enveloped_key(pair.enveloped_key)
    private = sm4.decrypt_ecb(sm2.decrypt(HOLDER, sent.encrypted_symmetric_key), sent.encrypted_private_key)
    assert sm2_spki(sm2.public_key(private)) == encryption.spki_der
    assert private not in pair.enveloped_key
    assert list(rooms.ledger.operations()).count("certificate.issue") == 2


def test_a_key_of_another_algorithm_gets_no_pair_and_nothing_is_escrowed(rooms: Rooms) -> None:
    made = intl.public_key(intl.ecdsa_p256_generate())
    with pytest.raises(InvalidArgument) as refused:
        asyncio.run(
            rooms.issuer.issue_pair("ten_a", template="person", subject=SUBJECT, spki=made, at=rooms.clock.now())
        )
    assert refused.value.field == "public_key"


def test_nothing_is_issued_while_the_machine_is_locked(rooms: Rooms, store: CertificateStore) -> None:
    rooms.machine.locked = True
    with pytest.raises(MachineLocked):
        asyncio.run(
            rooms.issuer.issue_pair("ten_a", template="person", subject=SUBJECT, spki=SIGNING_KEY, at=rooms.clock.now())
        )
    rooms.machine.locked = False
    assert store.issued_between("ten_a", START, START.replace(year=9999)) == []
