"""What is asked, how much of it, who answers, and how the room's two processes run."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import tyro

from labeling_gateway.address import check_address
from labeling_gateway.replies import Checks
from labeling_gateway.traits import Teacher, parse_teacher

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

    source: Literal["scripted", "web", "vendors", "none"] = "scripted"
    """Who answers: a scripted teacher that judges by the task's own score, people on a page of their own, outside
    vendors beside that page, or nobody."""

    vendors: str = ""
    """File that names the vendors, TOML, with their shares, prices and caps; see docs/vendors.md."""

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

    question: str = ""
    """What people are asked about two clips; the task's own question if left out."""

    clip_steps: int = 50
    """Steps of each of the two clips of a question."""

    uniform_share: float = 0.05
    """Share of the questions that are drawn at random; disagreement of the ensemble chooses the others."""

    check_share: float = 0.05
    """Share of the questions that check whether the policy is better than it was where the reward model is sure; half
    of them do while answers contradict it. At 0 none do."""

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

    teacher_tie: float = 0.0
    """The scripted teacher says that two clips are equal where their scores differ by less than this, as a person would
    who can see no difference."""

    teachers: tuple[str, ...] = ()
    """A crowd of scripted teachers in place of the one, like "7x" "3x mistakes=0.5": how many, and in what they differ
    from it (beta, mistakes, skip, tie, gamma, or glances: goes by what one camera shows)."""

    overlap: float = 0.0
    """Share of the questions that several raters answer; the further answers are beside the budget."""

    raters_per_question: int = 2
    """How many raters answer those."""

    gold_share: float = 0.0
    """Chance that a rater's next question is one whose right answer the owner gave."""

    repeat_share: float = 0.0
    """Chance that a rater's next question is one of their own again, with the sides swapped."""

    minimum_seconds: float = 0.0
    """Least time from showing a question to its answer; what is answered sooner is refused."""

    pause_error: float = 0.4
    """Estimated share of wrong answers above which a rater is paused until the owner resumes them; 1 pauses nobody."""

    from_: Annotated[str | None, tyro.conf.arg(name="from")] = None
    """Answers to begin with, beside the budget: a label archive that `backflip export` wrote, or a run's folder."""

    def __post_init__(self) -> None:
        if self.budget < 0:
            raise ValueError(f"labels.budget must be 0 or more, not {self.budget}")
        if self.source not in ("scripted", "web", "vendors", "none"):
            raise ValueError(f"labels.source must be scripted, web, vendors or none, not {self.source!r}")
        if (self.source == "vendors") != bool(self.vendors):
            raise ValueError("labels.source vendors and labels.vendors FILE go together: give both or neither")
        check_address(self.address, allow_remote=self.allow_remote)
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ValueError("TLS needs a certificate and its key: give both labels.tls-cert and labels.tls-key")
        if self.clip_steps < 2:
            raise ValueError(f"labels.clip-steps must be 2 or more, not {self.clip_steps}")
        shares = ("uniform_share", "check_share", "alarm_share", "upfront", "teacher_mistakes")
        for name in (*shares, "overlap", "gold_share", "repeat_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"labels.{name.replace('_', '-')} must be from 0 to 1, not {getattr(self, name)}")
        if not 0 < self.pause_error <= 1:
            raise ValueError(f"labels.pause-error must be above 0 and at most 1, not {self.pause_error}")
        if not 0 < self.ask_until <= 1:
            raise ValueError(f"labels.ask-until must be above 0 and at most 1, not {self.ask_until}")
        if not 0 < self.ask_decay < math.inf:
            raise ValueError(f"labels.ask-decay must be above 0 and finite, not {self.ask_decay}")
        if not 0 <= self.teacher_tie < math.inf:
            raise ValueError(f"labels.teacher-tie must be 0 or more and finite, not {self.teacher_tie}")
        if not self.teacher_beta > 0:
            raise ValueError(f"labels.teacher-beta must be above 0, not {self.teacher_beta}")
        if self.gold_share + self.repeat_share > 0.5:
            raise ValueError(
                "labels.gold-share and labels.repeat-share must be 0.5 together at most: who would answer?"
            )
        if not 0 <= self.minimum_seconds < math.inf:
            raise ValueError(f"labels.minimum-seconds must be 0 or more and finite, not {self.minimum_seconds}")
        if self.raters_per_question < 2:
            raise ValueError(f"labels.raters-per-question must be 2 or more, not {self.raters_per_question}")
        raters = sum(teacher.count for teacher in self.crowd)
        if self.source == "scripted" and self.overlap and raters < self.raters_per_question:
            raise ValueError(
                f"labels.overlap has {self.raters_per_question} raters answer a question, "
                f"and there are {raters}: name more by labels.teachers"
            )

    @property
    def crowd(self) -> tuple[Teacher, ...]:
        """Everybody who answers where the source is scripted. Raises ValueError where `teachers` names none."""
        usual = Teacher(beta=self.teacher_beta, mistakes=self.teacher_mistakes, tie=self.teacher_tie)
        try:
            return tuple(parse_teacher(text, usual) for text in self.teachers) or (usual,)
        except ValueError as error:
            raise ValueError(f"labels.teachers: {error}") from None

    @property
    def checks(self) -> Checks:
        """What the store must know to check raters."""
        return Checks(self.gold_share, self.repeat_share, self.minimum_seconds)

    @property
    def has_page(self) -> bool:
        """Whether the labeling page runs."""
        return self.source in ("web", "vendors")

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
    """One process of scripted teachers."""

    run: str
    seed: int
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
