"""What a labeler does: sees the task, holds questions, answers them, takes an answer back."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query

from contracts.clip import Clip
from contracts.label import Lease
from contracts.label import Query as Question
from labeling_gateway.rendering.geometry import prepare
from labeling_gateway.shown import chosen
from labeling_gateway.web.callers import Caller, Desked
from labeling_gateway.web.desk import Desk
from labeling_gateway.web.errors import Refusal
from labeling_gateway.web.holdings import LEASE_SECONDS
from labeling_gateway.web.models import (
    Answer,
    ClipRef,
    Fence,
    Held,
    LeaseRequest,
    Pair,
    Pairs,
    QueryId,
    Renewal,
    Saved,
    Task,
    UndoRequest,
)
from labeling_gateway.web.refusals import refusals
from labeling_gateway.web.tickets import Refused

router = APIRouter(tags=["labeling"])


@router.get("/task", responses=refusals(401, 429, 503))
async def task(session: Caller, desk: Desked) -> Task:
    """What is asked, how far it is, and how much of it this rater did."""
    counts = await desk.caught_up()
    control = await desk.control()
    return Task(
        question=desk.config.question,
        task=desk.config.task,
        budget=desk.config.budget if control.budget is None else control.budget,
        asked=counts.asked,
        used=counts.used,
        open=counts.open,
        mine=desk.tally.mine(session.rater),
        mine_per_hour=round(desk.tally.per_hour(session.rater), 1),
        waiting=desk.waiting(),
        paused=control.paused,
    )


@router.post("/leases", responses=refusals(400, 401, 403, 413, 415, 422, 429, 503))
async def lease(body: LeaseRequest, session: Caller, desk: Desked) -> Pairs:
    """The oldest open questions, held for this rater for a minute; renew them while they are looked at.

    A rater holds five at most; where that many are held, those not renewed for a while are given back first.
    Fewer than asked for, or none, come back where there are no more.
    """

    def take() -> list[Pair]:
        pairs: list[Pair] = []
        for _ in range(body.count):
            if not desk.holdings.reserve(session.rater) and not _make_room(desk, session.rater):
                break
            try:
                held = desk.client.lease(session.rater, LEASE_SECONDS)
                if held is None:
                    break
                pairs.append(_hold(desk, held, session.rater))
            finally:
                desk.holdings.settle(session.rater)
        return pairs

    pairs = await desk.call(take)
    for pair in pairs:
        desk.prepare(pair.left, pair.right)
    return Pairs(pairs=pairs)


@router.post("/leases/{query}/renew", responses=refusals(400, 401, 403, 404, 409, 413, 415, 422, 429, 503))
async def renew(query: Annotated[QueryId, Path()], body: Held, session: Caller, desk: Desked) -> Renewal:
    """The heartbeat of a question that is looked at."""
    held = await _held(desk, query, body.fence, session.rater)
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
    held = await _held(desk, query, fence, session.rater)
    await desk.call(desk.client.release, held)
    desk.holdings.let_go(session.rater, query)


@router.post("/answers", status_code=201, responses=refusals(400, 401, 403, 404, 409, 413, 415, 422, 429, 503))
async def answer(body: Answer, session: Caller, desk: Desked) -> Saved:
    """Commits an answer; 201 says that it is on disk. Sent again, it changes nothing and says the same.

    A late answer, to a question that was given to another meanwhile, is kept as a later opinion.
    """
    held = await _held(desk, body.query, body.fence, session.rater)
    flipped = desk.tickets.flipped(body.query, held.fence, session.rater)
    choice = chosen(body.choice, flipped=flipped)
    receipt = await desk.call(desk.client.answer, held, session.rater, choice, body.seconds, flipped)
    desk.holdings.let_go(session.rater, body.query)
    counts = await desk.caught_up()
    return Saved(
        offset=receipt.offset,
        opinion=receipt.opinion.value,
        repeated=receipt.repeated,
        mine=desk.tally.mine(session.rater),
        used=counts.used,
    )


@router.post("/undo", responses=refusals(400, 401, 403, 404, 413, 415, 422, 429, 503))
async def undo(body: UndoRequest, session: Caller, desk: Desked) -> Pair:
    """Takes this rater's answer back, by a label that supersedes it, and asks the question again."""

    def again() -> Pair:
        return _hold(desk, desk.client.undo(session.rater, body.query, LEASE_SECONDS), session.rater)

    try:
        pair = await desk.call(again)
    except LookupError:
        raise Refusal(HTTPStatus.NOT_FOUND, f"you have no answer to {body.query} that stands") from None
    desk.prepare(pair.left, pair.right)
    return pair


def clip_ref(desk: Desk, hash: str, clip: Clip) -> ClipRef:
    """In a thread. How a clip is drawn."""
    scene = desk.scene(clip.scene)
    prepare(scene)  # here, or whoever asks for poses first would let everybody wait
    draw = "poses" if scene.track == "mujoco" else "video"
    return ClipRef(clip=hash, scene=clip.scene, steps=len(clip), timestep=scene.timestep, draw=draw)


def _hold(desk: Desk, held: Lease, rater: str) -> Pair:
    """In a thread. The pair as this rater sees it, from now on counted as theirs."""
    desk.remember(held)
    desk.holdings.hold(rater, held)
    query = held.query
    left, right = (clip_ref(desk, hash, desk.clip(hash)) for hash in (query.clip_a, query.clip_b))
    if desk.tickets.flipped(query.id, held.fence, rater):
        left, right = right, left
    return Pair(
        query=query.id,
        fence=desk.tickets.seal_fence(query.id, held.fence, rater),
        deadline=held.deadline,
        seconds_left=held.deadline - time.time(),
        question=desk.scene(query.scene).question,
        left=left,
        right=right,
    )


async def _held(desk: Desk, query: str, sealed: str, rater: str) -> Lease:
    """The lease that a labeler names, which may have ended. Raises Refusal where it was never theirs."""
    try:
        fence = desk.tickets.open_fence(query, sealed, rater)
    except Refused as refused:
        raise Refusal(HTTPStatus.CONFLICT, str(refused)) from None
    try:
        found: Question = await desk.call(desk.query, query)
    except LookupError:
        raise Refusal(HTTPStatus.NOT_FOUND, f"there is no question {query}") from None
    return Lease(found, fence, deadline=0.0)


def _make_room(desk: Desk, rater: str) -> bool:
    """In a thread. Gives back a lease that nobody seems to look at; whether a place is reserved now."""
    forgotten = desk.holdings.forgotten(rater)
    if forgotten is None:
        return False
    desk.client.release(forgotten)
    desk.holdings.let_go(rater, forgotten.query.id)
    return desk.holdings.reserve(rater)
