"""What a labeler says of two clips by the side that each was shown on, and what it means."""

from __future__ import annotations

from enum import StrEnum

from contracts.label import Choice


class ShownChoice(StrEnum):
    LEFT = "left"
    RIGHT = "right"
    EQUAL = "equal"
    CANT_TELL = "cant_tell"


def chosen(shown: ShownChoice, *, flipped: bool) -> Choice:
    """The clip that is meant; clip b was shown on the left where ``flipped``."""
    if shown is ShownChoice.EQUAL:
        return Choice.EQUAL
    if shown is ShownChoice.CANT_TELL:
        return Choice.CANT_TELL
    return Choice.A if (shown is ShownChoice.LEFT) != flipped else Choice.B
