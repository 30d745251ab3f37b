"""What the launcher says of its run, for the labeling page's dashboard: figures, curves, who does what."""

from __future__ import annotations

import json
import math
import time
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from backflip.recorder import Snapshot
from backflip.run_folder import RunFolder
from backflip.system import Facts

SECONDS = 1.0
"""Between two reports."""

_POINTS = 240  # of a curve; beyond that every second one is left out
_CURVES = {
    "env_steps": "env_steps",
    "wall_seconds": "wall_seconds",
    "labels_used": "labels_used",
    "true_return": "true_return",
    "predicted_return": "predicted_return",
    "accuracy": "reward_model_accuracy",
}
"""Each curve's name, and the figure that it follows."""


class RunReport:
    """Begins with what an earlier part of the run noted."""

    def __init__(self, folder: RunFolder) -> None:
        self._points: list[list[Any]] = []
        self._every = 1  # of the moments that come, how many make one point
        self._moments = 0
        if folder.progress.exists():
            for line in folder.progress.read_text().splitlines():
                with suppress(ValueError):  # the last line of a run that was killed may be torn
                    self._take(json.loads(line))

    def fields(self, now: Snapshot, facts: Facts) -> dict[str, Any]:
        """One report, as JSON can carry it; a new moment of the curves."""
        figures = {name: _finite(value) for name, value in asdict(now).items()}
        self._take(figures)
        columns = zip(*self._points, strict=True)
        return figures | {
            "times_real_time": _finite(now.times_real_time),
            "curves": {name: list(column) for name, column in zip(_CURVES, columns, strict=True)},
            "doing": {part: status.doing for part, status in facts.parts.items()},
            "held_up": [part for part, status in facts.parts.items() if status.held_up],
            "troubles": facts.troubles,
            "reported_at": round(time.time(), 3),
        }

    def _take(self, figures: dict[str, Any]) -> None:
        if self._moments % self._every == 0:
            self._points.append([_finite(figures.get(figure)) for figure in _CURVES.values()])
        self._moments += 1
        if len(self._points) > _POINTS:
            self._points = self._points[::2]
            self._every *= 2


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 5) if math.isfinite(value) else None
    return value
