"""A part of a run ends with its launcher, even where the launcher was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from contracts.lifetime import PARENT
from tests.processes import alive

CHILD = """
import sys, time
from contracts import lifetime, log
log.setup("part")
lifetime.end_with_parent()
print("up", flush=True)
time.sleep(600)
"""

LAUNCHER = """
import os, subprocess, sys, time
environment = os.environ | ({"BACKFLIP_PARENT": str(os.getpid())} if sys.argv[2] == "told" else {})
child = subprocess.Popen(
    [sys.executable, "-c", sys.argv[1]], env=environment, start_new_session=True, stdout=subprocess.PIPE
)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("told", ["told", "not told"])
def test_a_part_whose_launcher_was_killed(told: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != PARENT}
    launcher = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, CHILD, told], stdout=subprocess.PIPE, env=environment, text=True
    )
    assert launcher.stdout is not None
    child = int(launcher.stdout.readline())
    try:
        time.sleep(0.7)
        assert alive(child), "as long as the launcher lives"
        launcher.kill()
        launcher.communicate()
        give_up = time.monotonic() + (60 if told == "told" else 1.5)
        while alive(child) and time.monotonic() < give_up:
            time.sleep(0.05)
        assert alive(child) == (told == "not told")
    finally:
        launcher.kill()
        if alive(child):
            os.kill(child, signal.SIGKILL)
