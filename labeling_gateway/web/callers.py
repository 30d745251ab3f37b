"""Who is asking: a session cookie or the owner's token, and how much they may ask."""

from __future__ import annotations

import hashlib
import math
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer

from labeling_gateway.tickets import OWNER, Refused, Session
from labeling_gateway.web.desk import Desk
from labeling_gateway.web.errors import Refusal

_cookie = APIKeyCookie(name="backflip_session", auto_error=False, description="As POST sessions sets it.")
_bearer = HTTPBearer(auto_error=False, description="The owner's token, for programs.")


def cookie_name(run: str) -> str:
    """Cookies know no ports: two runs on one machine would log each other's people out."""
    return f"backflip_session_{hashlib.sha256(run.encode()).hexdigest()[:8]}"


async def desk_of(request: Request) -> Desk:  # async, or FastAPI would call it in a thread
    return request.app.state.desk


Desked = Annotated[Desk, Depends(desk_of)]


def address_of(request: Request) -> str:
    return request.client.host if request.client else ""


def require_tokens(wait: float) -> None:
    if wait:
        raise Refusal(
            HTTPStatus.TOO_MANY_REQUESTS, f"too many requests; wait {wait:.1f} s", Retry_After=str(math.ceil(wait))
        )


async def present_session(request: Request, desk: Desk) -> Session | None:
    """The session that a request carries; None where it carries none. Raises Refused, Refusal."""
    ticket = request.cookies.get(cookie_name(desk.config.run))
    if ticket is None:
        return None
    session = desk.tickets.read_session(ticket)
    if await is_revoked(session, desk):
        raise Refused("this session was ended, or its invitation withdrawn")
    return session


async def is_revoked(session: Session, desk: Desk) -> bool:
    """Raises Refusal, StoreUnreachable."""
    return await desk.revoked(session.id, *([session.invitation] if session.invitation else []))


async def caller(
    request: Request,
    desk: Desked,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    _: Annotated[str | None, Depends(_cookie)],
) -> Session:
    """Raises Refusal: 401 without a session, 429 where it asks too much."""
    reason = "no session: log in with an invitation or the owner's token"
    session = None
    try:
        if bearer is not None:
            reason = "this is not the owner's token"
            if desk.tickets.is_owner_token(bearer.credentials):
                session = Session("owner", "owner", OWNER, "", math.inf)
        else:
            session = await present_session(request, desk)
    except Refused as refused:
        reason = str(refused)
    if session is None:
        require_tokens(desk.strangers.take(address_of(request)))
        raise Refusal(HTTPStatus.UNAUTHORIZED, reason, WWW_Authenticate="Bearer")
    require_tokens(desk.sessions.take(session.id))
    return session


Caller = Annotated[Session, Depends(caller)]


async def owner(session: Caller) -> Session:
    """Raises Refusal: 403 for anybody but the owner."""
    if session.role != "owner":
        raise Refusal(HTTPStatus.FORBIDDEN, "this is for the run's owner: log in with the owner's token")
    return session


Owner = Annotated[Session, Depends(owner)]
