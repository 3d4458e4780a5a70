"""Object identifiers, by the names that the standards give them (GM/T 0006, GB/T 35275, RFC 5280, 5652, 3161)."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from miyun.wire.errors import DecodeError, EncodeError

# Longer identifiers exist nowhere in these standards; printing a huge arc in decimal is quadratic work.
MAX_BODY: Final = 64

# --- commercial cryptography, 1.2.156.10197 ------------------------------------------------------------------------
SM4: Final = "1.2.156.10197.1.104"
SM4_ECB: Final = "1.2.156.10197.1.104.1"
SM4_CBC: Final = "1.2.156.10197.1.104.2"
SM4_OFB: Final = "1.2.156.10197.1.104.3"
SM4_CFB: Final = "1.2.156.10197.1.104.4"
SM4_CTR: Final = "1.2.156.10197.1.104.7"
SM4_GCM: Final = "1.2.156.10197.1.104.8"
SM4_CCM: Final = "1.2.156.10197.1.104.9"
SM4_XTS: Final = "1.2.156.10197.1.104.10"
SM2_CURVE: Final = "1.2.156.10197.1.301"
SM2_SIGN: Final = "1.2.156.10197.1.301.1"
SM2_KEY_EXCHANGE: Final = "1.2.156.10197.1.301.2"  # some implementations put it where encryption is meant
SM2_ENCRYPT: Final = "1.2.156.10197.1.301.3"
SM9: Final = "1.2.156.10197.1.302"
SM3: Final = "1.2.156.10197.1.401"
HMAC_SM3: Final = "1.2.156.10197.1.401.2"
HMAC_SM3_OPENSSL: Final = "1.2.156.10197.1.401.3.1"
SM2_WITH_SM3: Final = "1.2.156.10197.1.501"
SM9_WITH_SM3: Final = "1.2.156.10197.1.502"
RSA_WITH_SM3: Final = "1.2.156.10197.1.504"
GM_DATA: Final = "1.2.156.10197.6.1.4.2.1"
GM_SIGNED_DATA: Final = "1.2.156.10197.6.1.4.2.2"
GM_ENVELOPED_DATA: Final = "1.2.156.10197.6.1.4.2.3"
GM_SIGNED_AND_ENVELOPED_DATA: Final = "1.2.156.10197.6.1.4.2.4"
GM_ENCRYPTED_DATA: Final = "1.2.156.10197.6.1.4.2.5"
GM_KEY_AGREEMENT_INFO: Final = "1.2.156.10197.6.1.4.2.6"

# --- international algorithms ----------------------------------------------------------------------------------------
EC_PUBLIC_KEY: Final = "1.2.840.10045.2.1"
P256: Final = "1.2.840.10045.3.1.7"
P384: Final = "1.3.132.0.34"
P521: Final = "1.3.132.0.35"
ECDSA_SHA256: Final = "1.2.840.10045.4.3.2"
ECDSA_SHA384: Final = "1.2.840.10045.4.3.3"
ECDSA_SHA512: Final = "1.2.840.10045.4.3.4"
RSA_ENCRYPTION: Final = "1.2.840.113549.1.1.1"
RSA_OAEP: Final = "1.2.840.113549.1.1.7"
MGF1: Final = "1.2.840.113549.1.1.8"
RSA_PSS: Final = "1.2.840.113549.1.1.10"
RSA_SHA256: Final = "1.2.840.113549.1.1.11"
RSA_SHA384: Final = "1.2.840.113549.1.1.12"
RSA_SHA512: Final = "1.2.840.113549.1.1.13"
SHA1: Final = "1.3.14.3.2.26"
SHA256: Final = "2.16.840.1.101.3.4.2.1"
SHA384: Final = "2.16.840.1.101.3.4.2.2"
SHA512: Final = "2.16.840.1.101.3.4.2.3"
AES128_CBC: Final = "2.16.840.1.101.3.4.1.2"
AES256_CBC: Final = "2.16.840.1.101.3.4.1.42"

# --- names (X.520, PKCS#9) -------------------------------------------------------------------------------------------
COMMON_NAME: Final = "2.5.4.3"
SURNAME: Final = "2.5.4.4"
SERIAL_NUMBER: Final = "2.5.4.5"
COUNTRY: Final = "2.5.4.6"
LOCALITY: Final = "2.5.4.7"
STATE: Final = "2.5.4.8"
STREET: Final = "2.5.4.9"
ORGANIZATION: Final = "2.5.4.10"
ORGANIZATIONAL_UNIT: Final = "2.5.4.11"
TITLE: Final = "2.5.4.12"
GIVEN_NAME: Final = "2.5.4.42"
USER_ID: Final = "0.9.2342.19200300.100.1.1"
DOMAIN_COMPONENT: Final = "0.9.2342.19200300.100.1.25"
EMAIL_ADDRESS: Final = "1.2.840.113549.1.9.1"

# --- certificate and CRL extensions (RFC 5280) -----------------------------------------------------------------------
SUBJECT_KEY_IDENTIFIER: Final = "2.5.29.14"
KEY_USAGE: Final = "2.5.29.15"
SUBJECT_ALT_NAME: Final = "2.5.29.17"
ISSUER_ALT_NAME: Final = "2.5.29.18"
BASIC_CONSTRAINTS: Final = "2.5.29.19"
CRL_NUMBER: Final = "2.5.29.20"
CRL_REASON: Final = "2.5.29.21"
INVALIDITY_DATE: Final = "2.5.29.24"
DELTA_CRL_INDICATOR: Final = "2.5.29.27"
ISSUING_DISTRIBUTION_POINT: Final = "2.5.29.28"
CERTIFICATE_ISSUER: Final = "2.5.29.29"
NAME_CONSTRAINTS: Final = "2.5.29.30"
CRL_DISTRIBUTION_POINTS: Final = "2.5.29.31"
CERTIFICATE_POLICIES: Final = "2.5.29.32"
ANY_POLICY: Final = "2.5.29.32.0"
POLICY_CONSTRAINTS: Final = "2.5.29.36"
AUTHORITY_KEY_IDENTIFIER: Final = "2.5.29.35"
EXT_KEY_USAGE: Final = "2.5.29.37"
ANY_EXT_KEY_USAGE: Final = "2.5.29.37.0"
FRESHEST_CRL: Final = "2.5.29.46"
AUTHORITY_INFO_ACCESS: Final = "1.3.6.1.5.5.7.1.1"
AIA_OCSP: Final = "1.3.6.1.5.5.7.48.1"
AIA_CA_ISSUERS: Final = "1.3.6.1.5.5.7.48.2"
KP_SERVER_AUTH: Final = "1.3.6.1.5.5.7.3.1"
KP_CLIENT_AUTH: Final = "1.3.6.1.5.5.7.3.2"
KP_CODE_SIGNING: Final = "1.3.6.1.5.5.7.3.3"
KP_EMAIL_PROTECTION: Final = "1.3.6.1.5.5.7.3.4"
KP_TIME_STAMPING: Final = "1.3.6.1.5.5.7.3.8"
KP_OCSP_SIGNING: Final = "1.3.6.1.5.5.7.3.9"
OCSP_BASIC: Final = "1.3.6.1.5.5.7.48.1.1"
OCSP_NONCE: Final = "1.3.6.1.5.5.7.48.1.2"
OCSP_NOCHECK: Final = "1.3.6.1.5.5.7.48.1.5"

# --- PKCS#9 attributes, CMS content types, timestamps -----------------------------------------------------------------
DATA: Final = "1.2.840.113549.1.7.1"
SIGNED_DATA: Final = "1.2.840.113549.1.7.2"
ENVELOPED_DATA: Final = "1.2.840.113549.1.7.3"
CONTENT_TYPE: Final = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST: Final = "1.2.840.113549.1.9.4"
SIGNING_TIME: Final = "1.2.840.113549.1.9.5"
CHALLENGE_PASSWORD: Final = "1.2.840.113549.1.9.7"
EXTENSION_REQUEST: Final = "1.2.840.113549.1.9.14"
CFCA_TEMPORARY_PUBLIC_KEY: Final = "1.2.840.113549.1.9.63"
TST_INFO: Final = "1.2.840.113549.1.9.16.1.4"
SIGNING_CERTIFICATE: Final = "1.2.840.113549.1.9.16.2.12"
TIME_STAMP_TOKEN: Final = "1.2.840.113549.1.9.16.2.14"
SIGNING_CERTIFICATE_V2: Final = "1.2.840.113549.1.9.16.2.47"


@lru_cache(maxsize=1024)
def encode(dotted: str) -> bytes:
    """The whole OBJECT IDENTIFIER element (tag, length, body) of a dotted identifier. Raises EncodeError."""
    if not dotted.isascii():
        raise EncodeError("an identifier has only digits and dots", field="OBJECT IDENTIFIER")
    parts = dotted.split(".")
    if len(parts) < 2 or not all(part.isdigit() and len(part) <= 39 and str(int(part)) == part for part in parts):
        raise EncodeError("not an object identifier", field="OBJECT IDENTIFIER")
    arcs = [int(part) for part in parts]
    if arcs[0] > 2 or (arcs[0] < 2 and arcs[1] > 39):
        raise EncodeError("the first arc is 0, 1 or 2, and the second below 40 for 0 and 1", field="OBJECT IDENTIFIER")
    body = bytearray()
    for arc in (arcs[0] * 40 + arcs[1], *arcs[2:]):
        group = [arc & 0x7F]
        while arc := arc >> 7:
            group.append(arc & 0x7F | 0x80)
        body.extend(reversed(group))
    if len(body) > MAX_BODY:
        raise EncodeError("identifier too long", field="OBJECT IDENTIFIER")
    return bytes((0x06, len(body))) + bytes(body)


@lru_cache(maxsize=1024)
def decode(body: bytes) -> str:
    """The dotted form of an OBJECT IDENTIFIER's content octets. Raises DecodeError."""
    if not body:
        raise DecodeError("empty object identifier", field="OBJECT IDENTIFIER")
    if len(body) > MAX_BODY:
        raise DecodeError("object identifier too long", field="OBJECT IDENTIFIER")
    if body[-1] & 0x80:
        raise DecodeError("object identifier ends inside an arc", field="OBJECT IDENTIFIER")
    arcs: list[int] = []
    value = 0
    fresh = True
    for octet in body:
        if fresh and octet == 0x80:
            raise DecodeError("arc with leading zeros", field="OBJECT IDENTIFIER")
        value = value << 7 | octet & 0x7F
        fresh = not octet & 0x80
        if fresh:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))
