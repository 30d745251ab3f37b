"""How a vendor is asked: its code is not trusted, and whoever does not answer is asked ever more rarely."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from labeling_gateway.vendors.interface import Unavailable, VendorRefused

logger = logging.getLogger("backflip.vendors")

Result = TypeVar("Result")

_BACKOFF = (0.5, 60.0)  # seconds, first and longest


class Patience:
    """With one vendor, in rounds: `begin`, any number of `attempt`, `end`."""

    def __init__(self, vendor: str) -> None:
        self.trouble = ""  # what went wrong in the last round, "" where nothing did
        self.away = False  # it answered nothing in the last round
        self._vendor = vendor
        self._answered = False  # at least once in this round
        self._troubles: list[Unavailable | VendorRefused] = []
        self._pause = 0.0
        self._quiet_until = 0.0  # on the monotonic clock

    def begin(self) -> bool:
        """Whether it is time for another round."""
        self._answered = False
        self._troubles = []
        return time.monotonic() >= self._quiet_until

    def attempt(self, part: Callable[[], Result]) -> Result | None:
        """One part of a round, which may fail without harm to the next; None where it did."""
        try:
            return part()
        except (Unavailable, VendorRefused) as error:
            self._troubles.append(error)
            return None

    def ask(self, call: Callable[..., Result], *arguments: object) -> Result:
        """One call of the vendor's own code, of which nothing is known. Raises Unavailable, VendorRefused."""
        try:
            reply = call(*arguments)
        except Unavailable:
            raise
        except VendorRefused:
            self._answered = True
            raise
        except Exception as error:
            logger.exception("the code of vendor %s failed", self._vendor)
            raise Unavailable(f"its code failed: {type(error).__name__}") from error
        self._answered = True
        return reply

    def end(self) -> bool:
        """Whether `trouble` is another than before. A vendor that answers now and then is asked on."""
        away = bool(self._troubles) and not self._answered
        said = " ".join(str(self._troubles[0]).split()) if self._troubles else ""
        if away and not self.away:
            logger.warning("waiting for %s: %s", self._vendor, said)
        elif self.away and not away:
            logger.info("%s is back", self._vendor)
        elif said != self.trouble and any(isinstance(one, VendorRefused) for one in self._troubles):
            logger.warning("%s refuses: %s", self._vendor, said)
        news = said != self.trouble
        self.away, self.trouble = away, said
        if not self._troubles:
            self._pause = 0.0
            return news
        self._pause = min(_BACKOFF[1], max(_BACKOFF[0], 2 * self._pause)) if away else _BACKOFF[0]
        asked_for = max(getattr(error, "retry_after", None) or 0.0 for error in self._troubles)
        self._quiet_until = time.monotonic() + min(_BACKOFF[1], max(self._pause, asked_for))
        return news
