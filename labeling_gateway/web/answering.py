"""Answers: committed, and taken back."""

from __future__ import annotations

import logging
from http import HTTPStatus

from fastapi import APIRouter
from starlette.responses import Response

from contracts.label import Opinion
from labeling_gateway.leasing import Given
from labeling_gateway.shown import chosen
from labeling_gateway.store import StoreError
from labeling_gateway.web.callers import Caller, Desked
from labeling_gateway.web.errors import Refusal
from labeling_gateway.web.holdings import LEASE_SECONDS
from labeling_gateway.web.labeling import named_lease
from labeling_gateway.web.models import Answer, Pair, Saved, UndoRequest
from labeling_gateway.web.pairs import show, take_turn
from labeling_gateway.web.refusals import refusals

logger = logging.getLogger("backflip.labeling_page")

router = APIRouter(tags=["labeling"])


@router.post(
    "/answers",
    status_code=201,
    response_model=Saved,
    responses=refusals(400, 401, 403, 404, 409, 413, 415, 422, 429, 503),
)
async def answer(body: Answer, session: Caller, desk: Desked) -> Response:
    """Commits an answer; 201 says that it is on disk. Sent again, it changes nothing and says the same.

    A late answer, to a question that was given to another meanwhile, is kept as a later opinion. With `next`
    the same call leases further questions, as `POST leases` does.
    """
    held = await named_lease(desk, body.query, body.fence, session.rater)
    flipped = bool(held.flipped)
    given = Given(held, chosen(body.choice, flipped=flipped), body.seconds, flipped)
    taken = await take_turn(desk, session.rater, given, body.next)
    if taken.hasty:
        raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, f"seconds: {taken.hasty}")
    if taken.receipt is None:
        raise Refusal(HTTPStatus.NOT_FOUND, f"there is no question {body.query}")
    try:
        pairs = await show(desk, taken.leases, session.rater, with_poses=body.poses)
    except (StoreError, LookupError, ValueError, Refusal) as error:  # the answer is saved and must not suffer for it
        logger.warning("an answer is saved, but no further question can be shown: %s", error)
        pairs = []
    saved = Saved(
        offset=taken.receipt.offset,
        opinion="first" if taken.receipt.opinion is Opinion.FIRST else "later",
        repeated=taken.receipt.repeated,
        mine=desk.tally.mine(session.rater),
        used=desk.tally.counts.used,
        next=pairs,
    )
    # Written here, in one go: FastAPI would check and copy it all once more.
    return Response(saved.model_dump_json(), HTTPStatus.CREATED, media_type="application/json")


@router.post("/undo", responses=refusals(400, 401, 403, 404, 413, 415, 422, 429, 503))
async def undo(body: UndoRequest, session: Caller, desk: Desked) -> Pair:
    """Takes this rater's answer back, by a label that supersedes it, and asks the question again."""
    try:
        held = await desk.call(desk.client.undo, session.rater, body.query, LEASE_SECONDS, body.offset)
    except LookupError:
        raise Refusal(HTTPStatus.NOT_FOUND, f"you have no such answer to {body.query} that stands") from None
    desk.holdings.hold(session.rater, held)
    (pair,) = await show(desk, [held], session.rater)
    return pair
