"""The decoders of `miyun.wire`, each with messages that it takes."""

from __future__ import annotations

from datetime import timedelta

from tests.fuzz.target import Target
from tests.unit.wire.authority import ALGORITHMS, NOW, PSS, RSA, SM2, key, make, name, pki

from miyun.gm import sm3
from miyun.gm.errors import DecryptionFailed, InvalidSignature
from miyun.wire import cms, crl, der, ers, ocsp, oid, pem, pkcs8, pkcs10, pkcs12, skf_unlock, spki, tsp, versioned, x509
from miyun.wire.algorithm import DigestAlgorithm, read_cms_signature_algorithm, read_signature_algorithm
from miyun.wire.ber import ber_to_der
from miyun.wire.cms import cfca_key
from miyun.wire.errors import DecodeError
from miyun.wire.name import Name
from miyun.wire.proxy import Origin, decode, encode, size_of
from miyun.wire.x509.distribution import IssuingDistributionPoint


def _proxy_header(data: bytes) -> Origin:
    size_of(data)
    return decode(data)


def _certificate() -> list[bytes]:
    every = make(
        "x",
        x509.basic_constraints(True, 1),
        x509.key_usage("keyCertSign"),
        x509.ext_key_usage(oid.KP_CLIENT_AUTH),
        x509.subject_alt_name(dns=["a.example"], ip=["10.0.0.1"], email=["a@b.cn"], directory=[name("y")]),
        x509.crl_distribution_points(["http://a.example/crl"]),
        x509.authority_info_access(ocsp=["http://a.example/ocsp"]),
        x509.certificate_policies(["1.2.3"]),
        x509.name_constraints(permitted_dns=["example"], excluded_ip=["10.0.0.0/8"], excluded_directory=[name("z")]),
        key=key(),
    ).certificate
    return [every.der, *(pki(algorithm).leaf.certificate.der for algorithm in ALGORITHMS)]


def _list() -> list[bytes]:
    issuing = pki().issuing
    entries = (crl.RevokedEntry(5, NOW, crl.Reason.SUPERSEDED), crl.RevokedEntry(6, NOW))
    head = crl.TbsCertificateList(
        issuing.certificate.subject, NOW, NOW + timedelta(days=1), entries, 9, issuing.key.identifier, SM2
    )
    further = x509.Extension(oid.DELTA_CRL_INDICATOR, True, der.integer(3)).encode()
    further += IssuingDistributionPoint(("http://a.example/1.crl",), user_only=True).encode().encode()
    tbs = der.sequence(
        der.integer(1),
        SM2.identifier,
        issuing.certificate.subject.encode(),
        der.time(NOW),
        der.explicit(0, der.sequence(further)),
    )
    return [head.sign(issuing.key.sign), crl.assemble(tbs, SM2, issuing.key.sign(tbs))]


def _request() -> list[bytes]:
    point = spki.parse_spki(key(number=1).spki).point
    return [
        pkcs10.CertificationRequestInfo(name("x"), key().spki, (x509.key_usage("cRLSign"),), "a").sign(SM2, key().sign),
        pkcs10.CertificationRequestInfo(name("x"), key().spki, (), "a", point).sign(SM2, key().sign),
    ]


def _unlock_challenge() -> list[bytes]:
    return [skf_unlock.Challenge("T0001", "应用", bytes(16), 50_000, b"\4" + bytes(64), bytes(16)).encode()]


def _unlock_command() -> list[bytes]:
    code = skf_unlock.CommandCode
    return [
        skf_unlock.Command(code.CHALLENGE, "应用").encode(),
        skf_unlock.Command(code.UNLOCK, "应用", bytes(160), b"12345678").encode(),
    ]


def _message() -> list[bytes]:
    leaf = pki().leaf
    attributes = cms.signed_attributes_to_sign(sm3.digest(b"x"), signing_time=NOW, signing_certificate=leaf.certificate)
    whole = cms.assemble(
        certificate=leaf.certificate,
        algorithm=SM2,
        signature=leaf.key.sign(attributes),
        content=b"x",
        signed_attributes=attributes,
        certificates=[leaf.certificate],
    )
    body = der.Reader(whole).enter()
    body.raw()
    indefinite = b"\x30\x80" + der.oid(oid.SIGNED_DATA) + b"\xa0\x80" + body.read(0xA0) + bytes(4)
    return [whole, indefinite]


def _token() -> bytes:
    imprint = tsp.MessageImprint.of(DigestAlgorithm.SM3, sm3.digest(b"x"))
    info = tsp.TstInfoTemplate("1.2.3", tsp.Accuracy(1, 2, 3), pki().tsa.certificate.subject, True).encode(
        5, NOW, imprint, 9
    )
    frame = tsp.TokenTemplate(SM2, (pki().tsa.certificate, pki().issuing.certificate))
    attributes = frame.to_be_signed(info)
    return frame.assemble(info, attributes, pki().tsa.key.sign(attributes), True)


def _evidence_record() -> list[bytes]:
    stamp = ers.ArchiveTimestamp(DigestAlgorithm.SHA256, _token(), ((bytes(32), b"\1" * 32), (b"\2" * 32,)))
    return [ers.EvidenceRecord(((stamp,), (stamp, ers.ArchiveTimestamp(DigestAlgorithm.SM3, _token())))).encode()]


def _check_evidence(data: bytes) -> None:
    ers.check_record(ers.parse_evidence_record(data), [b"x"])


def _timestamp_request() -> list[bytes]:
    imprint = tsp.MessageImprint.of(DigestAlgorithm.SHA256, bytes(32))
    return [tsp.build_request(imprint, policy="1.2.3", nonce=1 << 63), tsp.build_request(imprint)]


def _response() -> list[bytes]:
    rejected = tsp.response_rejected(tsp.PKIStatus.REJECTION, tsp.FailureInfo.BAD_ALG, "no")
    return [tsp.response_granted(_token()), rejected]


def _tst_info() -> list[bytes]:
    return [tsp.parse_token(_token())[1].content or b""]


def _envelope() -> list[bytes]:
    recipient = cms.KeyTransRecipient.sm2(pki().leaf.certificate, b"k" * 100)
    return [cms.build_enveloped_data([recipient], b"c" * 32, b"i" * 16, dialect=dialect) for dialect in cms.Dialect]


def _enveloped_key() -> list[bytes]:
    return [cms.EnvelopedKey(oid.SM4_ECB, der.sequence(der.integer(1)), b"\x04" + bytes(64), bytes(32)).encode()]


_SCHEME = pkcs12.Pbes2(b"s" * 16, 2, b"i" * 16)
_PROTECTION = pkcs12.Protection(lambda: _SCHEME, b"m" * 16, 2)


def _pfx() -> list[bytes]:
    key = pkcs12.PrivateKey(pkcs8.sm2_private_key(b"d" * 32, b"\x04" + bytes(64)), "name", b"1")
    bag = pkcs12.Bag(pki().leaf.certificate, "name", b"1")
    return [pkcs12.make_pfx("x", [key], [bag], _PROTECTION)]


def _safes() -> bytes:
    content = der.Reader(_pfx()[0]).enter()
    content.integer()
    held = content.enter()
    held.oid()
    return held.enter(0xA0).octet_string()


def _ocsp_question() -> ocsp.CertId:
    return ocsp.CertId.of(pki().issuing.certificate, 3)


def _ocsp_request() -> list[bytes]:
    return [ocsp.OcspRequest((_ocsp_question(),), b"n" * 16).encode(), ocsp.OcspRequest((_ocsp_question(),)).encode()]


def _ocsp_response() -> list[bytes]:
    issuing, later = pki().issuing, NOW + timedelta(hours=1)
    singles = (
        ocsp.SingleResponse(_ocsp_question(), NOW, later, revoked_at=NOW, reason=crl.Reason.SUPERSEDED),
        ocsp.SingleResponse(_ocsp_question(), NOW, None, known=False),
    )
    data = ocsp.ResponseData(ocsp.responder_key_hash(issuing.certificate), NOW, singles, b"n" * 16).encode()
    return [
        ocsp.assemble_response(data, SM2, issuing.key.sign(data), [issuing.certificate]),
        ocsp.error_response(ocsp.Status.TRY_LATER),
    ]


def _verify_ocsp(data: bytes) -> None:
    _, found = ocsp.parse_response(data)
    if found is not None:
        found.verify(pki().issuing.certificate, NOW)


def _verify_chain(data: bytes) -> None:
    leaf = x509.parse_certificate(data)
    pool = [pki().issuing.certificate, leaf]
    x509.verify_chain(leaf, pool, [pki().root.certificate], NOW, purpose=x509.Purpose.SIGNATURE)


def _verify_token(data: bytes) -> None:
    tsp.verify_token(data, anchors=[pki().root.certificate], message=b"x")


def _lazy_extensions(data: bytes) -> None:
    certificate = x509.parse_certificate(data)
    certificate.public_key, certificate.crl_urls, certificate.authority_info_access, certificate.policies  # noqa: B018


VERDICTS = (DecodeError, InvalidSignature, x509.ChainError, tsp.TimeStampMismatch, ers.NotProven)
"""What those that also verify may say."""

TARGETS = [
    Target("PROXY header", _proxy_header, lambda: [encode(Origin("203.0.113.7", 1, b"x")), encode(Origin("::1", 2))]),
    Target("ber", ber_to_der, _message),
    Target("CFCA's key", cfca_key.parse_cfca_key, lambda: [cfca_key.encode_cfca_key(bytes(192))]),
    Target("certificate", _lazy_extensions, _certificate),
    Target("certificates", x509.load_certificates, lambda: [pki().leaf.certificate.to_pem().encode()]),
    Target("chain", _verify_chain, lambda: [pki().leaf.certificate.der], VERDICTS),
    Target("crl", crl.parse_crl, _list),
    Target("csr", pkcs10.parse_csr, _request),
    Target("enveloped data", cms.parse_enveloped_data, _envelope),
    Target("enveloped key", cms.parse_enveloped_key, _enveloped_key),
    Target("unlock challenge", skf_unlock.parse_challenge, _unlock_challenge),
    Target("unlock response", skf_unlock.parse_response, lambda: [skf_unlock.Response(bytes(16), bytes(140)).encode()]),
    Target("unlock command", skf_unlock.parse_command, _unlock_command),
    Target("evidence record", ers.parse_evidence_record, _evidence_record),
    Target(
        "evidence",
        _check_evidence,
        lambda: [ers.EvidenceRecord(((ers.ArchiveTimestamp(DigestAlgorithm.SM3, _token()),),)).encode()],
        VERDICTS,
    ),
    Target("name", Name.decode, lambda: [name("张三").der]),
    Target(
        "name as text",
        lambda data: Name.parse(data.decode("utf-8", "replace")),
        lambda: [str(name("张三")).encode(), b"CN=a\\,b+OU=c,O=\\e5\\af\\86"],
        (ValueError,),
        prefixes_refused=False,
    ),
    Target("ocsp request", ocsp.parse_request, _ocsp_request),
    Target("ocsp response", _verify_ocsp, _ocsp_response, VERDICTS),
    Target("private key", pkcs8.parse_sm2_private_key, lambda: [pkcs8.sm2_private_key(b"d" * 32, b"\x04" + bytes(64))]),
    Target(
        "pfx under its MAC",
        lambda data: pkcs12.parse_pfx(pkcs12.pfx.sealed("x", data, _PROTECTION), "x"),
        lambda: [_safes()],
        (DecodeError, DecryptionFailed),
    ),
    Target("pfx", lambda data: pkcs12.parse_pfx(data, "x"), _pfx, (DecodeError, DecryptionFailed)),
    Target(
        "pem",
        lambda data: pem.decode(data, pem.CERTIFICATE),
        lambda: [pki().leaf.certificate.to_pem().encode()],
    ),
    Target("signed data", cms.parse_signed_data, _message),
    Target(
        "signature algorithm",
        lambda data: read_signature_algorithm(der.Reader(data)),
        lambda: [SM2.identifier, RSA.identifier, PSS.identifier],
    ),
    Target(
        "signer's algorithm",
        lambda data: read_cms_signature_algorithm(der.Reader(data), DigestAlgorithm.SHA256),
        lambda: [RSA.identifier, PSS.identifier],
    ),
    Target("spki", spki.parse_spki, lambda: [key().spki, key(RSA).spki]),
    Target("timestamp request", tsp.parse_request, _timestamp_request),
    Target("timestamp response", tsp.parse_response, _response),
    Target("timestamp token", _verify_token, lambda: [_token()], VERDICTS),
    Target("tst info", tsp.parse_tst_info, _tst_info),
    Target("versioned ciphertext", versioned.unpack, lambda: [versioned.pack(1, b"x")]),
    Target("verified message", cms.verify_signed_data, _message, VERDICTS),
]
