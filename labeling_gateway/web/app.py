"""The application: the API under `/api/v1`, the pages, and the guard in front of both."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from fastapi import FastAPI, Request
from starlette.responses import Response
from starlette.types import ASGIApp

from labeling_gateway.web import answering, clips, labeling, owner, sessions
from labeling_gateway.web.desk import Desk
from labeling_gateway.web.errors import answer_errors, refusal
from labeling_gateway.web.guard import Guard
from labeling_gateway.web.overview import Overview
from labeling_gateway.web.pages import add_pages
from labeling_gateway.web.seats import seats_router
from labeling_gateway.web.vendor_desk import VendorDesk
from labeling_gateway.web.vendors import vendors_router

logger = logging.getLogger("backflip.labeling_page")

API = "/api/v1"

_ABOUT = """Answer questions about clips, and look after a run.

Every refusal is `{"error": "one line"}`. Log in with `POST sessions`; programs may send the owner's token as
`Authorization: Bearer` instead. Requests that change something carry JSON, at most 64 KiB.
"""


def make_app(desk: Desk, vendors: VendorDesk | None = None) -> ASGIApp:
    """Everything that one run's labeling page answers, to its vendors too where it has any."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        desk.close()

    app = FastAPI(
        title="Backflip labeling",
        version="1",
        description=_ABOUT,
        openapi_url=f"{API}/openapi.json",
        docs_url=None,  # its page would ask third parties for scripts
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.desk = desk
    app.state.overview = Overview(desk)
    for part in (answering, labeling, clips, sessions, owner):  # each is looked through in turn: the busiest first
        app.include_router(part.router, prefix=API)
    if vendors is not None:
        for router in (vendors_router(vendors), seats_router(vendors)):
            app.include_router(router, prefix=API)
    add_pages(app, desk.config.pages)
    answer_errors(app)

    @app.exception_handler(Exception)
    async def failed(_: Request, error: Exception) -> Response:
        return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "something is wrong here; the labeling page's log says what")

    return Guard(app, desk.config)
