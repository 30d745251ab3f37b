"""What is done with a finished run leaves nothing open, and films lie in a grid as drawn episodes do."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import av
import numpy as np
import pytest
import torch

from backflip import evaluation, showing
from backflip.display import Display
from backflip.evaluation import evaluate
from backflip.presets import PRESETS
from backflip.run_folder import RunFolder, create_run_folder
from backflip.showing import draw_run, evaluate_run, video_of_run
from backflip.system import probe_task
from learner.checkpoint import save_checkpoint
from learner.loop import Progress
from learner.policy import Policy, PolicySpec
from learner.ppo import PPO
from reward_service.ensemble import Ensemble, initial_layers
from reward_service.fitting import FitReport
from reward_service.versions import RewardModel
from tests.actors.own_environments import Drawn

LENGTH = 7  # of each of these environments' episodes
STRIP = 0.16  # of a picture's height, below it, for what is written
DRAWN, TALL = (200, 300), (250, 200)  # their pictures where there are more than two in a row


class Tall(Drawn):
    def render(self) -> np.ndarray:
        return np.full((500, 400, 3), 10 * self.count, np.uint8)


class Watched(Drawn):
    """Knows which of those that are filmed are not closed."""

    open: ClassVar[set[int]] = set()

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        if render_mode:
            self.open.add(id(self))

    def close(self) -> None:
        self.open.discard(id(self))


def untrained(out: Path, task: str, *, fitted: bool = False) -> RunFolder:
    """A run of a gymnasium environment that has a policy, and a reward model if it is ``fitted``."""
    name = task.rpartition(":")[2]
    config = replace(PRESETS["cartpole"].config, preset=name, engine="gymnasium", task=task, out=out, name=name)
    folder = create_run_folder(config)
    simulator = probe_task(config)
    simulator.close()
    spaces = simulator.spaces
    spec = config.learner.policy(spaces)
    save_checkpoint(folder.checkpoint, PPO(spec, config.learner, 0), Progress())
    if fitted:
        inputs = spaces.observation.size + spaces.action.size
        layers = initial_layers(2, (inputs, 4, 1), 0)
        ensemble = Ensemble(layers, torch.zeros(inputs), torch.ones(inputs), torch.zeros(2), torch.ones(2))
        model = RewardModel(2, spaces.observation, spaces.action.size, folder.reward_model)
        model.publish(ensemble, FitReport(version=1))
    return folder


def pictures(file: Path) -> list[np.ndarray]:
    with av.open(str(file)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_films_lie_in_a_grid_and_beside_those_of_another_size(tmp_path: Path) -> None:
    drawn = untrained(tmp_path, "tests.actors.own_environments:Drawn")
    tall = untrained(tmp_path, f"{__name__}:Tall")
    (high, wide), (row, narrow) = DRAWN, TALL
    cell = high + round(STRIP * high)
    shown = pictures(video_of_run(drawn.path, None, seed=0, grid=(2, 3)))
    assert len(shown) == LENGTH
    for step, picture in enumerate(shown):
        assert picture.shape == (2 * cell, 3 * wide, 3)
        middles = picture[high // 2 :: cell, wide // 2 :: wide].mean(-1)
        np.testing.assert_allclose(middles, np.full((2, 3), 10 * step), atol=6)

    file = video_of_run(drawn.path, tmp_path / "beside.mp4", seed=0, grid=(1, 2), beside=tall.path)
    last = pictures(file)[-1].mean(-1)
    assert last.shape == (row + round(STRIP * row), 4 * wide)
    last = last[:row]
    across = (last[row // 2] > 30).reshape(4, wide).sum(1)
    down = (last[:, wide // 2 :: wide] > 30).sum(0)
    np.testing.assert_allclose(across, [wide, wide, narrow, narrow], atol=4)
    np.testing.assert_allclose(down, [high, high, row, row], atol=4)
    assert last[row // 2, wide // 2] == pytest.approx(60, abs=6) and last[8, wide // 2] < 6, "it is in the middle"


def test_the_end_of_a_training_draws_the_beginning_of_a_long_episode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = replace(PRESETS["cartpole"].config, out=tmp_path, name="run")
    folder = create_run_folder(config)
    simulator = probe_task(config, worlds=2)
    found = evaluate(Policy(PolicySpec(simulator.spaces)), simulator)
    monkeypatch.setattr(showing, "_DRAWN_SECONDS", 0.1)
    draw_run(folder, config, simulator, found, Display(config, "", ""))
    simulator.close()
    assert len(found.tracks[0]) > 5, "of 20 ms"
    assert len(pictures(folder.video)) == 3, "every second one of the first five"
    assert f"the first 0.1 s of an episode; `backflip video {folder.path}` draws all of one" in capsys.readouterr().err


def test_films_together_are_cut_before_they_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(PRESETS["cartpole"].config, engine="gymnasium", task="tests.actors.own_environments:Drawn")
    simulator = probe_task(config, worlds=5)
    policy = Policy(PolicySpec(simulator.spaces))

    def filmed(worlds: int) -> list[int]:
        tracks = evaluate(policy, simulator, filmed=worlds).tracks
        assert [len(track) for track in tracks] == [LENGTH] * 5, "all of it is counted"
        return [len(track.observation) for track in tracks if track.pictures is not None]

    assert filmed(1) == [LENGTH, 0, 0, 0, 0]
    assert filmed(9) == [LENGTH] * 5
    monkeypatch.setattr(evaluation, "_FILMED_BYTES", 10 * 200 * 300 * 3)
    assert filmed(3) == [4, 4, 4, 0, 0], "ten pictures, and what the last step needs"
    simulator.close()


def test_nothing_is_left_open(tmp_path: Path) -> None:
    def left() -> tuple[set[int], list[str]]:
        return set(Watched.open), [one.name for one in threading.enumerate() if one.name.startswith("score")]

    folder = untrained(tmp_path, f"{__name__}:Watched", fitted=True)
    video_of_run(folder.path, None, seed=0, grid=(1, 2))
    assert left() == (set(), [])
    assert evaluate_run(folder.path, episodes=2, seed=0).episodes == 2
    assert left() == (set(), [])
