"""What vendors ask of the labeling page's server: it takes their webhooks, and gives them the videos they were sent."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import FileResponse, Response

from labeling_gateway.vendors.config import videos_in
from labeling_gateway.vendors.interface import Forged, Unavailable
from labeling_gateway.web.callers import Desked, address_of, require_tokens
from labeling_gateway.web.errors import Refusal
from labeling_gateway.web.models import Hash, Received, VendorName
from labeling_gateway.web.refusals import refusals
from labeling_gateway.web.vendor_desk import VendorDesk

Until = Annotated[int, Query(ge=0, lt=10**12)]
Seal = Annotated[str, Query(pattern=r"^[0-9a-f]{32}$", examples=["0" * 32])]


def vendors_router(vendors: VendorDesk) -> APIRouter:
    """Only served where the run has vendors."""
    router = APIRouter(prefix="/vendors", tags=["vendors"])

    @router.post("/{vendor}/webhook", responses=refusals(400, 403, 404, 408, 413, 415, 422, 429, 503))
    async def webhook(vendor: VendorName, request: Request, desk: Desked) -> Received:
        """A vendor's news, signed in the vendor's own way. 200: it is on disk. Sent again, it changes nothing."""
        require_tokens(desk.strangers.take(address_of(request)))
        body = await request.body()
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            new = await desk.call(vendors.receive, vendor, headers, body)
        except LookupError as error:
            raise Refusal(HTTPStatus.NOT_FOUND, str(error)) from None
        except Forged as error:
            raise Refusal(HTTPStatus.FORBIDDEN, f"this webhook is not taken: {error}") from None
        except Unavailable as error:
            later = {"Retry_After": "30"}
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, f"send it again later: {error}", **later) from None
        desk.strangers.give_back(address_of(request))
        return Received(new=new)

    @router.get("/videos/{clip}.mp4", response_class=Response, responses=refusals(403, 404, 422, 429))
    async def video(
        clip: Annotated[Hash, Path()],
        until: Until,
        seal: Seal,
        request: Request,
        desk: Desked,
    ) -> Response:
        """One clip of a task, for whoever has its address, until it expires."""
        require_tokens(desk.strangers.take(address_of(request)))
        if not desk.tickets.opens_video(clip, until, seal):
            raise Refusal(HTTPStatus.FORBIDDEN, "this address is not ours, or has expired")
        file = videos_in(desk.config.folder) / f"{clip}.mp4"
        if not file.is_file():
            raise Refusal(HTTPStatus.NOT_FOUND, f"there is no video of {clip}")
        desk.strangers.give_back(address_of(request))
        # Annotators watch it on the vendor's own pages, which are of another origin.
        shared = {"Cross-Origin-Resource-Policy": "cross-origin", "Access-Control-Allow-Origin": "*"}
        return FileResponse(file, media_type="video/mp4", headers={"Cache-Control": "private, max-age=3600"} | shared)

    return router
