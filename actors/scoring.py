"""Having transitions scored by the reward service, which may be down for a while."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import numpy as np

from reward_service.client import RewardClient, RewardServiceUnavailable, Scores

log = logging.getLogger("backflip.actors")

_RETRY_SECONDS = 0.5


def score_patiently(
    client: RewardClient, observation: np.ndarray, action: np.ndarray, waited: Callable[[float], None]
) -> Scores:
    """Waits out a service that is down, and says so; what has to be scored meanwhile is held.

    Args:
        observation: float32 [B, D].
        action: float32 [B, A], encoded.
        waited: is told again and again for how many seconds.

    Raises:
        RewardRequestError: wrong shape, or numbers that are not finite.
    """
    since: float | None = None
    while True:
        try:
            scores = client.score(observation, action)
        except RewardServiceUnavailable as error:
            if since is None:
                since = time.monotonic()
                log.warning("sampling pauses: %s", error)
            waited(time.monotonic() - since)
            time.sleep(_RETRY_SECONDS)
        else:
            if since is not None:
                log.info("sampling goes on after %.0f s", time.monotonic() - since)
            return scores
