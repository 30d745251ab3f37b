"""How many actors a job has, and what each of them does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ActorsConfig:
    """Raises ValueError where a number is out of range."""

    count: int = 2
    """Actor processes; each runs its own worlds."""
    worlds: int = 128
    """Worlds an actor."""
    slab_steps: int = 64
    """Steps of every world in a slab."""
    groups: int = 1
    """Parts that an actor's worlds are stepped in, so that the policy thinks for one while another simulates.

    With as many actors as cores every core is busy anyway, and one group is fastest; an actor with
    a machine to itself gains from two.
    """
    threads: int = 0
    """Simulator threads an actor; 0 shares the machine's cores among the actors."""
    noise_correlation: float = 0.9
    """How alike the noise on continuous actions is from one step to the next, from 0 (not at all) to below 1."""
    candidates: int = 8
    """Clips that an actor offers to the labeling gateway from each slab."""

    def __post_init__(self) -> None:
        for name in ("count", "worlds", "slab_steps", "groups"):
            if getattr(self, name) < 1:
                raise ValueError(f"actors.{name} must be at least 1, not {getattr(self, name)}")
        for name in ("threads", "candidates"):
            if getattr(self, name) < 0:
                raise ValueError(f"actors.{name} must not be negative, not {getattr(self, name)}")
        if not 0.0 <= self.noise_correlation < 1.0:
            raise ValueError(f"actors.noise_correlation must be at least 0 and below 1, not {self.noise_correlation}")
        if self.groups > self.worlds:
            raise ValueError(f"actors.groups ({self.groups}) must not exceed actors.worlds ({self.worlds})")
