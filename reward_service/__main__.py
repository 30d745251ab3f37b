"""The reward service's process: `python -m reward_service --config FILE`."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from contextlib import suppress

import torch

from contracts import lifetime, log
from contracts.memory import keep_freed_memory
from labeling_gateway.client import GatewayClient, StoreError
from reward_service.config import RewardServiceConfig
from reward_service.server import serve
from reward_service.trainer import Trainer
from reward_service.versions import RewardModel

logger = logging.getLogger("backflip.reward_service")

_NICENESS = 19  # fits give way to scoring, and to simulators: Ray runs actors at 15
_RETRY_SECONDS = 2.0


def follow(config: RewardServiceConfig, model: RewardModel, told: threading.Event) -> None:
    """Fits the model to the run's labels until told to end; waits for a store that is away."""
    with suppress(PermissionError):  # nicer than that already
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
    trainer: Trainer | None = None
    waiting = False
    while not told.is_set():
        try:
            if trainer is None:
                client = GatewayClient(_store_url(), config.run)
                trainer = Trainer(config.reward, client, model, config.seed, config.patience)
            trainer.poll()
        except StoreError as error:
            if not waiting:
                logger.warning("waiting for the label store, scoring goes on: %s", error)
            waiting = True
            told.wait(_RETRY_SECONDS)
            continue
        except OSError as error:
            logger.error("no new version, scoring goes on: %s", error)
            told.wait(_RETRY_SECONDS)
            continue
        if waiting:
            logger.info("the label store is back")
        waiting = False
        told.wait(config.poll_seconds)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m reward_service")
    parser.add_argument("--config", required=True, help="JSON of a RewardServiceConfig")
    arguments = parser.parse_args()
    log.setup("reward")
    lifetime.end_with_parent()
    torch.set_num_threads(1)
    keep_freed_memory()
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    try:
        config = RewardServiceConfig.from_file(arguments.config)
        _store_url()
        model = RewardModel(
            config.reward.members, config.observation, config.action_size, config.directory, os.cpu_count() or 1
        )
        serving = serve(config, model)
    except (ValueError, OSError) as error:
        logger.error("%s", error)
        return 1
    logger.info("scoring transitions on %s, newest version %d", serving.address, model.newest.number)
    try:
        follow(config, model, told)
    finally:
        serving.stop()
    return 0


def _store_url() -> str:
    """Raises ValueError where the environment names no store."""
    url = os.environ.get("BACKFLIP_STORE_URL", "")
    if not url:
        raise ValueError("BACKFLIP_STORE_URL is not set; it names the label store, such as redis://127.0.0.1:6379")
    return url


if __name__ == "__main__":
    sys.exit(main())
