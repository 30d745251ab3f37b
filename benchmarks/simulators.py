"""Environments of every family, each tried as `backflip train --env ID` would train it, for a handful of answers.

An environment *starts* if `--env` knows it and its worlds can be reset; it *cuts clips* if a slab of it gives some;
it *asks* if every question of the budget was asked and answered; it *learns* if a reward model was fitted to the
answers and the policy updated by it (how well is no question of ten answers); it *draws* if the run left a video.
Each is tried in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

import backflip
from actors.worker import Worker
from backflip.environments import look_at
from backflip.errors import UserError
from backflip.system import worker_specs
from contracts.clip import Clip

ANSWERS = 10
STEPS = 8192
_SECONDS = 600.0

TRIED = {
    "envpool classic_control": "CartPole-v1",
    "envpool toy_text": "Taxi-v3",
    "envpool box2d": "LunarLander-v3",
    "envpool minigrid": "MiniGrid-Empty-5x5-v0",
    "envpool pgx": "ConnectFour-v1",
    "envpool jumanji": "Snake-v1",
    "envpool highway": "Highway-v0",
    "envpool mujoco.gym": "Ant-v4",
    "envpool mujoco.dmc": "CheetahRun-v1",
    "envpool mujoco.metaworld": "MetaWorld/Reach-v3",
    "envpool mujoco.robotics": "FetchReach-v4",
    "envpool mujoco.myosuite": "myoElbowPose1D6MRandom-v0",
    "envpool mujoco.playground": "PandaPickCube-v1",
    "envpool atari": "Pong-v5",
    "envpool vizdoom": "Basic-v1",
    "envpool gfootball": "gfootball/academy_empty_goal_close-v1",
    "envpool procgen": "BigfishEasy-v0",
    "gymnasium classic_control": "Acrobot-v1",
    "gymnasium toy_text": "FrozenLake-v1",
    "gymnasium mujoco": "Ant-v5",
    "gymnasium box2d": "BipedalWalker-v3",
}
"""One id of every family, by engine and family."""


@dataclass
class Outcome:
    """What one environment came to."""

    starts: bool = False
    cuts: bool = False
    asks: bool = False
    learns: bool = False
    draws: bool = False
    observes: str = ""
    acts: str = ""
    note: str = ""  # the line that says why not


def try_out(env: str, engine: str) -> Outcome:
    """All of it in this process; whatever ends in a user's error is noted."""
    outcome = Outcome()
    try:
        job, simulator = look_at(env, engine)
        outcome.starts = True
        space = simulator.spaces.action
        observed = simulator.spaces.observation
        outcome.observes = "×".join(map(str, observed.shape)) if observed.is_frames else f"{observed.size:,} numbers"
        outcome.acts = {
            "continuous": f"{space.size} controls",
            "discrete": f"1 of {space.size:,}",
            "multi-discrete": f"{len(space.choices)} choices",
        }[space.kind]
        config = replace(
            job.config,
            steps=STEPS,
            serial=True,
            actors=replace(job.config.actors, count=1, worlds=16),
            labels=replace(job.config.labels, budget=ANSWERS, upfront=1.0),
        )
        spec = worker_specs(config)[0]
        found: list[Clip] = []
        worker = Worker(spec, lambda observation, action: (np.zeros(len(observation), np.float32), 0), found.extend)
        worker.slab(worker.sampler.policy.snapshot(0))
        worker.close()
        outcome.cuts = bool(found)
        with tempfile.TemporaryDirectory() as folder:
            run = backflip.train(config, out=folder, name="run")
            outcome.asks = run.summary["labels_used"] == ANSWERS
            outcome.learns = run.summary["reward_model_version"] > 0 and run.summary["policy_version"] > 0
            outcome.draws = (run.folder / "backflip.mp4").exists()
    except UserError as error:
        outcome.note = str(error)
    return outcome


def table(outcomes: dict[str, Outcome]) -> str:
    """Markdown; what is not so is empty."""
    lines = [
        "| engine, family | id | observes | acts by | starts | cuts clips | asks | learns | draws |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, outcome in outcomes.items():
        marks = [outcome.starts, outcome.cuts, outcome.asks, outcome.learns, outcome.draws]
        cells = [name, f"`{TRIED[name]}`", outcome.observes, outcome.acts, *("yes" if mark else "" for mark in marks)]
        lines.append(f"| {' | '.join(cells)} |")
    notes = [f"- `{TRIED[name]}`: {outcome.note}" for name, outcome in outcomes.items() if outcome.note]
    return "\n".join([*lines, "", *notes]) + "\n"


def _in_a_process(name: str) -> Outcome:
    engine = name.split(maxsplit=1)[0]
    command = [sys.executable, "-m", "benchmarks.simulators", "--one", TRIED[name], "--engine", engine]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return Outcome(note=f"not done within {_SECONDS:.0f} s")
    try:
        return Outcome(**json.loads(done.stdout.splitlines()[-1]))
    except (IndexError, ValueError):
        return Outcome(note=f"ended by {done.returncode}: {(done.stderr.strip().splitlines() or ['nothing said'])[-1]}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulators", description=__doc__)
    parser.add_argument("--only", nargs="*", help="families, such as: 'envpool pgx' (default: every one)")
    parser.add_argument("--one", metavar="ID", help="try this id in this process, and print JSON")
    parser.add_argument("--engine", help="of that id")
    parser.add_argument("--write", type=Path, help="a Markdown file, whose table is replaced")
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(asdict(try_out(arguments.one, arguments.engine))))
        return
    outcomes: dict[str, Outcome] = {}
    for name in arguments.only or TRIED:
        outcomes[name] = _in_a_process(name)
        print(name, TRIED[name], asdict(outcomes[name]), file=sys.stderr, flush=True)
    text = table(outcomes)
    print(text)
    if arguments.write:
        before, mark, _ = arguments.write.read_text().partition("<!-- table -->\n")
        arguments.write.write_text(f"{before}{mark}\n{text}")


if __name__ == "__main__":
    main()
