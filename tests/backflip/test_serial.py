"""The serial system is the reference: the same seed gives the same run, to the last bit."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from actors.config import ActorsConfig
from backflip.config import TrainConfig
from backflip.errors import UserError
from backflip.presets import PRESETS
from backflip.run_folder import RunFolder, create_run_folder
from backflip.serial import SerialSystem
from backflip.system import probe_task
from contracts.label import Opinion, Query
from contracts.status import Status
from labeling_gateway.config import LabelsConfig
from labeling_gateway.replay import replay
from learner.loop import Progress, learn
from learner.ppo import PPO, PPOConfig
from reward_service.config import RewardConfig
from tests.backflip.commands import labels_of
from tests.processes import alive, sockets

CONFIG = replace(
    PRESETS["hopper-backflip"].config,
    serial=True,
    steps=8_000,
    actors=ActorsConfig(count=2, worlds=8, slab_steps=32, groups=2),
    labels=LabelsConfig(budget=30, clip_steps=10, ask_until=0.6),
    learner=PPOConfig(hidden=(16,), epochs=2, minibatches=2),
    reward_model=RewardConfig(hidden=(16,), first_fit=8, first_fit_steps=20, fit_steps=10, fit_minimum=5),
)


@dataclass
class Ran:
    """What a serial run came to."""

    folder: RunFolder
    policy: bytes
    first_policy: bytes
    answers: list[tuple[str, str]]  # question and choice, in log order
    raters: list[tuple[str, Opinion]]  # who gave them, and as what
    queries: list[Query]
    progress: Progress
    reward_versions: list[int]  # of the slabs, in order


def run(out: Path, **changes: object) -> Ran:
    config: TrainConfig = replace(CONFIG, out=out, **changes)  # pyright: ignore[reportArgumentType]
    folder = create_run_folder(config)
    spaces = probe_task(config).spaces
    ppo = PPO(config.learner.policy(spaces), config.learner, config.seed)
    first_policy = ppo.snapshot().flat.tobytes()
    system = SerialSystem(config, folder, spaces)
    progress, versions = Progress(), []

    def on_update(now: Progress) -> None:
        system.after_update(now, config.steps)
        versions.append(now.reward_version)

    try:
        learn(ppo, system.source, progress, share=lambda: progress.env_steps / config.steps, on_update=on_update)
        records = list(replay(system._client)) if config.needs_labels else []
    finally:
        system.stop()
    assert system.facts().labels_used == sum(record.label.opinion is Opinion.FIRST for record in records)
    return Ran(
        folder=folder,
        policy=ppo.snapshot().flat.tobytes(),
        first_policy=first_policy,
        answers=[(record.label.query, record.label.choice.value) for record in records],
        raters=[(record.label.rater, record.label.opinion) for record in records],
        queries=[record.query for record in records],
        progress=progress,
        reward_versions=versions,
    )


def test_a_seed_fixes_the_whole_run(tmp_path: Path) -> None:
    one, same, other = (run(tmp_path / name, seed=seed) for name, seed in (("one", 1), ("same", 1), ("other", 2)))
    assert one.policy == same.policy
    assert one.answers == same.answers
    assert one.queries == same.queries
    assert one.reward_versions == same.reward_versions
    assert other.policy != one.policy
    assert not {query.id for query in other.queries} & {query.id for query in one.queries}

    # And it was a run: everything asked and answered once, several fits, learning since the first.
    assert len(one.answers) == len({query for query, _ in one.answers}) == 30
    assert {query.chosen_by for query in one.queries} >= {"uniform", "disagreement"}
    assert one.reward_versions == sorted(one.reward_versions) and one.reward_versions[-1] >= 3
    assert one.progress.skipped_slabs == one.reward_versions.count(0) > 0
    assert one.progress.updates == len(one.reward_versions) - one.progress.skipped_slabs
    # The log outlives the run, byte for byte.
    assert [(label.query, label.choice.value) for label in labels_of(one.folder)] == one.answers


def test_a_crowd_answers_a_serial_run_and_is_the_same_for_a_seed(tmp_path: Path) -> None:
    labels = replace(CONFIG.labels, teachers=("3x beta=2", "2x mistakes=0.5"), overlap=0.5, repeat_share=0.2)
    one, same = (run(tmp_path / name, seed=1, steps=3000, labels=labels) for name in ("one", "same"))
    assert one.policy == same.policy
    assert one.answers == same.answers
    assert one.raters == same.raters
    assert {rater for rater, _ in one.raters} == {f"scripted-{number}" for number in range(1, 6)}
    assert {opinion for _, opinion in one.raters} == {Opinion.FIRST, Opinion.LATER, Opinion.REPEAT}
    for query in one.queries:
        given = [opinion for (id, _), (_, opinion) in zip(one.answers, one.raters, strict=True) if id == query.id]
        assert len(given) - given.count(Opinion.REPEAT) == query.opinions


def test_who_says_the_opposite_is_paused_while_the_others_go_on(tmp_path: Path) -> None:
    crowd = ("2x", "1x mistakes=1")
    labels = replace(CONFIG.labels, budget=60, teachers=crowd, overlap=1.0, raters_per_question=3)
    given = Counter(rater for rater, _ in run(tmp_path, steps=4000, labels=labels).raters)
    assert given["scripted-1"] == given["scripted-2"] > 50
    assert 20 <= given["scripted-3"] < 50
    alike = replace(CONFIG.reward_model, rater_quality=False)
    given = Counter(rater for rater, _ in run(tmp_path, steps=4000, labels=labels, reward_model=alike).raters)
    assert given["scripted-3"] == given["scripted-1"] > 50, "nobody is judged"


def test_nobody_who_answers_means_nothing_is_learnt(tmp_path: Path) -> None:
    """With no answers there is no reward; the task's own score does not fill in."""
    silent = run(tmp_path, labels=replace(CONFIG.labels, source="none"), steps=2000)
    assert silent.policy == silent.first_policy
    assert set(silent.reward_versions) == {0}
    assert silent.progress.updates == 0
    assert silent.progress.env_steps >= 2000


def test_the_true_reward_needs_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")  # which nobody answers
    ran = run(tmp_path, reward="true", steps=2000)
    assert not ran.folder.store.exists()
    assert ran.progress.updates == len(ran.reward_versions)
    assert ran.policy != ran.first_policy


def test_a_system_that_cannot_be_opened_leaves_no_store(tmp_path: Path) -> None:
    config = replace(CONFIG, out=tmp_path, name="run")
    folder = create_run_folder(config)
    folder.reward_model.write_text("")  # a file where its folder should be
    with pytest.raises(OSError):
        SerialSystem(config, folder, probe_task(config).spaces)
    server = int((folder.store / "store.lock").read_text())
    assert not alive(server)


def test_nothing_is_connected_once_it_is_stopped(tmp_path: Path) -> None:
    config = replace(CONFIG, out=tmp_path)
    before = sockets(os.getpid())
    system = SerialSystem(config, create_run_folder(config), probe_task(config).spaces)
    system._client.report_progress(1, 10)
    assert len(sockets(os.getpid()) - before) == 2, "what may be lost goes by a connection of its own"
    system.stop()
    assert sockets(os.getpid()) - before == set()


def test_a_store_that_does_not_answer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://:hush@127.0.0.1:1/0")
    config = replace(CONFIG, out=tmp_path)
    with pytest.raises(UserError, match=r"cannot use the label store at redis://:\*\*\*@127.0.0.1:1/0"):
        SerialSystem(config, create_run_folder(config), probe_task(config).spaces)


def test_questions_that_a_killed_run_left_open_are_answered(tmp_path: Path) -> None:
    """Also where no further one is due."""
    config = replace(CONFIG, out=tmp_path, labels=replace(CONFIG.labels, upfront=1.0))
    folder = create_run_folder(config)
    spaces = probe_task(config).spaces
    ppo = PPO(config.learner.policy(spaces), config.learner, 0)
    system = SerialSystem(config, folder, spaces)
    teachers, system._teachers = system._teachers, None  # nobody answers before it is killed
    system.publish(ppo.snapshot())
    while system.facts().parts.get("labeling gateway") != Status("waiting for answers"):
        system.collect()
        system.after_update(Progress(env_steps=1), config.steps)
    assert system._client.counts().open > 0
    system.stop()

    system = SerialSystem(config, folder, spaces)
    system._gateway._config = replace(system._gateway._config, labels=replace(config.labels, budget=0))
    left = system._client.counts().open
    assert teachers is not None and left > 0
    system.after_update(Progress(env_steps=1), config.steps)
    assert system.facts().labels_used == left
    system.stop()
