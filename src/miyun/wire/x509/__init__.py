"""X.509 certificates and paths, SM2 and international (RFC 5280, GB/T 20518)."""

from miyun.wire.signed import Signer, assemble
from miyun.wire.x509.certificate import (
    Certificate,
    TbsCertificate,
    certificates_pem,
    load_certificates,
    parse_certificate,
    read_certificate,
)
from miyun.wire.x509.chain import Chain, ChainError, ChainReason, Purpose, verify_chain
from miyun.wire.x509.extension import (
    KEY_USAGES,
    BasicConstraints,
    Extension,
    NameConstraints,
    authority_info_access,
    authority_key_identifier,
    basic_constraints,
    certificate_policies,
    crl_distribution_points,
    ext_key_usage,
    key_usage,
    name_constraints,
    ocsp_nocheck,
    subject_alt_name,
    subject_key_identifier,
)
from miyun.wire.x509.general_name import GeneralName

__all__ = [
    "KEY_USAGES",
    "BasicConstraints",
    "Certificate",
    "Chain",
    "ChainError",
    "ChainReason",
    "Extension",
    "GeneralName",
    "NameConstraints",
    "Purpose",
    "Signer",
    "TbsCertificate",
    "assemble",
    "authority_info_access",
    "authority_key_identifier",
    "basic_constraints",
    "certificate_policies",
    "certificates_pem",
    "crl_distribution_points",
    "ext_key_usage",
    "key_usage",
    "load_certificates",
    "name_constraints",
    "ocsp_nocheck",
    "parse_certificate",
    "read_certificate",
    "subject_alt_name",
    "subject_key_identifier",
    "verify_chain",
]
