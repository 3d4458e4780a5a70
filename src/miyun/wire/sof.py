"""Numbers of GM/T 0020 and GB/T 43694 (证书应用综合服务接口): answers, and the items of a certificate."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Sor(IntEnum):
    """What a function answers. The last two are ours: the standard knows no pages that have to ask."""

    OK = 0
    UNKNOWN = 0x0B000001
    NOT_SUPPORTED = 0x0B000002
    LOAD_PROVIDER = 0x0B000005
    TIMEOUT = 0x0B000101
    IN_DATA_LENGTH = 0x0B000200
    IN_DATA = 0x0B000201
    KEY_NOT_FOUND = 0x0B000309
    CERTIFICATE_NOT_FOUND = 0x0B000310
    CERTIFICATE_ENCODING = 0x0B000405
    SIGN_DATA = 0x0B000409
    VERIFY_SIGNED_DATA = 0x0B000410
    DECRYPT_DATA = 0x0B000416
    PARAMETER_NOT_SUPPORTED = 0x0B000419
    LOGIN = 0x0B000420
    ORIGIN_NOT_ALLOWED = 0x0B00F001
    CONSENT_NEEDED = 0x0B00F002
    CONSENT_REFUSED = 0x0B00F003


class CertificateItem(IntEnum):
    """infoType of SOF_GetCertInfo."""

    VERSION = 1
    SERIAL = 2
    ISSUER = 5
    VALIDITY = 6
    SUBJECT = 7
    SUBJECT_CN = 0x31
    SUBJECT_O = 0x32
    SUBJECT_OU = 0x33


class DeviceItem(IntEnum):
    """type of SOF_GetDeviceInfo."""

    NAME = 0x203
    MANUFACTURER = 0x204
    SERIAL_NUMBER = 0x208


ATTACHED, DETACHED = 0, 1
"""dwFlag of SOF_SignMessage."""
MESSAGE_TEXT, MESSAGE_CERTIFICATE, MESSAGE_SIGNATURE = 1, 2, 3
"""type of SOF_GetInfoFromSignedMessage."""
SM4_CBC: Final = 0x402
SM3_WITH_SM2: Final = 0x20201
"""SGD_SM3_SM2 as devices use it (trap T5)"""
