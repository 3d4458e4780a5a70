"""A damaged message is never valid, and never an error of ours."""

from __future__ import annotations

import asyncio
import tempfile
from functools import cache
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rooms import Rooms, rooms_in
from tests.standin import call_of

from miyun.core.errors import InvalidSignature
from miyun.offerings.signature import messages as m
from miyun.wire.cms import parse_signed_data

DATA = b"content that is signed"


@cache
def signed() -> tuple[Rooms, bytes, bytes]:
    rooms = rooms_in(Path(tempfile.mkdtemp(prefix="miyun-signed-")))
    call = call_of("ten_a", rooms.clock)

    async def make() -> tuple[bytes, bytes]:
        await rooms.signature.create_signer(call, m.CreateSigner(name="a", subject={"CN": "x"}))
        attached = await rooms.signature.sign_cms(call, m.SignCmsRequest(signer="a", content=DATA))
        raw = await rooms.signature.sign(call, m.SignRequest(signer="a", message=DATA))
        return attached.cms, raw.signature

    return rooms, *asyncio.run(make())


@given(st.data())
@settings(max_examples=60)
def test_one_changed_octet_of_what_is_signed_is_noticed(data: st.DataObject) -> None:
    rooms, message, _ = signed()
    [signer] = parse_signed_data(message).signers
    assert signer.certificate is not None and signer.signed_attributes is not None
    attributes = signer.signed_attributes[2:]  # in the message under another tag
    part = data.draw(st.sampled_from([DATA, attributes, signer.signature, signer.certificate.der]))
    changed = bytearray(message)
    changed[message.index(part) + data.draw(st.integers(0, len(part) - 1))] ^= data.draw(st.integers(1, 255))
    view = asyncio.run(
        rooms.signature.verify_cms(call_of("ten_a", rooms.clock), m.VerifyCmsRequest(cms=bytes(changed)))
    )
    assert not view.valid
    assert view.reasons or all(item.reasons for item in view.signers)


@given(st.binary(max_size=300))
@settings(max_examples=60)
def test_random_octets_are_refused_with_a_reason(octets: bytes) -> None:
    rooms, _, _ = signed()
    call = call_of("ten_a", rooms.clock)
    view = asyncio.run(rooms.signature.verify_cms(call, m.VerifyCmsRequest(cms=octets, content=DATA)))
    assert not view.valid and [reason.code for reason in view.reasons] == ["malformed"]


@given(st.data())
@settings(max_examples=60)
def test_a_changed_raw_signature_is_invalid(data: st.DataObject) -> None:
    rooms, _, signature = signed()
    changed = bytearray(signature)
    at = data.draw(st.integers(0, len(changed) - 1))
    changed[at] ^= data.draw(st.integers(1, 255))
    request = m.VerifyRequest(signature=bytes(changed), message=DATA, signer="a")
    try:
        view = asyncio.run(rooms.signature.verify(call_of("ten_a", rooms.clock), request))
    except InvalidSignature:
        return
    raise AssertionError(f"octet {at} changed and still {view.valid}")
