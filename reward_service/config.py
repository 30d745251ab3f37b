"""How the reward ensemble is built and fitted, and how its service runs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contracts.spaces import ObservationSpace


@dataclass(frozen=True)
class RewardConfig:
    """The ensemble and the schedule of its fits.

    Raises:
        ValueError: a value is out of its range; the message names the field.
    """

    members: int = 3
    """Networks in the ensemble; their disagreement chooses what people are asked."""

    hidden: tuple[int, ...] = (128, 128)
    """Widths of each member's hidden layers."""

    hidden_of_frames: tuple[int, ...] = (64,)
    """The same after the convolutions, where frames are observed."""

    learning_rate: float = 1e-3
    """AdamW's step size at the start of a fit; it falls to a tenth of this by the fit's end."""

    weight_decay: float = 1e-2
    """AdamW's decoupled decay in the first fit; later fits adapt it."""

    weight_decay_range: tuple[float, float] = (1e-3, 1e-1)
    """How far the decay may adapt, lowest and highest."""

    loss_ratio: tuple[float, float] = (1.1, 1.5)
    """Held-out loss over training loss: below it the decay falls, above it the decay rises."""

    answer_noise: float = 0.1
    """Chance that an answer says nothing about the clips and is uniform, whoever gave it."""

    rater_quality: bool = True
    """Find out how often each rater errs, and hear those who err often less; else every answer counts alike."""

    first_fit: int = 20
    """Usable answers before version 1 is fitted."""

    fit_minimum: int = 10
    """Fewest new answers that make a fit due."""

    fit_growth: float = 0.15
    """New answers that make a fit due, as a share of the answers of the last fit."""

    first_fit_steps: int = 150
    """Gradient steps of the first fit, which starts from random weights."""

    fit_steps: int = 100
    """Gradient steps at most of every later fit, which starts from the version before it: more cost the actors
    time, and predict the next answers no better."""

    fit_epochs: int = 50
    """Passes over the answers that a fit makes at most: a few answers fitted long are learnt by heart."""

    batch_queries: int = 32
    """Queries in a minibatch."""

    step_stride: int = 5
    """A minibatch sees every ``step_stride``-th step of its clips, from a random first one.

    Neighbouring steps are so alike that more, sparser minibatches learn more in the same time.
    """

    def __post_init__(self) -> None:
        for name in (
            "members", "first_fit", "fit_minimum", "first_fit_steps", "fit_steps", "fit_epochs",
            "batch_queries", "step_stride",
        ):  # fmt: skip
            _require(getattr(self, name) >= 1, f"reward_model.{name}", getattr(self, name), "at least 1")
        _require(
            min(self.hidden, default=0) >= 1, "reward_model.hidden", self.hidden, "one or more widths of at least 1"
        )
        _require(
            min(self.hidden_of_frames, default=1) >= 1,
            "reward_model.hidden_of_frames",
            self.hidden_of_frames,
            "widths of at least 1",
        )
        _require(self.learning_rate > 0, "reward_model.learning_rate", self.learning_rate, "above 0")
        _require(self.weight_decay >= 0, "reward_model.weight_decay", self.weight_decay, "0 or more")
        _require(self.fit_growth >= 0, "reward_model.fit_growth", self.fit_growth, "0 or more")
        _require(0 <= self.answer_noise < 1, "reward_model.answer_noise", self.answer_noise, "in [0, 1)")
        for name in ("weight_decay_range", "loss_ratio"):
            low, high = getattr(self, name)
            _require(0 < low <= high, f"reward_model.{name}", (low, high), "two positive numbers, the lower first")


@dataclass(frozen=True)
class RewardServiceConfig:
    """One reward service of one run.

    Raises:
        ValueError: a value is out of its range; the message names the field.
    """

    run: str
    """Id of the run whose label log is followed."""

    address: str
    """HOST:PORT to listen on; port 0 takes a free one."""

    directory: str
    """Folder of the checkpoints and of the log of fits."""

    seed: int
    """Fixes initial weights, bootstrap and minibatches."""

    observation: ObservationSpace
    """What an observation is."""

    action_size: int
    """Width A of an encoded action."""

    reward: RewardConfig = field(default_factory=RewardConfig)
    """The ensemble and its fits."""

    patience: float = 20.0
    """Seconds after which new answers are fitted even if they are few."""

    poll_seconds: float = 0.5
    """Seconds between two looks at the label log."""

    queue: int = 16
    """Calls in work or waiting; more are refused with RESOURCE_EXHAUSTED."""

    allow_remote: bool = False
    """Whether an address beyond loopback may be listened on."""

    def __post_init__(self) -> None:
        _require(bool(self.run), "run", self.run, "an id")
        for name in ("action_size", "queue"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        for name in ("patience", "poll_seconds"):
            _require(getattr(self, name) > 0, name, getattr(self, name), "above 0")

    @staticmethod
    def from_file(path: str | Path) -> RewardServiceConfig:
        """Raises OSError where the file cannot be read, ValueError where it is no such config."""
        try:
            fields = json.loads(Path(path).read_text())
            reward: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value
                for name, value in fields.pop("reward", {}).items()
            }
            observed = fields.pop("observation")
            space = ObservationSpace(tuple(observed["shape"]), observed["stack"])
            return RewardServiceConfig(**fields, observation=space, reward=RewardConfig(**reward))
        except (TypeError, AttributeError, KeyError, json.JSONDecodeError) as error:
            raise ValueError(f"{path} is not a reward service's config: {error}") from error


def _require(holds: bool, name: str, value: object, wanted: str) -> None:
    if not holds:
        raise ValueError(f"{name} is {value!r}; it must be {wanted}")
