"""What went wrong in a part of a run although the run went on, for people to read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Trouble:
    """Of one part, counted from the start of this session."""

    deaths: int = 0  # of its process, which was started again
    failed_steps: int = 0  # of its worlds, which were reset
    stopped: str = ""  # why it stopped for good

    def words(self, *, shown: bool = False) -> str:
        """What follows the part's name, "" where nothing went wrong.

        Args:
            shown: the part is shown beside it, and says itself that it stopped.
        """
        times = "once" if self.deaths == 1 else f"{self.deaths} times"
        steps = "1 step failed and was" if self.failed_steps == 1 else f"{self.failed_steps:,} steps failed and were"
        said = [f"died {times}"] if self.deaths else []
        said += [f"{steps} left out"] if self.failed_steps else []
        said += [f"stopped: {self.stopped}"] if self.stopped and not shown else []
        return ", ".join(said)
