"""How much of a run is over, and how eagerly it learns: by its steps, and where people answer, by their answers too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from backflip.config import TrainConfig
from backflip.system import Facts
from contracts.status import Status
from labeling_gateway.schedule import reached
from learner.loop import Progress

_AFTER_ANSWERS = 0.1  # of the run, to learn from the last answers
_BEFORE_UPFRONT = 0.02  # of the run, may be learnt by the time that the questions asked up front are answered
_AHEAD = 0.02  # of the learning rate is left, at least, where the learning is ahead of the answers


class Pace:
    """`share` is how much of the run is over; at 1 it ends. `eagerness` is a factor of the learning rate.

    A scripted teacher keeps up with any number of steps. People don't: the steps of a whole run are
    done while somebody answers the first questions. So with people the run goes on at full speed,
    beyond its steps if need be, until the budget is answered, and then for what is left to learn, a tenth of its steps
    at least.

    A policy that is optimised for long by what few answers say ends up pleasing the reward model alone, and no longer
    tries anything else (on such over-optimisation: Gao et al. 2023, "Scaling laws for reward model overoptimization").
    So with people it learns at its full rate as far as a scripted teacher's schedule would have come with the answers
    that there are. Then it learns more slowly until there are more: at the square of their share of the budget.
    """

    def __init__(self, config: TrainConfig, progress: Progress, facts: Callable[[], Facts]) -> None:
        self._config = config
        self._progress = progress
        self._facts = facts
        self._answered_at = progress.env_steps
        self._left = _AFTER_ANSWERS * config.steps  # steps from the last answer to the end
        self._learnt: float | None = None  # steps at the full rate, without what was learnt ahead of the answers
        self._seen = 0
        self._eagerness = 1.0

    def eagerness(self) -> float:
        """How much of the learning rate the next update uses, in (0, 1]."""
        facts = self._facts()
        if not self._config.labels.has_page or not facts.labels_budget:
            return 1.0
        # As the owner has it now, with the answers that the run began with: the reward model knows those too.
        labels = replace(self._config.labels, budget=facts.labels_budget + facts.labels_imported)
        answered = facts.labels_used + facts.labels_imported
        by_answers = min(1.0, answered / labels.budget)
        upfront = _BEFORE_UPFRONT * min(1.0, answered / max(1, labels.upfront_questions))
        # A batch is asked at once: what its first answer allows is not less than what its last one does.
        earned = self._config.steps * max(upfront, reached(labels, answered + labels.batch))
        steps = self._progress.env_steps
        if self._learnt is None:  # before the first fit nothing was
            learnt = float(steps) if self._progress.updates else 0.0
        else:
            learnt = self._learnt + self._eagerness * (steps - self._seen)
        self._learnt, self._seen = min(learnt, earned), steps
        self._eagerness = 1.0 if learnt < earned else max(_AHEAD, by_answers**2)
        return self._eagerness

    @property
    def status(self) -> Status | None:
        """What to tell whoever watches; None while it learns at its full rate."""
        if self._eagerness == 1.0:
            return None
        return Status(f"learns at {self._eagerness:.0%} of its rate until there are more answers")

    def share(self) -> float:
        steps = self._progress.env_steps
        by_steps = steps / self._config.steps
        facts = self._facts()
        if not self._config.labels.has_page or not facts.labels_budget:
            return by_steps
        by_answers = min(1.0, facts.labels_used / facts.labels_budget)
        if by_answers < 1.0:
            self._answered_at = steps
            if self._learnt is not None:  # a budget that the owner lowers leaves more to do than the last answers
                self._left = max(_AFTER_ANSWERS * self._config.steps, self._config.steps - self._learnt)
        since = min(1.0, (steps - self._answered_at) / self._left)
        return min(by_steps, (1.0 - _AFTER_ANSWERS) * by_answers + _AFTER_ANSWERS * since)
