"""What a user may set for one job: the one config, made of each room's own part."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Final, Literal

import tyro

from actors.config import ActorsConfig
from labeling_gateway.config import LabelsConfig
from learner.ppo import PPOConfig
from reward_service.config import RewardConfig

LARGEST_SEED = 2**31 - 1
"""What every simulator and library takes."""

WRAPPED: Final = "wrapped"
"""The engine of runs whose environments another program steps."""


@dataclass(frozen=True)
class TrainConfig:
    """A job; presets fill in everything but what you name."""

    preset: Annotated[str, tyro.conf.Suppress]
    """Which preset this job started from."""
    engine: Literal["mujoco", "warp", "envpool", "gymnasium", "wrapped"]
    """The simulator's engine; wrapped is what a program hands over by `backflip.learned_reward`."""
    task: str
    """The engine's name of the task."""
    steps: int
    """Control steps to train for, over all worlds."""
    seed: int = 0
    """Fixes everything random; with `--serial` the run is the same every time."""
    reward: Literal["learned", "true"] = "learned"
    """Learn from answers, or from the task's own score: the baseline that needs a hand-written reward."""
    serial: bool = False
    """Run everything in this process, without Ray: deterministic, and easy to debug."""
    out: Path = Path("runs")
    """Folder of all runs."""
    name: str | None = None
    """Name of this run's folder; made from preset, seed and time if left out."""
    actors: ActorsConfig = field(default_factory=ActorsConfig)
    """The actors and their worlds."""
    labels: LabelsConfig = field(default_factory=LabelsConfig)
    """The questions, and who answers them."""
    learner: PPOConfig = field(default_factory=PPOConfig)
    """The learner."""
    reward_model: RewardConfig = field(default_factory=RewardConfig)
    """The reward ensemble and its fits."""

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1, not {self.steps}")
        if not 0 <= self.seed <= LARGEST_SEED:
            raise ValueError(f"seed must be from 0 to {LARGEST_SEED}, not {self.seed}")
        if self.labels.clip_steps > self.actors.slab_steps:
            raise ValueError(
                f"labels.clip-steps ({self.labels.clip_steps}) must not exceed actors.slab-steps "
                f"({self.actors.slab_steps}): clips are cut from slabs"
            )
        if self.serial and self.labels.has_page:
            raise ValueError(f"labels.source {self.labels.source} needs processes of its own: leave out serial")
        if self.learner.minibatches > self.actors.worlds * self.actors.slab_steps:
            raise ValueError(
                f"learner.minibatches ({self.learner.minibatches}) must not exceed the transitions of a slab "
                f"({self.actors.worlds * self.actors.slab_steps})"
            )
        if self.name is not None and (not self.name or Path(self.name).name != self.name):
            raise ValueError(f"name must be one folder's name, not {self.name!r}")

    @property
    def needs_labels(self) -> bool:
        """Whether the reward service and the gateway have anything to do."""
        return self.reward == "learned"

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2, default=str)

    @staticmethod
    def from_json(text: str) -> TrainConfig:
        """Raises ValueError where the text is no config of this version of Backflip."""
        try:
            fields = json.loads(text)
            parts = {"actors": ActorsConfig, "labels": LabelsConfig, "learner": PPOConfig, "reward_model": RewardConfig}
            for name, part in parts.items():
                values = fields[name]
                fields[name] = part(**{key: tuple(v) if isinstance(v, list) else v for key, v in values.items()})
            return TrainConfig(**fields | {"out": Path(fields["out"])})
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a run's config: {error}") from error
