"""How much is learnt from how many answers, over seeds: `python -m benchmarks.learning`.

Every run is a plain `backflip train` in a folder of its own, one after the other. A finished run is
not repeated, so the benchmark can be stopped and gone on with; one that was cut short starts anew.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import FrameType
from typing import Any

INTERRUPTED = (130, -signal.SIGINT, -signal.SIGTERM)

_COLUMNS = (
    ("true return", "true_return", ",.0f"),
    ("answers", "labels_used", ",.0f"),
    ("held-out accuracy", "reward_model_accuracy", ".2f"),
    ("training, s", "wall_seconds", ",.0f"),
    ("steps/s", "steps_per_second", ",.0f"),
    ("× real time", "times_real_time", ",.0f"),
)
"""Heading, field of `summary.json`, and format."""


@dataclass(frozen=True)
class Job:
    """One run: what is given to `backflip train`, and the name of its folder."""

    preset: str
    answers: int | None  # None where the task's own score is the reward
    seed: int
    extra: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        return "true" if self.answers is None else str(self.answers)

    @property
    def name(self) -> str:
        return f"{self.preset}-{self.kind}-seed{self.seed}"

    @property
    def arguments(self) -> list[str]:
        if self.answers is None:
            source = ["--reward", "true"]
        elif self.answers == 0:
            source = ["--labels.source", "none"]
        else:
            source = ["--labels.budget", str(self.answers)]
        return ["train", self.preset, *source, *self.extra, "--seed", str(self.seed)]

    @property
    def title(self) -> str:
        if self.answers is None:
            return "Reward written by hand"
        return f"{self.answers} answers" if self.answers else "No answers"


class Mixed(Exception):
    """The folder holds a run of other settings; a table over both would mean nothing."""


def read_summary(job: Job, out: Path) -> dict[str, Any] | None:
    """The summary of a finished run, None where there is none.

    Raises:
        Mixed: the run there was made with other settings.
    """
    path = out / job.name / "summary.json"
    if not path.exists():
        return None
    summary = json.loads(path.read_text())
    first, *resumes = str(summary["command"]).split(" && ")
    expected = shlex.join(["backflip", *job.arguments, "--out"])
    if not first.startswith(expected) or any("--steps" in resume for resume in resumes):
        raise Mixed(f"{path} is of `{summary['command']}`; choose another --out, or give the same settings")
    return summary


def run(job: Job, out: Path) -> int:
    """Train anew, and return the exit status of `backflip train`. Ctrl-C ends the run in order, not only us."""
    folder = out / job.name
    if folder.exists():
        print(f"{folder} was cut short and starts anew", file=sys.stderr)
        shutil.rmtree(folder)
    arguments = [*job.arguments, "--out", str(out), "--name", job.name]
    print(f"\n$ {shlex.join(['backflip', *arguments])}", file=sys.stderr, flush=True)
    process = subprocess.Popen([sys.executable, "-m", "backflip.cli", *arguments])

    def pass_on(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGTERM:  # Ctrl-C reaches it from the terminal
            process.send_signal(number)

    previous = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return process.wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def metric_names(summaries: list[dict[str, Any]]) -> list[str]:
    """The task's own measures; the length of an episode is one where there is no other."""
    names = list(dict.fromkeys(name for summary in summaries for name in summary["metrics"]))
    return [name for name in names if name != "steps_per_episode"] or names


def table(summaries: list[dict[str, Any]]) -> str:
    """A row a seed, then median, minimum and maximum, in Markdown."""
    columns: dict[str, tuple[str, list[float | None]]] = {
        name.replace("_per_episode", "").replace("_", " "): (
            ".2f",
            [summary["metrics"].get(name) for summary in summaries],
        )
        for name in metric_names(summaries)
    }
    for title, name, digits in _COLUMNS:
        columns[title] = digits, [summary[name] for summary in summaries]
    rows = [
        [str(summary["seed"]), *(_cell(values[row], digits) for digits, values in columns.values())]
        for row, summary in enumerate(summaries)
    ]
    for name, over in (("median", median), ("min", min), ("max", max)):
        cells = []
        for digits, values in columns.values():
            known = [value for value in values if value is not None]
            cells.append(f"**{_cell(over(known) if known else None, digits)}**")
        rows.append([f"**{name}**", *cells])
    header = ["seed", *columns]
    lines = [header, ["--:"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def report(jobs: list[Job], out: Path) -> str:
    """One section a number of answers, each with its command; unfinished seeds are named."""
    sections = []
    for kind in dict.fromkeys(job.kind for job in jobs):
        group = [job for job in jobs if job.kind == kind]
        found = {job.seed: read_summary(job, out) for job in group}
        done = [summary for summary in found.values() if summary is not None]
        missing = [str(seed) for seed, summary in found.items() if summary is None]
        command = shlex.join(["backflip", *group[0].arguments[:-1], "SEED"])
        parts = [f"### {group[0].title}", f"`{command}`"]
        if done:
            parts.append(table(done))
            versions = ", ".join(f"{name} {version}" for name, version in done[0]["versions"].items())
            parts.append(f"{done[0]['env_steps']:,} steps a run; {versions}.")
        if missing:
            parts.append(f"Not run yet: seed {', '.join(missing)}.")
        sections.append("\n\n".join(parts))
    return "\n\n".join(sections) + "\n"


def _cell(value: float | None, digits: str) -> str:
    return "–" if value is None else format(value, digits)


def _jobs(arguments: argparse.Namespace) -> list[Job]:
    extra = (*(("--steps", str(arguments.steps)) if arguments.steps else ()), *arguments.settings)
    kinds: list[int | None] = [None] if arguments.reward == "true" else arguments.answers
    return [Job(arguments.preset, answers, seed, extra) for answers in kinds for seed in arguments.seeds]


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.learning",
        description=__doc__,
        epilog="What follows -- goes to `backflip train` as it is, such as: -- --labels.teacher-mistakes 0.1",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--preset", default="hopper-backflip", help="see `backflip list` (default: %(default)s)")
    parser.add_argument("--answers", type=int, nargs="+", default=[900, 100, 50, 0], help="budgets; 0 is nobody")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--reward", choices=("learned", "true"), default="learned", help="true asks for no answers")
    parser.add_argument("--steps", type=int, help="of each run (default: the preset's)")
    parser.add_argument("--out", type=Path, default=Path("runs/learning"), help="(default: %(default)s)")
    parser.add_argument("--table-only", action="store_true", help="train nothing, read what is there")
    parser.add_argument("settings", nargs="*", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    arguments = _parse()
    jobs = _jobs(arguments)
    failed: list[str] = []
    try:
        for job in jobs if not arguments.table_only else []:
            if read_summary(job, arguments.out) is not None:
                continue
            status = run(job, arguments.out)
            if status in INTERRUPTED:
                print("stopped; the same command goes on with the next run", file=sys.stderr)
                return INTERRUPTED[0]
            if status:
                failed.append(job.name)
        text = report(jobs, arguments.out)
    except Mixed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(text, end="")
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / f"{arguments.preset}-{arguments.reward}.md").write_text(text)
    if failed:
        print(f"error: these runs failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
