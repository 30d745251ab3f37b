"""What the reward service finds of a rater, for whoever shows it or acts on it."""

from __future__ import annotations

from typing import TypedDict


class RaterError(TypedDict):
    """How often a rater names the wrong clip; 0.5 is answering at random."""

    error: float
    deviation: float  # of the estimate
    answers: int  # strict ones that it was found from, repeats and gold ones included
