"""What the label log says of each rater, kept up to date as the log grows."""

from __future__ import annotations

import math
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from statistics import median

from contracts.label import Choice, Label, Opinion
from labeling_gateway.replies import Rater

_PAGE = 1000

ReadLabels = Callable[[str, int], list[tuple[str, Label]]]


class RaterBook:
    """Follows one run's log. Thread-safe."""

    def __init__(self) -> None:
        self._offset = ""  # of the last label read
        self._standing: dict[str, Label] = {}  # by offset, in log order
        self._withdrawn: Counter[str] = Counter()  # by rater, of all whom the log names
        self._following = threading.Lock()

    def read(self, read_labels: ReadLabels, golds: dict[str, Choice], paused: dict[str, str]) -> list[Rater]:
        """Reads on to the log's end; what it says of everybody, by name. Raises what ``read_labels`` does.

        Args:
            golds: the right answers, by question.
            paused: why raters are paused, by name.
        """
        with self._following:
            while page := read_labels(self._offset, _PAGE):
                for offset, label in page:
                    self._take(offset, label)
            answers: dict[str, list[Label]] = defaultdict(list)
            firsts: dict[str, Label] = {}
            for label in self._standing.values():
                answers[label.rater].append(label)
                if label.opinion is Opinion.FIRST:
                    firsts[label.query] = label
            names = sorted(self._withdrawn.keys() | paused.keys())
            return [
                replace(
                    _rater(name, answers[name], self._withdrawn[name], firsts, golds), paused_reason=paused.get(name)
                )
                for name in names
            ]

    def _take(self, offset: str, label: Label) -> None:
        self._standing.pop(label.supersedes, None)
        withdrawn = label.choice is Choice.WITHDRAWN
        self._withdrawn[label.rater] += withdrawn
        if not withdrawn:
            self._standing[offset] = label
        self._offset = offset


def _rater(
    name: str, answers: list[Label], withdrawn: int, firsts: dict[str, Label], golds: dict[str, Choice]
) -> Rater:
    own = [label for label in answers if label.opinion not in (Opinion.GOLD, Opinion.REPEAT)]
    before = {label.query: label.choice for label in own}
    agreement, _ = _share_alike(
        (label.choice, firsts[label.query].choice)
        for label in own
        if label.query in firsts and firsts[label.query].rater != name
    )
    gold = [label for label in answers if label.opinion is Opinion.GOLD and label.query in golds]
    right = sum(label.choice is golds[label.query] for label in gold)
    again = [label for label in answers if label.opinion is Opinion.REPEAT and label.query in before]
    consistency, repeats = _share_alike((label.choice, before[label.query]) for label in again)
    named = [label for label in answers if label.choice in (Choice.A, Choice.B)]
    left = sum((label.choice is Choice.A) != label.flipped for label in named)
    return Rater(
        name=name,
        standing=len(answers),
        imported=sum(label.opinion is Opinion.IMPORTED for label in answers),
        withdrawn=withdrawn,
        last_answer_at=max((label.answered_at for label in answers), default=None),
        median_seconds=median(label.seconds for label in answers) if answers else None,
        agreement=agreement,
        gold_right=right / len(gold) if gold else None,
        golds=len(gold),
        self_consistency=consistency,
        repeats=repeats,
        left_share=left / len(named) if named else None,
        left_p=even_odds(left, len(named)) if named else None,
    )


def _share_alike(pairs: Iterable[tuple[Choice, Choice]]) -> tuple[float | None, int]:
    """Of answers given twice, the share alike, and of how many; those of which one was "can't tell" say nothing."""
    alike = [one is other for one, other in pairs if Choice.CANT_TELL not in (one, other)]
    return (sum(alike) / len(alike) if alike else None), len(alike)


def even_odds(hits: int, of: int) -> float:
    """How likely even odds give a count at least as far from one half: the exact two-sided binomial test.

    Of a long tail only the terms that matter are summed.
    """
    far = max(hits, of - hits)
    if 2 * far == of:
        return 1.0
    log_term = math.lgamma(of + 1) - math.lgamma(far + 1) - math.lgamma(of - far + 1) - of * math.log(2)
    term, tail, count = 1.0, 0.0, far
    while term > 1e-17 * tail and count <= of:
        tail += term
        term *= (of - count) / (count + 1)
        count += 1
    return min(1.0, 2 * tail * math.exp(log_term))
