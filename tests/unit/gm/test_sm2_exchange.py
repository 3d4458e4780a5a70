"""The SM2 key exchange: both sides agree, confirm, refuse a forged answer and use an ephemeral key once."""

from types import SimpleNamespace

import pytest

from miyun.gm import sm2
from miyun.gm.errors import InvalidInput, InvalidKey, InvalidSignature
from miyun.gm.providers import Provider
from miyun.gm.sm2_exchange import Initiator, Opening, Party, Responder

OFF_CURVE = b"\4" + bytes(63) + b"\1"


@pytest.fixture
def pair(provider: Provider) -> SimpleNamespace:
    (d_a, public_a), (d_b, public_b) = sm2.generate_many(2)
    return SimpleNamespace(
        a=Initiator(d_a, b"Alice", Party(public_b, b"Bob"), 48),
        b=Responder(d_b, b"Bob", Party(public_a, b"Alice"), 48),
        d_b=d_b,
        public_a=public_a,
    )


def test_both_sides_agree_and_confirm(pair: SimpleNamespace) -> None:
    s_b = pair.b.respond(pair.a.ephemeral)
    key, s_a = pair.a.finish(pair.b.ephemeral, s_b)
    assert pair.b.finish(s_a) == key
    assert len(key) == 48


def test_confirmation_may_be_left_out_by_saying_so(pair: SimpleNamespace) -> None:
    pair.b.respond(pair.a.ephemeral)
    key, _ = pair.a.finish(pair.b.ephemeral, None)
    assert pair.b.finish(None) == key


@pytest.mark.parametrize("forged", [b"", bytes(32), bytes(31)])
def test_a_wrong_confirmation_is_refused(pair: SimpleNamespace, forged: bytes) -> None:
    pair.b.respond(pair.a.ephemeral)
    with pytest.raises(InvalidSignature):
        pair.a.finish(pair.b.ephemeral, forged)
    with pytest.raises(InvalidSignature):
        pair.b.finish(forged)


def test_the_responders_confirmation_does_not_serve_as_the_initiators(pair: SimpleNamespace) -> None:
    with pytest.raises(InvalidSignature):
        pair.b.finish(pair.b.respond(pair.a.ephemeral))


def test_another_identity_changes_the_key(pair: SimpleNamespace) -> None:
    mistaken = Responder(pair.d_b, b"Bob", Party(pair.public_a, b"Mallory"), 48)
    with pytest.raises(InvalidSignature):
        pair.a.finish(mistaken.ephemeral, mistaken.respond(pair.a.ephemeral))


def test_an_ephemeral_key_serves_once(pair: SimpleNamespace) -> None:
    s_b = pair.b.respond(pair.a.ephemeral)
    pair.a.finish(pair.b.ephemeral, s_b)
    for again in (
        lambda: pair.a.finish(pair.b.ephemeral, s_b),
        lambda: pair.b.respond(pair.a.ephemeral),
    ):
        with pytest.raises(InvalidInput):
            again()
    pair.b.finish(None)
    with pytest.raises(InvalidInput):
        pair.b.finish(None)


@pytest.mark.parametrize("point", [b"", bytes(65), OFF_CURVE])
def test_points_off_the_curve_are_refused(pair: SimpleNamespace, point: bytes) -> None:
    with pytest.raises(InvalidKey):
        pair.a.finish(point, None)
    with pytest.raises(InvalidKey):
        pair.b.respond(point)
    with pytest.raises(InvalidKey):
        Initiator(pair.d_b, b"", Party(point), 16)


def test_a_key_has_a_length(provider: Provider) -> None:
    ((d, public),) = sm2.generate_many(1)
    with pytest.raises(InvalidInput):
        Initiator(d, b"", Party(public), 0)


def test_who_opens_before_knowing_the_other_agrees_all_the_same() -> None:
    d_a, d_b = sm2.generate_private_key(), sm2.generate_private_key()
    a, b = Party(sm2.public_key(d_a), b"A"), Party(sm2.public_key(d_b), b"B")
    opening = Opening()
    responder = Responder(d_b, b"B", a, 48)
    responder.respond(opening.ephemeral)
    assert opening.finish(d_a, b"A", b, responder.ephemeral, 48) == responder.finish(None)
    with pytest.raises(InvalidInput):
        opening.finish(d_a, b"A", b, responder.ephemeral, 48)
    dropped = Opening()
    dropped.close()
    assert dropped.closed
