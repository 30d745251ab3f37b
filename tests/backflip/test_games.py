"""A game from its screen to a policy: films are cut, asked about and answered, a reward is fitted and learnt from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from actors.config import ActorsConfig
from backflip.evaluation import evaluate
from backflip.presets import PRESETS
from backflip.run_folder import create_run_folder
from backflip.serial import SerialSystem
from backflip.system import probe_task
from contracts.film import decode_film
from labeling_gateway.config import LabelsConfig
from learner.loop import Progress, learn
from learner.policy import PolicySpec
from learner.ppo import PPO
from reward_service.config import RewardConfig
from tests.backflip.commands import labels_of

PONG = PRESETS["pong"].config
SMALL = replace(
    PONG,
    serial=True,
    steps=1500,
    actors=ActorsConfig(count=1, worlds=8, slab_steps=32, candidates=4),
    labels=LabelsConfig(budget=12, clip_steps=10, upfront=0.5, ask_until=0.6),
    learner=replace(PONG.learner, epochs=1, minibatches=2),
    reward_model=RewardConfig(first_fit=6, first_fit_steps=4, fit_steps=2, fit_minimum=3, batch_queries=4),
)


def test_pong_is_asked_about_answered_and_learnt_from(tmp_path: Path) -> None:
    config = replace(SMALL, out=tmp_path)
    folder = create_run_folder(config)
    simulator = probe_task(config, worlds=2, seed=5)
    ppo = PPO(PolicySpec(simulator.spaces), config.learner, config.seed)
    system = SerialSystem(config, folder, simulator.spaces)
    progress = Progress()
    try:
        learn(
            ppo,
            system.source,
            progress,
            share=lambda: progress.env_steps / config.steps,
            on_update=lambda now: system.after_update(now, config.steps),
        )
        [query, *_] = system._client.asked()
        clip, _ = system._client.clips(query, with_oracle=True)
        scene = system._client.scene(query.scene)
    finally:
        system.stop()
    assert len(labels_of(folder)) == 12 and progress.reward_version >= 1 and progress.updates >= 2
    assert clip.observation.shape == (10, 4, 84, 84) and clip.oracle is not None
    assert decode_film(clip.film).shape == (10, 210, 160, 3)
    assert scene.track == "frames" and "green" in scene.question

    evaluation = evaluate(ppo.policy, simulator)
    shown, other = evaluation.tracks
    assert shown.pictures is not None and len(shown.pictures) == len(shown.observation) == min(len(shown), 900)
    assert other.pictures is not None and len(other.pictures) == len(other.observation) == 0 < len(other)
    assert -21 <= evaluation.true_return <= 21
    assert evaluation.metrics == {"steps_per_episode": np.mean([len(shown), len(other)])}


@pytest.mark.parametrize(
    "preset", ["pong", "breakout", "seaquest", "enduro", "enduro-keep-even", "qbert", "beamrider", "space-invaders"]
)
def test_every_game_that_is_a_preset_has_a_question_of_its_own(preset: str) -> None:
    config = PRESETS[preset].config
    simulator = probe_task(config)
    assert simulator.scene.question.endswith("?")
    assert "the game" not in simulator.scene.question
    assert config.labels.budget == 5500 and config.labels.clip_steps == 25, "as the paper has it"
    assert simulator.odometer_name == ("level_steps" if preset == "enduro-keep-even" else "")
    simulator.close()
