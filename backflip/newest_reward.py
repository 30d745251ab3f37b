"""The newest version of a run's reward model, scoring in the process that steps the environment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from backflip.errors import UserError
from contracts.spaces import Spaces
from reward_service.versions import newest_version


class NewestReward:
    """Scores by the newest version in a run's folder, 0 as long as there is none.

    A version that is published never changes and lies in the folder, so it is loaded once and scores
    here: for the few transitions of one step a call of the service would cost ten times as much, and the
    training would wait whenever the service did.

    Raises:
        UserError: the folder's model was fitted to other observations or actions than ``spaces``.
    """

    def __init__(self, directory: Path, spaces: Spaces) -> None:
        self._directory = directory
        self._version = newest_version(directory)
        observed, ensemble = spaces.observation, self._version.ensemble
        wanted = observed.shape if observed.is_frames else (observed.size + spaces.action.size,)
        if ensemble is not None and tuple(ensemble.input_mean.shape) != wanted:
            raise UserError(
                f"the reward model in {directory} was fitted to inputs {tuple(ensemble.input_mean.shape)}, "
                f"not {wanted}: name another folder for this environment"
            )

    @property
    def number(self) -> int:
        """The version that scores now."""
        return self._version.number

    def follow(self, published: int) -> None:
        """Scores by the newest version from now on, if one up to ``published`` is newer than what scored so far."""
        if published > self._version.number:
            self._version = newest_version(self._directory)

    def score(self, observation: np.ndarray, action: np.ndarray) -> np.ndarray:
        """Rewards, float32 [N], of observations [N, ...] and encoded actions, float32 [N, A]."""
        ensemble = self._version.ensemble
        if ensemble is None:
            return np.zeros(len(observation), np.float32)
        with _one_torch_thread():
            return ensemble.score(observation, action).mean(axis=1)


@contextmanager
def _one_torch_thread() -> Iterator[None]:
    """So little is computed that sharing it out costs more, on a busy machine a hundred times as much."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
