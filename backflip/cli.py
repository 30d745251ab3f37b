"""The command line: `backflip train PRESET` and what people do next."""

from __future__ import annotations

import functools
import json
import logging
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

# tyro reads docstrings and types; everything heavy is imported by the command that needs it.
import tyro

from backflip.errors import UserError
from backflip.usage import UsageError, parsed
from contracts import log as log_setup

INTERRUPTED = 130
FAILED = 1
USAGE = 2
_LARGEST_GRID = 9

_HELP = """usage: backflip COMMAND ...

Teach a simulated robot by saying which of two clips is better.

  backflip train PRESET       train; `backflip train PRESET --help` shows what can be set
  backflip train --env ID     train on any environment of EnvPool, of gymnasium, or of your own
  backflip resume RUN         go on with a run that was stopped
  backflip evaluate RUN       measure a run's policy afresh
  backflip video RUN          draw a run's policy, with the reward bar; a grid of worlds, two runs side by side
  backflip export RUN         write a run's answers and their clips to one file
  backflip bench              measure speed on this machine
  backflip serve-reward       serve a run's reward model over gRPC
  backflip serve-labels RUN   serve a run's labeling page
  backflip check-vendor NAME  try a vendor's code before you trust it with questions
  backflip list               presets, engines and their tasks
"""

Run = Annotated[Path, tyro.conf.Positional]
JsonFlag = Annotated[bool, tyro.conf.arg(name="json")]


def train(arguments: list[str]) -> int:
    from backflip.job_arguments import config_of
    from backflip.training import train as run_training

    run_training(config_of(arguments), command=_command())
    return 0


def resume(run: Run, steps: int | None = None) -> int:
    """Go on with a run that was stopped, or that is to train longer.

    Args:
        run: folder of the run.
        steps: train up to this many steps in all.
    """
    from backflip.training import resume as resume_training

    resume_training(run, steps=steps, command=_command())
    return 0


def evaluate(run: Run, episodes: int = 20, seed: int = 0, as_json: JsonFlag = False) -> int:
    """Measure a run's policy over whole episodes, without exploration noise.

    Args:
        run: folder of the run.
        episodes: how many.
        seed: of the episodes' starts.
        as_json: print one JSON object and nothing else.
    """
    from backflip.showing import evaluate_run

    if episodes < 1:
        raise UsageError(f"--episodes must be at least 1, not {episodes}")
    _require_seed(seed)
    evaluation = evaluate_run(run, episodes=episodes, seed=seed)
    result = {
        "run": str(run),
        "episodes": evaluation.episodes,
        "failed_episodes": evaluation.failed_episodes,
        "seed": seed,
        "true_return": evaluation.true_return,
        "metrics": evaluation.metrics,
    }
    _print_result(result, as_json=as_json)
    return 0


def video(run: Run, output: Path | None = None, seed: int = 0, grid: str = "1x1", beside: Path | None = None) -> int:
    """Draw episodes of a run's policy, with the reward bar.

    Args:
        run: folder of the run.
        output: the mp4 file; backflip.mp4 in the run's folder if left out, episodes.mp4 for more than one.
        seed: of the episodes' starts.
        grid: episodes to draw, ROWSxCOLUMNS.
        beside: folder of another run, drawn on the right of this one from the same starts.
    """
    from backflip.showing import video_of_run

    _require_seed(seed)
    print(video_of_run(run, output, seed=seed, grid=_grid(grid), beside=beside))
    return 0


def _grid(words: str) -> tuple[int, int]:
    rows, _, columns = words.partition("x")
    if not (rows.isdecimal() and columns.isdecimal() and 0 < int(rows) * int(columns) <= _LARGEST_GRID):
        raise UsageError(f"--grid must be ROWSxCOLUMNS, of at most {_LARGEST_GRID} episodes, not {words!r}")
    return int(rows), int(columns)


def export(run: Run, output: Path | None = None) -> int:
    """Write a run's answers, with the clips they are about, to a Parquet file; another run can begin with it.

    Args:
        run: folder of the run.
        output: the file; labels.parquet in the run's folder if left out.
    """
    from backflip.labels import export_run

    file, labels = export_run(run, output)
    print(f"{file}: {labels:,} labels")
    return 0


def bench(as_json: JsonFlag = False, rounds: int = 5, seed: int = 0) -> int:
    """Measure this machine: simulator alone, training, and scoring, in turns.

    Args:
        as_json: print one JSON object and nothing else on standard output.
        rounds: the medians are over this many.
        seed: of the training that is measured.
    """
    from backflip.bench import measure

    if rounds < 1:
        raise UsageError(f"--rounds must be at least 1, not {rounds}")
    _require_seed(seed)
    _print_result(measure(rounds=rounds, seed=seed), as_json=as_json)
    return 0


def serve_reward(run: Path, address: str = "127.0.0.1:8001", allow_remote: bool = False) -> int:
    """Serve a run's reward model by the Open Inference Protocol v2, until stopped.

    Args:
        run: folder of the run.
        address: HOST:PORT to listen on.
        allow_remote: listen beyond loopback, where anybody can reach it.
    """
    from backflip.showing import serve_reward_of_run

    serve_reward_of_run(run, address, allow_remote=allow_remote)
    return 0


def serve_labels(
    run: Run,
    address: str = "127.0.0.1:8020",
    allow_remote: bool = False,
    tls_cert: str = "",
    tls_key: str = "",
    hosts: tuple[str, ...] = (),
    open_page: Annotated[bool, tyro.conf.arg(name="open")] = True,
) -> int:
    """Serve the labeling page of a run that is not training, until stopped.

    Args:
        run: folder of the run.
        address: HOST:PORT to listen on; port 0 is a free one.
        allow_remote: listen beyond loopback, where others can reach it.
        tls_cert: file of a certificate, PEM; with it the page is served by https.
        tls_key: file of its key, PEM.
        hosts: names by which browsers may ask for the page, besides those of this machine.
        open_page: open the page in a browser, where there is a display.
    """
    from backflip.labeling_page import serve_labels_of_run
    from labeling_gateway.config import LabelsConfig

    try:
        labels = LabelsConfig(
            source="web",
            address=address,
            allow_remote=allow_remote,
            tls_cert=tls_cert,
            tls_key=tls_key,
            hosts=hosts,
            open=open_page,
        )
    except ValueError as error:
        raise UsageError(str(error).replace("labels.", "--")) from None
    serve_labels_of_run(run, labels)
    return 0


def check_vendor(
    name: Annotated[str, tyro.conf.Positional], vendors: Path = Path("vendors.toml"), answers: float = 0.0
) -> int:
    """Try what a vendor must withstand, one promise a line. It submits for real: name the vendor's sandbox.

    Args:
        name: of the vendor, as the file calls it.
        vendors: the file that names it.
        answers: seconds to wait for an answer; 0 checks no answers.
    """
    from backflip.vendors import check

    return FAILED if check(name, vendors, patience=answers) else 0


def list_all(engine: str | None = None, env: str | None = None) -> int:
    """Show presets, engines and their tasks, or what an environment is like.

    Args:
        engine: every task of this engine.
        env: what this environment shows and how it is acted in, by name.
    """
    from backflip.catalogue import show

    show(engine, env)
    return 0


_COMMANDS: dict[str, Callable[..., int]] = {
    "resume": resume,
    "evaluate": evaluate,
    "video": video,
    "export": export,
    "bench": bench,
    "serve-reward": serve_reward,
    "serve-labels": serve_labels,
    "check-vendor": check_vendor,
    "list": list_all,
}


def main(arguments: list[str] | None = None) -> int:
    """Entry point of `backflip`; the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    log_setup.setup("backflip", logging.WARNING)
    # Messages of the libraries' C++ halves are not for users.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    command = arguments[0] if arguments else "--help"
    if command in ("-h", "--help"):
        print(_HELP)
        return 0
    if command != "train" and command not in _COMMANDS:
        known = ", ".join(["train", *_COMMANDS])
        return _complain(f"there is no command {command!r}; choose one of {known}", USAGE)
    return _run(command, arguments[1:])


def _run(command: str, arguments: list[str]) -> int:
    from backflip.training import Interrupted

    try:
        if command == "train":
            return train(arguments)
        prog = f"backflip {command}"
        run = parsed(lambda: tyro.cli(_deferred(_COMMANDS[command]), prog=prog, args=arguments), prog)
        return run()
    except Interrupted as stop:
        return _complain(str(stop), INTERRUPTED, kind="")
    except UsageError as error:
        return _complain(str(error), USAGE)
    except UserError as error:
        return _complain(str(error), FAILED)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _complain(f"{where}{error.strerror or error}", FAILED)
    except KeyboardInterrupt:
        return _complain("stopped", INTERRUPTED, kind="")


def _deferred(command: Callable[..., int]) -> Callable[..., Callable[[], int]]:
    """As tyro sees it the command itself, but it only says what is to be called."""

    @functools.wraps(command)
    def later(*args: Any, **kwargs: Any) -> Callable[[], int]:
        return functools.partial(command, *args, **kwargs)

    return later


def _require_seed(seed: int) -> None:
    from backflip.config import LARGEST_SEED

    if not 0 <= seed <= LARGEST_SEED:
        raise UsageError(f"--seed must be from 0 to {LARGEST_SEED}, not {seed}")


def _command() -> str:
    return shlex.join(["backflip", *sys.argv[1:]])


def _complain(message: str, status: int, kind: str = "error: ") -> int:
    print(f"backflip: {kind}{' '.join(message.split())}", file=sys.stderr)
    return status


def _print_result(result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(result))
        return
    for name, value in _flat(result):
        print(f"{name:40} {value:,.3f}" if isinstance(value, float) else f"{name:40} {value}")


def _flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for name, value in values.items():
        rows += _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else [(prefix + name, value)]
    return rows


if __name__ == "__main__":
    sys.exit(main())
