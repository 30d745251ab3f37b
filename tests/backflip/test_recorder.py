"""What a run notes of itself, also after it was killed and goes on from its checkpoint."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from backflip.presets import PRESETS
from backflip.recorder import Recorder, last_snapshot
from backflip.run_folder import RunFolder, create_run_folder
from backflip.system import Facts
from learner.loop import Progress


def note(recorder: Recorder, env_steps: int, answers: int) -> None:
    recorder.record(
        Progress(env_steps=env_steps),
        env_steps // 100,
        Facts(labels_used=answers, reward_version=2, held_out_accuracy=0.75),
    )
    recorder._write()  # not only once a second


def curve(folder: RunFolder) -> list[tuple[int, int]]:
    found = [json.loads(line) for line in folder.progress.read_text().splitlines()]
    return [(line["env_steps"], line["labels_used"]) for line in found]


def test_a_resume_forgets_what_came_after_its_checkpoint(tmp_path: Path) -> None:
    config = replace(PRESETS["cartpole"].config, out=tmp_path, name="run")
    folder = create_run_folder(config)
    killed = Recorder(folder, config, 0.02, Progress()).__enter__()
    for env_steps, answers in ((100, 3), (200, 6), (300, 9)):
        note(killed, env_steps, answers)
    killed._events.flush()
    with folder.progress.open("a") as file:
        file.write('{"env_steps": 400, "lab')  # torn by kill -9

    with Recorder(folder, config, 0.02, Progress(env_steps=200)) as recorder:
        assert set(curve(folder)) == {(100, 3), (200, 6)}
        assert (recorder.last.labels_used, recorder.last.reward_model_version) == (6, 2)
        note(recorder, 250, 7)
    assert set(curve(folder)) == {(100, 3), (200, 6), (250, 7)}
    events = EventAccumulator(str(folder.tensorboard))
    events.Reload()
    assert {event.step for event in events.Scalars("labels_used")} == {100, 200, 250}


def test_a_resume_that_is_stopped_at_once_says_what_was_known(tmp_path: Path) -> None:
    config = replace(PRESETS["cartpole"].config, out=tmp_path, name="run")
    folder = create_run_folder(config)
    with Recorder(folder, config, 0.02, Progress()) as recorder:
        note(recorder, 100, 3)
    with Recorder(folder, config, 0.02, Progress(env_steps=100)):
        pass
    last = last_snapshot(folder)
    assert last is not None
    assert (last.env_steps, last.labels_used, last.reward_model_version, last.policy_version) == (100, 3, 2, 1)


def test_a_figure_that_is_noted_no_more_is_passed_over(tmp_path: Path) -> None:
    config = replace(PRESETS["cartpole"].config, out=tmp_path, name="run")
    folder = create_run_folder(config)
    with Recorder(folder, config, 0.02, Progress()) as recorder:
        note(recorder, 100, 3)
    *_, line = folder.progress.read_text().splitlines()
    folder.progress.write_text(json.dumps(json.loads(line) | {"of_an_older_run": 1}) + "\n")
    last = last_snapshot(folder)
    assert last is not None and last.labels_used == 3
