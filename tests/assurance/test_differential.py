"""Nobody else's implementation answers otherwise: 10⁵ random cases in CI, 10⁷ in `make assurance`, 10⁵ of them SM2.

Every provider of this machine answers every case. MIYUN_SEED repeats a run.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import pytest

pytest.importorskip("gmssl_pyx", reason="gmssl-pyx has no wheel for this machine")
pytest.importorskip("gmalglib.sm2", reason="gmalglib has no wheel for this machine")
pytest.importorskip("tongsuopy", reason="tongsuopy has no wheel for this machine")
from tests.assurance import differential as d

SEED = int(os.environ.get("MIYUN_SEED") or random.SystemRandom().randrange(1 << 32))
CASES: dict[str, tuple[Callable[[random.Random, int], int], int, int]] = {
    # name: (what makes and compares them, cases in CI, in `make assurance`)
    "SM2 signatures": (d.signatures, 1_000, 65_000),
    "SM2 encryption": (d.encryptions, 500, 36_000),
    "SM3": (d.sm3_digests, 38_000, 4_000_000),
    "HMAC-SM3": (d.hmacs, 20_000, 2_000_000),
    "SM4 modes": (d.sm4_modes_of_operation, 20_000, 2_000_000),
    "SM4-GCM": (d.gcm, 12_000, 1_300_000),
    "KDF": (d.key_derivations, 7_000, 500_000),
    "ZUC": (d.zuc_streams, 2_000, 100_000),
}
assert sum(few for _, few, _ in CASES.values()) >= 10**5
assert sum(many for _, _, many in CASES.values()) >= 10**7
assert sum(many for name, (_, _, many) in CASES.items() if name.startswith("SM2")) >= 10**5


def compare(name: str, count: int) -> None:
    made = CASES[name][0](random.Random(f"{SEED} {name}"), count)
    print(f"{name}: {made} cases, MIYUN_SEED={SEED}")
    assert made >= count


@pytest.mark.parametrize("name", CASES)
def test_nobody_answers_otherwise(name: str) -> None:
    compare(name, CASES[name][1])


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", CASES)
def test_nobody_answers_otherwise_in_ten_million_cases(name: str) -> None:
    compare(name, CASES[name][2])
