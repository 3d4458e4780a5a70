"""Whatever the octets, a decoder answers with a value or with its documented error, soon.

FUZZ_CASES says how many changed messages each decoder is given by the plain loop: 300 in CI.
"""

from __future__ import annotations

import os
import random
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fuzz import other_targets, wire_targets
from tests.fuzz.target import Target

from miyun.wire import der, oid
from miyun.wire.errors import DecodeError
from miyun.wire.name import Name

CASES = int(os.environ.get("FUZZ_CASES", "300"))
SEED = int(os.environ.get("MIYUN_SEED") or random.SystemRandom().randrange(1 << 32))
TARGETS = [*wire_targets.TARGETS, *other_targets.TARGETS]
pytestmark = pytest.mark.timeout(3600)
ROUNDS = settings(max_examples=100, suppress_health_check=list(HealthCheck))
every = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)


def attempt(target: Target, data: bytes, seconds: float) -> None:
    """Of this process's time: a loaded machine is none of the decoder's doing."""
    began = time.process_time()
    target.attempt(data)
    assert time.process_time() - began < seconds


@every
def test_samples_are_good(target: Target) -> None:
    for sample in target.samples:
        target.decode(sample)


@every
def test_changed_messages(target: Target) -> None:
    rng = random.Random(f"{SEED} {target.name}")
    for _ in range(CASES):
        data = target.mutation(rng)
        try:
            target.attempt(data)
        except Exception as error:
            error.add_note(f"{target.name}: {data.hex()}")
            raise


@every
@ROUNDS
@given(data=st.binary(max_size=300))
def test_random(target: Target, data: bytes) -> None:
    attempt(target, data, 1)
    attempt(target, b"\x30" + der.length(len(data)) + data, 1)


@every
def test_every_truncation_is_refused(target: Target) -> None:
    if not target.prefixes_refused:
        return
    for sample in target.samples:
        step = max(1, len(sample) // 200)
        for size in range(0, len(sample), step):
            with pytest.raises(target.refusals):
                target.decode(sample[:size])


@ROUNDS
@given(text=st.text(max_size=80))
def test_name_text(text):
    try:
        name = Name.parse(text)
    except ValueError:
        return
    assert Name.parse(str(name)) == name


@ROUNDS
@given(body=st.binary(max_size=80))
def test_identifier(body):
    try:
        dotted = oid.decode(body)
    except DecodeError:
        return
    assert oid.encode(dotted)[2:] == body


@every
@pytest.mark.parametrize(
    "bomb",
    [
        b"\x30\x80" * 50_000,
        b"\x24\x80" * 50_000,
        b"\x30\x84\x7f\xff\xff\xff" + bytes(1000),
        b"\x31\x00" * 100_000,
        b"\x06" + der.length(60_000) + b"\xff" * 60_000,
        b"-----BEGIN CERTIFICATE-----" * 3000,
    ],
    ids=["nested", "nested strings", "promised length", "many empty sets", "huge arc", "many begins"],
)
def test_bombs_are_answered_soon(target: Target, bomb: bytes) -> None:
    attempt(target, bomb, 10)  # what is quadratic takes hours
