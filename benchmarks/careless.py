"""What hearing careless raters less gains: `python -m benchmarks.careless FITTED JUDGED`, two archives of runs.

The questions of the first archive are answered by ten simulated raters, of whom some answer at random and the others
name the clip with the higher score. The reward service's trainer follows the same answers twice, as in a run: once it
finds out who errs, and once every answer counts alike. Both models are then judged by all questions of the second
archive, which they never saw: how often they name the clip with the higher score, and Spearman's correlation of what
they give a clip with its score. Both archives must be of runs with a scripted teacher (`backflip export`).
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch

from benchmarks.raters import Question, answered, follow, recorded_questions
from reward_service.config import RewardConfig
from reward_service.versions import RewardModel

RATERS = 10


def judged(model: RewardModel, questions: list[Question]) -> tuple[float, float]:
    """Share of the questions that the newest version is right about, and its correlation over their clips."""
    found = np.array([[model.score(c.observation, c.action)[0].sum() for c in q.clips] for q in questions])
    scores = np.array([[c.oracle.sum(dtype=np.float64) for c in q.clips if c.oracle is not None] for q in questions])
    right = (found[:, 0] > found[:, 1]) == (scores[:, 0] > scores[:, 1])
    rank, true_rank = (values.argsort(axis=None).argsort() for values in (found, scores))
    return float(right.mean()), float(np.corrcoef(rank, true_rank)[0, 1])


def row(careless: int, heard: str, by_seed: list[tuple[float, float]]) -> str:
    accuracy, correlation = np.array(by_seed).T
    cells = [
        f"{careless / RATERS:.0%}",
        heard,
        f"{accuracy.mean():.3f} ({accuracy.min():.3f} to {accuracy.max():.3f})",
        f"{correlation.mean():.2f} ({correlation.min():.2f} to {correlation.max():.2f})",
    ]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fitted", type=Path)
    parser.add_argument("judged", type=Path)
    parser.add_argument("--answers", type=int, default=900)
    parser.add_argument("--careless", type=int, nargs="+", default=[0, 3, 5], help=f"of {RATERS} raters")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    fitted = recorded_questions(arguments.fitted, arguments.answers)
    unseen = recorded_questions(arguments.judged, arguments.answers)
    print("| answered at random | answers | right about unseen questions | correlation with the score |")
    print("|--:|---|--:|--:|")
    for careless in arguments.careless:
        errors = np.repeat([0.0, 0.5], [RATERS - careless, careless])
        for heard, config in (
            ("heard by their worth", RewardConfig()),
            ("counted alike", RewardConfig(rater_quality=False)),
        ):
            by_seed: list[tuple[float, float]] = []
            for seed in arguments.seeds:
                log, _ = answered(fitted, errors, 0.0, 1, np.random.default_rng(seed))
                with tempfile.TemporaryDirectory() as directory:
                    _, model, _ = follow(log, config, seed, directory)
                    by_seed.append(judged(model, unseen))
            print(row(careless, heard, by_seed), flush=True)
    print(f"\n{len(fitted)} answers, judged by {len(unseen)} questions, {len(arguments.seeds)} seeds: mean and range.")


if __name__ == "__main__":
    main()
