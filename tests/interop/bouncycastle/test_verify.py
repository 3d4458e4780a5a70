"""SM2 certificates, lists, messages and timestamps of ours, verified by BouncyCastle (and refused when changed)."""

import random
from datetime import timedelta

import pytest
from tests.interop.bouncycastle.program import verify
from tests.unit.wire.authority import LEAF_EXTENSIONS, NOW, SM2, key, make, pki

from miyun.edge.agent import messages
from miyun.gm import sm2, sm3, sm4_ff1
from miyun.wire import cms, crl, tsp, x509
from miyun.wire.algorithm import DigestAlgorithm
from miyun.wire.cms import Dialect

pytestmark = pytest.mark.engine
AT = str(int(NOW.timestamp()))
CONTENT = "公文".encode()


@pytest.fixture
def folder(tmp_path):
    def write(file, body):
        path = tmp_path / file
        path.write_bytes(body.encode() if isinstance(body, str) else body)
        return path

    return write


@pytest.fixture
def anchor(folder):
    return folder("anchor.pem", pki().root.certificate.to_pem())


def test_certificate(folder, anchor):
    chain = folder("chain.pem", x509.certificates_pem([pki().leaf.certificate, pki().issuing.certificate]))
    assert verify("certificate", anchor, chain, AT) == (True, "")


def test_certificate_signed_without_za(folder, anchor):
    d = pki().root.key.private
    sloppy = make(
        "x", *LEAF_EXTENSIONS, issuer=pki().root, key=key(number=5), sign=lambda m: sm2.sign_digest(d, sm3.digest(m))
    )
    verified, _ = verify("certificate", anchor, folder("chain.pem", sloppy.certificate.to_pem()), AT)
    assert not verified


def test_list(folder):
    issuing = pki().issuing
    head = crl.TbsCertificateList(
        issuing.certificate.subject,
        NOW,
        NOW + timedelta(days=1),
        (crl.RevokedEntry(5, NOW, crl.Reason.KEY_COMPROMISE),),
        1,
        issuing.key.identifier,
        SM2,
    )
    issuer = folder("issuer.pem", issuing.certificate.to_pem())
    assert verify("crl", issuer, folder("list.der", head.sign(issuing.key.sign))) == (True, "")
    forged = folder("forged.der", head.sign(key(number=9).sign))
    assert not verify("crl", issuer, forged)[0]


def message(*, detached=False, attributes=True, dialect=Dialect.RFC5652) -> bytes:
    leaf = pki().leaf
    signed = None
    if attributes:
        signed = cms.signed_attributes_to_sign(
            sm3.digest(CONTENT),
            dialect=dialect,
            signing_time=NOW,
            signing_certificate=leaf.certificate,
            certificate_digest=DigestAlgorithm.SM3,
        )
    return cms.assemble(
        certificate=leaf.certificate,
        algorithm=SM2,
        signature=leaf.key.sign(signed or CONTENT),
        content=None if detached else CONTENT,
        signed_attributes=signed,
        dialect=dialect,
        certificates=[leaf.certificate, pki().issuing.certificate],
    )


@pytest.mark.parametrize("attributes", [True, False], ids=["attributes", "bare"])
def test_message(folder, anchor, attributes):
    made = message(attributes=attributes)
    assert verify("cms", anchor, folder("m.der", made), AT) == (True, "")
    changed = folder("changed.der", made.replace(CONTENT, CONTENT[::-1]))
    assert not verify("cms", anchor, changed, AT)[0]


def test_detached_message(folder, anchor):
    file = folder("m.der", message(detached=True))
    assert verify("cms", anchor, file, AT, folder("content", CONTENT)) == (True, "")


def test_message_of_gbt_35275(folder, anchor):
    file = folder("m.der", message(dialect=Dialect.GBT35275))
    assert verify("cms", anchor, file, AT) == (True, "")


@pytest.mark.parametrize("detached", [False, True])
def test_message_of_the_key_agent(folder, anchor, detached):
    leaf = pki().leaf
    made = messages.sign(CONTENT, leaf.certificate, leaf.key.sign, NOW, detached=detached)
    # the path of the signer's issuer is not in what an agent sends
    whole = [folder("m.der", made), AT, *([folder("content", CONTENT)] if detached else [])]
    direct = folder("issuing.pem", pki().issuing.certificate.to_pem())
    assert verify("cms", direct, *whole) == (True, "")
    forged = messages.sign(CONTENT, leaf.certificate, key(number=9).sign, NOW, detached=detached)
    assert not verify("cms", direct, folder("f.der", forged), *whole[1:])[0]


def test_envelope_of_the_key_agent(folder):
    holder = key(number=5)
    certificate = make("x", key=holder).certificate
    sealed = messages.envelope(CONTENT, certificate, certificate.public_key.point)
    file, content = folder("e.der", sealed), folder("content", CONTENT)
    assert verify("enveloped", holder.private.hex(), file, content) == (True, "")
    assert not verify("enveloped", key(number=9).private.hex(), file, content)[0]


def test_timestamp(folder, anchor):
    query = tsp.build_request(tsp.MessageImprint.of(DigestAlgorithm.SM3, sm3.digest(CONTENT)), nonce=77)
    asked = tsp.parse_request(query)
    signer = pki().tsa
    info = tsp.TstInfoTemplate("1.2.3.4", tsp.Accuracy(1), signer.certificate.subject).encode(
        5, NOW, asked.message_imprint, asked.nonce
    )
    frame = tsp.TokenTemplate(SM2, (signer.certificate, pki().issuing.certificate))
    attributes = frame.to_be_signed(info)
    token = frame.assemble(info, attributes, signer.key.sign(attributes), True)
    response = folder("r.tsr", tsp.response_granted(token))
    assert verify("timestamp", anchor, response, folder("q.tsq", query)) == (True, "")
    other = tsp.build_request(tsp.MessageImprint.of(DigestAlgorithm.SM3, sm3.digest(b"other")), nonce=77)
    assert not verify("timestamp", anchor, response, folder("other.tsq", other))[0]
    forged = frame.assemble(info, attributes, key(number=9).sign(attributes), True)
    assert not verify("timestamp", anchor, folder("f.tsr", tsp.response_granted(forged)), folder("q.tsq", query))[0]


def test_format_preserving_encryption(folder):
    key = bytes(range(16))
    lines, draw = [], random.Random(1)
    for radix in (2, 3, 10, 36, 255, 256, 257, 1000, 65535):  # it writes 65536, the last allowed, as 0
        width = 1 if radix <= 256 else 2
        for length in (20, 21, 40, 77):
            numerals, tweak = [draw.randrange(radix) for _ in range(length)], draw.randbytes(length % 23)
            texts = [
                b"".join(numeral.to_bytes(width, "big") for numeral in text).hex()
                for text in (numerals, sm4_ff1.encrypt(key, tweak, numerals, radix))
            ]
            lines.append(f"{radix} {tweak.hex()} {texts[0]} {texts[1]}")
    assert verify("ff1", folder("key", key), folder("cases", "\n".join(lines))) == (True, "")
    lines[0] = lines[0][:-1] + ("1" if lines[0].endswith("0") else "0")
    assert verify("ff1", folder("key", key), folder("cases", "\n".join(lines)))[0] is False
