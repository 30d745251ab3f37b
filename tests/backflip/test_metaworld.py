"""A MetaWorld preset from its steps to a video: clips can be looked at, are asked about, and are learnt from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from backflip.presets import PRESETS
from backflip.run_folder import RunFolder
from backflip.system import probe_task
from labeling_gateway.client import GatewayClient
from labeling_gateway.embedded import start_embedded
from labeling_gateway.rendering.geometry import geometry, poses
from labeling_gateway.replay import replay
from tests.backflip.commands import backflip

NAMES = ("metaworld-reach", "metaworld-pick-place", "metaworld-drawer-open", "metaworld-button-press")


def test_a_drawer_is_asked_about_answered_learnt_from_and_drawn(tmp_path: Path) -> None:
    words = ("--labels.budget", "12", "--labels.upfront", "0.5", "--learner.epochs", "1", "--steps", "10000")
    small = ("--serial", "--actors.count", "1", "--actors.worlds", "8", "--out", tmp_path, "--name", "run")
    done = backflip("train", "metaworld-drawer-open", *words, *small)
    assert done.returncode == 0, done.stderr
    folder = RunFolder(tmp_path / "run")
    summary = json.loads(folder.summary.read_text())
    assert summary["labels_used"] == 12 and summary["reward_model_version"] >= 1 and summary["policy_version"] > 1
    assert 0 <= summary["metrics"]["successes_per_episode"] <= 1 and summary["metrics"]["steps_per_episode"] == 500
    assert folder.video.stat().st_size > 10_000
    store = start_embedded(folder.store)
    try:
        client = GatewayClient(store.url, folder.run)
        records = list(replay(client))
        query = records[0].query
        clips = client.clips(query, with_oracle=True)
        scene = client.scene(query.scene)
    finally:
        store.stop()
    assert len(records) == 12 and scene.question == "In which clip is the drawer opened better?"
    names = [name for name, _ in geometry(scene).bodies]
    for clip in clips:
        shown = poses(scene, clip.state)
        assert shown.shape == (50, len(names), 7)
        np.testing.assert_allclose(shown[:, names.index("hand"), :3], clip.observation[:, :3], atol=1e-5)
        assert clip.oracle is not None and np.ptp(clip.oracle) > 0


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_asks_about_what_it_shows(name: str) -> None:
    config = PRESETS[name].config
    simulator = probe_task(config)
    assert config.preset == name and simulator.scene.track == "mujoco"
    bodies = {body for body, _ in geometry(simulator.scene).bodies}
    assert {"hand", "left finger", "right finger"} < bodies
    asked = {
        "metaworld-reach": ("goal", "green ball"),
        "metaworld-pick-place": ("puck", "red puck"),
        "metaworld-drawer-open": ("drawer", "drawer"),
        "metaworld-button-press": ("button", "red button"),
    }
    body, words = asked[name]
    assert body in bodies and words in simulator.scene.question
    simulator.close()
