"""Whether an EnvPool task starts on this machine, tried in a process of its own.

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
    """Raises ValueError where an EnvPool task does not start here, saying what is missing.

    A goal of ours after the id (``Enduro-v5:keep-even``) changes nothing; an id that EnvPool doesn't have passes.
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
        return f"envpool task {task} cannot be used here: starting it ended the process that tried with {name}"
    lines = done.stderr.strip().splitlines() or ["no reason given"]
    reason = re.sub(r"^\w+Error: ", "", lines[-1])
    if missing := re.search(r"(lib[\w.+-]+\.so[.\d]*): cannot open shared object", done.stderr):
        reason = reason if "Install" in reason else f"the system library {missing[1]} is not installed"
        return f"envpool task {task} lacks {missing[1]}: {reason}"
    return f"envpool task {task} cannot be used here: {reason}"


def _start(task: str) -> None:
    import envpool

    envpool.make(task, env_type="gymnasium", num_envs=1, num_threads=1).reset()


if __name__ == "__main__":
    _start(sys.argv[1])
