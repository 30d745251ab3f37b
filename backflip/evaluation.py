"""Measures a policy: whole episodes from a fresh start, without exploration noise."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from actors.simulators.protocol import Draws, SimulationFault, Simulator
from learner.policy import Policy

_FILMED_STEPS = 900  # a minute of a game; all of one would be gigabytes
_FILMED_BYTES = 2**29  # of what is kept of all films together, and for a moment twice: many are cut before one is


@dataclass(frozen=True)
class EpisodeTrack:
    """One evaluated episode of L steps, as clips would show its first l.

    l is L, but where the simulator draws pictures: then the first minute of those filmed is shown, and none of others.
    """

    observation: np.ndarray  # [l, ...]
    action: np.ndarray  # float32 [l, A], encoded as the reward model sees it
    state: np.ndarray  # float32 [l, S], what each observation shows
    score: np.ndarray  # float32 [L], the task's own
    odometer: np.ndarray  # float32 [L]
    pictures: np.ndarray | None = None  # uint8 [l, H, W, 3], where no state draws it
    failed: bool = False  # a fault of its world ended it

    def __len__(self) -> int:
        return len(self.score)

    def first(self, steps: int) -> EpisodeTrack:
        """The beginning of it."""
        columns = {
            name: getattr(self, name)[:steps] for name in ("observation", "action", "state", "score", "odometer")
        }
        return replace(self, **columns)


@dataclass(frozen=True)
class Evaluation:
    """Means over whole episodes; those that a fault of their world ended are left out."""

    episodes: int
    failed_episodes: int
    true_return: float
    metrics: dict[str, float]
    tracks: list[EpisodeTrack]  # by world, failed ones too


def evaluate(policy: Policy, simulator: Simulator, *, filmed: int = 1) -> Evaluation:
    """One episode in each of the simulator's worlds, by the most likely actions.

    The simulator must not stagger its episodes. For the same seed the numbers are the same.

    Args:
        filmed: how many worlds' pictures are kept, of the first ones, where the simulator draws pictures.

    Raises:
        SimulationFault: the simulator gives up, or no episode comes to its end.
    """
    rows: list[tuple[np.ndarray, ...]] = []
    counted: list[tuple[np.ndarray, np.ndarray]] = []
    observation = simulator.reset()
    running = np.ones(simulator.worlds, bool)
    failed = np.zeros(simulator.worlds, bool)
    lengths = np.zeros(simulator.worlds, np.int64)
    filming = simulator.scene.track == "frames"
    kept = 0  # bytes
    while running.any():
        action = policy.mode(torch.from_numpy(observation)).numpy()
        if not filming:
            rows.append(_row(simulator, observation, action))
        elif len(rows) < _FILMED_STEPS and kept < _FILMED_BYTES and running[:filmed].any():
            rows.append(_filmed_row(simulator, observation, action, min(filmed, simulator.worlds)))
            kept += sum(column.nbytes for column in rows[-1])
        transition = simulator.step(action)
        counted.append((transition.score, transition.odometer))
        observation = transition.observation
        lengths += running
        failed |= running & ~transition.valid
        running &= ~(transition.terminated | transition.truncated)
    shown, columns = ([np.stack(column) for column in zip(*table, strict=True)] for table in (rows, counted))
    if failed.all():
        raise SimulationFault(f"{simulator.scene.task}: a fault ended every one of {simulator.worlds} episodes")
    tracks = [_track(shown, columns, world, int(lengths[world]), bool(failed[world])) for world in range(len(lengths))]
    whole = [track for track in tracks if not track.failed]
    metrics: dict[str, list[float]] = {"steps_per_episode": [float(len(track)) for track in whole]}
    if simulator.odometer_name:
        metrics[f"{simulator.odometer_name}_per_episode"] = [float(track.odometer[-1]) for track in whole]
    for track in whole:
        for name, value in simulator.measure(track.state).items():
            metrics.setdefault(name, []).append(value)
    return Evaluation(
        episodes=len(whole),
        failed_episodes=len(tracks) - len(whole),
        true_return=float(np.mean([track.score.sum() for track in whole])),
        metrics={name: float(np.mean(values)) for name, values in metrics.items()},
        tracks=tracks,
    )


def _row(simulator: Simulator, observation: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, ...]:
    """What is kept to be shown of a step, [N, ...] each, in the order of `EpisodeTrack`."""
    return observation, simulator.spaces.action.encode(action), simulator.state()


def _filmed_row(
    simulator: Simulator, observation: np.ndarray, action: np.ndarray, filmed: int
) -> tuple[np.ndarray, ...]:
    """As `_row`, of the first worlds alone and with their pictures, [filmed, ...] each."""
    assert isinstance(simulator, Draws)
    columns = (column[:filmed].copy() for column in _row(simulator, observation, action))
    return *columns, simulator.pictures(np.arange(filmed))


def _track(shown: list[np.ndarray], counted: list[np.ndarray], world: int, length: int, failed: bool) -> EpisodeTrack:
    columns = [column[:length, world] if world < column.shape[1] else column[:0, 0] for column in shown]
    observation, action, state, *pictures = columns
    score, odometer = (column[:length, world] for column in counted)
    return EpisodeTrack(observation, action, state, score, odometer, pictures[0] if pictures else None, failed)
