"""Whose fault is it that a run got stuck: `python -m benchmarks.judging runs/A runs/B ...`.

Each run's newest reward model judges each run's policy: predicted return an episode, from the same starts. Where the
model of a run that got stuck gives the policies of others far more than its own, the answers were good enough and
exploration failed; where it likes its own as well as theirs, it was taught too little. The runs must be of one task.
"""

from __future__ import annotations

import argparse
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import torch

from backflip.errors import UserError
from backflip.evaluation import EpisodeTrack, evaluate
from backflip.newest_reward import NewestReward
from backflip.run_folder import RunFolder, open_run_folder
from backflip.showing import policy_of_run
from backflip.system import probe_task
from contracts.spaces import Spaces

_EPISODES = 4


def measure(runs: list[Path]) -> tuple[list[float], list[list[float]]]:
    """The true return of each run's policy, and by reward model and policy what the one predicts of the other."""
    folders = [open_run_folder(run) for run in runs]
    acted = [_act(folder) for folder in folders]
    predicted: list[list[float]] = []
    for folder in folders:
        model = NewestReward(folder.reward_model, acted[0].spaces)
        predicted.append(
            [mean(float(model.score(one.observation, one.action).sum()) for one in each.tracks) for each in acted]
        )
    return [each.true_return for each in acted], predicted


@dataclass(frozen=True)
class _Acted:
    spaces: Spaces
    true_return: float
    tracks: list[EpisodeTrack]


def _act(folder: RunFolder) -> _Acted:
    config = folder.read_config()
    with closing(probe_task(config, worlds=_EPISODES, seed=0)) as simulator:
        evaluation = evaluate(policy_of_run(folder, config, simulator), simulator, filmed=_EPISODES)
    return _Acted(simulator.spaces, evaluation.true_return, evaluation.tracks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    runs: list[Path] = parser.parse_args().runs
    torch.set_num_threads(1)
    try:
        true, predicted = measure(runs)
    except UserError as error:
        raise SystemExit(str(error)) from None
    print("| reward model of | " + " | ".join(f"policy of {run.name}" for run in runs) + " |")
    print("|---|" + "--:|" * len(runs))
    for run, returns in zip(runs, predicted, strict=True):
        print(f"| {run.name} | " + " | ".join(f"{value:,.0f}" for value in returns) + " |")
    print("| the task itself | " + " | ".join(f"{value:,.0f}" for value in true) + " |")


if __name__ == "__main__":
    main()
