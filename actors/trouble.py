"""What went wrong in a part of a run although the run went on, for people to read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Trouble:
    """Of one part, counted from the start of this session."""

    restarts: int = 0
    failed_steps: int = 0  # of its worlds, which were reset
    stopped: str = ""  # why it stopped for good

    @property
    def words(self) -> str:
        """What follows the part's name, "" where nothing went wrong."""
        times = "once" if self.restarts == 1 else f"{self.restarts} times"
        steps = "1 step that failed" if self.failed_steps == 1 else f"{self.failed_steps:,} steps that failed"
        said = [f"was restarted {times}"] if self.restarts else []
        said += [f"left out {steps}"] if self.failed_steps else []
        said += [f"stopped: {self.stopped}"] if self.stopped else []
        return ", ".join(said)
