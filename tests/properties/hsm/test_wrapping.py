"""A wrapped key opens under exactly the binding it was wrapped for."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from miyun.hsm.errors import MachineError
from miyun.hsm.port import KeyAlgorithm, KeyBinding, WrappedKey
from miyun.hsm.soft.wrapping import StorageKey, handle_of

STORAGE = StorageKey(bytes(32))
# Short alphabets, so that concatenations without lengths would collide.
words = st.text("ab", max_size=4)
bindings = st.builds(KeyBinding, words, words, st.integers(0, 30), words)
algorithms = st.sampled_from(list(KeyAlgorithm))


@settings(max_examples=150)
@given(algorithms, bindings, algorithms, bindings, st.binary(min_size=1, max_size=64))
def test_only_its_own_binding_opens_it(
    algorithm: KeyAlgorithm, binding: KeyBinding, other_algorithm: KeyAlgorithm, other: KeyBinding, secret: bytes
) -> None:
    blob = STORAGE.wrap(algorithm, binding, secret)
    key = WrappedKey(algorithm, binding, blob)
    assert STORAGE.unwrap(key) == secret
    assume((algorithm, binding) != (other_algorithm, other))
    moved = WrappedKey(other_algorithm, other, blob)
    assert handle_of(moved) != handle_of(key)
    with pytest.raises(MachineError):
        STORAGE.unwrap(moved)


@settings(max_examples=100)
@given(st.binary(max_size=100))
def test_octets_that_are_no_wrapped_key_are_refused(blob: bytes) -> None:
    with pytest.raises(MachineError):
        STORAGE.unwrap(WrappedKey(KeyAlgorithm.SM4, KeyBinding("t", "k", 1, "enabled"), blob))


@settings(max_examples=50)
@given(st.data())
def test_one_changed_bit_is_noticed(data: st.DataObject) -> None:
    binding = KeyBinding("t", "k", 1, "enabled")
    blob = bytearray(STORAGE.wrap(KeyAlgorithm.SM4, binding, bytes(16)))
    blob[data.draw(st.integers(0, len(blob) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(MachineError):
        STORAGE.unwrap(WrappedKey(KeyAlgorithm.SM4, binding, bytes(blob)))
