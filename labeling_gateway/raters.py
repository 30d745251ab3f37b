"""What the label log says of each rater, kept up to date as the log grows."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable
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

    def read(self, read_labels: ReadLabels) -> list[Rater]:
        """Reads on to the log's end; what it says of everybody, by name. Raises what ``read_labels`` does."""
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
            return [_rater(name, answers[name], self._withdrawn[name], firsts) for name in sorted(self._withdrawn)]

    def _take(self, offset: str, label: Label) -> None:
        self._standing.pop(label.supersedes, None)
        withdrawn = label.choice is Choice.WITHDRAWN
        self._withdrawn[label.rater] += withdrawn
        if not withdrawn:
            self._standing[offset] = label
        self._offset = offset


def _rater(name: str, answers: list[Label], withdrawn: int, firsts: dict[str, Label]) -> Rater:
    judged = [
        (label.choice, firsts[label.query].choice)
        for label in answers
        if label.query in firsts and firsts[label.query].rater != name
    ]
    alike = [mine == others for mine, others in judged if Choice.CANT_TELL not in (mine, others)]
    return Rater(
        name=name,
        standing=len(answers),
        withdrawn=withdrawn,
        last_answer_at=max((label.answered_at for label in answers), default=None),
        median_seconds=median(label.seconds for label in answers) if answers else None,
        agreement=sum(alike) / len(alike) if alike else None,
    )
