"""The API's nouns as JSON. Names that go out are stable: other pages are built on them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

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
RaterName = Annotated[str, Field(pattern=r"^\w[\w .@-]{0,63}$", examples=["rater-1"])]


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


class ClipRef(BaseModel):
    clip: Hash
    scene: Hash
    steps: int
    timestep: float = Field(description="Seconds between two steps.")
    draw: Literal["poses", "video"] = Field(description="What there is to draw it from; video.mp4 always works.")


class Pair(BaseModel):
    """A question, held until the deadline; which clip is left is decided here and kept with the answer."""

    query: QueryId
    fence: Fence
    deadline: float = Field(description="Seconds since the epoch, by the gateway's clock.")
    seconds_left: float
    question: str
    left: ClipRef
    right: ClipRef


class LeaseRequest(Asked):
    count: int = Field(default=1, ge=1, le=5)


class Pairs(BaseModel):
    pairs: list[Pair]


class Held(Asked):
    fence: Fence


class Renewal(BaseModel):
    deadline: float
    seconds_left: float


class ShownChoice(StrEnum):
    LEFT = "left"
    RIGHT = "right"
    EQUAL = "equal"
    CANT_TELL = "cant_tell"


class Answer(Asked):
    query: QueryId
    fence: Fence
    choice: ShownChoice = Field(strict=False)
    seconds: float = Field(ge=0, le=86_400, allow_inf_nan=False, description="From showing to answer.")


class Saved(BaseModel):
    """The answer is on disk."""

    offset: str = Field(description="Its place in the label log.")
    opinion: Literal["first", "later", "imported"]
    repeated: bool = Field(description="This rater had answered before, and that answer stands.")
    mine: int
    used: int


class UndoRequest(Asked):
    query: QueryId


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


class Pause(Asked):
    paused: bool


class Budget(Asked):
    budget: int = Field(ge=0, le=1_000_000)


class ControlView(BaseModel):
    paused: bool
    budget: int


class LabelView(BaseModel):
    offset: str
    query: str
    rater: str
    choice: Literal["left", "right", "equal", "cant_tell", "withdrawn"]
    opinion: Literal["first", "later", "imported"]
    standing: bool = Field(description="No later label takes its place.")
    answered_at: float
    seconds: float
    left: ClipRef = Field(description="As the rater saw it.")
    right: ClipRef


class Labels(BaseModel):
    labels: list[LabelView] = Field(description="Newest first.")
    before: str = Field(description="Give this to get older ones; empty where there are none.")


class RaterView(BaseModel):
    name: str
    standing: int
    withdrawn: int
    last_answer_at: float | None
    median_seconds: float | None
    agreement: float | None = Field(description="Share of questions answered alike by others.")


class Raters(BaseModel):
    raters: list[RaterView]


class Withdrawn(BaseModel):
    withdrawn: int = Field(description="Answers that were taken back; their questions are asked again.")


class InvitationRequest(Asked):
    rater: RaterName
    hours: float = Field(gt=0, le=24 * 365, allow_inf_nan=False)


class InvitationView(BaseModel):
    id: str
    rater: str
    created_at: float
    expires_at: float
    revoked: bool


class NewInvitation(InvitationView):
    link: str = Field(description="Opens the labeling page; shown this once.")


class Invitations(BaseModel):
    invitations: list[InvitationView]


class PolicyView(BaseModel):
    clip: ClipRef
    reward: list[float] = Field(description="Predicted, of each step; empty where no reward service answers.")
    policy_version: int
    reward_version: int


class Curves(BaseModel):
    """Equally long; None where nothing was known yet."""

    env_steps: list[int]
    wall_seconds: list[float]
    labels_used: list[int]
    true_return: list[float | None]
    predicted_return: list[float | None]
    accuracy: list[float | None]


class AlarmView(BaseModel):
    """The reward model may be fooled; docs/alarms.md says by what, and what to do."""

    sign: str
    words: str = Field(description="What was seen, in plain words.")
    raised_at: float = Field(description="Seconds since the epoch.")
    ended_at: float | None = Field(description="None while it stands.")
    env_steps: int = Field(description="Steps of the run when it was raised.")
    policy_version: int
    reward_version: int
    figures: dict[str, float] = Field(description="By which it was raised.")


class RunView(BaseModel):
    run: str
    task: str
    question: str
    report: dict[str, Any] | None = Field(description="What the run last said of itself; None where none is training.")
    reported_at: float | None
    curves: Curves
    doing: dict[str, str] = Field(description="What each part does or waits for.")
    held_up: list[str] = Field(description="Those parts that wait for something that should not let them wait.")
    asked: int
    open: int
    leased: int
    used: int
    later: int
    candidates: int
    waiting: str
    paused: bool
    budget: int
    answers_per_minute: float
    agreement: float | None = Field(description="Share of the newest answers that the model would give too.")
    agreement_of: int = Field(description="How many answers that is measured on.")
    held_out_accuracy: float | None
    alarms: list[AlarmView] = Field(description="Every alarm of the run, newest first.")
    newest: str = Field(description="Offset of the newest label: where it changes, there are new labels to fetch.")
