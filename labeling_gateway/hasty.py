"""What may be lost on its way to the store, because nobody who trains or simulates may wait for it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import redis

from labeling_gateway.durable import Command
from labeling_gateway.store import StoreError

logger = logging.getLogger("backflip.labeling_gateway")

QUIET_SECONDS = 2.0  # how long an unreachable store is left alone


class Hasty:
    """Sends what may be lost, and never waits longer than half a second.

    After a failure it drops everything for two seconds, so that a store which hangs costs next to
    nothing.
    """

    def __init__(self, connect: Callable[[], redis.Redis]) -> None:
        self._connect = connect
        self._client: redis.Redis | None = None
        self._quiet_until = 0.0
        self._failing = False

    def send(self, commands: list[Command]) -> None:
        if not commands or time.monotonic() < self._quiet_until:
            return
        try:
            self._client = self._client or self._connect()
            with self._client.pipeline(transaction=False) as pipe:
                for command in commands:
                    pipe.execute_command(*command)
                pipe.execute()
        except (redis.RedisError, StoreError) as error:
            self._quiet_until = time.monotonic() + QUIET_SECONDS
            if not self._failing:
                logger.warning("candidates and progress are not delivered for now: %s", error)
            self._failing = True
            return
        if self._failing:
            logger.info("candidates and progress are delivered again")
        self._failing = False

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
