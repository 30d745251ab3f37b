"""The two pages: static files that the set-up builds, which ask the API for everything else."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path

from fastapi import FastAPI
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

_FRESH = {"Cache-Control": "no-cache"}  # asked for again each time, answered with 304 where nothing changed


def add_pages(app: FastAPI, folder: Path) -> None:
    """`/label`, `/dashboard`, and their files under `/static`."""

    async def home() -> Response:
        return RedirectResponse("/label", HTTPStatus.TEMPORARY_REDIRECT)

    def page(name: str) -> None:
        async def show() -> Response:
            file = folder / f"{name}.html"
            if not file.exists():
                line = "The pages are not built; `make setup` builds them. The API is at /api/v1/openapi.json.\n"
                return PlainTextResponse(line, HTTPStatus.SERVICE_UNAVAILABLE)
            return FileResponse(file, headers=_FRESH)

        app.add_api_route(f"/{name}", show, methods=["GET", "HEAD"], include_in_schema=False)

    app.add_api_route("/", home, methods=["GET", "HEAD"], include_in_schema=False)
    for name in ("label", "dashboard"):
        page(name)
    app.mount("/static", _Files(directory=folder, check_dir=False))


class _Files(StaticFiles):
    def file_response(self, *args: object, **kwargs: object) -> Response:
        response = super().file_response(*args, **kwargs)  # pyright: ignore[reportArgumentType]
        response.headers.update(_FRESH)
        return response
