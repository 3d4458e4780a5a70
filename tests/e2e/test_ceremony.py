"""The root CAs' keys are in a machine of their own, which runs only for a ceremony."""

from __future__ import annotations

import asyncio

import pytest
from tests.platform import RunningPlatform

from miyun.edge import assembly
from miyun.hsm.errors import WrongBinding
from miyun.hsm.port import SignScheme


def test_what_serves_the_network_cannot_sign_by_a_root(platform: RunningPlatform) -> None:
    async def attempt() -> None:
        parts = await assembly.assemble(platform.settings, process="cli")
        try:
            root = parts.services["certificate"].authorities.find("sm2-root")
            with pytest.raises(WrongBinding):
                await parts.machine.sign(root.key, SignScheme.SM2_SM3, [b"x"])
        finally:
            await parts.close()

    asyncio.run(attempt())


def test_its_machine_does_not_run(platform: RunningPlatform) -> None:
    assert (platform.home / "data" / "vsm-roots" / "vsm.json").exists()
    assert not (platform.home / "run" / "vsm-roots.sock").exists()
    assert "vsm-roots" not in platform.children()
