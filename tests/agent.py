"""A user's machine: a software token in its own process and the key agent that pages call, as a user starts them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.token_process import TokenProcess

if TYPE_CHECKING:
    from playwright.sync_api import Page

CONTAINER, PIN = "login-1", "12345678"


@dataclass
class KeyAgent:
    """`pin` of the one container, `login-1`."""

    url: str
    token: TokenProcess
    process: subprocess.Popen[bytes]
    pin: str = PIN
    consented: bool = False

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def sign_in(self, page: Page, pin: str | None = None) -> None:
        """Fills in and sends the page's key form."""
        page.wait_for_selector(f"#key-certificate option[value='{CONTAINER}']", state="attached")
        page.fill("#key-pin", pin or self.pin)
        send = "form.key button:not([type=button])"
        if self.consented:
            page.click(send)
            return
        with page.context.expect_page() as opened:  # the agent asks in a window of its own
            page.click(send)
        opened.value.click("button[value=month]")
        opened.value.get_by_role("heading", name=re.compile("已记录|Noted")).wait_for()
        opened.value.close()
        self.consented = True


@contextmanager
def key_agent(folder: Path, *, port: int, origin: str, certify: Callable[[bytes], bytes]) -> Iterator[KeyAgent]:
    """With a new key whose public point `certify` makes a certificate of; pages of `origin` may ask."""
    with TokenProcess() as token, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIYUN_TOKENS", str(token.tokens))
        token.personalise(CONTAINER, certify, pin=PIN)
        with agent_of(token, folder, port=port, origin=origin) as agent:
            yield agent


@contextmanager
def agent_of(token: TokenProcess, folder: Path, *, port: int, origin: str) -> Iterator[KeyAgent]:
    """The agent for a token that is plugged in; its log is `agent.log`. MIYUN_TOKENS has to be `token.tokens`."""
    file = ["--file", str(folder / "agent.json")]
    command = [sys.executable, "-m", "miyun.edge.cli", "agent"]
    subprocess.run([*command, "allow", origin, *file], check=True, stdout=subprocess.DEVNULL)
    with (folder / "agent.log").open("wb") as log:
        process = subprocess.Popen([*command, "--port", str(port), *file], stdout=log, stderr=log, env=dict(os.environ))
    agent = KeyAgent(f"http://127.0.0.1:{port}", token, process)
    try:
        _wait(agent, folder / "agent.log")
        yield agent
    finally:
        if process.poll() is None:
            agent.stop()


def _wait(agent: KeyAgent, log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            httpx.get(agent.url, timeout=5, trust_env=False)
            return
        except httpx.HTTPError:
            assert agent.process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
