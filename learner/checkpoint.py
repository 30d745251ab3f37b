"""A learner on disk: weights, observation statistics, optimiser state and where the run stood."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from contracts.encoding import pack, require_schema, unpack
from contracts.files import write_whole
from learner.loop import Progress
from learner.policy import PolicySnapshot
from learner.ppo import PPO

SCHEMA = 1


def checkpoint_bytes(ppo: PPO, progress: Progress) -> bytes:
    """A learner as it is now; what is learnt later does not change them."""
    header = {
        "kind": "learner",
        "schema": SCHEMA,
        "version": ppo.version,
        "env_steps": progress.env_steps,
        "updates": progress.updates,
        "skipped_slabs": progress.skipped_slabs,
        "dropped_slabs": progress.dropped_slabs,
        "wall_seconds": progress.wall_seconds,
    }
    return pack(header, {"policy": ppo.snapshot().flat} | ppo.optimiser_state())


def save_checkpoint(path: Path, ppo: PPO, progress: Progress) -> None:
    """``path`` is always a whole checkpoint: this one, or the one before. Raises OSError."""
    write_whole(path, checkpoint_bytes(ppo, progress))


def load_checkpoint(path: Path, ppo: PPO) -> Progress:
    """Restore the learner in place.

    Raises:
        ValueError: the file is no checkpoint, or one of a policy of another shape.
        FileNotFoundError: there is none.
    """
    header, arrays = unpack(path.read_bytes())
    require_schema(header, "learner", SCHEMA)
    ppo.policy.load(PolicySnapshot(header["version"], arrays.pop("policy")))
    ppo.version = header["version"]
    ppo.load_optimiser_state(arrays)
    ppo.shuffle_anew()
    return Progress(
        env_steps=header["env_steps"],
        updates=header["updates"],
        skipped_slabs=header["skipped_slabs"],
        dropped_slabs=header["dropped_slabs"],
        wall_seconds=header["wall_seconds"],
    )


def load_policy_snapshot(path: Path) -> PolicySnapshot:
    """Only the policy of a checkpoint. Raises as `load_checkpoint`."""
    header, arrays = unpack(path.read_bytes())
    require_schema(header, "learner", SCHEMA)
    return PolicySnapshot(header["version"], np.asarray(arrays["policy"]))
