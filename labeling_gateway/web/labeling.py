"""What a labeler does before answering: sees the task, and holds questions."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from contracts.label import Lease
from labeling_gateway.tickets import Refused
from labeling_gateway.web.callers import Caller, Desked
from labeling_gateway.web.desk import Desk
from labeling_gateway.web.errors import Refusal
from labeling_gateway.web.holdings import LEASE_SECONDS
from labeling_gateway.web.models import Fence, Held, LeaseRequest, Pairs, QueryId, Renewal, Task
from labeling_gateway.web.pairs import show, take_turn
from labeling_gateway.web.refusals import refusals

router = APIRouter(tags=["labeling"])


@router.get("/task", responses=refusals(401, 429, 503))
async def task(session: Caller, desk: Desked) -> Task:
    """What is asked, how far it is, and how much of it this rater did."""
    counts = await desk.caught_up()
    rules = await desk.rules()
    control = rules.control
    return Task(
        question=desk.config.question,
        task=desk.config.task,
        budget=control.budget_or(desk.config.budget),
        asked=counts.asked,
        used=counts.used,
        open=counts.open,
        mine=desk.tally.mine(session.rater),
        mine_per_hour=round(desk.tally.per_hour(session.rater), 1),
        waiting=desk.waiting(),
        paused=control.paused,
        paused_reason=rules.paused_raters.get(session.rater),
        minimum_seconds=control.checks.minimum_seconds,
    )


@router.post("/leases", response_model=Pairs, responses=refusals(400, 401, 403, 413, 415, 422, 429, 503))
async def lease(body: LeaseRequest, session: Caller, desk: Desked) -> Response:
    """The oldest open questions, held for this rater for a minute; renew them while they are looked at.

    Some may be asked to see how good the rater is; nothing tells them apart. A rater holds five at most; where
    that many are held, those not renewed for a while are given back first. Fewer than asked for, or none, come
    back where there are no more, or the rater is paused.
    """
    taken = await take_turn(desk, session.rater, None, body.count)
    pairs = Pairs(pairs=await show(desk, taken.leases, session.rater, with_poses=body.poses))
    return Response(pairs.model_dump_json(), media_type="application/json")


@router.post("/leases/{query}/renew", responses=refusals(400, 401, 403, 404, 409, 413, 415, 422, 429, 503))
async def renew(query: Annotated[QueryId, Path()], body: Held, session: Caller, desk: Desked) -> Renewal:
    """The heartbeat of a question that is looked at."""
    held = await named_lease(desk, query, body.fence, session.rater)
    renewed = await desk.call(desk.client.renew, held, session.rater, LEASE_SECONDS)
    if renewed is None:
        desk.holdings.let_go(session.rater, query)
        raise Refusal(HTTPStatus.CONFLICT, "this lease has ended; ask for another question")
    desk.holdings.hold(session.rater, renewed)
    return Renewal(deadline=renewed.deadline, seconds_left=renewed.deadline - time.time())


@router.delete("/leases/{query}", status_code=204, responses=refusals(401, 403, 404, 409, 422, 429, 503))
async def release(
    query: Annotated[QueryId, Path()], fence: Annotated[Fence, Query()], session: Caller, desk: Desked
) -> None:
    """Gives a question back unanswered; one that had ended already is let go all the same."""
    held = await named_lease(desk, query, fence, session.rater)
    await desk.call(desk.client.release, held, session.rater)
    desk.holdings.let_go(session.rater, query)


async def named_lease(desk: Desk, query: str, sealed: str, rater: str) -> Lease:
    """The lease that a labeler names, which may have ended. Raises Refusal where it was never theirs."""
    try:
        fence, flipped = desk.tickets.open_fence(query, sealed, rater)
    except Refused as refused:
        raise Refusal(HTTPStatus.CONFLICT, str(refused)) from None
    try:
        found = await desk.query(query)
    except LookupError:
        raise Refusal(HTTPStatus.NOT_FOUND, f"there is no question {query}") from None
    return Lease(found, fence, deadline=0.0, flipped=flipped)
