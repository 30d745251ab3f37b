"""The run folder of a vector environment that another program trains on."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from actors.config import ActorsConfig
from actors.vector_worlds import VectorWorlds
from backflip.config import WRAPPED, TrainConfig
from backflip.errors import UserError
from backflip.labels import create_run
from backflip.presets import FRAMES_REWARD
from backflip.run_folder import RunFolder, open_run_folder
from backflip.system import require_store
from contracts.spaces import Spaces
from labeling_gateway.config import LabelsConfig
from reward_service.config import RewardConfig

_SLAB_CLIPS = 2  # lengths of a clip in a slab, so that one can begin anywhere in the first
_SHORTEST_SLAB = 32


def wrapped_config(
    worlds: VectorWorlds,
    run: Path,
    steps: int,
    seed: int,
    labels: LabelsConfig | None,
    reward_model: RewardConfig | None,
) -> TrainConfig:
    """The job as `config.json` keeps it; what concerns a learner of ours is not used.

    Raises:
        ValueError: a number is out of its range.
    """
    labels = labels or LabelsConfig()
    frames = worlds.spaces.observation.is_frames
    slab_steps = max(_SLAB_CLIPS * labels.clip_steps, _SHORTEST_SLAB)
    return TrainConfig(
        preset=worlds.name,
        engine=WRAPPED,
        task=worlds.name,
        steps=steps,
        seed=seed,
        out=run.parent,
        name=run.name,
        actors=ActorsConfig(count=1, worlds=worlds.count, slab_steps=slab_steps),
        labels=labels,
        reward_model=reward_model or (FRAMES_REWARD if frames else RewardConfig()),
    )


@contextmanager
def open_wrapped_run(config: TrainConfig, run: Path, spaces: Spaces) -> Iterator[RunFolder]:
    """A new run, or the one that is there, which goes on from its label log; nobody else has it meanwhile.

    Raises:
        UserError: another job's run is there, or one that somebody holds, or the folder cannot be written.
    """
    require_store()
    if (run / "config.json").exists():
        folder = open_run_folder(run)
        _require_same(folder.read_config(), config, run)
    else:
        folder = create_run(config, spaces)
    with folder.held():
        folder.write_config(config)
        folder.note_command(shlex.join(sys.argv))
        yield folder


def _require_same(before: TrainConfig, now: TrainConfig, run: Path) -> None:
    for name, was, wanted in (
        ("engine", before.engine, now.engine),
        ("task", before.task, now.task),
        ("labels.clip-steps", before.labels.clip_steps, now.labels.clip_steps),
    ):
        if was != wanted:
            raise UserError(f"{run} is a run with {name} {was}, not {wanted}: name another folder for this one")
