"""A label log in memory, answered by a known reward."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from contracts.clip import Clip
from contracts.label import Choice, Label, Opinion, Query
from contracts.spaces import ObservationSpace

OBSERVATION_SIZE, ACTION_SIZE, STEPS = 4, 2, 20
SPACE = ObservationSpace((OBSERVATION_SIZE,))
WEIGHTS = np.array([1.0, -0.5, 0.0, 0.5, 0.8, 0.0], np.float32)


class OracleReadError(AssertionError):
    """The trainer touched a clip's oracle."""


class GuardedClip(Clip):
    """A clip whose oracle raises when it is read."""

    def __getattribute__(self, name: str) -> object:
        if name == "oracle":
            raise OracleReadError
        return super().__getattribute__(name)


class MemoryLog:
    """Implements `reward_service.dataset.LabelReader`; ``visible`` labels of it can be read."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, Label]] = []
        self.pairs: dict[str, tuple[Clip, Clip]] = {}
        self.right: dict[str, Choice] = {}  # of gold questions
        self.visible: int | None = None

    def read_labels(self, after: str, limit: int) -> list[tuple[str, Label]]:
        start = int(after.partition("-")[0]) if after else 0
        return self.entries[: self.visible][start : start + limit]

    def query(self, id: str) -> Query:
        return Query(id, f"{id}/a", f"{id}/b", "scene", "uniform", 0.0, 0, 0)

    def clips(self, query: Query) -> tuple[Clip, Clip]:
        return self.pairs[query.id]

    def golds(self) -> dict[str, Choice]:
        return self.right

    def append(
        self,
        query: str,
        choice: Choice,
        supersedes: str = "",
        *,
        rater: str = "rater",
        opinion: Opinion = Opinion.FIRST,
    ) -> str:
        offset = f"{len(self.entries) + 1}-0"
        label = Label(query, rater, choice, opinion, 1, 0.0, 1.0, supersedes)
        self.entries.append((offset, label))
        return offset


def inputs(rng: np.random.Generator, steps: int = STEPS) -> np.ndarray:
    """Observation and action of one clip, side by side: float32 [steps, D + A]."""
    rows = rng.normal(size=(steps, len(WEIGHTS))) * 0.5 + rng.normal(size=(1, len(WEIGHTS)))
    return rows.astype(np.float32)


def clip(rng: np.random.Generator, steps: int = STEPS) -> Clip:
    rows = inputs(rng, steps)
    state = np.zeros((steps, 1), np.float32)
    return GuardedClip(rows[:, :OBSERVATION_SIZE], rows[:, OBSERVATION_SIZE:], state, "scene", 0, 0)


def linear_log(answers: int, seed: int) -> MemoryLog:
    """A log of right answers to uniform pairs, by a reward that is linear in observation and action."""
    rng = np.random.default_rng(seed)
    log = MemoryLog()
    for index in range(answers):
        a, b = clip(rng), clip(rng)
        query = f"query-{seed}-{index}"
        log.pairs[query] = (a, b)
        log.append(query, Choice.A if true_return(a) > true_return(b) else Choice.B)
    return log


def crowd_log(answers: int, seed: int, errors: list[float]) -> MemoryLog:
    """As `linear_log`, the questions answered in turn by raters who name the wrong clip with these chances."""
    rng = np.random.default_rng([seed, 1])
    log = linear_log(answers, seed)
    for number, (offset, label) in enumerate(log.entries):
        rater = number % len(errors)
        wrong = rng.random() < errors[rater]
        other = Choice.B if label.choice is Choice.A else Choice.A
        log.entries[number] = offset, replace(label, rater=f"rater-{rater}", choice=other if wrong else label.choice)
    return log


def true_return(one: Clip) -> float:
    return float((np.concatenate([one.observation, one.action], axis=1) @ WEIGHTS).sum())
