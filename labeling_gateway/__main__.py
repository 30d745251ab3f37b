"""The gateway's process: `python -m labeling_gateway --config FILE`."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Callable, Mapping

import numpy as np

from contracts import lifetime, log
from contracts.rater import RaterError
from labeling_gateway.config import GatewayConfig
from labeling_gateway.pausing import RaterErrors
from labeling_gateway.polling import poll, store_url, told_to_end
from labeling_gateway.process import STEP_SECONDS, gateway_work
from labeling_gateway.service import Score
from labeling_gateway.store import StoreError
from reward_service.client import RewardClient, RewardRequestError, RewardServiceUnavailable

_LISTEN_SECONDS = 5.0

logger = logging.getLogger("backflip.labeling_gateway")


def reward_score(client: RewardClient) -> Score:
    """How the gateway has clips scored by the reward service's process."""

    def score(observation: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, int] | None:
        try:
            scores = client.score(observation, action, members=True)
        except RewardServiceUnavailable:
            return None
        assert scores.member_reward is not None
        return scores.member_reward, scores.version

    return score


def reward_rater_errors(client: RewardClient) -> RaterErrors:
    """How the gateway hears of raters' errors: not oftener than every few seconds."""
    listen_from = 0.0

    def rater_errors() -> Mapping[str, RaterError] | None:
        nonlocal listen_from
        now = time.monotonic()
        if now < listen_from:
            return None
        listen_from = now + _LISTEN_SECONDS
        try:
            return client.report()["rater_errors"]
        except RewardServiceUnavailable:
            return None

    return rater_errors


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m labeling_gateway")
    parser.add_argument("--config", required=True, help="JSON of a GatewayConfig")
    arguments = parser.parse_args()
    log.setup("gateway")
    lifetime.end_with_parent()
    told = told_to_end()
    opened: list[Callable[[], bool]] = []

    def work() -> bool:
        if not opened:
            opened.append(gateway_work(config, store_url(), score, rater_errors, told))
            logger.info("asking questions of run %s, %d at most", config.run, config.labels.questions)
        return opened[0]()

    try:
        config = GatewayConfig.from_file(arguments.config)
        reward = RewardClient(config.reward_address)
        score, rater_errors = reward_score(reward), reward_rater_errors(reward)
        poll(work, told, STEP_SECONDS)
    except (StoreError, RewardRequestError, ValueError) as error:
        logger.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
