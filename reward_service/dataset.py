"""The training set: a pure function of the label log and the clips that its labels name."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from contracts.clip import Clip
from contracts.encoding import content_hash
from contracts.label import Choice, Label, Opinion, Query, is_held_out
from contracts.spaces import ObservationSpace
from reward_service.clip_store import ClipStore, FrameStore, VectorStore, grown
from reward_service.likelihood import TARGETS
from reward_service.raters import Evidence

logger = logging.getLogger("backflip.reward_service")

_PAGE = 256  # labels read from the log at once
_POISSON = np.cumsum([math.exp(-1) / math.factorial(count) for count in range(12)])


class LabelReader(Protocol):
    """What the reward service needs of the label store; `labeling_gateway.client` has it."""

    def read_labels(self, after: str, limit: int) -> list[tuple[str, Label]]:
        """Up to ``limit`` labels with their offsets, in log order, after an offset ("" for the first)."""
        ...

    def query(self, id: str) -> Query: ...

    def clips(self, query: Query) -> tuple[Clip, Clip]: ...

    def golds(self) -> dict[str, Choice]:
        """The right answers that the owner gave, by the question's id."""
        ...


@dataclass(frozen=True)
class Answers:
    """n usable answers, in log order."""

    queries: np.ndarray  # int64 [n], their rows in the arrays of `Comparisons`
    targets: np.ndarray  # float32 [n], see `TARGETS`
    raters: np.ndarray  # int64 [n], indices of `Comparisons.raters`

    def __len__(self) -> int:
        return len(self.queries)

    def spread(self, most: int) -> Answers:
        """At most ``most`` of them, evenly spread over the log."""
        chosen = np.linspace(0, len(self) - 1, min(most, len(self))).astype(np.int64)
        return Answers(self.queries[chosen], self.targets[chosen], self.raters[chosen])


class Comparisons:
    """Every usable answer of the log so far, one row each, in log order.

    An answer that a later one supersedes leaves; "can't tell" never enters. Answers to one query share its
    clips. Repeats and answers to gold questions are kept beside the rows: they only say how good a rater is.
    """

    def __init__(self, members: int, observation: ObservationSpace, action_size: int, seed: int) -> None:
        self.offset = ""  # of the last label read
        self.answers = 0  # labels read, usable or not
        self._members = members
        self.observation = observation
        self.action_size = action_size
        self._seed = seed
        self._index: dict[str, int] = {}  # query id to its row in what follows
        self.clip_steps = 0  # of the first query's clips; all others' are as long
        self._clips: ClipStore | None = None
        self._bootstrap = np.empty((0, members), np.float32)
        self._held_out = np.empty(0, bool)
        self._rows: dict[str, tuple[int, float, int]] = {}  # offset to query row, target and rater
        self._checks: dict[str, tuple[int, float, int]] = {}  # the same of repeats and gold answers
        self._raters: dict[str, int] = {}  # name to index, in the order of their first usable answers

    @property
    def labels(self) -> int:
        """Usable answers, repeats and those to gold questions aside."""
        return len(self._rows)

    @property
    def raters(self) -> list[str]:
        """Everybody whose answers were ever usable; an index into this stays whose it is."""
        return list(self._raters)

    def follow(self, log: LabelReader, until: str | None = None) -> int:
        """Reads on to the log's end, or up to and including the offset ``until``; returns how many labels."""
        before = self.answers
        while self.offset != until:
            page = log.read_labels(self.offset, _PAGE)
            for offset, label in page:
                self._take(log, offset, label)
                self.offset = offset
                self.answers += 1
                if offset == until:
                    break
            if len(page) < _PAGE:
                break
        return self.answers - before

    @property
    def checked(self) -> bool:
        """Whether anybody was asked a gold question, or the same one twice."""
        return bool(self._checks)

    def rows(self, *, held_out: bool) -> Answers:
        """What is trained on, or what is held out, of the answers."""
        return _answers(row for row in self._rows.values() if self._held_out[row[0]] == held_out)

    def evidence(self, margin: np.ndarray, golds: dict[str, Choice]) -> Evidence:
        """What all strict answers say of their raters, repeats and gold ones too.

        Args:
            margin: of every query, by members that were not fitted to it, see `unseen`; nan without. Float64 [Q].
            golds: the right answer to each gold question, by the question's id.
        """
        right = np.full(len(margin), np.nan)
        for id in golds.keys() & self._index.keys():
            right[self._index[id]] = TARGETS[golds[id]]
        answers = _answers((*self._rows.values(), *self._checks.values()))
        strict = answers.targets != TARGETS[Choice.EQUAL]
        return Evidence(
            rater=answers.raters[strict],
            question=answers.queries[strict],
            says_a=answers.targets[strict] > 0.5,
            margin=margin,
            right=right,
        )

    def unseen(self) -> np.ndarray:
        """Which members were never fitted to which query: bool [Q, K], for every query that has a row."""
        used = len(self._index)
        return self._held_out[:used, None] | (self._bootstrap[:used] == 0)

    def inputs(self, queries: np.ndarray, first: int = 0, stride: int = 1) -> np.ndarray:
        """What the networks see of both clips, every ``stride``-th step.

        Float32 [n, 2, l, D + A], observation and action; of frames uint8 [n, 2, l, C, H, W], without the actions.
        """
        assert self._clips is not None
        return self._clips.inputs(queries, first, stride)

    def bootstrap(self, queries: np.ndarray) -> np.ndarray:
        """How often each member sees each query: float32 [n, K]."""
        return self._bootstrap[queries]

    def statistics(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation of the inputs, float64, over the transitions of every labelled clip."""
        assert self._clips is not None
        return self._clips.statistics(sorted({query for query, _, _ in self._rows.values()}))

    def _take(self, log: LabelReader, offset: str, label: Label) -> None:
        self._rows.pop(label.supersedes, None)
        self._checks.pop(label.supersedes, None)
        target = TARGETS.get(label.choice)
        if target is None:
            return
        row = self._index.get(label.query)
        if row is None:
            row = self._add_query(label.query, log)
        if row is not None:
            kept = self._checks if label.opinion in (Opinion.GOLD, Opinion.REPEAT) else self._rows
            kept[offset] = row, target, self._raters.setdefault(label.rater, len(self._raters))

    def _add_query(self, id: str, log: LabelReader) -> int | None:
        try:
            pair = log.clips(log.query(id))
        except LookupError as error:
            logger.error("the answers to query %s are left out: %s", id, error)
            return None
        steps = self.clip_steps or len(pair[0])
        wanted = (steps, *self.observation.shape), (steps, self.action_size), self.observation.stack
        found = [(clip.observation.shape, clip.action.shape, clip.stack) for clip in pair]
        if found != [wanted, wanted] or not all(map(_is_finite, pair)):
            logger.warning(
                "the answers to query %s are left out: its clips are %s, this run's are %s and finite",
                id, found, wanted,
            )  # fmt: skip
            return None
        if self._clips is None:
            self.clip_steps = steps
            frames, width = self.observation.is_frames, self.observation.size + self.action_size
            self._clips = FrameStore(steps, self.observation) if frames else VectorStore(steps, width)
        row = len(self._index)
        if row == len(self._held_out):
            self._bootstrap, self._held_out = (grown(array, row) for array in (self._bootstrap, self._held_out))
        self._clips.put(pair)
        self._bootstrap[row] = bootstrap_counts(id, self._members, self._seed)
        self._held_out[row] = is_held_out(id)
        self._index[id] = row
        return row


def _is_finite(clip: Clip) -> bool:
    return bool(np.isfinite(clip.observation).all() and np.isfinite(clip.action).all())


def _answers(rows: Iterable[tuple[int, float, int]]) -> Answers:
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    queries, targets, raters = columns
    return Answers(np.array(queries, np.int64), np.array(targets, np.float32), np.array(raters, np.int64))


def bootstrap_counts(query: str, members: int, seed: int) -> np.ndarray:
    """How often each member's bootstrap sample holds a query, float32 [members]: Poisson with mean 1.

    A pure function of its arguments, so that a sample never changes while the log grows (the online
    bootstrap of Oza and Russell, 2001).
    """
    hashes = [content_hash(f"{seed}/{member}/{query}".encode()) for member in range(members)]
    uniform = np.array([int(digest[:13], 16) for digest in hashes]) / 2**52
    return np.searchsorted(_POISSON, uniform, side="right").astype(np.float32)
