from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from contracts.rater import RaterError
from contracts.spaces import ObservationSpace
from labeling_gateway.embedded import EmbeddedStore
from reward_service.config import RewardConfig, RewardServiceConfig
from reward_service.ensemble import Ensemble, initial_layers
from reward_service.fitting import FitReport
from reward_service.server import serve
from reward_service.versions import RewardModel
from tests.labeling_gateway.web.browser import browser, playwright  # noqa: F401  # fixtures
from tests.labeling_gateway.web.server import Server, serving


@pytest.fixture(scope="module")
def shared(valkey: EmbeddedStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One page for all tests of a module that do not mind each other."""
    with serving(valkey.url, tmp_path_factory.mktemp("shared")) as started:
        yield started


@pytest.fixture
def server(valkey: EmbeddedStore, tmp_path: Path) -> Iterator[Server]:
    """A page of a run of its own."""
    with serving(valkey.url, tmp_path) as started:
        yield started


@pytest.fixture
def reward_address(tmp_path: Path) -> Iterator[str]:
    """A reward service with a first version, of Hopper's widths, which found that bob errs."""
    config = RewardConfig()
    model = RewardModel(config.members, ObservationSpace((11,)), 3, tmp_path / "reward")
    layers = initial_layers(config.members, (14, *config.hidden, 1), seed=0)
    scales = torch.zeros(14), torch.ones(14), torch.zeros(config.members), torch.ones(config.members)
    errors = {"bob": RaterError(error=0.31, deviation=0.06, answers=40)}
    model.publish(Ensemble(layers, *scales), FitReport(version=1, rater_errors=errors))
    serving = serve(RewardServiceConfig("run", "127.0.0.1:0", str(tmp_path / "reward"), 0, model.observation, 3), model)
    yield serving.address
    serving.stop()
