"""Calls that come at the same time share one round trip to the store, and one write to its disk."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from labeling_gateway.web.errors import MOST_WAITING, too_much

Item = TypeVar("Item")
Result = TypeVar("Result")

_MOST = 128  # items of one batch, which all wait for the slowest


class Batches(Generic[Item, Result]):
    """Group commit: while one batch is at the store, what comes meanwhile forms the next.

    Args:
        call: runs a function in a thread.
        work: a batch's results, in order. What it raises, all who wait are told: the store that failed
            one batch would fail the next, and each of them only after a while.
    """

    def __init__(
        self, call: Callable[..., Awaitable[list[Result]]], work: Callable[[list[Item]], list[Result]]
    ) -> None:
        self._call = call
        self._work = work
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._working: asyncio.Task[None] | None = None

    async def take(self, item: Item) -> Result:
        """Raises what the work does, and Refusal where too many wait."""
        if len(self._waiting) >= MOST_WAITING:
            raise too_much()
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, result))
        if self._working is None:
            self._working = asyncio.create_task(self._work_off())
        return await result

    async def _work_off(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
                try:
                    results = await self._call(self._work, [item for item, _ in batch])
                except Exception as error:
                    failed, self._waiting = [*batch, *self._waiting], []
                    for _, result in failed:
                        _settle(result.set_exception, result, error)
                else:
                    for (_, result), found in zip(batch, results, strict=True):
                        _settle(result.set_result, result, found)
        finally:
            self._working = None


def _settle(settle: Callable[[Any], None], result: asyncio.Future[Any], value: Any) -> None:
    if not result.done():  # whoever asked may have gone
        settle(value)
