"""Who is asked no more: raters whose answers say next to nothing of the clips, as the reward service found."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from contracts.rater import RaterError
from labeling_gateway.client import GatewayClient

logger = logging.getLogger("backflip.labeling_gateway")

RaterErrors = Callable[[], Mapping[str, RaterError] | None]
"""Every rater's error by name, as of the newest version; None where nothing new is to be heard."""

FEWEST_ANSWERS = 20
"""Before that nobody is judged."""

_DEVIATIONS = 2.0


def is_careless(found: RaterError, limit: float) -> bool:
    """Whether the estimated error is above ``limit``, and surely above half of it: two deviations lower it still is."""
    surely = found["error"] - _DEVIATIONS * found["deviation"]
    return found["answers"] >= FEWEST_ANSWERS and found["error"] > limit and surely > limit / 2


def pause_careless(client: GatewayClient, errors: Mapping[str, RaterError], limit: float) -> list[str]:
    """Pauses the careless, worst first, and returns their names; whoever the owner let go on is left alone.

    One rater at least is never paused, of those who were judged and answered in this run: somebody must answer.

    Raises:
        StoreUnreachable, NotDurable: call again later.
    """
    careless = sorted(
        (name for name, found in errors.items() if is_careless(found, limit)), key=lambda name: -errors[name]["error"]
    )
    if not careless:
        return []
    here = {one.name for one in client.raters() if one.standing > one.imported and one.paused_reason is None}
    asked = {name for name in here if name in errors and errors[name]["answers"]}
    paused: list[str] = []
    for name in careless:
        found = errors[name]
        reason = (
            f"about {found['error']:.0%} of {found['answers']} answers seem to name the wrong clip "
            f"(± {_DEVIATIONS * found['deviation']:.0%})"
        )
        if name in asked and len(asked) > 1 and client.pause_rater_once(name, reason):
            logger.warning("%s is paused, until the owner lets them go on: %s", name, reason)
            asked.remove(name)
            paused.append(name)
    return paused
