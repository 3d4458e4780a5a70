"""Timestamp tokens built by asn1crypto in this process, as somebody without the platform would: api.timestamp's peer.

The same token as the platform issues: TSTInfo, signed attributes with signingCertificateV2, two certificates.
"""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime
from typing import Any

from asn1crypto import algos, cms, core, tsp, x509
from benchmarks.load.scene import DIGEST, Subject
from tests.platform import RunningPlatform

from miyun.gm import sm2, sm3
from miyun.wire import tsp as ours

_SM3 = "1.2.156.10197.1.401"
_SM2_SM3 = "1.2.156.10197.1.501"


class Builder:
    """Takes policy, certificates and the signature's size from a token of the platform."""

    def __init__(self, token: bytes, signer: Any) -> None:
        signed = cms.ContentInfo.load(token)["content"]
        self.policy = signed["encap_content_info"]["content"].parsed["policy"].native
        self.certificates = [x509.Certificate.load(item.chosen.dump()) for item in signed["certificates"]]
        self.signer = signer
        self.serial = 0

    def build(self, digest: bytes) -> bytes:
        self.serial += 1
        certificate = self.certificates[0]
        info = tsp.TSTInfo(
            {
                "version": "v1",
                "policy": self.policy,
                "message_imprint": {
                    "hash_algorithm": algos.DigestAlgorithm({"algorithm": _SM3}),
                    "hashed_message": digest,
                },
                "serial_number": self.serial,
                "gen_time": datetime.now(UTC),
                "accuracy": {"seconds": 1},
            }
        )
        encoded = info.dump()
        reference = tsp.SigningCertificateV2(
            {
                "certs": [
                    {
                        "hash_algorithm": algos.DigestAlgorithm({"algorithm": _SM3}),
                        "cert_hash": sm3.digest(certificate.dump()),
                    }
                ]
            }
        )
        attributes = cms.CMSAttributes(
            [
                cms.CMSAttribute({"type": "content_type", "values": ["tst_info"]}),
                cms.CMSAttribute({"type": "message_digest", "values": [sm3.digest(encoded)]}),
                cms.CMSAttribute({"type": "signing_certificate_v2", "values": [reference]}),
            ]
        )
        signer = cms.SignerInfo(
            {
                "version": "v1",
                "sid": cms.SignerIdentifier(
                    {
                        "issuer_and_serial_number": cms.IssuerAndSerialNumber(
                            {"issuer": certificate.issuer, "serial_number": certificate.serial_number}
                        )
                    }
                ),
                "digest_algorithm": algos.DigestAlgorithm({"algorithm": _SM3}),
                "signed_attrs": attributes,
                "signature_algorithm": algos.SignedDigestAlgorithm({"algorithm": _SM2_SM3}),
                "signature": self.signer(attributes.untag().dump()),
            }
        )
        signed = cms.SignedData(
            {
                "version": "v3",
                "digest_algorithms": [algos.DigestAlgorithm({"algorithm": _SM3})],
                "encap_content_info": {"content_type": "tst_info", "content": core.ParsableOctetString(encoded)},
                "certificates": self.certificates,
                "signer_infos": [signer],
            }
        )
        return bytes(cms.ContentInfo({"content_type": "signed_data", "content": signed}).dump())


def measure(platform: RunningPlatform, subject: Subject, *, seconds: float = 1.0) -> dict[str, float]:
    """Tokens a second: built only, the signature given; and with the platform's own single SM2 signature."""
    with platform.client(subject.app) as client:
        token = base64.b64decode(client.timestamp.issue(digest=DIGEST, hash_algorithm="SM3", policy="sm2")["token"])
    assert ours.parse_token(token)
    secret = sm2.generate_private_key()
    za = sm2.za(sm2.public_key(secret))
    given = sm2.sign_digest(secret, sm3.digest(b""))
    signers = {
        "asn1crypto, signature given": lambda _data: given,
        "asn1crypto, signed by miyun.gm": lambda data: sm2.sign_digest(secret, sm3.digest(za + data)),
    }
    digest = base64.b64decode(DIGEST)
    rates = {}
    for name, signer in signers.items():
        builder = Builder(token, signer)
        best = 0.0
        for _ in range(3):
            began, count = time.process_time(), 0
            while time.process_time() - began < seconds / 3:
                builder.build(digest)
                count += 1
            best = max(best, count / (time.process_time() - began))
        rates[name] = best
    return rates
