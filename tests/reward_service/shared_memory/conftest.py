from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from reward_service import protocol, shared_memory
from reward_service.client import RewardClient
from reward_service.fitting import FitReport
from reward_service.segment import Segment
from reward_service.server import Serving
from reward_service.versions import RewardModel
from tests.reward_service.shared_memory.lending import start
from tests.reward_service.test_versions import SPACE, A, K, ensemble


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> RewardModel:
    model = RewardModel(K, SPACE, A, tmp_path_factory.mktemp("model"))
    model.publish(ensemble(1), FitReport(version=1))
    return model


@pytest.fixture
def serving(model: RewardModel) -> Iterator[Serving]:
    serving = start(model)
    yield serving
    serving.stop(0)


@pytest.fixture
def client(serving: Serving) -> Iterator[RewardClient]:
    client = RewardClient(serving.address)
    yield client
    client.close()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the regions that were read, in order."""
    names: list[str] = []
    read = shared_memory.Region.read

    def noting(region: shared_memory.Region, offset: int, byte_size: int) -> np.ndarray:
        names.append(region.name)
        return read(region, offset, byte_size)

    monkeypatch.setattr(shared_memory.Region, "read", noting)
    return names


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the segments that clients made, in order."""
    names: list[str] = []
    drop_name = Segment.drop_name

    def noting(segment: Segment) -> None:
        names.append(segment.name)
        drop_name(segment)

    monkeypatch.setattr(Segment, "drop_name", noting)
    return names


@pytest.fixture
def lend() -> Iterator[Callable[..., Path]]:
    """Makes a file in shared memory that is gone after the test."""
    made: list[Path] = []

    def make(data: bytes = bytes(2**16)) -> Path:
        path = Path(protocol.SHARED_MEMORY) / f"{protocol.KEY_PREFIX}test-{uuid.uuid4().hex}"
        made.append(path)
        path.write_bytes(data)
        return path

    yield make
    for path in made:
        path.unlink(missing_ok=True)
