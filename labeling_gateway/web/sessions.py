"""Logging in and out: `POST`, `DELETE sessions`, `GET session`."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from labeling_gateway.tickets import OWNER, SESSION_SECONDS, Refused, Session
from labeling_gateway.web.callers import (
    Caller,
    Desked,
    address_of,
    cookie_name,
    present_session,
    require_tokens,
)
from labeling_gateway.web.desk import Desk
from labeling_gateway.web.errors import Refusal
from labeling_gateway.web.models import LogIn, SessionView
from labeling_gateway.web.refusals import refusals

router = APIRouter(tags=["sessions"])


@router.post("/sessions", status_code=201, responses=refusals(400, 401, 403, 413, 415, 422, 429, 503))
async def log_in(body: LogIn, request: Request, response: Response, desk: Desked) -> SessionView:
    """Exchanges an invitation or the owner's token for a session cookie.

    In a browser that is logged in already the two add up: an owner who opens an invitation stays the owner and
    answers under the invitation's name.
    """
    if bool(body.invitation) == bool(body.owner_token):
        raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "give an invitation or an owner_token, one of the two")
    address = address_of(request)
    require_tokens(desk.strangers.take(address))
    before = None
    with suppress(Refused):
        before = await present_session(request, desk)
    if body.invitation:
        session = await _invited(desk, body.invitation, before)
    else:
        session = _owner(desk, body.owner_token, before)
    desk.strangers.give_back(address)
    response.set_cookie(
        cookie_name(desk.config.run),
        desk.tickets.write_session(session),
        max_age=max(0, math.ceil(session.expires_at - time.time())),
        path="/",
        secure=desk.config.tls,
        httponly=True,
        samesite="strict",
    )
    return _view(desk, session)


@router.delete("/sessions", status_code=204, responses=refusals(401, 403, 429, 503))
async def log_out(session: Caller, response: Response, desk: Desked) -> None:
    """Ends the session for good, also for whoever copied its cookie."""
    if session.id != "owner":  # the owner's token itself cannot log out
        await desk.revoke(session.id)
    response.delete_cookie(
        cookie_name(desk.config.run), path="/", secure=desk.config.tls, httponly=True, samesite="strict"
    )


@router.get("/session", responses=refusals(401, 429, 503))
async def who_am_i(session: Caller, desk: Desked) -> SessionView:
    """Who is logged in, and until when."""
    return _view(desk, session)


async def _invited(desk: Desk, ticket: str, before: Session | None) -> Session:
    """Raises Refusal."""
    try:
        invitation = desk.tickets.read_invitation(ticket)
    except Refused as refused:
        raise Refusal(HTTPStatus.UNAUTHORIZED, f"{refused}: ask for another", WWW_Authenticate="Bearer") from None
    if await desk.revoked(invitation.id):
        raise Refusal(
            HTTPStatus.UNAUTHORIZED, "this invitation was withdrawn: ask for another", WWW_Authenticate="Bearer"
        )
    role = before.role if before is not None else "labeler"
    return desk.tickets.new_session(role, invitation.rater, invitation.id, invitation.expires_at)


def _owner(desk: Desk, token: str, before: Session | None) -> Session:
    """Raises Refusal."""
    if not desk.tickets.is_owner_token(token):
        raise Refusal(HTTPStatus.UNAUTHORIZED, "this is not the owner's token of this run", WWW_Authenticate="Bearer")
    rater = before.rater if before is not None else OWNER
    return desk.tickets.new_session("owner", rater, "", time.time() + SESSION_SECONDS)


def _view(desk: Desk, session: Session) -> SessionView:
    until = min(session.expires_at, time.time() + SESSION_SECONDS)
    return SessionView(role=session.role, rater=session.rater, run=desk.config.run, expires_at=until)
