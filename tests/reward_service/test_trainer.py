"""The ensemble learns what the answers say, step by step, and can be made anew."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contracts.label import Choice, Opinion, is_held_out
from labeling_gateway.client import StoreError
from reward_service.config import RewardConfig
from reward_service.dataset import Comparisons
from reward_service.fitting import FitReport, next_weight_decay
from reward_service.judging import unseen_margins
from reward_service.trainer import Trainer, logged_fits, replay
from reward_service.versions import RewardModel
from tests.reward_service.synthetic import (
    ACTION_SIZE,
    OBSERVATION_SIZE,
    SPACE,
    WEIGHTS,
    MemoryLog,
    OracleReadError,
    crowd_log,
    linear_log,
)

CONFIG = RewardConfig(hidden=(32, 32), first_fit_steps=100, fit_steps=30, fit_growth=0.1)


def _model(directory: Path) -> RewardModel:
    return RewardModel(CONFIG.members, SPACE, ACTION_SIZE, directory)


def _train(
    log: MemoryLog, directory: Path, seed: int = 0, total: int = 400, config: RewardConfig = CONFIG
) -> RewardModel:
    model = _model(directory)
    trainer = Trainer(config, log, model, seed)
    for visible in range(0, total + 1, 5):
        log.visible = visible
        trainer.poll()
    return model


def test_it_learns_a_linear_reward_from_right_answers(tmp_path: Path) -> None:
    model = _train(linear_log(400, seed=0), tmp_path)
    report = model.newest.report
    assert report.held_out_answers == report.held_out_queries > 20
    assert report.held_out_accuracy is not None
    assert report.held_out_accuracy > 0.9

    rng = np.random.default_rng(9)
    inputs = rng.normal(size=(2000, OBSERVATION_SIZE + ACTION_SIZE)).astype(np.float32)
    reward, member_reward, _ = model.score(inputs[:, :OBSERVATION_SIZE], inputs[:, OBSERVATION_SIZE:])
    assert np.corrcoef(reward, inputs @ WEIGHTS)[0, 1] > 0.9
    assert reward == pytest.approx(member_reward.mean(1))


def test_rewards_have_unit_scale_over_the_labelled_transitions(tmp_path: Path) -> None:
    log = linear_log(200, seed=0)
    model = _train(log, tmp_path, total=200)
    observation = np.concatenate([c.observation for pair in log.pairs.values() for c in pair])
    action = np.concatenate([c.action for pair in log.pairs.values() for c in pair])
    _, member_reward, _ = model.score(observation, action)
    assert member_reward.mean(0) == pytest.approx(np.zeros(CONFIG.members), abs=0.15)
    assert member_reward.std(0) == pytest.approx(np.ones(CONFIG.members), abs=0.15)


def test_fits_come_when_they_are_due(tmp_path: Path) -> None:
    log = linear_log(400, seed=0)
    model = _model(tmp_path)
    trainer = Trainer(CONFIG, log, model, seed=0)
    fitted_at = []
    for visible in range(401):
        log.visible = visible
        if trainer.poll():
            fitted_at.append(visible)
    assert fitted_at[:4] == [20, 30, 40, 50]
    assert fitted_at[-2:] == [354, 390]  # a tenth more each time
    assert trainer.status == model.newest.report
    assert trainer.status.version == len(fitted_at)


def test_few_new_answers_are_fitted_when_patience_ends(tmp_path: Path) -> None:
    log = linear_log(25, seed=0)
    log.visible = 20
    trainer = Trainer(CONFIG, log, _model(tmp_path), seed=0, patience=0.0)
    assert trainer.poll()
    assert not trainer.poll()
    log.visible = 21
    assert trainer.poll()


def test_answers_that_were_taken_back_leave_and_with_the_last_of_them_fitting_ends(tmp_path: Path) -> None:
    log = linear_log(30, seed=0)
    trainer = Trainer(CONFIG, log, _model(tmp_path), seed=0)
    assert trainer.poll()
    for offset, label in log.entries[:20]:
        log.append(label.query, Choice.WITHDRAWN, supersedes=offset)
    assert trainer.poll()
    assert (trainer.status.labels, trainer.status.answers) == (10, 50)
    for offset, label in log.entries[20:30]:
        log.append(label.query, Choice.WITHDRAWN, supersedes=offset)
    assert not trainer.poll()
    assert trainer.status.version == 2


def test_without_held_out_queries_there_is_no_accuracy(tmp_path: Path) -> None:
    log = linear_log(60, seed=0)
    log.entries = [entry for entry in log.entries if not is_held_out(entry[1].query)][:20]
    trainer = Trainer(CONFIG, log, _model(tmp_path), seed=0)
    assert trainer.poll()
    assert (trainer.status.held_out_answers, trainer.status.held_out_accuracy) == (0, None)
    assert trainer.status.train_accuracy is not None


def test_the_same_log_and_seed_give_the_same_model(tmp_path: Path) -> None:
    models = [_train(linear_log(60, seed=2), tmp_path / name, total=60) for name in ("a", "b")]
    observation, action = np.ones((5, OBSERVATION_SIZE), np.float32), np.ones((5, ACTION_SIZE), np.float32)
    first, second = (model.score(observation, action)[1] for model in models)
    assert (first == second).all()
    other = _train(linear_log(60, seed=2), tmp_path / "c", seed=1, total=60).score(observation, action)[1]
    assert not np.allclose(first, other)


def test_the_logged_fits_replay_to_the_same_model(tmp_path: Path) -> None:
    log = crowd_log(120, seed=3, errors=[0.0, 0.1, 0.5])
    model = _train(log, tmp_path, total=120)
    events = logged_fits(tmp_path)
    assert [event.version for event in events] == list(model.numbers[1:])
    refitted = replay(CONFIG, log, SPACE, ACTION_SIZE, events)
    rng = np.random.default_rng(0)
    observation = rng.normal(size=(100, OBSERVATION_SIZE)).astype(np.float32)
    action = rng.normal(size=(100, ACTION_SIZE)).astype(np.float32)
    assert refitted is not None
    assert refitted.score(observation, action) == pytest.approx(model.score(observation, action)[1], abs=1e-4)


def test_who_answers_at_random_is_found_and_heard_less(tmp_path: Path) -> None:
    log = crowd_log(400, seed=0, errors=[0.0, 0.5, 0.0, 0.5, 0.5])
    inputs = np.random.default_rng(9).normal(size=(2000, OBSERVATION_SIZE + ACTION_SIZE)).astype(np.float32)
    right: dict[bool, float] = {}
    for quality in (True, False):
        model = _train(log, tmp_path / str(quality), config=replace(CONFIG, rater_quality=quality))
        reward, _, _ = model.score(inputs[:, :OBSERVATION_SIZE], inputs[:, OBSERVATION_SIZE:])
        right[quality] = float(np.corrcoef(reward, inputs @ WEIGHTS)[0, 1])
        errors = {name: found["error"] for name, found in model.newest.report.rater_errors.items()}
        if quality:
            assert max(errors["rater-0"], errors["rater-2"]) < 0.15
            assert min(errors["rater-1"], errors["rater-3"], errors["rater-4"]) > 0.3
        else:
            assert not errors
    assert right[True] > right[False] + 0.05


def test_a_rater_alone_is_judged_once_there_are_repeats(tmp_path: Path) -> None:
    log = linear_log(20, seed=3)
    trainer = Trainer(CONFIG, log, _model(tmp_path), seed=0)
    assert trainer.poll()
    assert trainer.status.rater_errors == {}, "what is wrong could be the model's"
    for _, label in log.entries[:15]:
        log.append(label.query, Choice.B if label.choice is Choice.A else Choice.A, opinion=Opinion.REPEAT)
    assert trainer.poll()
    assert trainer.status.labels == 20
    assert trainer.status.rater_errors["rater"]["error"] > 0.3


def test_a_model_is_judged_by_what_it_was_not_fitted_to(tmp_path: Path) -> None:
    """Fitted to answers at random, it agrees with them all the same; and nobody is taken for careful who is not."""
    model = _train(crowd_log(200, seed=0, errors=[0.5, 0.5]), tmp_path, total=200)
    data = Comparisons(CONFIG.members, SPACE, ACTION_SIZE, seed=0)
    data.follow(crowd_log(200, seed=0, errors=[0.5, 0.5]))
    trained = data.rows(held_out=False)
    ensemble = model.newest.ensemble
    assert ensemble is not None
    assert model.newest.report.train_accuracy is not None and model.newest.report.train_accuracy > 0.65
    margin = unseen_margins(ensemble, data, 1)[trained.queries]
    agrees = (margin > 0) == (trained.targets > 0.5)
    assert agrees[~np.isnan(margin)].mean() < 0.6


def test_fits_that_know_of_no_raters_are_read(tmp_path: Path) -> None:
    """As they were logged before raters were judged."""
    _train(crowd_log(20, seed=3, errors=[0.0, 0.0]), tmp_path, total=20)
    log = tmp_path / "fits.jsonl"
    fields = json.loads(log.read_text())
    assert list(fields.pop("rater_errors")) == ["rater-0", "rater-1"]
    log.write_text(json.dumps(fields))
    assert logged_fits(tmp_path)[0].rater_errors == {}


def test_a_fit_after_a_torn_line_is_logged_on_a_line_of_its_own(tmp_path: Path) -> None:
    """As a full disk leaves it."""
    log = linear_log(60, seed=3)
    _train(log, tmp_path, total=30)
    fits = tmp_path / "fits.jsonl"
    whole = logged_fits(tmp_path)
    fits.write_bytes(fits.read_bytes() + b'{"version": 9, "ans')
    log.visible = 60
    trainer = Trainer(CONFIG, log, _model(tmp_path), seed=0)
    trainer.poll()
    assert [report.version for report in logged_fits(tmp_path)] == [
        *(report.version for report in whole),
        whole[-1].version + 1,
    ]


def test_a_restarted_trainer_goes_on_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    log = linear_log(120, seed=3)
    whole = _train(log, tmp_path / "whole", total=120)
    _train(log, tmp_path / "halves", total=70)
    model = _model(tmp_path / "halves")
    trainer = Trainer(CONFIG, log, model, seed=0)
    for visible in range(70, 121, 5):
        log.visible = visible
        trainer.poll()
    assert replace(model.newest.report, seconds=0) == replace(whole.newest.report, seconds=0)


def test_a_log_that_is_shorter_than_what_was_fitted_is_named(tmp_path: Path) -> None:
    log = linear_log(40, seed=3)
    _train(log, tmp_path, total=30)
    trainer = Trainer(CONFIG, log, _model(tmp_path), seed=0)
    log.visible = 4
    with pytest.raises(StoreError, match="not this run's: reward version 2 was fitted to 30 answers, and it holds 4"):
        trainer.poll()


def test_a_fit_that_is_not_finite_is_not_published(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = linear_log(40, seed=3)
    before = _train(log, tmp_path, total=20)
    assert before.newest.number == 1
    model = _model(tmp_path)
    trainer = Trainer(replace(CONFIG, learning_rate=1e38), log, model, seed=0)
    log.visible = 30
    assert not trainer.poll() and not trainer.poll()
    assert caplog.text.count("the fit of reward version 2 from 30 answers is not finite; version 1 stays") == 1
    assert model.newest.report == before.newest.report
    assert [event.version for event in logged_fits(tmp_path)] == [1]
    trainer._config = CONFIG
    log.visible = 31
    assert trainer.poll() and model.newest.number == 2


def test_the_oracle_is_never_read(tmp_path: Path) -> None:
    log = linear_log(20, seed=0)
    with pytest.raises(OracleReadError):
        _ = log.pairs["query-0-0"][0].oracle
    assert Trainer(CONFIG, log, _model(tmp_path), seed=0).poll()


def test_the_decay_keeps_the_held_out_loss_near_the_training_loss() -> None:
    def decay(held_out_loss: float, queries: int = 50) -> float:
        report = FitReport(
            version=1, weight_decay=0.03, held_out_queries=queries, train_loss=0.2, held_out_loss=held_out_loss
        )
        return next_weight_decay(report, CONFIG)

    assert decay(0.21) < 0.03
    assert decay(0.26) == 0.03
    assert decay(0.4) > 0.03
    assert decay(0.4, queries=3) == 0.03


@pytest.mark.parametrize("field", ["members", "fit_steps", "learning_rate", "step_stride", "hidden"])
def test_a_config_out_of_range_is_named(field: str) -> None:
    changes: dict[str, Any] = {field: () if field == "hidden" else 0}
    with pytest.raises(ValueError, match=f"reward_model.{field}"):
        RewardConfig(**changes)
