"""A robot learns from what is answered on the page, by keys, in a real browser, while it trains."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from backflip.run_folder import RunFolder
from contracts.label import Choice
from tests.backflip.commands import labels_of
from tests.backflip.hands import Hands, store_of
from tests.backflip.test_labeling_page import started
from tests.labeling_gateway.web.browser import (  # noqa: F401  # fixtures
    browser,
    person,
    playwright,
    saved,
    shown,
    side,
)

PAGE = ("--labels.source", "web", "--labels.address", "127.0.0.1:0", "--labels.no-open")
KEYS = {"left": "ArrowLeft", "right": "ArrowRight", "equal": "ArrowDown"}
SAID = {"ArrowLeft": "Left is better", "ArrowRight": "Right is better", "ArrowDown": "About equal"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_cartpole_learns_from_what_is_answered_on_its_page(tmp_path: Path, browser: Browser) -> None:  # noqa: F811
    folder = RunFolder(tmp_path / "run")
    with (
        started("train", "cartpole", *PAGE, "--out", tmp_path, "--name", "run") as (process, base, invitation, _),
        store_of(process.pid, folder) as client,
    ):
        page = person(browser).new_page()
        hands = Hands(page, client)
        page.goto(f"{base}/label#invitation={invitation}")
        while hands.answer():
            pass
        page.context.close()
        process.communicate(timeout=300)  # it ends by itself
    assert process.returncode == 0
    summary = json.loads(folder.summary.read_text())
    assert summary["labels_used"] == summary["labels_budget"] == 100
    assert summary["metrics"]["steps_per_episode"] > 300, "untrained it falls after some twenty"
    given = {label.query: KEYS[side(label)] for label in labels_of(folder)}
    assert given == hands.given


@pytest.mark.slow
def test_a_hopper_is_judged_in_3d_while_it_trains(tmp_path: Path, browser: Browser) -> None:  # noqa: F811
    folder = RunFolder(tmp_path / "run")
    with (
        started("train", "hopper-backflip", "--actors.count", "1", *PAGE, "--out", tmp_path, "--name", "run") as (
            process,
            base,
            invitation,
            _,
        ),
        store_of(process.pid, folder) as client,
    ):
        page = person(browser, viewport={"width": 900, "height": 640}).new_page()
        hands = Hands(page, client)
        page.goto(f"{base}/label#invitation={invitation}")
        for number in range(1, 7):
            assert hands.answer()
            shown(page, number + 1)
            assert page.locator("video").count() == 0 and page.locator("#stage canvas:visible").count() == 2
        saved(page, SAID[list(hands.given.values())[-1]])
        assert client.progress() is not None, "it trains"
        page.context.close()
    labels = labels_of(folder)
    assert {label.query: KEYS[side(label)] for label in labels} == hands.given
    assert {label.rater for label in labels} == {"owner"}
    assert any(label.choice in (Choice.A, Choice.B) for label in labels)
