"""What the label log says of each rater and of the newest minutes, kept up to date as the log grows."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass

from contracts.label import Choice, Label, Opinion
from labeling_gateway.agreement import krippendorff_alpha
from labeling_gateway.client import Counts, GatewayClient

_PAGE = 1000
_WINDOW_SECONDS = 600.0  # that an hourly rate is measured over
_SHORTEST_SECONDS = 60.0  # a rate from less than a minute would jump about


@dataclass(frozen=True)
class Entry:
    offset: str
    label: Label


class Tally:
    """Follows the log. Thread-safe."""

    def __init__(self, client: GatewayClient) -> None:
        self._client = client
        self._reading = threading.Lock()
        self._standing: dict[str, Entry] = {}  # by offset, in log order
        self._times: dict[str, list[float]] = defaultdict(list)  # of each rater's answers, in log order
        self._mine: dict[str, int] = defaultdict(int)
        self._answered: list[float] = []  # times of all answers, in log order
        self.newest = ""  # offset of the newest label
        self.counts = Counts(0, 0, 0, 0, 0, 0, "")

    def catch_up(self) -> None:
        """Raises StoreUnreachable; what was read until then counts."""
        with self._reading:
            while True:
                page, self.counts = self._client.growth(self.newest, _PAGE)
                for offset, label in page:
                    self._take(Entry(offset, label))
                if len(page) < _PAGE:
                    return

    def mine(self, rater: str) -> int:
        """Answers of this rater that stand."""
        return self._mine.get(rater, 0)

    def per_hour(self, rater: str) -> float:
        return 3600 * _rate(self._times.get(rater, []), time.time(), _WINDOW_SECONDS)

    def per_minute(self) -> float:
        return 60 * _rate(self._answered, time.time(), _SHORTEST_SECONDS)

    def newest_answers(self, count: int) -> list[Entry]:
        """Standing answers that name one of the clips and teach the reward model, newest first."""
        found: list[Entry] = []
        for entry in reversed(list(self._standing.values())):
            teaches = entry.label.opinion not in (Opinion.GOLD, Opinion.REPEAT)
            if teaches and entry.label.choice in (Choice.A, Choice.B):
                found.append(entry)
                if len(found) == count:
                    break
        return found

    def alpha(self) -> float | None:
        """Krippendorff's, over the answers of different raters to the same questions; see `krippendorff_alpha`."""
        questions: dict[str, list[Choice]] = defaultdict(list)
        for entry in list(self._standing.values()):
            checks = entry.label.opinion in (Opinion.GOLD, Opinion.REPEAT)
            if not checks and entry.label.choice is not Choice.CANT_TELL:
                questions[entry.label.query].append(entry.label.choice)
        return krippendorff_alpha(questions.values())

    def _take(self, entry: Entry) -> None:
        label = entry.label
        replaced = self._standing.pop(label.supersedes, None) if label.supersedes else None
        if replaced is not None:
            self._mine[replaced.label.rater] -= 1
        if label.choice is not Choice.WITHDRAWN:
            self._standing[entry.offset] = entry
            self._mine[label.rater] += 1
            self._times[label.rater].append(label.answered_at)
            self._answered.append(label.answered_at)
        self.newest = entry.offset


def _rate(times: list[float], now: float, window: float) -> float:
    """Events a second over the last ``window`` seconds, or since the first of them if that is less."""
    first = bisect_left(times, now - window)
    if first == len(times):
        return 0.0
    since = now - times[first] if first == 0 else window
    return (len(times) - first) / min(window, max(since, _SHORTEST_SECONDS))
