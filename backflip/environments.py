"""A job for any environment by its id: `backflip train --env ID`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np

from actors.config import ActorsConfig
from actors.simulators.protocol import SimulationFault, Simulator, did_you_mean
from backflip.config import TrainConfig
from backflip.errors import UserError
from backflip.presets import frames_config
from backflip.system import probe_task
from contracts.spaces import ActionSpace
from labeling_gateway.config import LabelsConfig

ENGINES = ("envpool", "gymnasium")
"""Those that know environments by ids of others' making."""

_BUDGET = 200  # answers
_LONGEST_CLIP = 50  # steps
_LOOKING_WORLDS = 8


@dataclass(frozen=True)
class Job:
    """A config that should do for an environment, and one line that says how its engine was chosen."""

    config: TrainConfig
    choice: str


def job_for(env: str, engine: str | None = None) -> Job:
    """A job of 200 answers and a million steps, with clips of up to 50 steps, as its episodes allow.

    Where frames are observed, a job of 5,500 answers and ten million steps, with clips of up to 25.

    Args:
        env: an EnvPool id, a gymnasium id, ``module:ID``, or ``package.module:Class``.
        engine: decides where EnvPool and gymnasium both know the id.

    Raises:
        UserError: nobody knows it, or it does not start here.
    """
    job, simulator = look_at(env, engine)
    simulator.close()
    return job


def look_at(env: str, engine: str | None = None) -> tuple[Job, Simulator]:
    """As `job_for`, and some worlds of it to look at."""
    from actors.simulators.envpool_families import family  # EnvPool takes a second to import

    engine, choice = _engine_of(env, engine)
    config = TrainConfig(
        preset=re.sub(r"[^\w.-]+", "-", env),
        engine=engine,  # pyright: ignore[reportArgumentType]
        task=env,
        steps=1_000_000,
        # EnvPool steps its worlds in threads, gymnasium one after the other: it needs more processes.
        actors=ActorsConfig(count=1, worlds=64, candidates=16) if engine == "envpool" else ActorsConfig(worlds=32),
        labels=LabelsConfig(budget=_BUDGET, clip_steps=2),
    )
    simulator = probe_task(config, worlds=_LOOKING_WORLDS)
    if simulator.spaces.observation.is_frames:
        config = replace(frames_config(config.preset, env), engine=config.engine)
        if _shows_score(env, simulator):
            choice += "; where it shows its score is not known, and the reward model may learn to read it"
        if family(env.partition(":")[0]) == "atari":
            return Job(config, choice), simulator
    try:
        length = _usual_length(simulator)
    except SimulationFault as error:
        raise UserError(str(error)) from None
    if length < 2:
        choice += "; at random its episodes end after a step, and give no clip to ask about"
    longest = config.labels.clip_steps if simulator.spaces.observation.is_frames else _LONGEST_CLIP
    config = replace(config, labels=replace(config.labels, clip_steps=max(2, min(longest, length // 2))))
    if simulator.scene.track == "frames" and not simulator.spaces.observation.is_frames:
        # Pictures take time to draw and to encode, whether looked at or not.
        config = replace(config, actors=replace(config.actors, worlds=32, candidates=4))
    return Job(config, choice), simulator


def _shows_score(env: str, simulator: Simulator) -> bool:
    """Whether an Atari game's score is left on the frames that are observed."""
    from actors.simulators.atari_games import is_ale, knows_score
    from actors.simulators.envpool_families import family
    from actors.simulators.gymnasium_engine import GymnasiumSimulator

    if isinstance(simulator, GymnasiumSimulator):
        return is_ale(env) and not simulator.score_blanked
    return family(env.partition(":")[0]) == "atari" and not knows_score(env)


def _engine_of(env: str, engine: str | None) -> tuple[str, str]:
    """The engine, and one line about the choice. Raises UserError."""
    if engine is not None and engine not in ENGINES:
        raise UserError(f"environments by id run on {' or '.join(ENGINES)}, not on {engine!r}")
    if re.fullmatch(r"[\w.]+:.+", env):
        if engine == "envpool":
            raise UserError(f"{env} names a module, which only engine gymnasium knows")
        return "gymnasium", f"{env} runs on gymnasium"
    import gymnasium

    from actors.simulators.envpool_families import families, family

    group = family(env.partition(":")[0])  # after which a goal may stand: Enduro-v5:keep-even
    knowing = [name for name, known in (("envpool", group), ("gymnasium", env in gymnasium.registry)) if known]
    if not knowing:
        every = [*gymnasium.registry, *(task for tasks in families().values() for task in tasks)]
        raise UserError(
            f"nobody knows an environment {env!r}{did_you_mean(env, every)} "
            "(`backflip list --engine envpool` and `--engine gymnasium` show those that are known; "
            "one of your own is module:ID or package.module:Class)"
        )
    if engine is not None:
        if engine not in knowing:
            raise UserError(f"engine {engine} knows no {env}; leave out --engine, and {knowing[0]} runs it")
        return engine, f"{env} runs on {engine}, as asked"
    if len(knowing) == 1:
        return knowing[0], f"{env} runs on {knowing[0]}"
    if group.startswith("mujoco"):
        return "gymnasium", f"{env} runs on gymnasium, whose states can be drawn; --engine envpool is faster, and blind"
    return "envpool", f"{env} runs on envpool, which is faster; gymnasium knows it too (--engine gymnasium)"


def _usual_length(simulator: Simulator) -> int:
    """Steps of an episode under random actions, at most twice the longest clip's: the median over the worlds.

    However long that takes: a job must not depend on how busy the machine is.

    Raises SimulationFault where no step of it ever succeeds.
    """
    random = np.random.default_rng(0)
    simulator.reset()
    lengths = np.zeros(simulator.worlds, np.int64)
    running = np.ones(simulator.worlds, bool)
    while running.any() and lengths.max() < 2 * _LONGEST_CLIP:
        transition = simulator.step(_any_action(simulator.spaces.action, simulator.worlds, random))
        lengths += running
        running &= ~((transition.terminated | transition.truncated) & transition.valid)
    lengths[running] = 2 * _LONGEST_CLIP
    return int(np.median(lengths))


def _any_action(space: ActionSpace, worlds: int, random: np.random.Generator) -> np.ndarray:
    if space.kind == "continuous":
        return random.uniform(-1.0, 1.0, (worlds, *space.shape)).astype(np.float32)
    return random.integers(0, space.choices or space.size, (worlds, *space.shape))
