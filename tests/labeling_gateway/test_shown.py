"""What a labeler says by the side that each clip was shown on."""

from __future__ import annotations

import pytest

from contracts.label import Choice
from labeling_gateway.shown import ShownChoice, chosen


@pytest.mark.parametrize(
    ("shown", "flipped", "meant"),
    [
        ("left", False, Choice.A),
        ("left", True, Choice.B),
        ("right", False, Choice.B),
        ("right", True, Choice.A),
        ("equal", True, Choice.EQUAL),
        ("cant_tell", False, Choice.CANT_TELL),
    ],
)
def test_a_side_is_a_clip(shown: str, flipped: bool, meant: Choice) -> None:
    assert chosen(ShownChoice(shown), flipped=flipped) is meant
