"""How much of a run is over: by its steps, and where people answer, by their answers too."""

from __future__ import annotations

from collections.abc import Callable

from backflip.config import TrainConfig
from backflip.system import Facts
from learner.loop import Progress

_AFTER_ANSWERS = 0.1  # of the run, to learn from the last answers


class Pace:
    """The share of the run that is over; at 1 it ends.

    A scripted teacher keeps up with any number of steps. People don't: the steps of a whole run are
    done while somebody answers the first questions. So with people the run goes on at full speed,
    beyond its steps if need be, until the budget is answered, and then for a tenth of its steps.
    """

    def __init__(self, config: TrainConfig, progress: Progress, facts: Callable[[], Facts]) -> None:
        self._config = config
        self._progress = progress
        self._facts = facts
        self._answered_at = progress.env_steps

    def __call__(self) -> float:
        steps = self._progress.env_steps
        by_steps = steps / self._config.steps
        facts = self._facts()
        if not self._config.labels.has_page or not facts.labels_budget:
            return by_steps
        by_answers = min(1.0, facts.labels_used / facts.labels_budget)
        if by_answers < 1.0:
            self._answered_at = steps
        learnt = min(1.0, (steps - self._answered_at) / (_AFTER_ANSWERS * self._config.steps))
        return min(by_steps, (1.0 - _AFTER_ANSWERS) * by_answers + _AFTER_ANSWERS * learnt)
