"""How well raters' errors are found: `python -m benchmarks.raters`, or with `--questions runs/NAME/labels.parquet`.

Questions are answered by simulated raters who name the wrong clip with a chance that is known: from never to half of
the time, evenly spread, or one or the other with `--at-random`. Each question goes to one of them, and a share of them
to several. They are the questions of a run whose clips carry the task's own score; without one, they are about clips of
noise and a reward that is linear in it.

The reward service's trainer follows the answers as it would in a run. What its last fit says of the raters is compared
with that chance (nominal), and with the share of their answers that were wrong in fact (actual). Nobody can know more
than that share: how far it is from the nominal chance is given as luck.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from contracts.clip import Clip
from contracts.label import Choice, Label, Opinion, Query
from contracts.spaces import ObservationSpace
from labeling_gateway.archive import read_archive
from reward_service.config import RewardConfig
from reward_service.dataset import Comparisons
from reward_service.ensemble import Ensemble
from reward_service.judging import unseen_margins
from reward_service.raters import estimate
from reward_service.trainer import Trainer
from reward_service.versions import RewardModel

WITHIN = 0.05
_POLL = 5  # answers between two looks of the trainer
_STEPS, _OBSERVATION, _ACTION = 50, 11, 3  # of clips of noise, as Hopper's


@dataclass(frozen=True)
class Question:
    query: Query
    clips: tuple[Clip, Clip]
    a_is_better: bool


class Log:
    """What a `Trainer` reads: answers by offset, the first ``visible`` of them."""

    def __init__(self, questions: list[Question]) -> None:
        self.questions = {question.query.id: question for question in questions}
        self.labels: list[Label] = []
        self.visible = 0

    def read_labels(self, after: str, limit: int) -> list[tuple[str, Label]]:
        start = int(after or 0)
        found = self.labels[start : min(self.visible, start + limit)]
        return [(str(start + number), label) for number, label in enumerate(found, 1)]

    def query(self, id: str) -> Query:
        return self.questions[id].query

    def clips(self, query: Query) -> tuple[Clip, Clip]:
        return self.questions[query.id].clips

    def golds(self) -> dict[str, Choice]:
        return {}


def recorded_questions(archive: Path, most: int) -> list[Question]:
    """Those whose clips have different scores, in the order in which they were answered."""
    questions: dict[str, Question] = {}
    for archived in read_archive(archive):
        record = archived.record
        a, b = (Clip.from_bytes(data, with_oracle=True) for data in (record.clip_a, record.clip_b))
        if a.oracle is None or b.oracle is None:
            raise SystemExit(f"error: the clips of {archive} carry no score: only a person could answer them")
        better = float(a.oracle.sum(dtype=np.float64) - b.oracle.sum(dtype=np.float64))
        if better and len(questions) < most:
            questions[record.query.id] = Question(record.query, (a, b), better > 0)
    return list(questions.values())


def made_up_questions(count: int, rng: np.random.Generator) -> list[Question]:
    weights = rng.normal(size=_OBSERVATION + _ACTION)
    questions: list[Question] = []
    for number in range(count):
        rows = rng.normal(size=(2, 1, len(weights))) + 0.5 * rng.normal(size=(2, _STEPS, len(weights)))
        a, b = (
            Clip(row[:, :_OBSERVATION], row[:, _OBSERVATION:], row[:, :1], "scene", 0, 0)
            for row in rows.astype(np.float32)
        )
        query = Query(f"made-up-{number}", f"{number}a", f"{number}b", "scene", "uniform", 0.0, 0, 0)
        questions.append(Question(query, (a, b), bool(rows[0].sum(0) @ weights > rows[1].sum(0) @ weights)))
    return questions


def answered(
    questions: list[Question], errors: np.ndarray, overlap: float, several: int, rng: np.random.Generator
) -> tuple[Log, np.ndarray]:
    """The answers, and which share of each rater's was wrong."""
    log = Log(questions)
    raters = len(errors)
    first = rng.permutation(len(questions)) % raters
    wrong: list[list[bool]] = [[] for _ in errors]
    for number, question in enumerate(questions):
        others = (first[number] + rng.permutation(np.arange(1, raters))[: several - 1]) % raters
        for rater in [first[number], *(others if rng.random() < overlap else [])]:
            opinion = Opinion.FIRST if rater == first[number] else Opinion.LATER
            mistaken = bool(rng.random() < errors[rater])
            wrong[rater].append(mistaken)
            choice = Choice.A if question.a_is_better != mistaken else Choice.B
            log.labels.append(Label(question.query.id, f"rater-{rater:02d}", choice, opinion, 1, 0.0, 1.0))
    return log, np.array([np.mean(found) for found in wrong])


def follow(
    log: Log, config: RewardConfig, seed: int, directory: str | Path
) -> tuple[Ensemble | None, RewardModel, Comparisons]:
    """The version before the last, which judges the raters for the last; the model; what it is fitted to."""
    clip, _ = log.clips(log.query(log.labels[0].query))
    spaces = ObservationSpace(clip.observation.shape[1:]), clip.action.shape[1]
    model = RewardModel(config.members, *spaces, directory)
    trainer = Trainer(config, log, model, seed)
    for visible in range(_POLL, len(log.labels) + _POLL, _POLL):
        log.visible = visible
        trainer.poll()
    before = model.newest.ensemble
    Trainer(config, log, model, seed, patience=0.0).poll()  # which waits for no more answers
    data = Comparisons(config.members, *spaces, seed)
    data.follow(log)
    return before, model, data


def found_errors(log: Log, seed: int) -> tuple[dict[str, np.ndarray], float]:
    """By what, [R] in the order of names; and how often the model is right about what it was not fitted to."""
    config = RewardConfig()
    with tempfile.TemporaryDirectory() as directory:
        before, model, data = follow(log, config, seed, directory)
    fitted = model.newest.report.rater_errors
    margin = unseen_margins(before, data, config.step_stride)
    alone = estimate(data.evidence(np.full(len(margin), np.nan), {}), len(data.raters))
    by_opinions = dict(zip(data.raters, alone.error, strict=True))
    # The log names its questions in the order in which the data set keeps them.
    truth = np.array([log.questions[id].a_is_better for id in dict.fromkeys(label.query for label in log.labels)])
    judged = ~np.isnan(margin)
    names = sorted(data.raters)
    return {
        "second opinions and the model": np.array([fitted[name]["error"] for name in names]),
        "second opinions alone": np.array([by_opinions[name] for name in names]),
    }, float(((margin > 0) == truth)[judged].mean())


def row(name: str, offs: list[list[np.ndarray]]) -> str:
    """Means and maxima over all seeds' raters; ``offs`` from the nominal and the actual share, by seed."""
    cells = [name]
    for off in map(np.array, offs):
        cells += [f"{off.mean():.3f}", f"{off.max():.3f}", f"{(off <= WITHIN).mean():.0%}"]
    return "| " + " | ".join([*cells, *["–"] * (7 - len(cells))]) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=Path, help="archive of a run with a scripted teacher")
    parser.add_argument("--answers", type=int, default=900, help="first ones; second opinions come on top")
    parser.add_argument("--raters", type=int, default=20)
    parser.add_argument("--at-random", type=int, help="so many answer at random, and the others never err")
    parser.add_argument("--overlap", type=float, default=0.2, help="share of the questions that several raters answer")
    parser.add_argument("--raters-per-question", type=int, default=2, help="how many, where it is several")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.at_random is None:
        nominal = np.linspace(0, 0.5, arguments.raters)
    else:
        nominal = np.repeat([0.0, 0.5], [arguments.raters - arguments.at_random, arguments.at_random])
    offs: dict[str, list[list[np.ndarray]]] = {}
    known: list[float] = []
    for seed in arguments.seeds:
        rng = np.random.default_rng(seed)
        if arguments.questions:
            questions = recorded_questions(arguments.questions, arguments.answers)
        else:
            questions = made_up_questions(arguments.answers, rng)
        log, actual = answered(questions, nominal, arguments.overlap, arguments.raters_per_question, rng)
        found, right = found_errors(log, seed)
        known.append(right)
        for name, error in found.items():
            nominally, actually = offs.setdefault(name, [[], []])
            nominally.append(abs(error - nominal))
            actually.append(abs(error - actual))
        offs.setdefault("every answer checked (luck)", [[]])[0].append(abs(actual - nominal))
    print("| found from | off nominal, mean | max | within 0.05 | off actual, mean | max | within 0.05 |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for name, found in offs.items():
        print(row(name, found))
    print(
        f"\n{arguments.raters} raters, {arguments.answers} questions, {arguments.overlap:.0%} of them answered by "
        f"{arguments.raters_per_question}, "
        f"{len(arguments.seeds)} seeds; the model is right about {np.mean(known):.0%} of what it was not fitted to."
    )


if __name__ == "__main__":
    main()
