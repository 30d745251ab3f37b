"""Whether an EnvPool task runs on this machine, tried in a process of its own.

Some families need system libraries, and what is wrong with those can end a process; that process shall not be ours.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from functools import cache

from actors.simulators.envpool_families import family

# Nothing but what EnvPool brings: not worth the second that it takes.
_NEEDS_NOTHING = ("atari", "classic_control", "toy_text")
_SECONDS = 180.0  # the slowest of them read meshes for twenty


def require_usable(task: str) -> None:
    """Raises ValueError where an EnvPool task does not start, step or draw here, saying what is missing.

    A goal of ours after the id (``Enduro-v5:keep-even``) changes nothing. An id that EnvPool doesn't have passes, and
    so does one that our engine doesn't take: it says so itself.
    """
    id = task.partition(":")[0]
    group = family(id)
    if group and group not in _NEEDS_NOTHING and (trouble := _trouble(id)):
        raise ValueError(trouble)


@cache
def _trouble(task: str) -> str:
    """What is wrong, in one line; empty where nothing is."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__, task], capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"envpool task {task} did not start within {_SECONDS:.0f} s"
    if not done.returncode:
        return ""
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        return f"envpool task {task} cannot be used here: trying it ended the process that did so with {name}"
    lines = done.stderr.strip().splitlines() or ["no reason given"]
    reason = re.sub(r"^\w+Error: ", "", lines[-1])
    if missing := re.search(r"(lib[\w.+-]+\.so[.\d]*): cannot open shared object", done.stderr):
        reason = reason if "Install" in reason else f"the system library {missing[1]} is not installed"
        return f"envpool task {task} lacks {missing[1]}: {reason}"
    return f"envpool task {task} cannot be used here: {reason}"


def _try(task: str) -> None:
    """All that a run has EnvPool do: start a world, step it and draw it."""
    import numpy as np

    from actors.simulators.envpool_engine import EnvPoolSimulator

    try:
        simulator = EnvPoolSimulator(task, worlds=1, seed=0, threads=1)
    except ValueError:
        return  # it is not taken, and in our own process the engine says why
    simulator.reset()
    action = simulator.spaces.action
    simulator.step(np.zeros((1, *action.shape), action.dtype))
    if simulator.scene.track == "frames":
        simulator.pictures(np.zeros(1, np.int64))


if __name__ == "__main__":
    _try(sys.argv[1])
