"""How well raters' errors are found: `python -m benchmarks.raters --questions runs/NAME/labels.parquet`.

The questions of a run whose clips carry the task's own score are answered anew, by simulated raters who name the wrong
clip with a chance that is known: from never to half of the time, evenly spread. Each question goes to one of them and
every fifth to two. The reward service's trainer follows these answers as it would in a run, and what its last fit
says of the raters is compared with that chance (nominal) and with the share of their answers that were wrong (actual).
That share is all that anybody could know; how far it is from the nominal chance is given beside it, as luck.
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
from labeling_gateway.archive import read_archive
from reward_service.config import RewardConfig
from reward_service.dataset import Comparisons
from reward_service.raters import estimate
from reward_service.trainer import Trainer
from reward_service.versions import RewardModel

WITHIN = 0.05


@dataclass(frozen=True)
class Question:
    query: Query
    clips: tuple[Clip, Clip]
    a_is_better: bool


class Log:
    """What a `Trainer` reads: answers by offset, the first ``visible`` of them."""

    def __init__(self, questions: list[Question]) -> None:
        self._questions = {question.query.id: question for question in questions}
        self.labels: list[Label] = []
        self.visible = 0

    def read_labels(self, after: str, limit: int) -> list[tuple[str, Label]]:
        start = int(after or 0)
        found = self.labels[start : min(self.visible, start + limit)]
        return [(str(start + number), label) for number, label in enumerate(found, 1)]

    def query(self, id: str) -> Query:
        return self._questions[id].query

    def clips(self, query: Query) -> tuple[Clip, Clip]:
        return self._questions[query.id].clips

    def golds(self) -> dict[str, Choice]:
        return {}


def read_questions(archive: Path, most: int) -> list[Question]:
    """Those whose clips have different scores, in the order in which they were answered."""
    questions: dict[str, Question] = {}
    for archived in read_archive(archive):
        record = archived.record
        scored = [Clip.from_bytes(data, with_oracle=True) for data in (record.clip_a, record.clip_b)]
        if any(clip.oracle is None for clip in scored):
            raise SystemExit(f"error: the clips of {archive} carry no score: only a person could answer them")
        a, b = (float(clip.oracle.sum(dtype=np.float64)) for clip in scored if clip.oracle is not None)
        if a != b and len(questions) < most:
            questions[record.query.id] = Question(record.query, (scored[0], scored[1]), a > b)
    return list(questions.values())


def answer(
    questions: list[Question], errors: np.ndarray, overlap: float, rng: np.random.Generator
) -> tuple[Log, np.ndarray]:
    """The answers, and which share of each rater's was wrong."""
    log = Log(questions)
    raters = len(errors)
    first = rng.permutation(len(questions)) % raters
    twice = rng.random(len(questions)) < overlap
    wrong: list[list[bool]] = [[] for _ in errors]
    for number, question in enumerate(questions):
        second = (first[number] + rng.integers(1, raters)) % raters
        for rater in (first[number], second) if twice[number] else (first[number],):
            mistaken = bool(rng.random() < errors[rater])
            wrong[rater].append(mistaken)
            choice = Choice.A if question.a_is_better != mistaken else Choice.B
            opinion = Opinion.FIRST if rater == first[number] else Opinion.LATER
            log.labels.append(Label(question.query.id, f"rater-{rater:02d}", choice, opinion, 1, 0.0, 1.0))
    return log, np.array([np.mean(found) for found in wrong])


def found_errors(log: Log, seed: int) -> dict[str, np.ndarray]:
    """By what: the trainer's last fit, and second opinions alone. Each [R], by the raters' names."""
    config = RewardConfig()
    clip, _ = log.clips(log.query(log.labels[0].query))
    sizes = clip.observation.shape[1], clip.action.shape[1]
    with tempfile.TemporaryDirectory() as directory:
        model = RewardModel(config.members, *sizes, directory)
        trainer = Trainer(config, log, model, seed)
        for visible in range(5, len(log.labels) + 5, 5):
            log.visible = visible
            trainer.poll()
        last = Trainer(config, log, model, seed, patience=0.0)  # which waits for no more answers
        last.poll()
        fitted = last.status.rater_errors
    data = Comparisons(config.members, sum(sizes), seed)
    data.follow(log)
    evidence = data.evidence(np.full(len(data.unseen()), np.nan), log.golds())
    by_opinions = dict(zip(data.raters, estimate(evidence, len(data.raters)).error, strict=True))
    names = sorted(fitted)
    return {
        "model and second opinions": np.array([fitted[name]["error"] for name in names]),
        "second opinions alone": np.array([by_opinions[name] for name in names]),
    }


def row(name: str, seed: int | str, off_nominal: np.ndarray, off_actual: np.ndarray | None) -> str:
    cells = [name, str(seed)]
    for off in (off_nominal, off_actual):
        cells += (
            ["–"] * 3 if off is None else [f"{off.mean():.3f}", f"{off.max():.3f}", f"{(off <= WITHIN).mean():.0%}"]
        )
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=Path, required=True, help="archive of a run with a scripted teacher")
    parser.add_argument("--answers", type=int, default=900, help="first ones; second opinions come on top")
    parser.add_argument("--raters", type=int, default=20)
    parser.add_argument("--overlap", type=float, default=0.2, help="share of the questions that two raters answer")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    questions = read_questions(arguments.questions, arguments.answers)
    nominal = np.linspace(0, 0.5, arguments.raters)
    print("| found from | seed | off nominal, mean | max | within 0.05 | off actual, mean | max | within 0.05 |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|", flush=True)
    for seed in arguments.seeds:
        log, actual = answer(questions, nominal, arguments.overlap, np.random.default_rng(seed))
        for name, found in found_errors(log, seed).items():
            print(row(name, seed, abs(found - nominal), abs(found - actual)), flush=True)
        print(row("every answer known (luck)", seed, abs(actual - nominal), None), flush=True)


if __name__ == "__main__":
    main()
