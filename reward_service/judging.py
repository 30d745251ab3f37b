"""What a fit is told of the raters: judged by the version before it, by each other, and by the owner's gold answers."""

from __future__ import annotations

import numpy as np

from contracts.label import Choice
from contracts.rater import RaterError
from reward_service.dataset import Comparisons
from reward_service.ensemble import Ensemble
from reward_service.fitting import outputs
from reward_service.raters import estimate


def judge(ensemble: Ensemble | None, data: Comparisons, golds: dict[str, Choice], stride: int) -> dict[str, RaterError]:
    """The error of everybody who ever gave a usable answer, by name.

    Nobody's where there is one rater, without repeats or gold answers: all errors could be the model's.

    Args:
        ensemble: the newest version, fitted to a part of the answers; None before there is one.
        golds: the right answer to each gold question, by the question's id.
        stride: which steps of the clips are scored.
    """
    names = data.raters
    if len(names) < 2 and not data.checked:
        return {}
    evidence = data.evidence(unseen_margins(ensemble, data, stride), golds)
    found = estimate(evidence, len(names))
    answers = np.bincount(evidence.rater, minlength=len(names))
    return {
        name: RaterError(error=round(float(error), 6), deviation=round(float(deviation), 6), answers=int(count))
        for name, error, deviation, count in zip(names, found.error, found.deviation, answers, strict=True)
    }


def unseen_margins(ensemble: Ensemble | None, data: Comparisons, stride: int) -> np.ndarray:
    """Reward of clip a minus that of clip b by those members that were never fitted to the query, float64 [Q].

    A member was not where its bootstrap sample lacks the query (its out-of-bag queries; Breiman, 1996), in this
    version as in all before it. Nan where every member was.
    """
    unseen = data.unseen()
    if ensemble is None:
        return np.full(len(unseen), np.nan)
    sums = outputs(ensemble, data, np.arange(len(unseen)), min(stride, data.clip_steps)).sum(2).numpy()
    members = unseen.sum(1)
    total = np.where(unseen, sums[:, 0] - sums[:, 1], 0.0).sum(1)
    return np.where(members > 0, total / np.maximum(members, 1), np.nan)
