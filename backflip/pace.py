"""How much of a run is over, and how eagerly it learns: by its steps, and where people answer, by their answers too."""

from __future__ import annotations

from collections.abc import Callable

from backflip.config import TrainConfig
from backflip.system import Facts
from labeling_gateway.schedule import reached
from learner.loop import Progress

_AFTER_ANSWERS = 0.1  # of the run, to learn from the last answers
_BEFORE_UPFRONT = 0.02  # of the run, may be learnt by the time that the questions asked up front are answered
_AHEAD = 0.02  # of the learning rate is left where the answers have nothing more to teach


class Pace:
    """`share` is how much of the run is over; at 1 it ends. `eagerness` is a factor of the learning rate.

    A scripted teacher keeps up with any number of steps. People don't: the steps of a whole run are
    done while somebody answers the first questions. So with people the run goes on at full speed,
    beyond its steps if need be, until the budget is answered, and then for a tenth of its steps.

    A policy that is optimised for long by what few answers say ends up pleasing the reward model alone, and no longer
    tries anything else (on such over-optimisation: Gao et al. 2023, "Scaling laws for reward model overoptimization").
    So with people it learns at its full rate only as far as a scripted teacher's schedule would have come with the
    answers that there are, and meanwhile, slowly.
    """

    def __init__(self, config: TrainConfig, progress: Progress, facts: Callable[[], Facts]) -> None:
        self._config = config
        self._progress = progress
        self._facts = facts
        self._answered_at = progress.env_steps
        self._learnt: float | None = None  # steps' worth at the full rate, as far as this session knows
        self._seen = 0
        self._eagerness = 1.0

    def eagerness(self) -> float:
        """How much of the learning rate the next update uses, in (0, 1]."""
        facts, labels = self._facts(), self._config.labels
        if not labels.has_page or not facts.labels_budget:
            return 1.0
        answered = labels.questions * facts.labels_used / facts.labels_budget
        upfront = _BEFORE_UPFRONT * min(1.0, answered / max(1, labels.upfront_questions))
        # A batch is asked at once: what its first answer allows is not less than what its last one does.
        earned = self._config.steps * max(upfront, reached(labels, answered + labels.batch))
        steps = self._progress.env_steps
        if self._learnt is None:  # before a resume, no more than was earned; before the first fit, nothing
            self._learnt = earned if self._progress.updates else 0.0
        else:
            self._learnt += self._eagerness * (steps - self._seen)
        self._seen = steps
        self._eagerness = 1.0 if self._learnt < earned or facts.labels_used >= facts.labels_budget else _AHEAD
        return self._eagerness

    def share(self) -> float:
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
