"""Decoders outside `miyun.wire`: of the algorithms, the machine, the ledger and the encryption room."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

from tests.fuzz import acme_targets, login_targets, signature_targets
from tests.fuzz.target import Target

from miyun.core.ledger import chain, record
from miyun.core.ledger.anchors import load_anchor, store_anchor
from miyun.core.ledger.port import Entry, Head
from miyun.gm import curve, sm2, sm9, sm9_encoding
from miyun.gm.errors import InvalidInput, InvalidKey
from miyun.hsm.errors import InvalidRequest
from miyun.hsm.port import KeyAlgorithm
from miyun.hsm.soft import keys, shares
from miyun.hsm.token import frames as token_frames
from miyun.offerings.encryption import segments
from miyun.wire import der, oid
from miyun.wire.errors import DecodeError

_D = bytes(range(1, 33))


def _ciphertexts() -> list[bytes]:
    return [sm2.encrypt(sm2.public_key(_D), b"x" * size) for size in (1, 200)]


def _raw_ciphertexts() -> list[bytes]:
    return [sm2.encrypt(sm2.public_key(_D), b"x" * 20, "c1c2c3")]


def _sm9_signatures() -> list[bytes]:
    return [sm9.sign(sm9.master_public("sign", _D), sm9.user_key("sign", _D, b"Alice"), b"message")]


def _sm9_ciphertexts() -> list[bytes]:
    master = sm9.master_public("encrypt", _D)
    return [sm9.encrypt(master, b"Bob", b"x" * 40, cipher) for cipher in ("xor", "sm4-cbc")]


def _sm9_packages() -> list[bytes]:
    key, c = sm9.encapsulate(sm9.master_public("encrypt", _D), b"Bob", 32)
    return [sm9_encoding.encode_key_package(key, c)]


def _pkcs8() -> list[bytes]:
    key = der.sequence(der.integer(1), der.octet_string(_D))
    identifier = der.sequence(der.oid(oid.EC_PUBLIC_KEY), der.oid(oid.SM2_CURVE))
    return [_D, der.sequence(der.integer(0), identifier, der.octet_string(key))]


def _shares() -> list[bytes]:
    return [share.text().encode() for share in shares.split(_D, 2, 3)]


def _read_share(data: bytes) -> None:
    shares.parse(data.decode("utf-8", "replace"))


def _headers() -> list[bytes]:
    return [segments.Header("key_x", 1, bytes(60), bytes(7), 65536).encode()]


def _records() -> list[bytes]:
    entry = Entry(
        "signature.sign", "ok", datetime(2026, 3, 2, tzinfo=UTC), tenant="t", meter="m", units=1, detail={"a": 1}
    )
    return [record.encode(record.line_of(entry, 5))]


def _lines() -> list[bytes]:
    return [b"0" * 64 + b" " + data for data in _records()]


def _read_line(data: bytes) -> None:
    split = chain.split_line(data)
    if split is not None:
        record.decode(split[1])


def _anchors() -> list[bytes]:
    head = Head(7, bytes(32), bytes(range(32)), datetime(2026, 3, 2, tzinfo=UTC))
    with tempfile.TemporaryDirectory() as folder:
        return [store_anchor(Path(folder), head, b"signature", b"token").read_bytes()]


def _token_requests() -> list[bytes]:
    function = token_frames.Function
    made = [
        token_frames.request(function.VERIFY_PIN, 1, 1, b"12345678"),
        token_frames.request(function.CREATE_FILE, 1, "name", 10, 1, 1),
        token_frames.request(function.GET_DEV_INFO),
    ]
    return [frame[token_frames.LENGTH.size :] for frame in made]


def _read_anchor(data: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        load_anchor(Path(file.name))


TARGETS = [
    Target("SM2 signature", curve.decode_signature, lambda: [sm2.sign_digest(_D, bytes(32))], (InvalidInput,)),
    Target("SM2 point", curve.decode_point, lambda: [sm2.public_key(_D)], (InvalidKey,)),
    Target(
        "SM2 ciphertext",
        lambda data: sm2.convert_ciphertext(data, "asn1", "c1c3c2"),
        _ciphertexts,
        (InvalidInput,),
    ),
    Target(
        "raw SM2 ciphertext",
        lambda data: sm2.convert_ciphertext(data, "c1c2c3", "asn1"),
        _raw_ciphertexts,
        (InvalidInput,),
        prefixes_refused=False,  # the plaintext may have any length
    ),
    Target("SM9 signature", sm9_encoding.decode_signature, _sm9_signatures, (InvalidInput,)),
    Target("SM9 ciphertext", sm9_encoding.decode_ciphertext, _sm9_ciphertexts, (InvalidInput,)),
    Target("SM9 key package", sm9_encoding.decode_key_package, _sm9_packages, (InvalidInput,)),
    Target(
        "SM9 point",
        sm9_encoding.decode_point,
        lambda: [sm9_encoding.encode_point(sm9.user_key("sign", _D, b"Alice"))],
        (InvalidInput,),
    ),
    Target(
        "imported key",
        lambda data: keys.read(KeyAlgorithm.SM2, data),
        _pkcs8,
        (InvalidRequest,),
        prefixes_refused=False,  # 32 octets are a key
    ),
    Target("share", _read_share, _shares, (ValueError,)),
    Target("segments", segments.parse_header, _headers, (segments.BadHeader, segments.Incomplete)),
    Target("token request", token_frames.parse_request, _token_requests, (DecodeError,)),
    Target("record", _read_line, _lines, (ValueError,), prefixes_refused=False),  # what is no line is skipped
    Target("anchor", _read_anchor, _anchors, (ValueError,), prefixes_refused=False),  # the last LF may be missing
    *acme_targets.TARGETS,
    *login_targets.TARGETS,
    *signature_targets.TARGETS,
]
