"""Jobs that are known to work, by name. A preset is a whole config; flags change what you name."""

from __future__ import annotations

from dataclasses import dataclass

from actors.config import ActorsConfig
from backflip.config import TrainConfig
from labeling_gateway.config import LabelsConfig
from learner.ppo import PPOConfig
from reward_service.config import RewardConfig


@dataclass(frozen=True)
class Preset:
    """``summary`` is the line that `backflip list` shows."""

    summary: str
    config: TrainConfig


def _mujoco(task: str, summary: str, steps: int = 3_000_000, budget: int = 700) -> Preset:
    return Preset(
        summary,
        TrainConfig(preset=task, engine="mujoco", task=task, steps=steps, labels=LabelsConfig(budget=budget)),
    )


def _metaworld(task: str, summary: str, steps: int, budget: int) -> Preset:
    return Preset(
        summary,
        TrainConfig(
            preset=f"metaworld-{task}",
            engine="envpool",
            task=f"MetaWorld/{task.title().replace('-', '')}-v3",
            steps=steps,
            actors=ActorsConfig(worlds=32),
            labels=LabelsConfig(budget=budget),
        ),
    )


_ATARI_ACTORS = ActorsConfig(worlds=8, slab_steps=128, candidates=4)

# As usual for Atari (Schulman et al. 2017), but that the value's loss counts for little: rewards here have unit
# deviation, and the encoder, which the two share, would learn next to nothing but to tell values.
_ATARI_LEARNER = PPOConfig(
    learning_rate=2.5e-4, epochs=3, minibatches=4, clip=0.1, value_weight=0.005, entropy_weight=0.01
)

# A fit to frames takes a minute and not a second: half the steps, and half as often.
FRAMES_REWARD = RewardConfig(
    learning_rate=3e-4, first_fit_steps=100, fit_steps=60, fit_growth=0.2, batch_queries=16, hidden_of_frames=(64,)
)


def frames_config(name: str, task: str) -> TrainConfig:
    """What is learnt from frames is trained by: the budget and the clips of Christiano et al. (2017) for Atari."""
    return TrainConfig(
        preset=name,
        engine="envpool",
        task=task,
        steps=10_000_000,
        actors=_ATARI_ACTORS,
        labels=LabelsConfig(budget=5500, clip_steps=25, upfront=0.1),
        learner=_ATARI_LEARNER,
        reward_model=FRAMES_REWARD,
    )


def _atari(name: str, task: str, summary: str) -> Preset:
    return Preset(summary, frames_config(name, task))


PRESETS: dict[str, Preset] = {
    "hopper-backflip": Preset(
        "a one-legged robot learns to backflip, which nobody wrote a reward for",
        TrainConfig(
            preset="hopper-backflip",
            engine="mujoco",
            task="hopper-backflip",
            steps=2_000_000,
            # Of two robots that lie on their back nobody can say which does better backflips. A teacher who could, by
            # scores that differ by nothing, would have half of a hundred answers teach how to lie.
            labels=LabelsConfig(teacher_tie=50.0),
        ),
    ),
    "cartpole": Preset(
        "a cart learns to keep its pole upright, on EnvPool",
        TrainConfig(
            preset="cartpole",
            engine="envpool",
            task="CartPole-v1",
            steps=1_000_000,
            actors=ActorsConfig(count=1, worlds=64, candidates=16),
            labels=LabelsConfig(budget=100, clip_steps=10),
        ),
    ),
    "arm-grasp": Preset(
        "a hand on a gantry grasps a ball; seen from one side it can seem to",
        TrainConfig(
            preset="arm-grasp",
            engine="mujoco",
            task="arm-grasp",
            steps=400_000,
            actors=ActorsConfig(candidates=32),
            labels=LabelsConfig(budget=600, clip_steps=25, check_share=0.25, ask_decay=2.0),
            reward_model=RewardConfig(fit_growth=0.1),  # once fooled, what mends the model should not wait for long
        ),
    ),
    "hopper": _mujoco("hopper", "a one-legged robot hops forward"),
    "walker": _mujoco("walker", "a two-legged robot walks forward"),
    "cheetah": _mujoco("cheetah", "a two-legged runner runs forward"),
    "swimmer": _mujoco("swimmer", "a three-link swimmer swims forward"),
    "ant": _mujoco("ant", "a four-legged robot walks forward"),
    "reacher": _mujoco("reacher", "an arm brings its tip to the target"),
    "pendulum": _mujoco("pendulum", "a cart keeps its pole upright"),
    "double-pendulum": _mujoco("double-pendulum", "a cart keeps two linked poles upright"),
    # As many answers as the person gave in Christiano et al. 2017.
    "cheetah-one-leg": _mujoco("cheetah-one-leg", "a two-legged runner gets forward on its hind leg alone", budget=800),
    # As many as in Hu et al. 2024 (QPA), whose figures, and those of PEBBLE beside them, are for off-policy learning.
    "walker-walk": _mujoco("walker-walk", "dm_control's walker walks", steps=4_000_000, budget=100),
    "walker-run": _mujoco("walker-run", "dm_control's walker runs", steps=6_000_000, budget=250),
    "cheetah-run": _mujoco("cheetah-run", "dm_control's cheetah runs", steps=6_000_000, budget=100),
    "quadruped-walk": _mujoco("quadruped-walk", "dm_control's quadruped gets up and walks", budget=1_000),
    "humanoid-stand": _mujoco("humanoid-stand", "dm_control's humanoid stands up", steps=10_000_000, budget=10_000),
    # Drawers as in Hu et al. 2024, buttons as in B-Pref (Lee et al. 2021); for the others no number is published.
    "metaworld-reach": _metaworld("reach", "MetaWorld: a hand reaches a point in the air", 1_000_000, 500),
    "metaworld-pick-place": _metaworld("pick-place", "MetaWorld: a hand takes a puck to a goal", 10_000_000, 10_000),
    "metaworld-drawer-open": _metaworld("drawer-open", "MetaWorld: a hand opens a drawer", 4_000_000, 3_000),
    "metaworld-button-press": _metaworld("button-press", "MetaWorld: a hand presses a button", 4_000_000, 10_000),
    "pong": _atari("pong", "Pong-v5", "Pong: the paddle on the right returns the ball"),
    "breakout": _atari("breakout", "Breakout-v5", "Breakout: a wall is broken down"),
    "seaquest": _atari("seaquest", "Seaquest-v5", "Seaquest: a submarine saves divers and shoots sharks"),
    "enduro": _atari("enduro", "Enduro-v5", "Enduro: a car passes others"),
    "enduro-keep-even": _atari("enduro-keep-even", "Enduro-v5:keep-even", "Enduro: a car keeps level with the others"),
    "qbert": _atari("qbert", "Qbert-v5", "Q*bert: a jumper colours the cubes of a pyramid"),
    "beamrider": _atari("beamrider", "BeamRider-v5", "Beam Rider: a ship shoots others that come down beams"),
    "space-invaders": _atari("space-invaders", "SpaceInvaders-v5", "Space Invaders: rows of invaders are shot down"),
}
