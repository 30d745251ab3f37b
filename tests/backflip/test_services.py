"""What a job needs beside what simulates and learns: it comes up, and nothing of it stays."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

from backflip.presets import PRESETS
from backflip.run_folder import create_run_folder
from backflip.services import Services
from backflip.system import probe_task
from tests.processes import descendants, sockets


def test_neither_a_process_nor_a_connection_is_left(tmp_path: Path) -> None:
    config = replace(PRESETS["cartpole"].config, out=tmp_path, name="run")
    task = probe_task(config)
    processes, connections = descendants(os.getpid()), sockets(os.getpid())
    services = Services(config, create_run_folder(config), task.spaces, task.scene)
    services.wait_up()
    assert services.gateway is not None
    services.gateway.report_progress(1, 10)
    assert len(sockets(os.getpid()) - connections) >= 3, "to the store, twice, and to the reward service"
    services.stop()
    assert not descendants(os.getpid()).keys() - processes.keys()
    give_up = time.monotonic() + 10
    while left := sockets(os.getpid()) - connections:  # gRPC closes its own in a thread
        assert time.monotonic() < give_up, left
        time.sleep(0.05)
