"""The room as an application meets it: through the client, the edge and the pipeline of a real platform."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from miyun.client import CryptoFailure
from miyun.core.operation import Role

if TYPE_CHECKING:
    from tests.platform import App, RunningPlatform, Tenant

SIZE = 40 * 1024 * 1024 + 17  # more than all the buffers between client and worker


@pytest.fixture(scope="session")
def key(platform: RunningPlatform, tenant_a: Tenant, app_a: App) -> str:
    with platform.session(platform.person(Role.TENANT_SECURITY, tenant_a)) as security:
        made = security.call(
            "kms.key.create",
            algorithm="SM4",
            usage="encrypt",
            label="文件",
            alias="files",
            applications=[app_a.id],
        )
    return str(made["key"])


def test_a_file_goes_through_and_a_cut_one_does_not(
    platform: RunningPlatform, app_a: App, key: str, tmp_path: Path
) -> None:
    plain, container, back, cut = (tmp_path / name for name in ("plain", "container", "back", "cut"))
    plain.write_bytes(os.urandom(SIZE))
    aad = "文件 7 号 +/=".encode()
    with platform.client(app_a) as client:
        client.transfer("encryption.stream.encrypt", plain, container, key="alias:files", associated_data=aad)
        client.transfer("encryption.stream.decrypt", container, back, associated_data=aad)
        assert back.read_bytes() == plain.read_bytes()
        cut.write_bytes(container.read_bytes()[:-1])
        with pytest.raises(CryptoFailure):
            client.transfer("encryption.stream.decrypt", cut, tmp_path / "half", associated_data=aad)
        assert not (tmp_path / "half").exists()
        with pytest.raises(CryptoFailure):
            client.transfer("encryption.stream.decrypt", container, tmp_path / "none", associated_data=b"x")
