"""A clip is a short stretch of behaviour that somebody may be asked about; a scene draws it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from contracts.encoding import canonical_json, content_hash, pack, reading, require_schema, unpack

SCHEMA = 1

Track = Literal["mujoco", "observation"]
"""What a clip's ``state`` rows are: ``mujoco``, qpos then qvel of the scene's model;
``observation``, the observation itself, which is all that some simulators show."""


@dataclass(frozen=True)
class Camera:
    """A free camera: it looks at ``lookat`` (metres) from ``distance`` (metres), angles in degrees.

    With ``follow`` the named body's horizontal position is added to ``lookat`` in every frame, so
    that it stays in the picture while the ground under it holds still.
    """

    lookat: tuple[float, float, float] = (0.0, 0.0, 0.0)
    distance: float = 4.0
    azimuth: float = 90.0
    elevation: float = -10.0
    follow: str | None = None


@dataclass(frozen=True)
class Scene:
    """Everything that a clip's states need to become pictures, and the question asked about them."""

    task: str
    track: Track
    timestep: float  # seconds between two rows of a clip
    question: str
    mjcf: str = ""  # the whole model, no file beside it; empty unless track is "mujoco"
    camera: Camera = Camera()

    def to_bytes(self) -> bytes:
        return canonical_json({"kind": "scene", "schema": SCHEMA} | asdict(self))

    @staticmethod
    def from_bytes(data: bytes) -> Scene:
        """Raises ValueError where the bytes are not a scene of this schema."""
        fields = json.loads(data)
        require_schema(fields, "scene", SCHEMA)
        with reading("scene"):
            camera = fields["camera"]
            return Scene(
                task=fields["task"],
                track=fields["track"],
                timestep=fields["timestep"],
                question=fields["question"],
                mjcf=fields["mjcf"],
                camera=Camera(**camera | {"lookat": tuple(camera["lookat"])}),
            )

    @property
    def hash(self) -> str:
        return content_hash(self.to_bytes())


@dataclass(frozen=True)
class Clip:
    """L consecutive transitions of one world within one episode.

    ``oracle`` is the task's own score of each step. Only scripted teachers and evaluation may
    read it: `from_bytes` leaves it out unless asked for by name.
    """

    observation: np.ndarray  # float32 [L, D]
    action: np.ndarray  # float32 [L, A], encoded as the reward model sees it
    state: np.ndarray  # float32 [L, S], see Track
    scene: str  # hash of the Scene that draws it
    policy_version: int
    actor: int
    oracle: np.ndarray | None = None  # float32 [L]

    def to_bytes(self) -> bytes:
        arrays = {"observation": self.observation, "action": self.action, "state": self.state}
        if self.oracle is not None:
            arrays["oracle"] = self.oracle
        header = {
            "kind": "clip",
            "schema": SCHEMA,
            "scene": self.scene,
            "policy_version": self.policy_version,
            "actor": self.actor,
        }
        return pack(header, {name: array.astype(np.float32, copy=False) for name, array in arrays.items()})

    @staticmethod
    def from_bytes(data: bytes, *, with_oracle: bool = False) -> Clip:
        """Raises ValueError where the bytes are not a clip of this schema."""
        header, arrays = unpack(data)
        require_schema(header, "clip", SCHEMA)
        with reading("clip"):
            clip = Clip(
                observation=arrays["observation"],
                action=arrays["action"],
                state=arrays["state"],
                scene=header["scene"],
                policy_version=header["policy_version"],
                actor=header["actor"],
                oracle=arrays.get("oracle") if with_oracle else None,
            )
        for name, array in arrays.items():
            if array.ndim != (1 if name == "oracle" else 2) or len(array) != len(clip):
                raise ValueError(f"not a whole clip: {len(clip)} observations, but {name} has shape {array.shape}")
        return clip

    def __len__(self) -> int:
        return len(self.observation)
