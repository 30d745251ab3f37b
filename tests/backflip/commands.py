"""`backflip` as a user types it: a process of its own, what it says, and how it ends."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from backflip.run_folder import RunFolder
from contracts.label import Label
from labeling_gateway.client import GatewayClient
from labeling_gateway.embedded import start_embedded
from labeling_gateway.replay import replay

SMALL = ("--actors.count", "2", "--actors.worlds", "8", "--actors.slab-steps", "32", "--learner.epochs", "2")
"""Little to simulate, and updates often."""


def command(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "backflip.cli", *map(str, words)]


def backflip(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*words), capture_output=True, text=True, timeout=240, env=os.environ | environment, check=False
    )


def assert_one_line(done: subprocess.CompletedProcess[str], *said: str) -> None:
    """It failed, and its last words are one line that says so; nothing else was printed."""
    assert done.returncode not in (0, 130), done
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("backflip: error: "), done.stderr
    for words in said:
        assert words in last


def wait_for(what: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 200.0) -> None:
    give_up = time.monotonic() + seconds
    while not what():
        assert process.poll() is None, "it ended too early"
        assert time.monotonic() < give_up, "it took too long"
        time.sleep(0.05)


def labels_of(folder: RunFolder) -> list[Label]:
    """The label log of a run that has ended, replayed: every question and both its clips are there."""
    store = start_embedded(folder.store)
    try:
        client = GatewayClient(store.url, folder.run)
        labels = [record.label for record in replay(client)]
        assert client.counts().used == sum(label.opinion == "first" for label in labels)
        client.close()
        return labels
    finally:
        store.stop()
