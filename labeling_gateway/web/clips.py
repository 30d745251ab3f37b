"""What draws a clip: its scene's geometry, its bodies' poses, its video."""

from __future__ import annotations

from dataclasses import asdict
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.responses import FileResponse, JSONResponse, Response

from labeling_gateway.rendering.geometry import geometry
from labeling_gateway.web import pairs
from labeling_gateway.web.callers import Caller, Desked
from labeling_gateway.web.desk import Desk
from labeling_gateway.web.errors import Refusal, refusal
from labeling_gateway.web.models import Hash, Problem, SceneView
from labeling_gateway.web.refusals import refusals

router = APIRouter(tags=["clips"])

_FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}  # named by a hash of what is in it
_BINARY = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
_VIDEO = {"content": {"video/mp4": {"schema": {"type": "string", "format": "binary"}}}}
_LATER: dict[str, Any] = {"model": Problem, "description": "It is being drawn; Retry-After says when to ask again."}


@router.get("/scenes/{scene}", response_model=SceneView, responses=refusals(401, 404, 422, 429, 503))
async def scene_geometry(scene: Annotated[Hash, Path()], session: Caller, desk: Desked) -> Response:
    """What three.js needs to draw clips of a scene, in MuJoCo's conventions: metres, z up."""
    return JSONResponse(await _found(desk, _scene_view, desk, scene), headers=_FOREVER)


@router.get(
    "/clips/{clip}/poses",
    response_class=Response,
    responses={200: _BINARY | {"description": "Little-endian float32."}, **refusals(401, 404, 422, 429, 503)},
)
async def clip_poses(clip: Annotated[Hash, Path()], session: Caller, desk: Desked) -> Response:
    """Where every body is at every step: float32 [X-Steps, X-Bodies, 7], x, y, z, then the quaternion w, x, y, z.

    404 for clips whose `draw` is `video`.
    """
    # A question that was just leased has its clips at hand, and their poses take less time than a thread.
    found = await _found(desk, pairs.clip_poses, desk, clip, at_hand=desk.at_hand(clip))
    headers = _FOREVER | {"X-Steps": str(found.shape[0]), "X-Bodies": str(found.shape[1])}
    return Response(found.tobytes(), media_type="application/octet-stream", headers=headers)


@router.get(
    "/clips/{clip}/video.mp4",
    response_class=Response,
    responses={
        200: _VIDEO | {"description": "H.264, one frame a step, in real time."},
        202: _LATER,
        **refusals(401, 404, 422, 429, 503),
    },
)
async def clip_video(clip: Annotated[Hash, Path()], session: Caller, desk: Desked) -> Response:
    """The clip as a video, for what has no poses and for browsers without WebGL."""
    await _found(desk, desk.clip, clip)
    try:
        file = desk.films.find(clip)
    except ValueError as problem:
        raise Refusal(HTTPStatus.NOT_FOUND, str(problem)) from None
    if file is None:
        return refusal(HTTPStatus.ACCEPTED, "it is being drawn", {"Retry-After": "1"})
    return FileResponse(file, media_type="video/mp4", headers=_FOREVER)


async def _found(desk: Desk, function: Any, *arguments: Any, at_hand: bool = False) -> Any:
    """What a call of the store finds. Raises Refusal where it finds nothing."""
    try:
        return function(*arguments) if at_hand else await desk.call(function, *arguments)
    except LookupError as error:
        raise Refusal(HTTPStatus.NOT_FOUND, " ".join(str(error).split())) from None


def _scene_view(desk: Desk, hash: str) -> dict[str, Any]:
    scene = desk.scene(hash)
    shape = geometry(scene)
    camera = scene.camera
    return {
        "task": scene.task,
        "question": scene.question,
        "timestep": scene.timestep,
        "camera": {
            "lookat": list(camera.lookat),
            "distance": camera.distance,
            "azimuth": camera.azimuth,
            "elevation": camera.elevation,
            "follow": shape.follow,
            "fovy": shape.field_of_view,
        },
        "floor": {"height": shape.floor_height, "square": shape.floor_square},
        "bodies": [{"name": name, "parent": parent} for name, parent in shape.bodies],
        "geoms": [asdict(geom) for geom in shape.geoms],
        "meshes": [asdict(mesh) for mesh in shape.meshes],
    }
