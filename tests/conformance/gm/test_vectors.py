"""Published vectors, where the checkout has them beside it; the standards' own examples run always as self-tests."""

from pathlib import Path

import pytest

from miyun.gm import selftest
from miyun.gm.providers import Provider

SHARED = Path(__file__).resolve().parents[4] / "shared" / "vectors"
BUILT = (
    "hkdf_sm3",
    "hmac_sm3",
    "pbkdf2_hmac_sm3",
    "sm2",
    "sm2_kdf",
    "sm2_kex_extra",
    "sm3",
    "sm4_aead",
    "sm4_mac",
    "sm4_modes",
    "sm4_xts",
    "sm9",
    "tlcp_prf",
    "zuc",
)
"""files of which no vector is skipped"""


def test_the_examples_of_the_standards(provider: Provider) -> None:
    assert len(selftest.run()) >= 10


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared vectors are not beside this checkout")
def test_all_shared_vectors(provider: Provider) -> None:
    report = selftest.run_vectors(SHARED, [provider])
    assert [entry for entry in report.files if entry.failures] == []
    passed = {entry.file.removesuffix(".json"): entry.passed for entry in report.files}
    assert all(passed[name] > 0 for name in BUILT)
    assert [entry.file for entry in report.files if entry.skipped and entry.file.removesuffix(".json") in BUILT] == []
    assert sum(passed.values()) >= 300
