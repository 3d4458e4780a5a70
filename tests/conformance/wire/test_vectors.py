"""Certificates, requests and messages of others, with published verdicts. The vectors lie beside the repository."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from miyun.gm.errors import InvalidSignature
from miyun.wire import cms, pkcs10, spki, x509
from miyun.wire.x509 import ChainReason

VECTORS = Path(__file__).parents[4] / "shared" / "vectors"
AT = datetime(2026, 11, 21, tzinfo=UTC)


def vectors(file: str) -> list:
    path = VECTORS / file
    if not path.exists():
        return [pytest.param(None, marks=pytest.mark.skip(reason=f"{file} is not beside the repository"))]
    return [pytest.param(item, id=item["id"]) for item in json.loads(path.read_text("utf-8"))["vectors"]]


@pytest.mark.parametrize("vector", vectors("sm2_certificates.json"))
def test_certificate(vector):
    certificate = x509.parse_certificate(bytes.fromhex(vector["cert_der"]))
    issuer = x509.parse_certificate(bytes.fromhex(vector["issuer_cert_der"]))
    if "serial" in vector:
        assert certificate.serial == int(vector["serial"], 16)
    expected = None
    if not vector["signature_valid"]:
        expected = ChainReason.NO_ZA
        with pytest.raises(InvalidSignature):
            certificate.verify_signed_by(issuer)
    else:
        certificate.verify_signed_by(issuer)
        if vector["id"].endswith("_expire"):
            expected = ChainReason.EXPIRED
    if expected is None:
        assert x509.verify_chain(certificate, [], [issuer], AT).anchor == issuer
    else:
        with pytest.raises(x509.ChainError) as caught:
            x509.verify_chain(certificate, [], [issuer], AT)
        assert caught.value.reason is expected


@pytest.mark.parametrize("vector", vectors("sm2_csr.json"))
def test_request(vector):
    request = pkcs10.parse_csr(bytes.fromhex(vector["csr_der"]))
    x, y = (int(vector[part], 16).to_bytes(32, "big") for part in ("px", "py"))
    assert request.public_key.point == b"\x04" + x + y
    if vector["signature_valid"]:
        request.verify()
    else:
        with pytest.raises(InvalidSignature):
            request.verify()
        assert spki.verifies_without_za(request.spki_der, request.info_der, request.signature)


@pytest.mark.parametrize("vector", vectors("gm_cms.json"))
def test_message(vector):
    message = bytes.fromhex(vector["der"])
    info = cms.verify_signed_data(message)
    assert info.dialect is cms.Dialect.GBT35275
    assert info.content == bytes.fromhex(vector["content"])
    assert info.signers[0].certificate.der == bytes.fromhex(vector["signer_cert"])
    spoiled = message.replace(info.content, info.content[:-1] + b"?")
    with pytest.raises(InvalidSignature):
        cms.verify_signed_data(spoiled)
