import dataclasses

import pytest
from tests.unit.wire.authority import ALGORITHMS, ECDSA, NOW, RSA, SM2, key, make, pki

from miyun.gm import sm2, sm3, sm4
from miyun.gm.errors import InvalidSignature
from miyun.wire import cms, der, oid
from miyun.wire.algorithm import DigestAlgorithm
from miyun.wire.cms import Dialect
from miyun.wire.errors import DecodeError, EncodeError

CONTENT = "密云".encode() * 20
CASES = [(SM2, Dialect.GBT35275)] + [(algorithm, Dialect.RFC5652) for algorithm in ALGORITHMS]


def sign(
    algorithm=SM2, dialect=Dialect.GBT35275, *, detached=False, attributes=True, content=CONTENT, **changes
) -> bytes:
    leaf = pki(algorithm).leaf
    signed = None
    if attributes:
        signed = cms.signed_attributes_to_sign(
            algorithm.digest_algorithm.digest(content),
            dialect=dialect,
            signing_time=NOW,
            signing_certificate=leaf.certificate,
            certificate_digest=algorithm.digest_algorithm,
        )
    parts = {
        "certificate": leaf.certificate,
        "algorithm": algorithm,
        "signature": leaf.key.sign(signed or content),
        "content": None if detached else content,
        "signed_attributes": signed,
        "dialect": dialect,
        "certificates": (leaf.certificate, pki(algorithm).issuing.certificate),
    }
    return cms.assemble(**(parts | changes))


@pytest.mark.parametrize("attributes", [True, False], ids=["attributes", "bare"])
@pytest.mark.parametrize("detached", [True, False], ids=["detached", "attached"])
@pytest.mark.parametrize(("algorithm", "dialect"), CASES, ids=lambda x: x.name)
def test_signature_verifies(algorithm, dialect, detached, attributes):
    message = sign(algorithm, dialect, detached=detached, attributes=attributes)
    info = cms.verify_signed_data(message, content=CONTENT if detached else None)
    signer = info.signers[0]
    assert info.dialect is dialect
    assert info.content == (None if detached else CONTENT)
    assert signer.algorithm is algorithm
    assert signer.certificate == pki(algorithm).leaf.certificate
    assert signer.signing_time == (NOW if attributes else None)
    assert set(info.certificates) == {pki(algorithm).leaf.certificate, pki(algorithm).issuing.certificate}


def test_gm_dialect_uses_its_own_identifiers():
    message = sign()
    for dotted in (oid.GM_SIGNED_DATA, oid.GM_DATA, oid.SM2_SIGN, oid.SM3):
        assert der.oid(dotted) in message
    assert der.oid(oid.SIGNED_DATA) not in message


@pytest.mark.parametrize("attributes", [True, False], ids=["attributes", "bare"])
def test_changed_content_is_refused(attributes):
    message = sign(attributes=attributes).replace(CONTENT, CONTENT[:-1] + b"x")
    with pytest.raises(InvalidSignature):
        cms.verify_signed_data(message)


def test_changed_attribute_is_refused():
    message = sign()
    changed = message.replace(b"261121060000Z", b"261121060001Z")
    assert changed != message
    with pytest.raises(InvalidSignature):
        cms.verify_signed_data(changed)


def test_other_content_than_the_attached_is_refused():
    with pytest.raises(InvalidSignature):
        cms.verify_signed_data(sign(), content=b"other")


def test_detached_needs_the_content():
    with pytest.raises(DecodeError, match="detached"):
        cms.verify_signed_data(sign(detached=True))


def test_detached_by_hash_alone():
    message = sign(detached=True)
    cms.verify_signed_data(message, content_digest=sm3.digest(CONTENT))
    with pytest.raises(InvalidSignature):
        cms.verify_signed_data(message, content_digest=sm3.digest(b"other"))
    with pytest.raises(DecodeError, match="whole content"):
        cms.verify_signed_data(sign(detached=True, attributes=False), content_digest=sm3.digest(CONTENT))


def test_signers_certificate_may_come_from_outside():
    message = sign(certificates=())
    with pytest.raises(DecodeError, match="certificates"):
        cms.verify_signed_data(message)
    cms.verify_signed_data(message, certificates=[pki().leaf.certificate])


def test_certificate_put_in_the_place_of_the_signers_is_refused():
    leaf = pki().leaf
    twin = make("张三", issuer=pki().issuing, key=leaf.key, serial=leaf.certificate.serial).certificate
    with pytest.raises(InvalidSignature):
        cms.verify_signed_data(sign(certificates=(twin,)))


def test_attributes_cannot_be_passed_off_as_content():
    # The octets that were signed are the attributes; as bare content of another type they must not verify.
    attributes = cms.signed_attributes_to_sign(sm3.digest(b"x"))
    signature = pki().leaf.key.sign(attributes)
    with pytest.raises(EncodeError):
        sign(attributes=False, content=attributes, signature=signature, content_type=oid.TST_INFO)
    message = sign(attributes=False, content=attributes, signature=signature)
    with pytest.raises(DecodeError, match="signedAttrs"):
        cms.verify_signed_data(message.replace(der.oid(oid.GM_DATA), der.oid(oid.GM_KEY_AGREEMENT_INFO)))


def test_content_type_must_be_the_one_that_was_signed():
    attributes = cms.signed_attributes_to_sign(sm3.digest(CONTENT), content_type=oid.TST_INFO)
    message = sign(signed_attributes=attributes, signature=pki().leaf.key.sign(attributes))
    with pytest.raises(InvalidSignature):
        cms.verify_signed_data(message)


def test_certificate_named_with_another_serial_is_refused():
    leaf = pki().leaf.certificate
    named = der.sequence(der.explicit(4, leaf.issuer.encode()))
    identifier = der.sequence(
        der.octet_string(DigestAlgorithm.SHA256.digest(leaf.der)), der.sequence(named, der.integer(leaf.serial + 1))
    )
    other = der.sequence(der.oid(oid.SIGNING_CERTIFICATE_V2), der.set_of(der.sequence(der.sequence(identifier))))
    plain = der.Reader(cms.signed_attributes_to_sign(sm3.digest(CONTENT), dialect=Dialect.GBT35275)).read(der.SET)
    attributes = der.tlv(der.SET, plain + other)
    with pytest.raises(InvalidSignature):
        cms.verify_signed_data(sign(signed_attributes=attributes, signature=pki().leaf.key.sign(attributes)))


def test_hash_and_signature_algorithm_must_agree():
    message = sign(ECDSA, Dialect.RFC5652)
    claimed = message.replace(DigestAlgorithm.SHA256.identifier, DigestAlgorithm.SHA384.identifier)
    with pytest.raises(DecodeError, match="another hash"):
        cms.verify_signed_data(claimed)


def test_message_without_signer_is_refused():
    info = dataclasses.replace(cms.parse_signed_data(sign()), signers=())
    with pytest.raises(DecodeError, match="nobody"):
        cms.verify_signed_data(info)


def test_unreadable_certificate_beside_the_signers_does_no_harm():
    own = pki().leaf.certificate.der
    odd = der.sequence(der.integer(1), der.octet_string(bytes(len(own) - 8)))
    message = sign(certificates=(pki().leaf.certificate,))
    info = der.Reader(message).enter()
    info.oid()
    body = info.enter(0xA0).enter()
    head = [body.raw() for _ in range(3)]
    body.raw()
    rebuilt = der.sequence(*head, der.explicit(0, odd + own), body.rest())
    rebuilt = der.sequence(der.oid(oid.GM_SIGNED_DATA), der.explicit(0, rebuilt))
    assert cms.verify_signed_data(rebuilt).certificates == (pki().leaf.certificate,)


def test_two_signers():
    first, second = sign(SM2, Dialect.RFC5652), sign(ECDSA, Dialect.RFC5652)
    merged = _merge(first, second)
    info = cms.verify_signed_data(merged)
    assert {signer.algorithm for signer in info.signers} == {SM2, ECDSA}
    spoiled = _merge(first, sign(ECDSA, Dialect.RFC5652, signature=key(ECDSA, 7).sign(b"x")))
    with pytest.raises(InvalidSignature):
        cms.verify_signed_data(spoiled)


def _merge(first: bytes, second: bytes) -> bytes:
    def parts(message):
        info = der.Reader(message).enter()
        info.oid()
        body = info.enter(0xA0).enter()
        return [body.raw() for _ in range(3)], body.read(0xA0), body.read(der.SET)

    (version, _, content), one, signer = parts(first)
    _, two, other = parts(second)
    digests = der.set_of(DigestAlgorithm.SM3.identifier, DigestAlgorithm.SHA256.identifier)
    body = der.sequence(version, digests, content, der.explicit(0, one + two), der.set_of(signer, other))
    return der.sequence(der.oid(oid.SIGNED_DATA), der.explicit(0, body))


def test_signer_named_by_key_identifier():
    message = sign()
    leaf = pki().leaf.certificate
    info = cms.parse_signed_data(message)
    signer = dataclasses.replace(info.signers[0], issuer=None, serial=None, key_identifier=leaf.subject_key_identifier)
    assert signer.is_signed_by(leaf)
    assert not signer.is_signed_by(pki().issuing.certificate)


RECIPIENT = cms.KeyTransRecipient.sm2


@pytest.mark.parametrize("dialect", Dialect)
def test_enveloped_data_comes_back(dialect):
    leaf, other = pki().leaf.certificate, pki(RSA).leaf.certificate
    recipients = [RECIPIENT(leaf, b"\x30\x03\x02\x01\x05"), cms.KeyTransRecipient.rsa(other, b"k" * 256)]
    message = cms.build_enveloped_data(recipients, b"c" * 48, b"i" * 16, dialect=dialect)
    info = cms.parse_enveloped_data(message)
    assert (info.dialect, info.iv, info.ciphertext) == (dialect, b"i" * 16, b"c" * 48)
    assert (info.content_algorithm, info.content_type) == (oid.SM4_CBC, dialect.data)
    mine = [item for item in info.recipients if item.is_for(leaf)]
    assert [(item.key_algorithm, item.encrypted_key) for item in mine] == [(oid.SM2_ENCRYPT, b"\x30\x03\x02\x01\x05")]


@pytest.mark.parametrize("spelling", [oid.SM2_KEY_EXCHANGE, oid.SM2_CURVE])
def test_other_spellings_of_sm2_encryption_are_read(spelling):
    recipient = dataclasses.replace(RECIPIENT(pki().leaf.certificate, b"k"), key_algorithm=spelling)
    message = cms.build_enveloped_data([recipient], b"c" * 16, b"i" * 16)
    assert der.oid(spelling) in message
    assert cms.parse_enveloped_data(message).recipients[0].key_algorithm == oid.SM2_ENCRYPT


@pytest.mark.parametrize(
    ("recipients", "ciphertext", "iv"),
    [([], b"c" * 16, b"i" * 16), ([1], b"c" * 15, b"i" * 16), ([1], b"", b"i" * 16), ([1], b"c" * 16, b"i" * 12)],
    ids=["nobody", "part of a block", "nothing", "short iv"],
)
def test_envelope_that_must_not_be_made(recipients, ciphertext, iv):
    who = [RECIPIENT(pki().leaf.certificate, b"k") for _ in recipients]
    with pytest.raises(EncodeError):
        cms.build_enveloped_data(who, ciphertext, iv)


def test_ciphertext_in_pieces_is_joined():
    message = cms.build_enveloped_data([RECIPIENT(pki().leaf.certificate, b"k")], b"c" * 32, b"i" * 16)
    whole = der.implicit(0, b"c" * 32)
    pieces = der.explicit(0, der.octet_string(b"c" * 20) + der.octet_string(b"c" * 12))
    at = message.index(whole)
    assert at + len(whole) == len(message)
    content = der.sequence(
        der.oid(oid.GM_DATA), der.sequence(der.oid(oid.SM4_CBC), der.octet_string(b"i" * 16)), pieces
    )
    reader = der.Reader(message).enter()
    reader.oid()
    body = reader.enter(0xA0).enter()
    rebuilt = der.sequence(
        der.oid(oid.GM_ENVELOPED_DATA), der.explicit(0, der.sequence(body.raw(), body.raw(), content))
    )
    assert cms.parse_enveloped_data(rebuilt).ciphertext == b"c" * 32


def test_enveloped_key_comes_back():
    made = cms.EnvelopedKey(oid.SM4_ECB, der.sequence(der.integer(1)), b"\x04" + b"p" * 64, b"s" * 32)
    assert cms.parse_enveloped_key(made.encode()) == made


def test_bare_sm4_means_ecb():
    made = cms.EnvelopedKey(oid.SM4, der.sequence(der.integer(1)), b"\x04" + b"p" * 64, b"s" * 64)
    assert cms.parse_enveloped_key(made.encode()).symmetric_algorithm == oid.SM4_ECB


def test_signed_is_not_enveloped():
    with pytest.raises(DecodeError, match="EnvelopedData"):
        cms.parse_enveloped_data(sign())


@pytest.mark.parametrize("dialect", Dialect)
def test_envelope_is_opened_with_the_private_key(dialect):
    owner = pki().leaf
    content_key, iv = bytes(range(16)), bytes(range(16, 32))
    point = owner.certificate.public_key.point
    recipient = RECIPIENT(owner.certificate, sm2.encrypt(point, content_key))
    message = cms.build_enveloped_data([recipient], sm4.encrypt_cbc(content_key, iv, CONTENT), iv, dialect=dialect)
    info = cms.parse_enveloped_data(message)
    opened = sm2.decrypt(owner.key.private, info.recipients[0].encrypted_key)
    assert sm4.decrypt_cbc(opened, info.iv, info.ciphertext) == CONTENT
