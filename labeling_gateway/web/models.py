"""The API's nouns as JSON: a labeler's, and what draws a clip.

Names that go out are stable: other pages are built on them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from labeling_gateway.shown import ShownChoice

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", examples=["0" * 64])]
QueryId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", examples=["000000-0123456789ab"])]
Fence = Annotated[
    str,
    Field(
        pattern=r"^[0-9]{1,15}-[0-9a-f]{32}$",
        description="As a lease gave it; it is signed, and only its labeler can use it.",
        examples=["1-" + "0" * 32],
    ),
]
Offset = Annotated[str, Field(pattern=r"^([1-9][0-9]{0,18}-[0-9]{1,19})?$")]  # in 64 bits, and not 0
_LETTER = r"0-9A-Z_a-z\u00c0-\u05ff\u0620-\u167f\u1681-\u180d\u180f-\u1fff\u2c00-\u2fef\u3001-\ud7ff"
# Of most scripts, without spaces and what turns the writing round; by ranges, since tables of letters differ by age.
RaterName = Annotated[str, Field(pattern=rf"^[{_LETTER}][{_LETTER} .@-]{{0,63}}$", examples=["rater-1"])]

VendorName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$", examples=["acme"])]


class Asked(BaseModel):
    """A body that somebody sends: nothing unknown in it, no type guessed."""

    model_config = ConfigDict(strict=True, extra="forbid")


class Problem(BaseModel):
    error: str = Field(description="One line: what is wrong, and what to do.")


class LogIn(Asked):
    """Exactly one of the two."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["invitation"]}, {"required": ["owner_token"]}]},
    )

    invitation: Annotated[str, Field(max_length=2048)] = ""
    owner_token: Annotated[str, Field(max_length=256)] = ""


class SessionView(BaseModel):
    role: Literal["labeler", "owner"]
    rater: str = Field(description="The name under which answers are kept.")
    run: str
    expires_at: float = Field(description="Seconds since the epoch.")


class Task(BaseModel):
    question: str = Field(description="In plain words, from the preset.")
    task: str
    budget: int = Field(description="Answers that may be used.")
    asked: int
    used: int = Field(description="First answers, which is what the budget counts.")
    open: int = Field(description="Questions that nobody holds just now.")
    mine: int = Field(description="Answers of this rater that stand.")
    mine_per_hour: float
    waiting: str = Field(description="What new questions wait for; empty where they wait for nothing.")
    paused: bool = Field(description="The owner has paused asking.")
    paused_reason: str | None = Field(description="Why this rater is given no questions; null where they are.")
    minimum_seconds: float = Field(description="How long each question must be looked at before it is answered.")


class ClipRef(BaseModel):
    clip: Hash
    scene: Hash
    steps: int
    timestep: float = Field(description="Seconds between two steps.")
    draw: Literal["poses", "video"] = Field(description="What there is to draw it from; video.mp4 always works.")


class ShownClip(ClipRef):
    poses: str | None = Field(
        default=None,
        description="Where asked for and `draw` is `poses`: what `GET clips/{clip}/poses` answers, in base64.",
    )


class Pair(BaseModel):
    """A question, held until the deadline; which clip is left is decided here and kept with the answer."""

    query: QueryId
    fence: Fence
    deadline: float = Field(description="Seconds since the epoch, by the gateway's clock.")
    seconds_left: float
    question: str
    left: ShownClip
    right: ShownClip


class LeaseRequest(Asked):
    count: int = Field(default=1, ge=1, le=5)
    poses: bool = Field(default=False, description="Whether pairs bring along the poses that draw their clips.")


class Pairs(BaseModel):
    pairs: list[Pair]


class Held(Asked):
    fence: Fence


class Renewal(BaseModel):
    deadline: float
    seconds_left: float


class Answer(Asked):
    query: QueryId
    fence: Fence
    choice: ShownChoice = Field(strict=False)
    seconds: float = Field(ge=0, le=86_400, allow_inf_nan=False, description="From showing to answer.")
    next: int = Field(default=0, ge=0, le=5, description="How many further questions to lease in the same call.")
    poses: bool = Field(default=False, description="Whether those bring along the poses that draw their clips.")


class Saved(BaseModel):
    """The answer is on disk."""

    offset: str = Field(description="Its place in the label log.")
    opinion: Literal["first", "later"] = Field(description="Whether the budget counts it.")
    repeated: bool = Field(description="This rater had answered before, and that answer stands.")
    mine: int
    used: int
    next: list[Pair] = Field(
        default_factory=list,
        description="The questions leased in the same call, fewer than asked for where there are no more.",
    )


class UndoRequest(Asked):
    query: QueryId
    offset: Offset = Field(
        default="", description="Of the answer that is meant: a newer one, given elsewhere, then stands."
    )


class Camera(BaseModel):
    lookat: list[float]
    distance: float
    azimuth: float = Field(description="Degrees.")
    elevation: float = Field(description="Degrees.")
    follow: int | None = Field(description="Index of the body whose horizontal position is added to lookat.")
    fovy: float = Field(description="Degrees, vertical.")


class Floor(BaseModel):
    height: float
    square: float = Field(description="Metres; squares of two shades.")


class Body(BaseModel):
    name: str
    parent: int


class Geom(BaseModel):
    body: int
    type: Literal["sphere", "capsule", "box", "cylinder", "ellipsoid", "mesh", "plane"]
    size: list[float] = Field(description="As MuJoCo has it: radii and half lengths, metres.")
    pos: list[float] = Field(description="In its body's frame.")
    quat: list[float] = Field(description="w, x, y, z; in its body's frame.")
    rgba: list[float]
    mesh: int | None


class Mesh(BaseModel):
    vertices: list[float] = Field(description="x, y, z of each vertex, one after the other.")
    faces: list[int] = Field(description="Three vertices each.")


class SceneView(BaseModel):
    """What three.js needs to draw clips of one scene; bodies and geoms are empty where poses cannot be had."""

    task: str
    question: str
    timestep: float
    camera: Camera
    floor: Floor
    bodies: list[Body]
    geoms: list[Geom]
    meshes: list[Mesh]


class Received(BaseModel):
    """A vendor's webhook is on disk."""

    new: bool = Field(description="Not so where the same webhook came before; nothing was changed then.")
