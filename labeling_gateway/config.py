"""What is asked, how much of it, who answers, and how the room's two processes run."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import tyro

from labeling_gateway.address import check_address

Config = TypeVar("Config", "GatewayConfig", "TeacherConfig")

MINIMUM_BATCH = 5
"""Fewest questions asked at once, as long as the budget allows that many."""

MAXIMUM_BATCH = 100
"""Most questions asked at once, whatever the budget."""

ROUNDING = 1e-9
"""Where a share of a budget is counted in whole questions: 0.07 * 100 must be 7, not 8."""

BATCHES = 40
"""A budget is asked in about this many batches, so that each is chosen by a fresh model."""


@dataclass(frozen=True)
class LabelsConfig:
    """How many questions are asked, which, when, and who answers them.

    Raises:
        ValueError: a value is out of its range; the message names the field.
    """

    budget: int = 900
    """Answers that may be used, ties and "can't tell" included."""

    source: Literal["scripted", "web", "none"] = "scripted"
    """Who answers: a scripted teacher that judges by the task's own score, people on a page of their own, or nobody."""

    address: str = "127.0.0.1:8020"
    """Where the labeling page listens, HOST:PORT; port 0 is a free one."""

    allow_remote: bool = False
    """Let the labeling page listen beyond loopback, where others can reach it."""

    tls_cert: str = ""
    """File of the labeling page's certificate, PEM; with it the page is served by https."""

    tls_key: str = ""
    """File of that certificate's key, PEM."""

    hosts: tuple[str, ...] = ()
    """Names by which browsers may ask for the labeling page, besides those of this machine: a proxy's, say."""

    open: bool = True
    """Open the labeling page in a browser, where there is a display."""

    clip_steps: int = 50
    """Steps of each of the two clips of a question."""

    uniform_share: float = 0.05
    """Share of the questions that are drawn at random; disagreement of the ensemble chooses the others."""

    check_share: float = 0.05
    """Share of the questions that check whether the policy is better than it was where the reward model is sure."""

    alarm_share: float = 0.2
    """Share of the budget that is asked ahead of its time while the reward model may be fooled."""

    upfront: float = 0.25
    """Share of the budget that may be asked before any training."""

    ask_until: float = 0.8
    """Share of the run by which the whole budget has been asked."""

    ask_decay: float = 0.3
    """The rate of asking falls as 1 / (t + this), t going from 0 at the start to 1 at `ask_until`."""

    teacher_beta: float = math.inf
    """The scripted teacher's rationality, per unit of score; `inf` always names the better clip."""

    teacher_mistakes: float = 0.0
    """Chance that the scripted teacher names the other clip."""

    teacher_one_view: bool = False
    """The scripted teacher judges by what one camera shows, but for checks, until an alarm tells it to turn clips."""

    from_: Annotated[str | None, tyro.conf.arg(name="from")] = None
    """Answers to begin with, beside the budget: a label archive that `backflip export` wrote, or a run's folder."""

    def __post_init__(self) -> None:
        if self.budget < 0:
            raise ValueError(f"labels.budget must be 0 or more, not {self.budget}")
        if self.source not in ("scripted", "web", "none"):
            raise ValueError(f"labels.source must be scripted, web or none, not {self.source!r}")
        check_address(self.address, allow_remote=self.allow_remote)
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ValueError("TLS needs a certificate and its key: give both labels.tls-cert and labels.tls-key")
        if self.clip_steps < 2:
            raise ValueError(f"labels.clip-steps must be 2 or more, not {self.clip_steps}")
        for name in ("uniform_share", "check_share", "alarm_share", "upfront", "teacher_mistakes"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"labels.{name.replace('_', '-')} must be from 0 to 1, not {getattr(self, name)}")
        if not 0 < self.ask_until <= 1:
            raise ValueError(f"labels.ask-until must be above 0 and at most 1, not {self.ask_until}")
        if not 0 < self.ask_decay < math.inf:
            raise ValueError(f"labels.ask-decay must be above 0 and finite, not {self.ask_decay}")
        if not self.teacher_beta > 0:
            raise ValueError(f"labels.teacher-beta must be above 0, not {self.teacher_beta}")

    @property
    def questions(self) -> int:
        """Questions that may be asked in all: none where nobody answers."""
        return 0 if self.source == "none" else self.budget

    @property
    def upfront_questions(self) -> int:
        """Questions that may be asked before the first step."""
        return math.ceil(self.questions * self.upfront - ROUNDING)

    @property
    def batch(self) -> int:
        """Questions asked at once."""
        return min(self.questions, MAXIMUM_BATCH, max(MINIMUM_BATCH, round(self.questions / BATCHES)))


@dataclass(frozen=True)
class GatewayConfig:
    """One gateway process."""

    run: str
    reward_address: str
    seed: int
    labels: LabelsConfig = field(default_factory=LabelsConfig)

    @staticmethod
    def from_file(path: str | Path) -> GatewayConfig:
        """Raises ValueError where the file is not such a config."""
        return _from_file(GatewayConfig, path)


@dataclass(frozen=True)
class TeacherConfig:
    """One scripted teacher process."""

    run: str
    seed: int
    rater: str = "scripted"
    labels: LabelsConfig = field(default_factory=LabelsConfig)

    @staticmethod
    def from_file(path: str | Path) -> TeacherConfig:
        """Raises ValueError where the file is not such a config."""
        return _from_file(TeacherConfig, path)


def _from_file(kind: type[Config], path: str | Path) -> Config:
    try:
        fields = json.loads(Path(path).read_bytes())
        return kind(**fields | {"labels": LabelsConfig(**fields.get("labels", {}))})
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"cannot use the config {path}: {error}") from error
