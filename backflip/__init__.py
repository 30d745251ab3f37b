"""Teach agents by saying which of two clips is better.

import backflip

run = backflip.train("hopper-backflip", seed=1)
print(run.summary["metrics"])
"""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labeling_gateway.config import LabelsConfig

if TYPE_CHECKING:
    from gymnasium.vector import VectorEnv
    from stable_baselines3.common.vec_env import VecEnv

    from actors.vector_worlds import Score
    from backflip.config import TrainConfig
    from backflip.evaluation import Evaluation
    from backflip.training import Run
    from backflip.wrapper import LearnedReward
    from reward_service.config import RewardConfig

__all__ = [
    "LabelsConfig",
    "environment",
    "evaluate",
    "for_stable_baselines3",
    "learned_reward",
    "preset",
    "resume",
    "train",
]


def preset(name: str) -> TrainConfig:
    """The config of a preset, to be changed with `dataclasses.replace`. Raises UserError."""
    from backflip.errors import UserError
    from backflip.presets import PRESETS

    if name not in PRESETS:
        raise UserError(f"there is no preset {name!r}; choose one of {', '.join(PRESETS)}")
    return PRESETS[name].config


def environment(env: str, *, engine: str | None = None) -> TrainConfig:
    """A config for any environment: an EnvPool id, a gymnasium id, ``module:ID`` or ``package.module:Class``.

    Args:
        engine: decides where EnvPool and gymnasium both know the id.

    Raises:
        UserError: nobody knows it, or it does not start here.
    """
    from backflip.environments import job_for

    return job_for(env, engine).config


def train(job: str | TrainConfig, **changes: Any) -> Run:
    """Train a preset or a config, with top-level ``changes`` (``seed=1, steps=100_000, serial=True``).

    The actors run on this machine, on a Ray that is started for them; on the program's own where it has called
    ``ray.init``, which goes on afterwards.

    Raises:
        UserError: a mistake in the job, or a part that cannot start.
        ValueError: a value out of its range.
    """
    from backflip.training import train as run_training

    config = preset(job) if isinstance(job, str) else job
    if "out" in changes:
        changes["out"] = Path(changes["out"])
    config = replace(config, **changes)
    return run_training(config, command=_as_call(config))


def _as_call(config: TrainConfig) -> str:
    """The call of `train` that makes this job again, with all that it has apart from its preset."""
    from backflip.presets import PRESETS

    if config.preset not in PRESETS:
        return f"backflip.train({config!r})"
    usual = PRESETS[config.preset].config
    settings = {field.name: getattr(config, field.name) for field in fields(config)}
    changed = {name: value for name, value in settings.items() if value != getattr(usual, name)}
    words = [f"{name}={(str(value) if isinstance(value, Path) else value)!r}" for name, value in changed.items()]
    return f"backflip.train({', '.join([repr(config.preset), *words])})"


def resume(run: str | Path, *, steps: int | None = None) -> Run:
    """Go on with a run; see `train` for what is raised."""
    from backflip.training import resume as resume_training

    return resume_training(Path(run), steps=steps)


def evaluate(run: str | Path, *, episodes: int = 20, seed: int = 0) -> Evaluation:
    """Measure a run's policy afresh. Raises UserError where there is no such run."""
    from backflip.showing import evaluate_run

    return evaluate_run(Path(run), episodes=episodes, seed=seed)


def learned_reward(
    envs: VectorEnv,
    run: str | Path,
    *,
    steps: int,
    seed: int = 0,
    labels: LabelsConfig | None = None,
    reward_model: RewardConfig | None = None,
    question: str = "",
    score: Score | None = None,
) -> LearnedReward:
    """A gymnasium vector environment with the learned reward in place of its own, for any library to train on.

    Clips of what passes through it become questions, for whoever ``labels`` names. The parts that this takes run
    beside the program, until `close`.

    Args:
        envs: observes vectors, dicts and tuples of them and of choices, or pictures (uint8); acts by one choice, by
            several, or by bounded vectors. Made with render mode rgb_array it is filmed by its `render`.
        run: the run's folder. One that is there already goes on from its answers and its reward model.
        steps: that the training will take over all worlds; the questions are spread over them.
        labels: how many questions there are, how long their clips, and who answers.
        reward_model: the ensemble and its fits.
        question: what people are asked about two clips.
        score: what a scripted teacher judges by, from the observations after a step [N, ...] and the environment's
            reward [N]; the environment's reward if left out, where its ids have no better one.

    Raises:
        UserError: environment, folder or labels cannot be used, or a part cannot start.
    """
    from backflip.wrapper import LearnedReward

    return LearnedReward(
        envs,
        Path(run),
        steps=steps,
        seed=seed,
        labels=labels,
        reward_model=reward_model,
        question=question,
        score=score,
    )


def for_stable_baselines3(envs: VectorEnv) -> VecEnv:
    """A vector environment as Stable-Baselines3 wants it.

    Raises:
        UserError: its episodes don't restart in the step that ends them, as that library's do.
    """
    from backflip.stable_baselines import BaselinesVecEnv

    return BaselinesVecEnv(envs)
