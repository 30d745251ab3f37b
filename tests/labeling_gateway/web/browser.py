"""A real Chromium, and hands that use the pages by what is on the screen."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from contracts.label import Choice, Label
from tests.labeling_gateway.web.server import Server

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE = 60_000  # milliseconds; pictures come slowly from a busy machine without a graphics card
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as started:  # not for longer than a module: it holds the thread's event loop
        yield started


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    started = launch(playwright, "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
    yield started
    started.close()


def launch(playwright: Playwright, *more: str) -> Browser:
    """``more`` are Chromium's flags."""
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run", *more]
    return playwright.chromium.launch(executable_path=CHROMIUM, args=flags, timeout=PATIENCE)


def person(browser: Browser, **looks: Any) -> BrowserContext:
    """A browser of somebody's own, with its own cookies."""
    context = browser.new_context(**looks)
    context.set_default_timeout(PATIENCE)
    return context


def open_label_page(context: BrowserContext, server: Server, rater: str = "ann") -> Page:
    """As the link of an invitation opens it, with the first question on the screen."""
    page = context.new_page()
    page.goto(f"{server.url}/label#invitation={server.invitation(rater)}")
    shown(page, 1)
    return page


def open_dashboard(context: BrowserContext, server: Server) -> Page:
    page = context.new_page()
    page.goto(f"{server.url}/dashboard#owner_token={server.tickets.owner_token}")
    expect(page.locator("#live")).to_have_text("live", timeout=PATIENCE)
    return page


def shown(page: Page, count: int) -> str:
    """Waits until so many questions were on the screen since the page was opened, and looks at the newest a moment.

    Returns:
        The question's id.
    """
    until(page, f"performance.getEntriesByName('backflip:shown').length >= {count}")
    page.wait_for_timeout(350)
    return page.evaluate("performance.getEntriesByName('backflip:shown').at(-1).detail")


def until(page: Page, expression: str) -> None:
    """Playwright's own waiting would evaluate text in the page, which its content security policy refuses."""
    for _ in range(PATIENCE // 50):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never came true: {expression}")


def saved(page: Page, said: str = "") -> None:
    expect(page.locator("#delivery")).to_have_text(f"{said} – saved", timeout=PATIENCE)


def labels(server: Server) -> list[Label]:
    return [label for _, label in server.gateway.read_labels("", 1000)]


def side(label: Label) -> str:
    """What the rater chose, as it was on the screen."""
    if label.choice in (Choice.A, Choice.B):
        return "right" if (label.choice is Choice.A) == label.flipped else "left"
    return label.choice.value
