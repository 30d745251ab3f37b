"""Where EnvPool's Atari games show their score, as policy and reward model see them.

Found as what changes with points and at no other time, and looked at: `python -m benchmarks.atari_scores` does both.
The seven that are presets are in `atari_games`.
"""

from __future__ import annotations

Box = tuple[slice, slice]
"""Rows and columns of an 84 x 84 screen."""


def _box(top: int, bottom: int, left: int, right: int) -> Box:
    """Row ``top`` to row ``bottom``, both included, and so the columns: with room for as many digits as come."""
    return slice(top, bottom + 1), slice(left, right + 1)


SCORES: dict[str, tuple[Box, ...]] = {
    "Alien-v5": (_box(69, 74, 8, 36),),
    "Amidar-v5": (_box(69, 74, 24, 56),),
    "Assault-v5": (_box(0, 5, 26, 56),),
    "Asterix-v5": (_box(72, 77, 24, 56),),
    "Asteroids-v5": (_box(1, 6, 10, 45),),
    "Atlantis-v5": (_box(74, 80, 26, 55),),
    "BankHeist-v5": (_box(70, 75, 28, 56),),
    "BattleZone-v5": (_box(71, 76, 24, 60),),
    "Berzerk-v5": (_box(73, 77, 28, 58),),
    "Bowling-v5": (_box(1, 13, 8, 40),),
    "Boxing-v5": (_box(1, 6, 16, 68),),
    "Carnival-v5": (_box(0, 4, 28, 56),),
    "Centipede-v5": (_box(74, 78, 50, 80),),
    "ChopperCommand-v5": (_box(5, 10, 12, 42),),
    "CrazyClimber-v5": (_box(12, 16, 24, 53),),
    "Defender-v5": (_box(69, 74, 26, 58),),
    "DemonAttack-v5": (_box(2, 7, 26, 55),),
    "DoubleDunk-v5": (_box(2, 7, 18, 68),),
    "FishingDerby-v5": (_box(2, 7, 18, 68),),
    "Freeway-v5": (_box(1, 5, 18, 68),),
    "Frostbite-v5": (_box(3, 8, 8, 40),),
    "Gopher-v5": (_box(3, 8, 26, 57),),
    "Gravitar-v5": (_box(1, 5, 26, 56),),
    "Hero-v5": (_box(71, 76, 26, 58),),
    "IceHockey-v5": (_box(5, 9, 18, 68),),
    "Jamesbond-v5": (_box(5, 9, 26, 55),),
    "JourneyEscape-v5": (_box(1, 5, 20, 54),),
    "Kangaroo-v5": (_box(73, 77, 50, 78),),
    "Krull-v5": (_box(70, 74, 20, 52),),
    "KungFuMaster-v5": (_box(7, 12, 10, 40),),
    "MontezumaRevenge-v5": (_box(2, 5, 26, 56),),
    "MsPacman-v5": (_box(73, 78, 22, 54),),
    "NameThisGame-v5": (_box(72, 76, 20, 54),),
    "Phoenix-v5": (_box(1, 4, 26, 55),),
    "Pitfall-v5": (_box(3, 7, 8, 38),),
    "Pooyan-v5": (_box(0, 5, 24, 57),),
    "PrivateEye-v5": (_box(3, 7, 28, 58),),
    "Riverraid-v5": (_box(65, 69, 26, 57),),
    "RoadRunner-v5": (_box(0, 1, 26, 56),),
    "Skiing-v5": (_box(6, 10, 30, 53),),
    "Solaris-v5": (_box(1, 5, 28, 57),),
    "StarGunner-v5": (_box(5, 8, 22, 52),),
    "Surround-v5": (_box(1, 8, 12, 72),),
    "Tennis-v5": (_box(1, 5, 20, 66),),
    "TimePilot-v5": (_box(1, 7, 24, 58),),
    "Tutankham-v5": (_box(73, 78, 12, 40),),
    "UpNDown-v5": (_box(1, 5, 8, 37),),
    "Venture-v5": (_box(3, 7, 0, 26),),
    "VideoPinball-v5": (_box(0, 5, 38, 83),),
    "WizardOfWor-v5": (_box(0, 4, 54, 79),),
    "Zaxxon-v5": (_box(3, 8, 25, 54),),
}
