"""When a reward model counts as fooled: four signs, when each is raised, and when it ends.

A sign ends at another figure than it is raised at, so that it doesn't flicker. What each means, and
what to do, is in docs/alarms.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Figures:
    """One look at a reward model and at what the policy does with it; see `evidence`."""

    contradiction: float = 0.0
    agreement_fall: float = 0.0
    rise: float = 0.5
    unfamiliarity: float = 1.0
    variety: float = 1.0


@dataclass(frozen=True)
class Sign:
    """``words`` is what people read; ``raised`` and ``ended`` say when."""

    words: str
    raised: Callable[[Figures], bool]
    ended: Callable[[Figures], bool]


SUSPICION = 2.0
"""Contradiction at which no alarm is raised yet, but more is asked to find out: two answers in a row against a model
that was sure of both."""

CONTRADICTED = 4.0
"""Contradiction at which an alarm is: four answers in a row against it, or five of eight."""

SIGNS: Mapping[str, Sign] = {
    "contradicted": Sign(
        "people contradict it where it was sure, on what the policy does now",
        lambda now: now.contradiction >= CONTRADICTED,
        lambda now: now.contradiction <= 0.5,
    ),
    # Needs no answers, so it must be far from what exploring does: a policy that learns is always a
    # little ahead of what people have judged.
    "unfamiliar": Sign(
        "its members disagree on what the policy does now far more than on what people have judged",
        lambda now: now.unfamiliarity >= 3.0,
        lambda now: now.unfamiliarity <= 1.5,
    ),
    # Either alone is ordinary: a policy that learns earns more, and harder questions are agreed on less.
    "overrated": Sign(
        "it finds the policy ever better, while answers agree with it less than they did",
        lambda now: now.rise >= 0.75 and now.agreement_fall >= 3.0,
        lambda now: now.rise <= 0.6 or now.agreement_fall <= 1.0,
    ),
    # A policy that has learnt its task does one thing only as well: what answers speak for is no alarm.
    "monotonous": Sign(
        "the policy does one thing only, and answers don't say that it is the right one",
        lambda now: now.variety <= 0.3 and now.contradiction >= SUSPICION,
        lambda now: now.variety >= 0.5 or now.contradiction <= 0.5,
    ),
}


@dataclass(frozen=True)
class Alarm:
    """A sign that was seen, and how things were when it was raised."""

    sign: str
    raised_at: float  # seconds since the epoch
    env_steps: int
    policy_version: int
    reward_version: int
    figures: dict[str, float]
    ended_at: float | None = None  # None while it stands
    ended_env_steps: int | None = None

    @property
    def words(self) -> str:
        return SIGNS[self.sign].words if self.sign in SIGNS else self.sign

    def fields(self) -> dict[str, Any]:
        return asdict(self)


def changes(standing: set[str], now: Figures) -> tuple[list[str], list[str]]:
    """The signs that these figures raise, and those of ``standing`` that they end."""
    raised = [name for name, sign in SIGNS.items() if name not in standing and sign.raised(now)]
    ended = [name for name, sign in SIGNS.items() if name in standing and sign.ended(now)]
    return raised, ended
