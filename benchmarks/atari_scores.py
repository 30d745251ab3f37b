"""Whether what is blanked of Atari games is their score and nothing else: each is played at random, and watched.

What changed on the screen between the step before points came and two steps after it is compared with what changes in
as long a time without points. The blanked part should have changed with all points (unless a score counts up late or
ends in zeros), and never otherwise (unless a clock is beside the score). Pixels of the rest that change with a fifth
of all points, and hardly otherwise, may be a score that was overlooked, or what is shot and eaten for the points.
With ``--pictures`` it leaves one of each game: the screen, and beside it what policy and reward model see of it.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from actors.simulators.atari_engine import AtariSimulator
from actors.simulators.atari_games import Game, blank, game, knows_score
from actors.simulators.envpool_families import families

_WORLDS = 16
_HELD = np.repeat([1, 2, 4, 8], _WORLDS // 4)  # steps that an action is held for, in the mean: more is seen of a game
_QUIET = 10  # steps after which nothing is due to the last points, the last life or the last game
_CHANGED = 12  # grey levels


@dataclass
class Changes:
    """How often each pixel changed within three steps, and how often any that is blanked did."""

    cases: int = 0
    pixels: np.ndarray = field(default_factory=lambda: np.zeros((84, 84)))
    blanked: int = 0

    def add(self, changed: np.ndarray, blanked: np.ndarray) -> None:
        """Bool [n, 84, 84] of n cases; [84, 84]."""
        self.cases += len(changed)
        self.pixels += changed.sum(0)
        self.blanked += int(changed[:, blanked].any(1).sum())

    @property
    def share(self) -> np.ndarray:
        return self.pixels / max(self.cases, 1)


def watch(task: str, steps: int, seed: int, picture: Path | None = None) -> tuple[Changes, Changes]:
    """Plays ``steps`` steps of 16 worlds: what changed with points, and what without."""
    simulator = AtariSimulator(task, _WORLDS, seed, threads=2)
    about, simulator._game = simulator._game, Game()  # the whole screen is to be seen
    hidden = blank(np.ones((84, 84), np.uint8), about.blanked) == 0
    random, action = np.random.default_rng(seed), np.zeros(_WORLDS, np.int64)
    with_points, otherwise = Changes(), Changes()
    simulator.reset()
    since, played = np.full(_WORLDS, _QUIET), np.zeros(_WORLDS, np.int64)
    for _ in range(steps):
        chosen = random.integers(0, simulator.spaces.action.size, _WORLDS)
        action = np.where(random.random(_WORLDS) < 1 / _HELD, chosen, action)
        step = simulator.step(action)
        since = np.where(step.score != 0, 0, since + 1)
        played = np.where(step.valid & ~step.terminated & ~step.truncated, played + 1, 0)
        oldest, newest = step.observation[:, 0].astype(np.int16), step.observation[:, -1]
        changed = np.abs(newest - oldest) > _CHANGED
        with_points.add(changed[(since == 2) & (played > 4)], hidden)
        otherwise.add(changed[(since > _QUIET) & (played > _QUIET)], hidden)
    if picture is not None:
        _draw(simulator, about, picture)
    simulator.close()
    return with_points, otherwise


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.atari_scores", description=__doc__)
    parser.add_argument("games", nargs="*", help="all whose score is known, if none is named")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pictures", type=Path, help="a folder")
    options = parser.parse_args()
    if options.pictures is not None:
        options.pictures.mkdir(parents=True, exist_ok=True)
    print("| game | points came | blanked part changed with them | without | pixels that may show them |")
    print("|---|--:|--:|--:|--:|")
    for task in options.games or [task for task in families()["atari"] if knows_score(task)]:
        picture = options.pictures and options.pictures / f"{task}.png"
        points, otherwise = watch(task, options.steps, options.seed, picture)
        hidden = blank(np.ones((84, 84), np.uint8), game(task).blanked) == 0
        suspicious = ~hidden & (points.share > max(0.2, 2.5 / max(points.cases, 1))) & (otherwise.share < 0.005)
        shares = [one.blanked / max(one.cases, 1) for one in (points, otherwise)]
        row = f"{points.cases} | {shares[0]:.2f} | {shares[1]:.3f} | {int(suspicious.sum())}"
        print(f"| `{task}` | {row} |", flush=True)


def _draw(simulator: AtariSimulator, about: Game, file: Path) -> None:
    size = (320, 420)
    screen = Image.fromarray(simulator.pictures(np.arange(1))[0])
    seen = blank(np.asarray(screen.convert("L").resize((84, 84), Image.Resampling.BOX)).copy(), about.blanked)
    both = Image.new("RGB", (2 * size[0], size[1]))
    both.paste(screen.resize(size, Image.Resampling.NEAREST), (0, 0))
    both.paste(Image.fromarray(seen).resize(size, Image.Resampling.NEAREST), (size[0], 0))
    both.save(file)


if __name__ == "__main__":
    main()
