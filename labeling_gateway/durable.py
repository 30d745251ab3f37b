"""Calls to the store that return only when what they wrote is on disk."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import redis
from redis.exceptions import NoScriptError

from labeling_gateway.store import NotDurable, StoreError, StoreUnreachable, describe

logger = logging.getLogger("backflip.labeling_gateway")

WAIT_SECONDS = 5.0

Command = tuple[Any, ...]


def script(source: str, keys: list[str], *arguments: str | bytes | float) -> Command:
    """The command that runs a Lua script by its hash."""
    return ("EVALSHA", hashlib.sha1(source.encode()).hexdigest(), len(keys), *keys, *arguments)


class Session:
    """Runs commands, several in one round trip, and says in one line what went wrong.

    Thread-safe. The store forgets scripts when it restarts; they are loaded again where it asks for them.
    """

    def __init__(self, client: redis.Redis, url: str, sources: list[str]) -> None:
        self._client = client
        self._url = url
        self._sources = sources
        self._proof: tuple[Command, Callable[[Any], None]] | None = None

    @contextmanager
    def reached(self) -> Iterator[redis.Redis]:
        """The client itself, its errors turned into ours. Raises StoreUnreachable or StoreError."""
        try:
            yield self._client
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise StoreUnreachable(describe(self._url, error)) from error
        except redis.RedisError as error:
            raise StoreError(describe(self._url, error)) from error

    def run(self, *commands: Command) -> list[Any]:
        """The replies, in order; nothing is said about disks."""
        with self.reached():
            replies = self._send(commands)
            _raise_refused(replies)
            return replies

    def commit(self, *commands: Command, optional: Sequence[Command] = ()) -> list[Any]:
        """The replies, once everything that the commands wrote is on disk.

        Every command must be one that may be sent twice, and must write each time: it is repeated
        where a connection broke, and the proof covers what its own connection wrote.

        Args:
            optional: commands carried out after the others, which fail alone: the reply then is None.

        Raises:
            StoreUnreachable: nothing is known about the commands; send them again later.
            NotDurable: they were carried out, but the store cannot say that they are on disk.
        """
        proof, check = self._proof or self.require_durable()
        with self.reached():
            *replies, proven = self._send((*commands, *optional, proof))
            _raise_refused([*replies[: len(commands)], proven])
        check(proven)
        return [_or_none(reply) for reply in replies]

    def require_durable(self) -> tuple[Command, Callable[[Any], None]]:
        """How this store proves that a write is on disk. Raises NotDurable where it can not."""
        wait: Command = ("WAITAOF", 1, 0, int(WAIT_SECONDS * 1000))
        with self.reached() as client:
            try:
                self._check_waited(client.execute_command(*wait))
                self._proof = (wait, self._check_waited)
            except redis.ResponseError as error:
                if "unknown command" not in str(error).lower():
                    raise NotDurable(self._refusal(str(error))) from error
                # Redis 7.0: with `appendfsync always` it writes to disk before it replies.
                ask: Command = ("CONFIG", "GET", "append*", "no-appendfsync-on-rewrite")
                try:
                    self._check_config(client.execute_command(*ask))
                except redis.ResponseError as error:
                    raise NotDurable(self._refusal(str(error))) from error
                self._proof = (ask, self._check_config)
        return self._proof

    def _send(self, commands: tuple[Command, ...]) -> list[Any]:
        for attempt in range(2):
            # One pipeline is one connection, also where redis-py sends it again after a reconnect.
            with self._client.pipeline(transaction=False) as pipe:
                for command in commands:
                    pipe.execute_command(*command)
                replies = pipe.execute(raise_on_error=False)
            if attempt or not any(isinstance(reply, NoScriptError) for reply in replies):
                return replies
            for source in self._sources:
                self._client.script_load(source)
        raise AssertionError("unreachable")

    def _check_waited(self, reply: Any) -> None:
        if reply[0] < 1:
            raise NotDurable(
                f"the label store did not have a write on disk after {WAIT_SECONDS:.0f} s; "
                "send it again: nothing is counted twice"
            )

    def _check_config(self, reply: Any) -> None:
        found = reply if isinstance(reply, dict) else _pairs(reply)
        if found.get("appendonly") != "yes" or found.get("appendfsync") != "always":
            raise NotDurable(self._refusal("it has no WAITAOF, and appendonly with appendfsync always is not set"))
        if found.get("no-appendfsync-on-rewrite") != "no":
            raise NotDurable(self._refusal("it has no WAITAOF, and no-appendfsync-on-rewrite is set"))

    def _refusal(self, reason: str) -> str:
        return (
            f"the label store does not keep what it acknowledges ({' '.join(reason.split())}); set "
            "`appendonly yes` and `appendfsync always` there, or use no REDIS_URL"
        )


def _raise_refused(replies: list[Any]) -> None:
    for reply in replies:
        if isinstance(reply, redis.ResponseError):
            raise reply


def _or_none(reply: Any) -> Any:
    if isinstance(reply, redis.ResponseError):
        logger.warning("the label store refused: %s", reply)
        return None
    return reply


def _pairs(flat: list[bytes]) -> dict[str, str]:
    words = [word.decode() for word in flat]
    return dict(zip(words[::2], words[1::2], strict=True))
