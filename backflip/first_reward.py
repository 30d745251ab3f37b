"""What a first reward model still waits for, in words."""

from __future__ import annotations

from dataclasses import dataclass

from backflip.system import Facts
from contracts.rollout import Rollout
from contracts.status import Status
from labeling_gateway.client import Counts
from labeling_gateway.config import LabelsConfig


@dataclass
class ClipSupply:
    """What passed through an environment, as far as questions can be made of it."""

    clips: int = 0  # that could be cut from it
    longest: int = 0  # steps of an episode that ended

    def take(self, rollout: Rollout, clips: int) -> None:
        self.clips += clips
        self.longest = max([self.longest, *(episode.length for episode in rollout.episodes)])


def missing(seen: ClipSupply, labels: LabelsConfig, counts: Counts, facts: Facts) -> str:
    """Clips, questions, answers or the fit: the first of these that is not there yet."""
    service = facts.parts.get("reward service", Status("starting"))
    if service.held_up:
        return f"the reward service is held up: {service.doing}"
    if counts.asked < labels.upfront_questions:
        if not seen.clips:
            short = 0 < seen.longest < labels.clip_steps
            why = f": the longest episode so far had {seen.longest}; shorten labels.clip_steps" if short else ""
            return f"no clip of {labels.clip_steps} steps yet{why}"
        gateway = facts.parts.get("labeling gateway", Status("starting"))
        asked = f"{counts.asked} of {labels.upfront_questions} questions asked"
        return f"{asked}, the labeling gateway is {gateway.doing}"
    unanswered = counts.open + counts.leased
    return f"the reward service is {service.doing}" + (f"; {unanswered} questions are open" if unanswered else "")
