"""Every test of this folder that takes `provider` runs on every provider of this machine."""

from collections.abc import Iterator

import pytest

from miyun.gm.providers import Provider, providers, using
from miyun.gm.providers.openssl import OpenSslProvider


def _every() -> list[object]:
    params: list[object] = [pytest.param(entry, id=entry.name) for entry in providers()]
    if any(entry.name == "openssl" for entry in providers()):
        params.append(pytest.param(OpenSslProvider(None), id="openssl-without-extension"))
    return params


@pytest.fixture(params=_every())
def provider(request: pytest.FixtureRequest) -> Iterator[Provider]:
    with using(request.param) as serving:
        yield serving
