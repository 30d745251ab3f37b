"""Immutable versions of the reward model: scored by any thread while the trainer publishes the next."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from contracts.encoding import pack, reading, require_schema, unpack
from contracts.files import write_whole
from contracts.rollout import UNFITTED
from contracts.spaces import ObservationSpace
from reward_service.ensemble import Ensemble
from reward_service.fitting import FitReport

SCHEMA = 1
_WITH_FRAMES = 2
_FILES = "reward-[0-9]*.safetensors"
_KEPT = 4  # newest versions held in memory; slabs in flight name no older ones

logger = logging.getLogger("backflip.reward_service")


class UnknownVersion(LookupError):
    """No such version of the reward model exists here."""


@dataclass(frozen=True)
class Version:
    """``ensemble`` is None for version 0, which scores zero."""

    number: int
    ensemble: Ensemble | None
    report: FitReport

    def to_bytes(self) -> bytes:
        if self.ensemble is None:
            raise ValueError("version 0 is not written: it has no weights")
        schema = _WITH_FRAMES if self.ensemble.convolutions else SCHEMA
        header = {"kind": "reward", "schema": schema, "version": self.number, "report": asdict(self.report)}
        return pack(header, self.ensemble.arrays())

    @staticmethod
    def from_bytes(data: bytes) -> Version:
        """Raises ValueError where the bytes are not a reward model of this schema."""
        header, arrays = unpack(data)
        require_schema(header, "reward", SCHEMA, _WITH_FRAMES)
        with reading("reward model"):
            return Version(header["version"], Ensemble.from_arrays(arrays), FitReport(**header["report"]))


class RewardModel:
    """Every version of one run's reward model; checkpoints lie in ``directory``.

    Opening a directory restores the newest version in it and leaves it as it is: another process
    may be publishing there.

    ``threads`` score the parts of a large batch side by side, until `close`. With one it is scored where it is
    asked for, and there is nothing to close.

    Raises:
        OSError: the directory cannot be made or read.
    """

    def __init__(
        self, members: int, observation: ObservationSpace, action_size: int, directory: str | Path, threads: int = 1
    ) -> None:
        self.members = members
        self.observation = observation
        self.action_size = action_size
        self.directory = Path(directory)
        self._scoring = None if threads == 1 else ThreadPoolExecutor(threads, thread_name_prefix="score")
        self.directory.mkdir(parents=True, exist_ok=True)
        newest = newest_version(self.directory)
        kept = (_number(path) for path in self.directory.glob(_FILES))
        self._numbers = (UNFITTED, *sorted(number for number in kept if number <= newest.number))
        self._recent = (newest,)  # oldest first; replaced whole, so readers need no lock

    @property
    def newest(self) -> Version:
        return self._recent[-1]

    @property
    def numbers(self) -> tuple[int, ...]:
        """Every version there is, ascending."""
        return self._numbers

    def version(self, number: int) -> Version:
        """Raises UnknownVersion."""
        for version in self._recent:
            if version.number == number:
                return version
        if number not in self._numbers:
            raise UnknownVersion(f"the reward model has no version {number}; its newest is {self.newest.number}")
        if number == UNFITTED:
            return Version(UNFITTED, None, FitReport())
        try:
            return Version.from_bytes(self._path(number).read_bytes())
        except (OSError, ValueError) as error:
            raise UnknownVersion(f"version {number} of the reward model cannot be read: {error}") from error

    def publish(self, ensemble: Ensemble, report: FitReport) -> None:
        """Makes ``report.version`` the newest: on disk first, then in memory.

        Raises:
            ValueError: the version is not the one after the newest.
            OSError: the checkpoint cannot be written; nothing was published.
        """
        if report.version != self.newest.number + 1:
            raise ValueError(f"version {report.version} cannot follow version {self.newest.number}")
        version = Version(report.version, ensemble, report)
        write_whole(self._path(version.number), version.to_bytes())
        self._numbers = (*self._numbers, version.number)
        self._recent = (*self._recent[-_KEPT + 1 :], version)

    def score(
        self, observation: np.ndarray, action: np.ndarray, version: int | None = None
    ) -> tuple[np.ndarray, np.ndarray, int]:
        """Scores transitions under one version, the newest unless named.

        Args:
            observation: [B, ...] of the model's space.
            action: float32 [B, A], encoded.
            version: which version, None for the newest.

        Returns:
            reward float32 [B], the mean over members; member_reward float32 [B, K]; the version used.

        Raises:
            UnknownVersion: there is no such version.
            ValueError: the arrays have other shapes.
        """
        rows = len(observation)
        for name, array, shape in (
            ("observation", observation, self.observation.shape),
            ("action", action, (self.action_size,)),
        ):
            if array.shape != (rows, *shape):
                raise ValueError(f"{name} has shape {list(array.shape)}; expected {[rows, *shape]}")
        chosen = self.newest if version is None else self.version(version)
        if chosen.ensemble is None:
            return np.zeros(rows, np.float32), np.zeros((rows, self.members), np.float32), chosen.number
        each = map if self._scoring is None else self._scoring.map
        member_reward = chosen.ensemble.score(observation, action, each)
        return member_reward.mean(axis=1), member_reward, chosen.number

    def close(self) -> None:
        """Ends its threads; nothing is scored any more."""
        if self._scoring is not None:
            self._scoring.shutdown()

    def _path(self, number: int) -> Path:
        return self.directory / f"reward-{number:06d}.safetensors"


def _number(path: Path) -> int:
    return int(path.stem.removeprefix("reward-"))


def newest_version(directory: Path) -> Version:
    """The newest whole version in a directory, version 0 where there is none. Raises OSError."""
    for path in sorted(directory.glob(_FILES), reverse=True):
        try:
            version = Version.from_bytes(path.read_bytes())
        except ValueError as error:
            logger.warning("checkpoint %s is passed over: %s", path.name, error)
            continue
        logger.info("restored reward model version %d", version.number)
        return version
    return Version(UNFITTED, None, FitReport())
