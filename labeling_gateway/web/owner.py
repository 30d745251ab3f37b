"""What the run's owner does: sees everything, pauses, sets the budget, invites, withdraws, downloads."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response, StreamingResponse

from contracts.label import Choice
from labeling_gateway.archive import export_labels
from labeling_gateway.replies import Answered
from labeling_gateway.store import StoreError
from labeling_gateway.web.callers import Desked, Owner, is_revoked
from labeling_gateway.web.desk import Desk
from labeling_gateway.web.errors import Refusal
from labeling_gateway.web.links import label_link, noted
from labeling_gateway.web.models import Offset, QueryId, RaterName
from labeling_gateway.web.overview import Overview
from labeling_gateway.web.owner_models import (
    Budget,
    ControlView,
    Gold,
    Golds,
    InvitationRequest,
    Invitations,
    InvitationView,
    Labels,
    LabelView,
    NewInvitation,
    Pause,
    PausedRaters,
    PolicyView,
    RaterPause,
    Raters,
    RaterView,
    RunView,
    Withdrawn,
)
from labeling_gateway.web.pairs import clip_ref
from labeling_gateway.web.refusals import refusals

router = APIRouter(tags=["owner"])

_READ = refusals(401, 403, 422, 429, 503)
_CHANGE = refusals(400, 401, 403, 413, 415, 422, 429, 503)
_NEWEST_CLIPS = 8


async def _overview_of(request: Request) -> Overview:
    return request.app.state.overview


Watched = Annotated[Overview, Depends(_overview_of)]


@router.get("/run", responses=_READ)
async def run(session: Owner, overview: Watched) -> RunView:
    """Everything that the dashboard shows."""
    return await overview.now()


@router.get(
    "/events",
    response_class=Response,
    responses={
        200: {"description": "`GET run`, as server-sent events.", "content": {"text/event-stream": {}}},
        **_READ,
    },
)
async def events(session: Owner, overview: Watched, desk: Desked) -> Response:
    """`GET run` again whenever it changed, twice a second at most, as server-sent events; it ends with the session."""

    async def ended() -> bool:
        try:
            return session.expires_at < time.time() or await is_revoked(session, desk)
        except (StoreError, Refusal):  # the store is away, or too many ask: it is looked at again with the next view
            return False

    async def stream() -> AsyncIterator[bytes]:
        async for view in overview.changes():
            if await ended():
                return
            yield b": still here\n\n" if view is None else f"data: {view.model_dump_json()}\n\n".encode()

    return StreamingResponse(stream(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


@router.put("/run/paused", responses=_CHANGE)
async def pause(body: Pause, session: Owner, desk: Desked) -> ControlView:
    """Whether new questions are asked; those that are open can be answered all the same."""
    await desk.call(desk.client.set_paused, body.paused)
    return await _controlled(desk)


@router.put("/run/budget", responses=_CHANGE)
async def set_budget(body: Budget, session: Owner, desk: Desked) -> ControlView:
    """How many answers may be used; below what is asked already, no more are asked."""
    await desk.call(desk.client.set_budget, body.budget)
    return await _controlled(desk)


@router.get("/labels", responses=_READ)
async def labels(
    session: Owner,
    desk: Desked,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    before: Annotated[Offset, Query()] = "",
) -> Labels:
    """The log, newest first, with what was shown."""

    def read() -> list[LabelView]:
        return [_label_view(desk, answered) for answered in desk.client.history(limit, before)]

    found = await desk.call(read)
    return Labels(labels=found, before=found[-1].offset if len(found) == limit else "")


@router.get(
    "/labels.parquet",
    response_class=Response,
    responses={
        200: {"description": "One row a label, in log order.", "content": {"application/vnd.apache.parquet": {}}},
        **_READ,
    },
)
async def download(session: Owner, desk: Desked) -> Response:
    """The whole log with its clips, which `backflip train --labels.from` reads."""

    def write() -> FilePath:
        with tempfile.NamedTemporaryFile(suffix=".parquet", delete=False) as file:
            path = FilePath(file.name)
        try:
            export_labels(desk.client, path)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path

    path = await desk.call(write)
    name = re.sub(r"[^\w.-]", "_", desk.config.run, flags=re.ASCII)
    return FileResponse(
        path,
        media_type="application/vnd.apache.parquet",
        filename=f"{name}.parquet",
        headers={"Cache-Control": "no-store"},
        background=BackgroundTask(path.unlink, missing_ok=True),
    )


@router.get("/raters", responses=_READ)
async def raters(session: Owner, desk: Desked, overview: Watched) -> Raters:
    """Who answered, how much, how fast, how alike, and how often wrong."""
    found, errors = await desk.call(desk.client.raters), await overview.rater_errors()
    views: list[RaterView] = []
    for rater in found:
        known = errors.get(rater.name)
        error, deviation = (known["error"], known["deviation"]) if known and known["answers"] else (None, None)
        views.append(RaterView(**asdict(rater), error=error, error_deviation=deviation))
    return Raters(raters=views)


@router.put("/raters/{rater}/paused", responses=_CHANGE)
async def pause_rater(
    body: RaterPause, rater: Annotated[RaterName, Path()], session: Owner, desk: Desked
) -> PausedRaters:
    """Whether a rater is given no more questions; what they hold they may answer all the same."""
    if body.paused:
        await desk.call(desk.client.pause_rater, rater, body.reason)
    else:
        await desk.call(desk.client.resume_rater, rater)
    desk.forget_rules()
    return PausedRaters(paused=(await desk.rules()).paused_raters)


@router.get("/gold", responses=_READ)
async def golds(session: Owner, desk: Desked) -> Golds:
    """The questions that raters are checked by."""
    return await _golds(desk)


@router.put("/gold/{query}", responses=refusals(400, 401, 403, 404, 413, 415, 422, 429, 503))
async def mark_gold(body: Gold, query: Annotated[QueryId, Path()], session: Owner, desk: Desked) -> Golds:
    """Says which answer to a question is right; from now on others are asked it to see how good they are."""
    try:
        await desk.call(desk.client.mark_gold, query, Choice(body.choice))
    except LookupError as error:
        raise Refusal(HTTPStatus.NOT_FOUND, str(error)) from None
    return await _golds(desk)


@router.delete("/gold/{query}", responses=refusals(401, 403, 404, 422, 429, 503))
async def unmark_gold(query: Annotated[QueryId, Path()], session: Owner, desk: Desked) -> Golds:
    """Nobody is checked by this question any more; answers to it stay in the log."""
    try:
        await desk.call(desk.client.unmark_gold, query)
    except LookupError as error:
        raise Refusal(HTTPStatus.NOT_FOUND, str(error)) from None
    return await _golds(desk)


@router.post("/raters/{rater}/withdrawal", responses=_CHANGE)
async def withdraw(rater: Annotated[RaterName, Path()], session: Owner, desk: Desked) -> Withdrawn:
    """Takes all answers of a rater back, by labels that supersede them; nothing is deleted."""
    return Withdrawn(withdrawn=await desk.call(desk.client.withdraw, rater))


@router.get("/invitations", responses=_READ)
async def invitations(session: Owner, desk: Desked) -> Invitations:
    """All that were made, newest first."""
    noted = await desk.call(desk.client.invitations)
    views = [InvitationView(**{name: fields[name] for name in InvitationView.model_fields}) for fields in noted]
    return Invitations(invitations=sorted(views, key=lambda view: view.created_at, reverse=True))


@router.post("/invitations", status_code=201, responses=_CHANGE)
async def invite(body: InvitationRequest, session: Owner, request: Request, desk: Desked) -> NewInvitation:
    """A link for one rater. Whoever has it answers under that name until it expires or is revoked."""
    invitation = desk.tickets.invite(body.rater, body.hours)
    fields = noted(invitation)
    await desk.call(desk.client.note_invitation, fields)
    base = f"{request.url.scheme}://{request.headers['host']}"
    return NewInvitation(**fields, revoked=False, link=label_link(base, desk.tickets, invitation))


@router.delete("/invitations/{id}", status_code=204, responses=refusals(401, 403, 422, 429, 503))
async def revoke(id: Annotated[str, Path(pattern="^[0-9a-f]{16}$")], session: Owner, desk: Desked) -> None:
    """Ends an invitation and every session that came from it."""
    await desk.revoke(id)


@router.get("/policy", responses=refusals(401, 403, 404, 422, 429, 503))
async def policy(session: Owner, desk: Desked, overview: Watched) -> PolicyView:
    """The newest clip of the newest policy that was heard of, and what the reward model says of each step."""

    def newest() -> tuple[Any, Any] | None:
        clips = desk.client.newest_clips(_NEWEST_CLIPS)
        if not clips:
            return None
        name, clip = max(clips, key=lambda found: found[1].policy_version)
        desk.keep_clip(name, clip)
        return clip, clip_ref(desk, name, clip)

    found = await desk.call(newest)
    if found is None:
        raise Refusal(HTTPStatus.NOT_FOUND, "there is no clip yet: nothing is being trained just now")
    clip, ref = found
    desk.prepare(ref)
    reward, version = await overview.reward_of(clip)
    return PolicyView(clip=ref, reward=reward, policy_version=clip.policy_version, reward_version=version)


async def _golds(desk: Desk) -> Golds:
    marked = await desk.call(desk.client.golds)
    return Golds(golds={query: choice.value for query, choice in marked.items()})  # pyright: ignore[reportArgumentType]


async def _controlled(desk: Desk) -> ControlView:
    desk.forget_rules()
    control = (await desk.rules()).control
    return ControlView(paused=control.paused, budget=control.budget_or(desk.config.budget))


def _label_view(desk: Desk, answered: Answered) -> LabelView:
    """In a thread. An answer as its rater saw and gave it."""
    label, query = answered.label, answered.query
    left, right = (clip_ref(desk, hash, desk.clip(hash)) for hash in (query.clip_a, query.clip_b))
    if label.flipped:
        left, right = right, left
    sides = {Choice.A: "right" if label.flipped else "left", Choice.B: "left" if label.flipped else "right"}
    return LabelView(
        offset=answered.offset,
        query=label.query,
        rater=label.rater,
        choice=sides.get(label.choice, label.choice.value),  # pyright: ignore[reportArgumentType]
        opinion=label.opinion.value,
        standing=answered.standing,
        answered_at=label.answered_at,
        seconds=label.seconds,
        flipped=label.flipped,
        left=left,
        right=right,
    )
