"""What a job needs beside what simulates and learns: it comes up, and nothing of it stays."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import torch

from actors.trouble import Trouble
from backflip.presets import PRESETS
from backflip.run_folder import create_run_folder
from backflip.services import Services
from backflip.system import probe_task
from reward_service.ensemble import Ensemble, initial_layers
from reward_service.fitting import FitReport
from reward_service.versions import RewardModel
from tests.processes import descendants, sockets


def test_neither_a_process_nor_a_connection_is_left(tmp_path: Path) -> None:
    config = replace(PRESETS["cartpole"].config, out=tmp_path, name="run")
    task = probe_task(config)
    processes, connections = descendants(os.getpid()), sockets(os.getpid())
    folder = create_run_folder(config)
    services = Services(config, folder, task.spaces, task.scene)
    services.wait_up()
    assert services.gateway is not None
    services.gateway.report_progress(1, 10)
    assert len(sockets(os.getpid()) - connections) >= 3, "to the store, twice, and to the reward service"
    model = RewardModel(3, task.spaces.observation, task.spaces.action.size, folder.reward_model)
    layers, unscaled = initial_layers(3, (6, 4, 1), 0), (torch.zeros(3), torch.ones(3))
    ensemble = Ensemble(layers, torch.zeros(6), torch.ones(6), *unscaled)
    model.publish(ensemble, FitReport(version=1, held_out_accuracy=0.7))  # as a fit that ends with the run does
    services.stop()
    assert (services.facts.reward_version, services.facts.held_out_accuracy) == (1, 0.7)
    assert not descendants(os.getpid()).keys() - processes.keys()
    give_up = time.monotonic() + 60
    while left := sockets(os.getpid()) - connections:  # gRPC closes its own in a thread
        assert time.monotonic() < give_up, left
        time.sleep(0.05)


def test_what_died_is_told_while_it_goes_on_and_at_the_end(tmp_path: Path) -> None:
    config = replace(PRESETS["cartpole"].config, out=tmp_path, name="run")
    task = probe_task(config)
    services = Services(config, create_run_folder(config), task.spaces, task.scene)
    try:
        services.wait_up()
        assert services.facts.troubles == []
        services.listen(troubles={"actor 0": Trouble(failed_steps=1), "actor 1": Trouble(stopped="its worlds fail")})
        processes = services.process_ids()
        for part in ("label store", "reward service"):
            os.kill(processes[part], signal.SIGKILL)
        said = {
            "label store: died once, see store/store.log",
            "reward service: died once, see logs/reward_service.log",
            "actor 0: 1 step failed and was left out",
        }
        give_up = time.monotonic() + 120
        while not said <= set(services.facts.troubles):
            assert time.monotonic() < give_up, services.facts.troubles
            time.sleep(0.05)
        assert len(services.facts.troubles) == 3, "that an actor stopped is said of it where the parts are shown"
    finally:
        services.stop()
    assert said | {"actor 1: stopped: its worlds fail"} <= set(services.facts.troubles)
