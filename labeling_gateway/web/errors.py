"""Every refusal is a status and one line of JSON: ``{"error": "..."}``."""

from __future__ import annotations

import logging
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from labeling_gateway.store import NotDurable, StoreError, StoreUnreachable

logger = logging.getLogger("backflip.labeling_page")

RETRY_SECONDS = 1
MOST_WAITING = 2000  # calls of one kind that may wait for their turn; beyond that somebody is told to come back


class Refusal(HTTPException):
    """What a handler raises to refuse: a status and one line that says why."""

    def __init__(self, status: HTTPStatus, reason: str, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        super().__init__(status, reason, named or None)


def too_much() -> Refusal:
    return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "too much to do; come back soon", Retry_After=str(RETRY_SECONDS))


def refusal(status: int, reason: str, headers: dict[str, str] | None = None) -> Response:
    # A page that kept a refusal would go on refusing.
    return JSONResponse({"error": reason}, status, {"Cache-Control": "no-store"} | (headers or {}))


def answer_errors(app: FastAPI) -> None:
    """Whatever goes wrong in a handler is answered in our one form."""

    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return refusal(error.status_code, _one_line(error.detail), dict(error.headers or {}))

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            return refusal(HTTPStatus.BAD_REQUEST, "the body is not JSON")
        place = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
        return refusal(HTTPStatus.UNPROCESSABLE_ENTITY, _one_line(f"{place}: {first['msg']}"))

    async def away(_: Request, error: Exception) -> Response:
        headers = {"Retry-After": str(RETRY_SECONDS)}
        return refusal(HTTPStatus.SERVICE_UNAVAILABLE, _one_line(str(error)), headers)

    async def broken(_: Request, error: Exception) -> Response:
        logger.error("the label store refused: %s", error)
        return refusal(
            HTTPStatus.INTERNAL_SERVER_ERROR, "the label store refused; the log of the labeling page says why"
        )

    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(StoreUnreachable, away)
    app.add_exception_handler(NotDurable, away)
    app.add_exception_handler(StoreError, broken)


def _one_line(text: str) -> str:
    return " ".join(text.split())
