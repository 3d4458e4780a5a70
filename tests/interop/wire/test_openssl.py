"""What we make, read and verified by the openssl program; what it makes, read and verified by us."""

import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import load_der_public_key
from tests.unit.wire.authority import ALGORITHMS, ECDSA, PSS, RSA, SM2, Pki, key, name, pki

from miyun.gm import sm3
from miyun.wire import cms, crl, oid, pem, pkcs10, spki, tsp, x509
from miyun.wire.algorithm import DigestAlgorithm

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(
        shutil.which("openssl") is None and os.environ.get("CI") != "true",
        reason="the openssl program is not installed",
    ),
]
DISTID = ("-vfyopt", "distid:1234567812345678")
NOW = datetime.now(UTC).replace(microsecond=0)
CONTENT = b"content\n"


def openssl(*arguments: str | Path, data: bytes = b"", fails: bool = False) -> str:
    done = subprocess.run(["openssl", *map(str, arguments)], input=data, capture_output=True, timeout=60, check=False)
    output = (done.stdout + done.stderr).decode(errors="replace")
    assert (done.returncode != 0) == fails, output
    return output


@pytest.fixture
def folder(tmp_path):
    def write(file: str, body: bytes | str) -> Path:
        path = tmp_path / file
        path.write_bytes(body.encode() if isinstance(body, str) else body)
        return path

    return write


def bundle(folder, p: Pki) -> tuple[Path, Path]:
    root = folder("root.pem", p.root.certificate.to_pem())
    others = folder("others.pem", x509.certificates_pem([p.issuing.certificate]))
    return root, others


def test_sm2_certificate_is_read(folder):
    text = openssl("x509", "-in", folder("c.pem", pki().leaf.certificate.to_pem()), "-noout", "-text")
    assert "SM2-with-SM3" in text
    assert "ASN1 OID: SM2" in text
    assert "Digital Signature, Non Repudiation" in text


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda a: a.name)
def test_chain_is_verified(folder, algorithm):
    p = pki(algorithm)
    root, others = bundle(folder, p)
    leaf = folder("leaf.pem", p.leaf.certificate.to_pem())
    # The moment lies inside the certificates' validity, whatever the date of this run.
    at = str(int(p.leaf.certificate.not_before.timestamp()) + 3600)
    base = ("verify", "-attime", at, "-x509_strict", "-CAfile")
    if algorithm is not SM2:
        assert "OK" in openssl(*base, root, "-untrusted", others, leaf)
        return
    # openssl tells only the certificate in question its SM2 identity, so every link is verified alone.
    assert "OK" in openssl(*base, others, *DISTID, "-partial_chain", leaf)
    assert "OK" in openssl(*base, root, *DISTID, others)


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda a: a.name)
def test_request_is_verified(folder, algorithm):
    own = key(algorithm)
    info = pkcs10.CertificationRequestInfo(name("张三"), own.spki, (x509.subject_alt_name(dns=["a.example"]),))
    request = folder("r.der", info.sign(algorithm, own.sign))
    more = DISTID if algorithm is SM2 else ()
    text = openssl("req", "-in", request, "-inform", "DER", "-verify", *more, "-text", "-noout")
    assert "verify OK" in text
    assert "DNS:a.example" in text


def test_request_of_openssl_is_read(folder, tmp_path):
    private = tmp_path / "k.pem"
    openssl("ecparam", "-genkey", "-name", "SM2", "-out", private)
    request = openssl(
        "req",
        "-new",
        "-key",
        private,
        "-sm3",
        "-sigopt",
        "distid:1234567812345678",
        "-subj",
        "/C=CN/CN=test",
        "-addext",
        "subjectAltName=DNS:a.example",
    )
    found = pkcs10.parse_csr(request)
    found.verify()
    assert found.public_key.algorithm is spki.KeyAlgorithm.SM2
    assert x509.subject_alt_name(dns=["a.example"]) in found.extensions


@pytest.mark.parametrize("algorithm", [ECDSA, RSA, SM2], ids=lambda a: a.name)
def test_list_is_read_and_verified(folder, algorithm):
    p = pki(algorithm)
    entries = (crl.RevokedEntry(0xABCDEF, NOW, crl.Reason.KEY_COMPROMISE),)
    head = crl.TbsCertificateList(
        p.issuing.certificate.subject, NOW, NOW + timedelta(days=1), entries, 5, p.issuing.key.identifier, algorithm
    )
    file = folder("l.der", head.sign(p.issuing.key.sign))
    issuer = folder("i.pem", p.issuing.certificate.to_pem())
    verify = ("-CAfile", issuer) if algorithm is not SM2 else ()  # `openssl crl` cannot be told SM2's identity
    text = openssl("crl", "-in", file, "-inform", "DER", "-text", "-noout", *verify)
    assert "ABCDEF" in text
    assert "Key Compromise" in text
    assert algorithm is SM2 or "verify OK" in text


@pytest.mark.parametrize("detached", [False, True], ids=["attached", "detached"])
@pytest.mark.parametrize("attributes", [True, False], ids=["attributes", "bare"])
@pytest.mark.parametrize("algorithm", [ECDSA, RSA, PSS], ids=lambda a: a.name)
def test_message_is_verified(folder, algorithm, attributes, detached):
    p = pki(algorithm)
    signed = None
    if attributes:
        digest = algorithm.digest_algorithm.digest(CONTENT)
        signed = cms.signed_attributes_to_sign(digest, signing_time=NOW, signing_certificate=p.leaf.certificate)
    message = cms.assemble(
        certificate=p.leaf.certificate,
        algorithm=algorithm,
        signature=p.leaf.key.sign(signed or CONTENT),
        content=None if detached else CONTENT,
        signed_attributes=signed,
        certificates=[p.leaf.certificate, p.issuing.certificate],
    )
    root, _ = bundle(folder, p)
    at = str(int(p.leaf.certificate.not_before.timestamp()) + 3600)
    content = ("-content", folder("content", CONTENT)) if detached else ()
    file = folder("m.der", message)
    text = openssl(
        "cms",
        "-verify",
        "-binary",
        "-inform",
        "DER",
        "-in",
        file,
        "-CAfile",
        root,
        "-attime",
        at,
        "-purpose",
        "any",
        *content,
    )
    assert "successful" in text


@pytest.mark.parametrize("streamed", [False, True], ids=["der", "ber in pieces"])
def test_message_of_openssl_is_verified(folder, tmp_path, streamed):
    p = pki(ECDSA)
    private = folder("k.der", p.leaf.key.private)
    out = tmp_path / "m.der"
    more = ("-stream", "-indef") if streamed else ()
    openssl(
        "cms",
        "-sign",
        "-binary",
        "-nodetach",
        "-outform",
        "DER",
        *more,
        "-in",
        folder("content", CONTENT * 3000),
        "-out",
        out,
        "-signer",
        folder("s.pem", p.leaf.certificate.to_pem()),
        "-inkey",
        private,
        "-keyform",
        "DER",
    )
    info = cms.verify_signed_data(out.read_bytes())
    assert info.content == CONTENT * 3000
    assert info.signers[0].certificate == p.leaf.certificate


def test_envelope_of_openssl_is_read(folder, tmp_path):
    p = pki(RSA)
    out = tmp_path / "e.der"
    openssl(
        "cms",
        "-encrypt",
        "-binary",
        "-aes-256-cbc",
        "-stream",
        "-indef",
        "-outform",
        "DER",
        "-in",
        folder("content", CONTENT),
        "-out",
        out,
        folder("r.pem", p.leaf.certificate.to_pem()),
    )
    info = cms.parse_enveloped_data(out.read_bytes())
    assert info.recipients[0].is_for(p.leaf.certificate)
    assert len(info.ciphertext) == 16


def test_envelope_is_opened(folder, tmp_path):
    leaf = pki(RSA).leaf
    content_key, iv = bytes(range(32)), bytes(16)
    public = load_der_public_key(leaf.key.spki)
    encryptor = Cipher(algorithms.AES(content_key), modes.CBC(iv)).encryptor()
    padding = 16 - len(CONTENT) % 16
    ciphertext = encryptor.update(CONTENT + bytes([padding]) * padding) + encryptor.finalize()
    recipient = cms.KeyTransRecipient.rsa(leaf.certificate, public.encrypt(content_key, PKCS1v15()))
    message = cms.build_enveloped_data(
        [recipient], ciphertext, iv, dialect=cms.Dialect.RFC5652, content_algorithm=oid.AES256_CBC
    )
    out = tmp_path / "plain"
    openssl(
        "cms",
        "-decrypt",
        "-binary",
        "-inform",
        "DER",
        "-in",
        folder("e.der", message),
        "-out",
        out,
        "-recip",
        folder("r.pem", leaf.certificate.to_pem()),
        "-inkey",
        folder("k.der", leaf.key.private),
        "-keyform",
        "DER",
    )
    assert out.read_bytes() == CONTENT


def stamp(p: Pki, query: bytes) -> bytes:
    asked = tsp.parse_request(query)
    info = tsp.TstInfoTemplate("1.2.3.4.1", tsp.Accuracy(1), p.tsa.certificate.subject).encode(
        77, NOW, asked.message_imprint, asked.nonce
    )
    frame = tsp.TokenTemplate(p.tsa.certificate.algorithm, (p.tsa.certificate, p.issuing.certificate))
    attributes = frame.to_be_signed(info)
    token = frame.assemble(info, attributes, p.tsa.key.sign(attributes), asked.cert_req)
    return tsp.response_granted(token)


@pytest.mark.parametrize("with_certificates", [True, False], ids=["certificates", "none"])
@pytest.mark.parametrize("algorithm", [ECDSA, RSA], ids=lambda a: a.name)
def test_timestamp_is_verified(folder, tmp_path, algorithm, with_certificates):
    p = pki(algorithm)
    data = folder("data", CONTENT)
    query = tmp_path / "q.tsq"
    more = ("-cert",) if with_certificates else ()
    openssl("ts", "-query", "-data", data, "-sha256", *more, "-out", query)
    reply = folder("r.tsr", stamp(p, query.read_bytes()))
    root, _ = bundle(folder, p)
    untrusted = folder("untrusted.pem", x509.certificates_pem([p.tsa.certificate, p.issuing.certificate]))
    at = str(int(p.leaf.certificate.not_before.timestamp()) + 3600)
    base = ("ts", "-verify", "-in", reply, "-CAfile", root, "-untrusted", untrusted, "-attime", at)
    assert "Verification: OK" in openssl(*base, "-queryfile", query)
    assert "Verification: OK" in openssl(*base, "-data", data)
    openssl(*base, "-data", folder("other", b"other"), fails=True)


def test_sm2_timestamp_is_read(folder, tmp_path):
    query = tmp_path / "q.tsq"
    openssl("ts", "-query", "-digest", sm3.digest(CONTENT).hex(), "-sm3", "-cert", "-out", query)
    asked = tsp.parse_request(query.read_bytes())
    assert asked.message_imprint.algorithm is DigestAlgorithm.SM3
    text = openssl("ts", "-reply", "-in", folder("r.tsr", stamp(pki(), query.read_bytes())), "-text")
    assert "Status: Granted" in text
    assert "Hash Algorithm: sm3" in text
    assert "Serial number: 0x4D" in text


def test_rejection_is_read(folder):
    rejected = tsp.response_rejected(tsp.PKIStatus.REJECTION, tsp.FailureInfo.TIME_NOT_AVAILABLE, "no time")
    text = openssl("ts", "-reply", "-in", folder("r.tsr", rejected), "-text")
    assert "Status: Rejected" in text
    assert "no time" in text
    assert "time source is not available" in text


def test_token_of_openssl_is_verified(folder, tmp_path):
    p = pki(ECDSA)
    folder("serial", "01\n")
    folder("k.der", p.tsa.key.private)
    openssl("pkey", "-inform", "DER", "-in", tmp_path / "k.der", "-out", tmp_path / "k.pem")
    folder("tsa.pem", p.tsa.certificate.to_pem())
    folder("chain.pem", p.issuing.certificate.to_pem())
    config = folder(
        "tsa.cnf",
        f"""[tsa]
default_tsa = tsa_config
[tsa_config]
serial = {tmp_path}/serial
signer_cert = {tmp_path}/tsa.pem
certs = {tmp_path}/chain.pem
signer_key = {tmp_path}/k.pem
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
accuracy = secs:1, millisecs:500
ordering = yes
tsa_name = yes
ess_cert_id_chain = no
""",
    )
    query, reply = tmp_path / "q.tsq", tmp_path / "r.tsr"
    openssl("ts", "-query", "-data", folder("data", CONTENT), "-sha512", "-cert", "-out", query)
    openssl("ts", "-reply", "-config", config, "-section", "tsa_config", "-queryfile", query, "-out", reply)
    info = tsp.verify_response(
        reply.read_bytes(),
        tsp.parse_request(query.read_bytes()),
        anchors=[p.root.certificate],
        at=p.tsa.certificate.not_before + timedelta(hours=1),
    )
    assert info.tst_info.accuracy == tsp.Accuracy(1, 500)
    assert info.tst_info.ordering


def test_pem_is_what_openssl_writes(folder):
    text = openssl("x509", "-in", folder("c.der", pki().leaf.certificate.der), "-inform", "DER")
    assert text == pki().leaf.certificate.to_pem()
    assert pem.decode(text, pem.CERTIFICATE) == pki().leaf.certificate.der
