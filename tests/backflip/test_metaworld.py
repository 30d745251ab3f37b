"""A MetaWorld preset from its steps to a video: clips can be looked at, are asked about, and are learnt from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import backflip
from actors.config import ActorsConfig
from actors.simulators.registry import make_simulator
from backflip.presets import PRESETS
from backflip.run_folder import RunFolder
from labeling_gateway.client import GatewayClient
from labeling_gateway.embedded import start_embedded
from labeling_gateway.rendering.geometry import geometry, poses
from labeling_gateway.replay import replay

NAMES = ("metaworld-reach", "metaworld-pick-place", "metaworld-drawer-open", "metaworld-button-press")


@pytest.mark.slow
def test_a_drawer_is_asked_about_answered_learnt_from_and_drawn(tmp_path: Path) -> None:
    preset = backflip.preset("metaworld-drawer-open")
    run = backflip.train(
        replace(
            preset,
            serial=True,
            steps=5_000,
            actors=ActorsConfig(count=1, worlds=8),
            labels=replace(preset.labels, budget=12, upfront=1.0),
            learner=replace(preset.learner, epochs=1),
        ),
        out=tmp_path,
        name="run",
    )
    folder, summary = RunFolder(run.folder), run.summary
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
    simulator = make_simulator(config.engine, config.task, worlds=1, seed=0)
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
