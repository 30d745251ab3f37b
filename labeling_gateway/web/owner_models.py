"""The API's nouns as JSON: the owner's. Names that go out are stable, as those of `models`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from labeling_gateway.web.models import Asked, ClipRef, RaterName


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
    opinion: Literal["first", "later", "imported", "gold", "repeat"]
    standing: bool = Field(description="No later label takes its place.")
    answered_at: float
    seconds: float
    flipped: bool = Field(description="Clip b was shown on the left.")
    left: ClipRef = Field(description="As the rater saw it.")
    right: ClipRef


class Labels(BaseModel):
    labels: list[LabelView] = Field(description="Newest first.")
    before: str = Field(description="Give this to get older ones; empty where there are none.")


class RaterView(BaseModel):
    name: str
    standing: int
    imported: int = Field(description="How many of those that stand were given in another run.")
    withdrawn: int
    last_answer_at: float | None
    median_seconds: float | None
    agreement: float | None = Field(description="Share of questions answered alike by others.")
    gold_right: float | None = Field(description="Share of answers to gold questions that were right.")
    golds: int = Field(description="How many gold questions that is measured on.")
    self_consistency: float | None = Field(description="Share of repeats answered as before, the sides swapped.")
    repeats: int = Field(description="How many repeats that is measured on.")
    left_share: float | None = Field(description="Share of answers naming a clip that name the left one.")
    left_p: float | None = Field(description="How likely a share this far from one half is by chance (binomial test).")
    paused_reason: str | None = Field(description="Why this rater is given no questions; null where they are.")
    error: float | None = Field(description="Estimated share of answers that name the wrong clip; null where unknown.")
    error_deviation: float | None = Field(description="Of that estimate.")


class Raters(BaseModel):
    raters: list[RaterView]


class RaterPause(Asked):
    """A reason where the rater is paused, which they are told; none where they go on."""

    paused: bool
    reason: Annotated[str, Field(min_length=1, max_length=200)] = "paused by the owner"


class PausedRaters(BaseModel):
    paused: dict[str, str] = Field(description="Why each is paused, by name.")


class Gold(Asked):
    """Clips by their names in the log, wherever they were shown: `LabelView.flipped` says which was left."""

    choice: Literal["a", "b"]


class Golds(BaseModel):
    golds: dict[str, Literal["a", "b"]] = Field(description="The right answer by question.")


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
    troubles: list[str] = Field(
        description="What died, failed or stopped although the run went on, a line a part; since it was last started."
    )
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
    alpha: float | None = Field(description="Krippendorff's alpha of raters who answered the same questions.")
    held_out_accuracy: float | None
    held_out_accuracy_of: int = Field(description="How many answers that is measured on.")
    alarms: list[AlarmView] = Field(description="Every alarm of the run, newest first.")
    newest: str = Field(description="Offset of the newest label: where it changes, there are new labels to fetch.")
