"""The local stack's page in a real Chromium, for its tests and its screenshots."""

import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from playwright.async_api import Browser, Page, async_playwright, expect

from local import stack as local_stack
from local.azurite import Azurite
from local.stack import Stack
from tests.events import PROJECT

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
expect.set_options(timeout=15_000)  # milliseconds until a test fails, on a slow machine too

type Scheme = Literal["light", "dark"]


@dataclass(frozen=True)
class Site:
    """A stack that runs a copy of the app, which a test may change, and a browser."""

    stack: Stack
    folder: Path
    browser: Browser

    @asynccontextmanager
    async def page(self, scheme: Scheme = "light") -> AsyncIterator[Page]:
        """Open the page in a new browser context, and wait until it is connected."""
        context = await self.browser.new_context(
            viewport={"width": 1440, "height": 860}, color_scheme=scheme, device_scale_factor=1.5
        )
        await context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = await context.new_page()
        await page.goto(self.stack.page)
        await expect(page.get_by_role("status")).to_have_text("connected")
        yield page
        await context.close()

    def publish(self, *events: object) -> int:
        """Publish events to the stack's Event Grid, and return the number of the last delivery."""
        return self.stack.event_grid.publish(json.loads(json.dumps(events)))[-1].number


@asynccontextmanager
async def running(storage: Azurite, folder: Path) -> AsyncIterator[Site]:
    """Run a copy of the app in a folder, and a browser, until the context ends."""
    for name in ("functions", "shared", "infra"):
        shutil.copytree(PROJECT / name, folder / name)
    shutil.copy(PROJECT / "function_app.py", folder)
    (folder / "local").symlink_to(PROJECT / "local", target_is_directory=True)
    async with (
        async_playwright() as playwright,
        local_stack.running(storage, project_dir=folder, report=lambda _: None) as stack,
    ):
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
            ],
        )
        await stack.workers.loaded()
        yield Site(stack, folder, browser)
        await browser.close()
