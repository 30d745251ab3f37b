"""What the label store says, in the room's own nouns."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.label import Label, Opinion, Query


@dataclass(frozen=True)
class Receipt:
    """An answer is on disk, once."""

    offset: str  # its place in the label log
    opinion: Opinion
    repeated: bool  # this rater had answered before, and nothing was changed


@dataclass(frozen=True)
class Counts:
    """Where the questions of a run are."""

    asked: int  # open, leased and answered together
    open: int
    leased: int
    used: int  # first opinions that stand, which is what the budget counts
    later: int  # later opinions that stand
    candidates: int  # clips that were offered, as the gateway last said
    waiting: str  # what the gateway waits for, "" where it does not
    imported: int = 0  # answers of other runs that stand
    labels: int = 0  # entries of the log, whatever they say
    wanting: int = 0  # answered questions that lack later opinions, beside the budget
    ahead: int = 0  # of those asked, chosen by an alarm, and so put before all others


@dataclass(frozen=True)
class Progress:
    """How far the run is, as the learner last said."""

    env_steps: int
    total_steps: int

    @property
    def share(self) -> float:
        return min(1.0, self.env_steps / self.total_steps)


@dataclass(frozen=True)
class Checks:
    """What shows how good a rater is: shares of their questions, and how long they must look."""

    gold_share: float = 0.0  # chance that the next question is one whose right answer is known
    repeat_share: float = 0.0  # chance that it is one that this rater answered before, the sides swapped
    minimum_seconds: float = 0.0  # from showing to answer


@dataclass(frozen=True)
class Control:
    """What the run's owner has set, and how the job checks its raters."""

    paused: bool  # no new questions are asked
    budget: int | None  # replaces that of the run's config; None where the owner set none
    checks: Checks = Checks()

    def budget_or(self, configured: int) -> int:
        """How many answers may be used: as many as the owner says, or else the run's config."""
        return configured if self.budget is None else self.budget


@dataclass(frozen=True)
class Rules:
    """All that the run's owner has decided on questions and people."""

    control: Control
    paused_raters: dict[str, str]  # why each is paused, by name
    revoked: frozenset[str]  # ids of invitations and sessions that were ended


@dataclass(frozen=True)
class Answered:
    """One entry of the log and the question that it belongs to."""

    offset: str
    label: Label
    query: Query
    standing: bool  # no later label supersedes it, and it is no withdrawal


@dataclass(frozen=True)
class Rater:
    """What the log says of one rater."""

    name: str
    standing: int  # answers that stand
    withdrawn: int  # answers taken back, by the rater or by the owner
    last_answer_at: float | None  # seconds since the epoch; None where every answer was taken back
    median_seconds: float | None  # from showing to answer, over answers that stand
    agreement: float | None  # share alike others' first opinions on the same questions; None where there are none
    gold_right: float | None = None  # share of gold questions answered right; None where none was
    golds: int = 0  # gold questions answered
    self_consistency: float | None = None  # share of repeats answered as before, where both name an answer
    repeats: int = 0  # such repeats
    left_share: float | None = None  # of answers that name a clip, those that name the left one
    left_p: float | None = None  # two-sided binomial test of that share against one half
    imported: int = 0  # of those that stand, given in another run
    paused_reason: str | None = None  # why nothing is given to them; None where they are not paused
