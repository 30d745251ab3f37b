"""Clips of a game, filmed by the actor that played it, on the labeling page."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from actors.config import ActorsConfig
from actors.worker import Worker, WorkerSpec
from contracts.clip import Clip, Scene
from contracts.film import decode_film
from learner.policy import PolicySpec
from learner.ppo import PPO, PPOConfig
from tests.labeling_gateway.web.browser import labels, open_label_page, person, saved, shown, side, until
from tests.labeling_gateway.web.server import Server, ask_about

pytestmark = pytest.mark.timeout(240)

STEPS = 15


def played() -> tuple[Scene, list[Clip]]:
    """Four clips of Pong, cut by an actor."""
    actors = ActorsConfig(count=1, worlds=4, slab_steps=2 * STEPS, threads=1, candidates=4)
    found: list[Clip] = []
    worker = Worker(WorkerSpec("envpool", "Pong-v5", actors, (8,), STEPS, seed=4), None, found.extend)
    snapshot = PPO(PolicySpec(worker.spaces, (8,)), PPOConfig(), seed=0).snapshot()
    for _ in range(3):
        found.clear()
        worker.slab(snapshot)  # a game begins with idle frames
    worker.close()
    return worker.scene, found


def moment(page: Page, pane: str, films: list[np.ndarray]) -> tuple[int, int]:
    """Which of the films a pane shows, and which picture of it: the nearest. It is letterboxed."""
    shot = Image.open(io.BytesIO(page.locator(f"{pane} video").screenshot())).convert("RGB")
    height, width = films[0].shape[1:3]
    scale = min(shot.width / width, shot.height / height)
    across, down = scale * width / 2, scale * height / 2
    x, y = shot.width / 2, shot.height / 2
    picture = shot.crop((int(x - across), int(y - down), int(x + across), int(y + down))).resize((width, height))
    distances = [np.abs(film - np.asarray(picture, int)).mean((1, 2, 3)) for film in films]
    film = int(np.argmin([one.min() for one in distances]))
    return film, int(distances[film].argmin())


def test_a_filmed_game_is_watched_step_by_step_and_answered(server: Server, browser: Browser) -> None:
    scene, clips = played()
    queries = ask_about(server, scene, [(clips[0], clips[1]), (clips[2], clips[3])])
    context = person(browser, viewport={"width": 900, "height": 640})
    page = open_label_page(context, server)
    assert page.locator("video:visible").count() == 2
    until(page, "[...document.querySelectorAll('.pane video')].every((one) => one.currentTime > 0.2)")  # they play
    page.keyboard.press(" ")
    expect(page.locator("#play")).to_have_text("Play")
    films = [decode_film(clip.film) for clip in clips[:2]]
    for _ in range(STEPS):
        page.keyboard.press(",")
    nearest: list[tuple[int, int]] = []
    for step in (0, 7):
        for _ in range(60):
            page.wait_for_timeout(700)  # until the videos have followed
            nearest = sorted(moment(page, pane, films) for pane in ("#left-pane", "#right-pane"))
            if nearest == [(0, step), (1, step)]:
                break
        assert nearest == [(0, step), (1, step)], "a clip a pane, both at the clock's step"
        for _ in range(7):
            page.keyboard.press(".")
    page.keyboard.press("ArrowLeft")
    saved(page, "Left is better")
    shown(page, 2)
    page.keyboard.press("ArrowDown")
    saved(page, "About equal")
    context.close()
    given = labels(server)
    assert [side(label) for label in given] == ["left", "equal"]
    assert {label.query for label in given} == {query.id for query in queries}
