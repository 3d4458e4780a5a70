"""Whatever arrives as a credential, the answer is a refusal of the documented kind, never a fault."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.core.neighbours import STAMP, START, Platform, platform

from miyun.core.access import BasicCredential, SessionCredential, SignedRequest
from miyun.core.errors import MiyunError

text = st.text(st.characters(), max_size=80)  # lone surrogates too
odd = st.one_of(text, st.sampled_from(("ak_" + "0" * 26, "bc_" + "0" * 26, "nonce-0001", "20260302T013000Z", "0" * 64)))
SIGNED = b"MIYUN1-HMAC-SM3\n20260302T013000Z\nnonce-0001"
credentials = st.one_of(
    st.builds(
        SignedRequest,
        odd,
        odd,
        odd,
        odd,
        st.one_of(st.binary(max_size=80), st.just(b"a\n20260302T013000Z\nnonce-0001")),
    ),
    st.builds(BasicCredential, odd, odd),
    st.builds(SessionCredential, odd, st.none() | odd, st.booleans(), st.booleans(), st.none() | odd),
)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder: Path = tmp_path_factory.mktemp("fuzz")
    yield platform(folder)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(credentials)
def test_odd_credentials_are_refused(house: Platform, credential) -> None:
    async def attempt() -> None:
        await house.cloud.authenticator.authenticate(credential, STAMP, START)

    with pytest.raises(MiyunError) as caught:
        asyncio.run(attempt())
    assert caught.value.status in (401, 403)
