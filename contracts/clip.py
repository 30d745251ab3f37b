"""A clip is a short stretch of behaviour that somebody may be asked about; a scene draws it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from contracts.encoding import canonical_json, content_hash, pack, reading, require_schema, unpack
from contracts.frames import compress, expand, unstack
from contracts.spaces import ObservationSpace

SCHEMA = 2
_WITHOUT_FRAMES = 1
READABLE = (_WITHOUT_FRAMES, SCHEMA)
"""What neither observes frames nor is filmed is still written as schema 1: its bytes, which name it, never change."""

Track = Literal["mujoco", "observation", "frames"]
"""What draws a clip. Its ``state`` rows are: ``mujoco``, qpos then qvel of the scene's model;
``observation``, the observation itself, which is all that some simulators show; ``frames``, nothing,
since the clip carries its ``film``."""


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
        return canonical_json({"kind": "scene", "schema": self._schema} | asdict(self))

    @property
    def _schema(self) -> int:
        return SCHEMA if self.track == "frames" else _WITHOUT_FRAMES

    @staticmethod
    def from_bytes(data: bytes) -> Scene:
        """Raises ValueError where the bytes are not a scene of a readable schema."""
        fields = json.loads(data)
        require_schema(fields, "scene", *READABLE)
        with reading("scene"):
            camera = fields["camera"]
            scene = Scene(
                task=fields["task"],
                track=fields["track"],
                timestep=fields["timestep"],
                question=fields["question"],
                mjcf=fields["mjcf"],
                camera=Camera(**camera | {"lookat": tuple(camera["lookat"])}),
            )
        require_schema(fields, "scene", scene._schema)
        return scene

    @property
    def hash(self) -> str:
        return content_hash(self.to_bytes())


@dataclass(frozen=True)
class Clip:
    """L consecutive transitions of one world within one episode.

    ``oracle`` is the task's own score of each step. Only scripted teachers and evaluation may
    read it: `from_bytes` leaves it out unless asked for by name.
    """

    observation: np.ndarray  # float32 [L, D], or uint8 [L, C, H, W]; frames that were read are a read-only view
    action: np.ndarray  # float32 [L, A], encoded as the reward model sees it
    state: np.ndarray  # float32 [L, S], see Track
    scene: str  # hash of the Scene that draws it
    policy_version: int
    actor: int
    oracle: np.ndarray | None = None  # float32 [L]
    stack: int = 1  # frames in one observation, see `contracts.spaces.ObservationSpace`
    film: bytes = b""  # what people see where the scene's track is "frames", see `contracts.film`

    def to_bytes(self) -> bytes:
        """Frames are kept once each, however many observations show them, and compressed."""
        arrays = {"action": self.action, "state": self.state}
        if self.oracle is not None:
            arrays["oracle"] = self.oracle
        header = {
            "kind": "clip",
            "schema": _WITHOUT_FRAMES,
            "scene": self.scene,
            "policy_version": self.policy_version,
            "actor": self.actor,
        }
        coded: dict[str, np.ndarray] = {"film": np.frombuffer(self.film, np.uint8)} if self.film else {}
        if self.observation.ndim == 4:
            header |= {"shape": list(self.observation.shape[1:]), "stack": self.stack}
            coded["frames"] = compress(unstack(self.observation, self.stack))
        else:
            arrays["observation"] = self.observation
        if coded:
            header["schema"] = SCHEMA
        return pack(header, coded | {name: array.astype(np.float32, copy=False) for name, array in arrays.items()})

    @staticmethod
    def from_bytes(data: bytes, *, with_oracle: bool = False) -> Clip:
        """Raises ValueError where the bytes are not a clip of a readable schema."""
        header, arrays = unpack(data)
        require_schema(header, "clip", *READABLE)
        with reading("clip"):
            action, film, stack = arrays["action"], arrays.pop("film", None), header.get("stack", 1)
            if "frames" in arrays:
                space = ObservationSpace(tuple(header["shape"]), stack)
                arrays["observation"] = expand(arrays.pop("frames"), space, len(action))
            clip = Clip(
                observation=arrays["observation"],
                action=action,
                state=arrays["state"],
                scene=header["scene"],
                policy_version=header["policy_version"],
                actor=header["actor"],
                oracle=arrays.get("oracle") if with_oracle else None,
                stack=stack,
                film=b"" if film is None else film.tobytes(),
            )
        for name, array in arrays.items():
            dimensions = (2, 4) if name == "observation" else (1,) if name == "oracle" else (2,)
            if array.ndim not in dimensions or len(array) != len(clip):
                raise ValueError(f"not a whole clip: {len(clip)} observations, but {name} has shape {array.shape}")
        return clip

    def __len__(self) -> int:
        return len(self.observation)
