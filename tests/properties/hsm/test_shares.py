"""Any `threshold` shares give the secret back; fewer, repeated or foreign ones never do."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miyun.hsm.soft import shares
from miyun.hsm.soft.shares import Share

secrets = st.binary(min_size=32, max_size=32)


@st.composite
def splittings(draw: st.DrawFn) -> tuple[bytes, list[Share], list[Share]]:
    """(secret, all shares, exactly as many of them as are needed, in any order)."""
    count = draw(st.integers(2, 7))
    threshold = draw(st.integers(2, count))
    secret = draw(secrets)
    made = shares.split(secret, threshold, count)
    return secret, made, draw(st.permutations(made))[:threshold]


@settings(max_examples=60)
@given(splittings())
def test_enough_shares_give_the_secret_back(splitting: tuple[bytes, list[Share], list[Share]]) -> None:
    secret, _, chosen = splitting
    assert shares.combine([shares.parse(share.text()) for share in chosen]) == secret


@settings(max_examples=30)
@given(splittings())
def test_too_few_or_repeated_shares_are_refused(splitting: tuple[bytes, list[Share], list[Share]]) -> None:
    _, _, chosen = splitting
    with pytest.raises(ValueError):
        shares.combine(chosen[:-1])
    with pytest.raises(ValueError):
        shares.combine([*chosen[:-1], chosen[0]])


@settings(max_examples=30)
@given(secrets, secrets)
def test_shares_of_two_splittings_do_not_mix(one: bytes, other: bytes) -> None:
    with pytest.raises(ValueError):
        shares.combine([shares.split(one, 2, 2)[0], shares.split(other, 2, 2)[1]])


def test_one_share_less_leaves_every_secret_possible() -> None:
    # For each octet of one share there is a second share for every secret: brute force over one octet.
    (held, _) = shares.split(b"\x5a", 2, 2)
    possible = {shares.combine([held, Share(held.set_id, 2, 2, bytes((octet,)))]) for octet in range(256)}
    assert len(possible) == 256


@settings(max_examples=100)
@given(st.data())
def test_a_typing_error_is_noticed(data: st.DataObject) -> None:
    text = shares.split(bytes(range(32)), 2, 3)[0].text()
    position = data.draw(st.integers(0, len(text) - 1))
    wrong = data.draw(st.sampled_from("0123456789abcdef-XYZ"))
    if wrong == text[position]:  # the text is another one every time: what is drawn must not depend on it
        wrong = "X"
    with pytest.raises(ValueError):
        shares.parse(text[:position] + wrong + text[position + 1 :])


@given(st.text(max_size=200))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        shares.parse(text)
