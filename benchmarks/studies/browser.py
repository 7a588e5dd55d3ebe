# SPDX-License-Identifier: BSD-3-Clause
"""Headless Chromium, as the system has it, driven by Playwright."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.errors import MissingToolError

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage
    from playwright.sync_api import Page as PlaywrightPage

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage",
)  # fmt: skip
"""No network beyond this machine, and root may run it."""


def find() -> str:
    """Path of the browser.

    Raises
    ------
    MissingToolError
        When none is installed.
    """
    for name in NAMES:
        if path := shutil.which(name):
            return path
    raise MissingToolError(
        "Opening a report needs Chromium, which is not installed. Type: apt install chromium"
    )


@contextlib.contextmanager
def chromium() -> Iterator[Page]:
    """Open a blank page of a browser with a profile of its own; both end with the block."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise MissingToolError(
            "Opening a report needs Playwright, which is not installed. "
            "Type: pip install playwright"
        ) from None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=list(FLAGS))
        try:
            yield Page(browser.new_page())
        finally:
            browser.close()


class Page:
    """The browser's one page, and what it complained about and asked for so far."""

    def __init__(self, page: PlaywrightPage) -> None:
        self._page = page
        self._complaints: list[str] = []
        self._requests: list[str] = []
        page.on("console", self._said)
        page.on("pageerror", lambda error: self._complaints.append(str(error)))
        page.on("request", lambda request: self._requests.append(request.url))

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._complaints.append(message.text)

    def open(self, path: Path, width: int = 1280, height: int = 900, **media: Any) -> None:
        """Load a file in a window of this size; ``media`` are features, e.g. ``color_scheme``."""
        self.show(width, height, **media)
        self._page.goto(path.resolve().as_uri(), wait_until="load")

    def show(self, width: int, height: int, **media: Any) -> None:
        """Change the window's size and the media features; ``media="print"`` is paper."""
        self._page.set_viewport_size({"width": width, "height": height})
        self._page.emulate_media(**media)

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, as JSON carries it."""
        return self._page.evaluate(expression)

    def complaints(self) -> list[str]:
        """Errors and warnings of the console, and exceptions, so far."""
        return list(self._complaints)

    def requests(self) -> list[str]:
        """Return the addresses that were asked for so far."""
        return list(self._requests)

    def press(self, key: str) -> None:
        """Press a key and release it."""
        self._page.keyboard.press(key)

    def screenshot(self, path: Path) -> None:
        """Return the whole page as PNG."""
        self._page.screenshot(path=path, full_page=True)

    def pdf(self, path: Path) -> None:
        """Return what would be printed."""
        self._page.pdf(path=path, print_background=True, prefer_css_page_size=True)
