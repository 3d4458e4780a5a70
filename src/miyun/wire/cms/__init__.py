"""Cryptographic messages in two dialects: RFC 5652 and GB/T 35275, with EnvelopedKey of GB/T 35276."""

from miyun.wire.ber import ber_to_der
from miyun.wire.cms.attribute import signed_attributes_to_sign, timestamp_attribute
from miyun.wire.cms.dialect import Dialect
from miyun.wire.cms.enveloped_data import (
    EnvelopedDataInfo,
    KeyTransRecipient,
    build_enveloped_data,
    parse_enveloped_data,
)
from miyun.wire.cms.enveloped_key import EnvelopedKey, parse_enveloped_key
from miyun.wire.cms.material import assemble_material
from miyun.wire.cms.signed_data import SignedDataInfo, SignerInfo, assemble, parse_signed_data
from miyun.wire.cms.verify import verify_signed_data

__all__ = [
    "Dialect",
    "EnvelopedDataInfo",
    "EnvelopedKey",
    "KeyTransRecipient",
    "SignedDataInfo",
    "SignerInfo",
    "assemble",
    "assemble_material",
    "ber_to_der",
    "build_enveloped_data",
    "parse_enveloped_data",
    "parse_enveloped_key",
    "parse_signed_data",
    "signed_attributes_to_sign",
    "timestamp_attribute",
    "verify_signed_data",
]
