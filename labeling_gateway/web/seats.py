"""The door for people whom a vendor sends: a signed link lets each in under the vendor's name for them.

Two plain pages without a script: one says what is to be done, the other gives the completion code to whoever did it.
"""

from __future__ import annotations

from html import escape
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse, Response

from labeling_gateway.tickets import Refused, SeatTicket
from labeling_gateway.vendors.intake import rater_name
from labeling_gateway.web.callers import Caller, Desked, address_of, cookie_name, require_tokens
from labeling_gateway.web.desk import Desk
from labeling_gateway.web.errors import Refusal
from labeling_gateway.web.models import VendorName
from labeling_gateway.web.refusals import refusals
from labeling_gateway.web.vendor_desk import VendorDesk

Ticket = Annotated[str, Query(max_length=1024)]
Worker = Annotated[str, Query(pattern=r"^[A-Za-z0-9_-]{1,64}$", examples=["5f0c9d5b8f4e2a0001a1b2c3"])]


def seats_router(vendors: VendorDesk) -> APIRouter:
    """Only served where the run has vendors."""
    router = APIRouter(prefix="/vendors", tags=["vendors"])

    @router.get("/{vendor}/seat", response_class=HTMLResponse, responses=refusals(401, 422, 429, 503))
    async def seat(vendor: VendorName, ticket: Ticket, worker: Worker, request: Request, desk: Desked) -> Response:
        """Lets one person of a vendor in, and says what is to be done."""
        address = address_of(request)
        require_tokens(desk.strangers.take(address))
        found = _seat(desk, vendor, ticket)
        rater = rater_name(vendor, worker)
        await desk.caught_up()
        await desk.call(vendors.seated, vendor, found.batch, rater, desk.tally.mine(rater))
        session = desk.tickets.new_session("labeler", rater, f"seat-{found.batch}", found.expires_at)
        desk.strangers.give_back(address)
        link = f"/api/v1/vendors/{vendor}/done?ticket={escape(ticket)}"
        answer = _page(
            f"<p>{escape(desk.config.question)}</p>"
            f"<p>You are asked to compare {found.answers} pairs of short clips.</p>"
            '<p><a href="/label" target="_blank" rel="opener">Open the clips</a>, and leave this page open.</p>'
            f'<p>When you have answered them, <a href="{link}">get your completion code</a>.</p>'
        )
        answer.set_cookie(
            cookie_name(desk.config.run),
            desk.tickets.write_session(session),
            path="/",
            secure=desk.config.tls,
            httponly=True,
            samesite="strict",
        )
        return answer

    @router.get("/{vendor}/done", response_class=HTMLResponse, responses=refusals(401, 422, 429, 503))
    async def done(vendor: VendorName, ticket: Ticket, session: Caller, desk: Desked) -> Response:
        """The completion code, for whoever has given as many answers as the seat asks for."""
        found = _seat(desk, vendor, ticket)
        await desk.caught_up()
        mine = desk.tally.mine(session.rater)
        before = await desk.call(vendors.seated, vendor, found.batch, session.rater, mine)
        if mine - before < found.answers:
            return _page(
                f"<p>You have answered {mine - before} of {found.answers} so far.</p>"
                '<p><a href="/label">Go on</a>, then come back to this page and load it again.</p>'
            )
        code = desk.tickets.completion_code(found.batch)
        back = vendors.completion_url(vendor)
        where = f'<p><a href="{escape(back + code)}">Hand it in</a></p>' if back else ""
        return _page(f"<p>Thank you. Your completion code is <strong>{code}</strong></p>{where}")

    return router


def _seat(desk: Desk, vendor: str, ticket: str) -> SeatTicket:
    """Raises Refusal."""
    try:
        found = desk.tickets.read_seat(ticket)
    except Refused as refused:
        raise Refusal(HTTPStatus.UNAUTHORIZED, str(refused)) from None
    if found.vendor != vendor:
        raise Refusal(HTTPStatus.UNAUTHORIZED, "this seat is another vendor's")
    return found


def _page(body: str) -> HTMLResponse:
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Backflip</title>'
    return HTMLResponse(f'<!doctype html><html lang="en">{head}<body>{body}</body></html>', headers=_FRESH)


_FRESH = {"Cache-Control": "no-store"}
