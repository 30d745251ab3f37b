"""Versions are immutable, and survive whatever kills their process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from contracts.encoding import pack
from contracts.spaces import ObservationSpace
from reward_service.ensemble import Ensemble, initial_layers
from reward_service.fitting import FitReport
from reward_service.versions import RewardModel, UnknownVersion

D, A, K = 4, 2, 3
SPACE = ObservationSpace((D,))


def ensemble(seed: int) -> Ensemble:
    layers = initial_layers(K, (D + A, 8, 8, 1), seed)
    return Ensemble(layers, torch.zeros(D + A), torch.ones(D + A), torch.zeros(K), torch.ones(K))


def _batch(rows: int = 10) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(rows, D)).astype(np.float32), rng.normal(size=(rows, A)).astype(np.float32)


def test_version_zero_scores_zero(tmp_path: Path) -> None:
    reward, member_reward, version = RewardModel(K, SPACE, A, tmp_path).score(*_batch())
    assert version == 0
    assert reward.tolist() == [0.0] * 10
    assert member_reward.shape == (10, K)


def test_a_version_never_changes(tmp_path: Path) -> None:
    model = RewardModel(K, SPACE, A, tmp_path)
    scored = {}
    for number in range(1, 9):
        model.publish(ensemble(number), FitReport(version=number))
        scored[number], _, _ = model.score(*_batch())
    assert model.numbers == tuple(range(9))
    for number, reward in scored.items():
        again, _, version = model.score(*_batch(), version=number)
        assert version == number
        assert (again == reward).all()
    assert not model.score(*_batch(), version=0)[0].any()
    with pytest.raises(UnknownVersion, match="no version 9; its newest is 8"):
        model.score(*_batch(), version=9)
    with pytest.raises(ValueError, match="version 3 cannot follow version 8"):
        model.publish(ensemble(0), FitReport(version=3))


def test_a_large_batch_scores_as_its_rows_do(tmp_path: Path) -> None:
    model = RewardModel(K, SPACE, A, tmp_path)
    model.publish(ensemble(1), FitReport(version=1))
    observation, action = _batch(5000)
    whole, _, _ = model.score(observation, action)
    for row in (0, 2047, 2048, 4999):
        alone, _, _ = model.score(observation[row : row + 1], action[row : row + 1])
        assert whole[row] == pytest.approx(alone[0], abs=1e-5)
    assert len(model.score(observation[:0], action[:0])[0]) == 0


def test_threads_change_no_number(tmp_path: Path) -> None:
    RewardModel(K, SPACE, A, tmp_path).publish(ensemble(1), FitReport(version=1))
    observation, action = _batch(9000)
    _, alone, _ = RewardModel(K, SPACE, A, tmp_path).score(observation, action)
    _, side_by_side, _ = RewardModel(K, SPACE, A, tmp_path, threads=3).score(observation, action)
    assert (alone == side_by_side).all()


def test_the_newest_version_is_restored_after_kill_9(tmp_path: Path) -> None:
    script = (
        "import sys; from tests.reward_service.test_versions import *\n"
        f"model = RewardModel(K, SPACE, A, {str(tmp_path)!r})\n"
        "for number in range(1, 100000):\n"
        "    model.publish(ensemble(number), FitReport(version=number, offset=f'{number}-0'))\n"
        "    print(number, flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    published = 0
    while published < 20:
        published = int(process.stdout.readline())
    os.kill(process.pid, signal.SIGKILL)
    published = max([published, *map(int, process.stdout.read().split())])
    process.wait()

    model = RewardModel(K, SPACE, A, tmp_path)
    assert model.newest.number in (published, published + 1)  # it may have died between publishing and saying so
    assert model.newest.report.offset == f"{model.newest.number}-0"
    observation, action = _batch()
    assert (model.score(observation, action)[1] == ensemble(model.newest.number).score(observation, action)).all()
    model.publish(ensemble(0), FitReport(version=model.newest.number + 1))
    assert not list(tmp_path.glob("*.partial")), "what its death cut short is written over"


def test_who_opens_a_model_leaves_what_its_trainer_is_writing(tmp_path: Path) -> None:
    writing = tmp_path / "reward-000001.safetensors.partial"
    writing.write_bytes(b"half")
    assert RewardModel(K, SPACE, A, tmp_path).newest.number == 0
    assert writing.read_bytes() == b"half"


def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path) -> None:
    model = RewardModel(K, SPACE, A, tmp_path)
    for number in (1, 2):
        model.publish(ensemble(number), FitReport(version=number))
    newest = tmp_path / "reward-000002.safetensors"
    newest.write_bytes(newest.read_bytes()[:-40])
    assert RewardModel(K, SPACE, A, tmp_path).newest.number == 1


@pytest.mark.parametrize(
    "header, arrays",
    [
        ({"kind": "reward", "schema": 1}, {}),
        ({"kind": "reward", "schema": 1, "version": 2, "report": {"colour": "red"}}, ensemble(0).arrays()),
        ({"kind": "reward", "schema": 1, "version": 2, "report": {}}, {}),
    ],
)
def test_a_checkpoint_of_another_make_is_passed_over(
    header: dict[str, object], arrays: dict[str, np.ndarray], tmp_path: Path
) -> None:
    RewardModel(K, SPACE, A, tmp_path).publish(ensemble(1), FitReport(version=1))
    (tmp_path / "reward-000002.safetensors").write_bytes(pack(header, arrays))
    assert RewardModel(K, SPACE, A, tmp_path).newest.number == 1


def test_wrong_shapes_are_named(tmp_path: Path) -> None:
    model = RewardModel(K, SPACE, A, tmp_path)
    observation, action = _batch()
    with pytest.raises(ValueError, match=r"action has shape \[9, 2\]; expected \[10, 2\]"):
        model.score(observation, action[:9])


def test_a_checkpoint_that_cannot_be_read_is_no_version(tmp_path: Path) -> None:
    model = RewardModel(K, SPACE, A, tmp_path)
    for number in range(1, 9):
        model.publish(ensemble(number), FitReport(version=number))
    (tmp_path / "reward-000001.safetensors").unlink()
    (tmp_path / "reward-000002.safetensors").write_bytes(b"torn")
    again = RewardModel(K, SPACE, A, tmp_path)
    assert again.numbers == (0, 2, 3, 4, 5, 6, 7, 8)
    with pytest.raises(UnknownVersion, match="no version 1"):
        again.score(*_batch(), version=1)
    with pytest.raises(UnknownVersion, match="version 2 of the reward model cannot be read"):
        again.score(*_batch(), version=2)
    assert again.score(*_batch(), version=3)[2] == 3
