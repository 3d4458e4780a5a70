"""A tenant with an application, its web application, and a person with a key at a browser."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from tests.agent import KeyAgent
from tests.interop.strong_auth.relying import WebApplication
from tests.platform import App, RunningPlatform, Tenant

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

SHOTS = os.environ.get("SCREENSHOTS", "")


def chromium() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    if os.environ.get("CI") == "true":
        pytest.fail("chromium is missing")
    pytest.skip("chromium is missing")


@dataclass
class Scene:
    platform: RunningPlatform
    tenant: Tenant
    app: App
    agent: KeyAgent
    site: WebApplication
    serial: int
    context: BrowserContext
    page: Page

    def sign_in(self, pin: str | None = None) -> None:
        self.agent.sign_in(self.page, pin)

    def shot(self, name: str) -> None:
        if SHOTS:
            self.page.screenshot(path=f"{SHOTS}/{name}.png")
