"""The gateway's loop in a process of its own: candidates come over the wire, steps are taken in turn."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from labeling_gateway.client import GatewayClient
from labeling_gateway.config import GatewayConfig
from labeling_gateway.pausing import RaterErrors
from labeling_gateway.service import Gateway, Score

logger = logging.getLogger("backflip.labeling_gateway")

STEP_SECONDS = 0.2


def gateway_work(
    config: GatewayConfig, url: str, score: Score, rater_errors: RaterErrors, told: threading.Event
) -> Callable[[], bool]:
    """Takes in candidates for one step's time, then steps; connects first, also after the store was away."""
    client = GatewayClient(url, config.run)
    gateway = Gateway(config, client, score, rater_errors)
    channel = client.subscribe()

    def work() -> bool:
        until = time.monotonic() + STEP_SECONDS
        while (left := until - time.monotonic()) > 0 and not told.is_set():
            message = client.receive(channel, left)
            if message is not None:
                gateway.take(message)
        asked = gateway.step()
        if asked:
            logger.info("asked %d questions", asked)
        return True

    return work
