"""Our structures, re-read by asn1crypto, which shares no code with our reader."""

import pytest
from asn1crypto import cms as their_cms
from asn1crypto import crl as their_crl
from asn1crypto import csr as their_csr
from asn1crypto import tsp as their_tsp
from asn1crypto import x509 as their_x509
from asn1crypto.algos import DigestAlgorithmId, SignedDigestAlgorithmId
from asn1crypto.keys import NamedCurve
from tests.unit.wire.authority import ALGORITHMS, NOW, SM2, key, make, name, pki

from miyun.wire import cms, crl, der, oid, pkcs10, tsp, x509
from miyun.wire.algorithm import DigestAlgorithm


@pytest.fixture(autouse=True, scope="module")
def sm_names():
    for kind, dotted, text in (
        (DigestAlgorithmId, oid.SM3, "sm3"),
        (SignedDigestAlgorithmId, oid.SM2_WITH_SM3, "sm3_sm2"),
        (SignedDigestAlgorithmId, oid.SM2_SIGN, "sm2"),
    ):
        kind._map[dotted] = text
        kind._reverse_map = {name: number for number, name in kind._map.items()}
    NamedCurve.register("sm2p256v1", oid.SM2_CURVE, 32)


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda a: a.name)
def test_certificate(algorithm):
    made = pki(algorithm).leaf.certificate
    read = their_x509.Certificate.load(made.der, strict=True)
    assert read.serial_number == made.serial
    assert read.subject.native["common_name"] == "张三"
    assert read.not_valid_after == made.not_after
    assert read.key_usage_value.native == {"digital_signature", "non_repudiation"}
    assert read.authority_key_identifier == made.authority_key_identifier
    assert read.public_key.dump() == made.spki_der
    assert read.dump(force=True) == made.der


def test_every_extension():
    made = make(
        "x",
        x509.basic_constraints(True, 1),
        x509.ext_key_usage(oid.KP_CLIENT_AUTH),
        x509.subject_alt_name(dns=["a.example"], ip=["10.0.0.1"], email=["a@b.cn"], directory=[name("y")]),
        x509.crl_distribution_points(["http://a.example/crl"]),
        x509.authority_info_access(ocsp=["http://a.example/ocsp"]),
        x509.certificate_policies(["1.2.3"]),
        x509.name_constraints(permitted_dns=["example"], excluded_ip=["10.0.0.0/8"]),
        key=key(),
    ).certificate
    read = their_x509.Certificate.load(made.der)
    assert read.basic_constraints_value.native == {"ca": True, "path_len_constraint": 1}
    assert read.extended_key_usage_value.native == ["client_auth"]
    assert read.subject_alt_name_value.native[:2] == ["a.example", "10.0.0.1"]
    assert read.crl_distribution_points[0].url == "http://a.example/crl"
    assert read.ocsp_urls == ["http://a.example/ocsp"]
    assert read.certificate_policies_value.native[0]["policy_identifier"] == "1.2.3"
    assert read.name_constraints_value["permitted_subtrees"][0]["base"].native == "example"
    assert read.name_constraints_value["excluded_subtrees"][0]["base"].native == "10.0.0.0/8"


def test_list():
    issuing = pki().issuing
    entries = (crl.RevokedEntry(5, NOW, crl.Reason.SUPERSEDED),)
    head = crl.TbsCertificateList(
        issuing.certificate.subject, NOW, NOW.replace(year=2060), entries, 9, issuing.key.identifier, SM2
    )
    read = their_crl.CertificateList.load(head.sign(issuing.key.sign), strict=True)
    assert read.crl_number_value.native == 9
    revoked = read["tbs_cert_list"]["revoked_certificates"][0]
    assert (revoked["user_certificate"].native, revoked.crl_reason_value.native) == (5, "superseded")
    assert read["tbs_cert_list"]["next_update"].native == NOW.replace(year=2060)


def test_request():
    info = pkcs10.CertificationRequestInfo(name("x"), key().spki, (x509.key_usage("digitalSignature"),), "secret")
    read = their_csr.CertificationRequest.load(info.sign(SM2, key().sign), strict=True)
    attributes = {
        item["type"].native: item["values"].native for item in read["certification_request_info"]["attributes"]
    }
    assert attributes["challenge_password"] == ["secret"]
    assert attributes["extension_request"][0][0]["extn_id"] == "key_usage"


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda a: a.name)
def test_timestamp(algorithm):
    p = pki(algorithm)
    imprint = tsp.MessageImprint.of(DigestAlgorithm.SM3, bytes(32))
    info = tsp.TstInfoTemplate("1.2.3.4", tsp.Accuracy(1, 2, 3), p.tsa.certificate.subject, True).encode(
        1 << 100, NOW.replace(microsecond=5000), imprint, 1 << 64
    )
    frame = tsp.TokenTemplate(algorithm, (p.tsa.certificate, p.issuing.certificate))
    attributes = frame.to_be_signed(info)
    token = frame.assemble(info, attributes, p.tsa.key.sign(attributes), True)
    read = their_tsp.TimeStampResp.load(tsp.response_granted(token), strict=True)
    assert read["status"]["status"].native == "granted"
    signed = read["time_stamp_token"]["content"]
    assert signed["version"].native == "v3"
    said = signed["encap_content_info"]["content"].parsed
    assert (said["serial_number"].native, said["nonce"].native) == (1 << 100, 1 << 64)
    assert said["accuracy"].native == {"seconds": 1, "millis": 2, "micros": 3}
    assert said["gen_time"].native == NOW.replace(microsecond=5000)
    signer = signed["signer_infos"][0]
    kinds = [item["type"].native for item in signer["signed_attrs"]]
    assert set(kinds) == {"content_type", "message_digest", "signing_certificate_v2"}
    # What was signed is exactly the DER that another encoder makes of the attributes.
    assert their_cms.CMSAttributes.load(attributes).dump(force=True) == attributes
    assert signer["signed_attrs"].untag().dump(force=True) == attributes
    assert read.dump(force=True) == tsp.response_granted(token)


def test_request_for_a_timestamp():
    read = their_tsp.TimeStampReq.load(
        tsp.build_request(tsp.MessageImprint.of(DigestAlgorithm.SHA256, bytes(32)), policy="1.2.3", nonce=5),
        strict=True,
    )
    assert read.native["message_imprint"]["hash_algorithm"]["algorithm"] == "sha256"
    assert (read["nonce"].native, read["cert_req"].native, read["req_policy"].native) == (5, True, "1.2.3")


@pytest.mark.parametrize("dialect", cms.Dialect)
def test_messages(dialect):
    leaf = pki().leaf
    attributes = cms.signed_attributes_to_sign(bytes(32), dialect=dialect, signing_time=NOW)
    message = cms.assemble(
        certificate=leaf.certificate,
        algorithm=SM2,
        signature=leaf.key.sign(attributes),
        content=b"x",
        signed_attributes=attributes,
        dialect=dialect,
        certificates=[leaf.certificate],
    )
    body = their_cms.SignedData.load(_content(message, dialect.signed_data), strict=True)
    assert body["certificates"][0].chosen.serial_number == leaf.certificate.serial
    assert body["signer_infos"][0]["digest_algorithm"]["algorithm"].native == "sm3"
    envelope = cms.build_enveloped_data(
        [cms.KeyTransRecipient.sm2(leaf.certificate, b"k")], b"c" * 16, b"i" * 16, dialect=dialect
    )
    body = their_cms.EnvelopedData.load(_content(envelope, dialect.enveloped_data), strict=True)
    assert body["recipient_infos"][0].chosen["encrypted_key"].native == b"k"
    assert body["encrypted_content_info"]["encrypted_content"].native == b"c" * 16


def _content(message: bytes, kind: str) -> bytes:
    """What a ContentInfo of this kind holds; asn1crypto does not know the identifiers of GB/T 35275."""
    reader = der.Reader(message).enter()
    assert reader.oid() == kind
    return reader.read(0xA0)
