"""When questions are asked: some at once, the rest at a decaying rate (Christiano et al. 2017)."""

from __future__ import annotations

import math

from labeling_gateway.config import ROUNDING, LabelsConfig


def allowed(labels: LabelsConfig, share: float, alarm: bool = False) -> int:
    """How many questions may have been asked when ``share`` of the run's steps are done.

    `upfront` of them before the first step; the others at a rate that falls as 1 / (t + ask_decay),
    where t goes from 0 at the start to 1 at `ask_until`, by which all have been asked. While an ``alarm``
    stands, `alarm_share` of them are asked ahead of their time; when it ends, the schedule catches up.
    """
    upfront = labels.upfront_questions
    t = min(1.0, max(0.0, share) / labels.ask_until)
    asked = math.log1p(t / labels.ask_decay) / math.log1p(1 / labels.ask_decay)
    ahead = math.ceil(labels.questions * labels.alarm_share - ROUNDING) if alarm else 0
    return min(labels.questions, upfront + math.floor((labels.questions - upfront) * asked + ROUNDING) + ahead)


def reached(labels: LabelsConfig, answered: float) -> float:
    """The share of a run's steps by which so many questions are asked: the inverse of `allowed`.

    0 up to the questions asked up front, 1 from the last on.
    """
    if answered >= labels.questions:
        return 1.0
    upfront = labels.upfront_questions
    asked = max(0.0, answered - upfront) / max(1, labels.questions - upfront)
    return labels.ask_until * labels.ask_decay * math.expm1(asked * math.log1p(1 / labels.ask_decay))


def due(labels: LabelsConfig, share: float, asked: int, unanswered: int, alarm: bool = False) -> int:
    """How many questions to ask now: a whole batch or none, so that each batch is chosen by a fresh model.

    The last questions of the budget, and the last before training starts, may be fewer than a batch.
    None are due while more than a batch is unanswered, or than two while an ``alarm`` stands, whose
    questions go before those that wait.
    """
    if unanswered > labels.batch * (2 if alarm else 1):
        return 0
    left = allowed(labels, share, alarm) - asked
    ends = asked + left >= labels.questions or asked < allowed(labels, 0.0)
    if left >= labels.batch:
        return labels.batch
    return max(0, left) if ends else 0
