"""`backflip train --env ID`: what is chosen for an id, and whole runs of a user's own class."""

from __future__ import annotations

import json
import re
import time
from itertools import count
from pathlib import Path

import pytest

from backflip.cli import main
from backflip.environments import job_for
from backflip.errors import UserError
from backflip.run_folder import RunFolder
from labeling_gateway.client import GatewayClient
from labeling_gateway.embedded import start_embedded
from labeling_gateway.replay import replay
from tests.backflip.commands import assert_one_line, backflip, labels_of

DOCUMENT = Path(__file__).parents[2] / "docs" / "bring-your-own.md"
TINY = ("--actors.worlds", "8", "--actors.slab-steps", "64", "--steps", "6000", "--labels.budget", "12")


@pytest.mark.parametrize(
    ("env", "engine", "taken", "said"),
    [
        ("CartPole-v1", None, "envpool", "gymnasium knows it too (--engine gymnasium)"),
        ("CartPole-v1", "gymnasium", "gymnasium", "as asked"),
        ("Hopper-v5", None, "gymnasium", "--engine envpool is faster"),
        ("TicTacToe-v1", None, "envpool", "TicTacToe-v1 runs on envpool"),
        ("Reacher-v5", None, "gymnasium", "can be drawn"),
        ("Enduro-v5:keep-even", None, "envpool", "runs on envpool"),
        ("VideoChess-v5", None, "envpool", "where it shows its score is not known"),
    ],
)
def test_the_engine_is_chosen_and_said(env: str, engine: str | None, taken: str, said: str) -> None:
    job = job_for(env, engine)
    assert job.config.engine == taken and job.config.task == env
    assert said in job.choice and "\n" not in job.choice
    assert ("score" in job.choice) == (env == "VideoChess-v5")


@pytest.mark.parametrize(
    ("game", "left"),
    [("Pong-v5", False), ("Breakout-v5", True), ("VideoChess-v5", True)],
    ids=["blanked", "another shape", "an unknown game"],
)
def test_a_score_that_is_left_on_a_game_of_gymnasiums_is_said(game: str, left: bool) -> None:
    job = job_for(f"tests.actors.own_environments:ALE/{game}")
    assert job.config.engine == "gymnasium"
    assert ("where it shows its score is not known" in job.choice) == left


def test_clips_are_as_long_as_episodes_allow() -> None:
    lengths = {env: job_for(env).config.labels.clip_steps for env in ("CartPole-v1", "Pendulum-v1", "TicTacToe-v1")}
    assert lengths["Pendulum-v1"] == 50
    assert 5 <= lengths["CartPole-v1"] <= 15
    assert 2 <= lengths["TicTacToe-v1"] <= 4


def test_a_slow_machine_makes_the_same_job(monkeypatch: pytest.MonkeyPatch) -> None:
    job = job_for("CartPole-v1", "gymnasium")
    minutes = count(step=60)
    monkeypatch.setattr(time, "monotonic", lambda: next(minutes))
    assert job_for("CartPole-v1", "gymnasium") == job


def test_a_job_for_pictures_is_of_their_size() -> None:
    config = job_for("tests.actors.own_environments:Screen").config
    assert (config.labels.budget, config.steps, config.labels.clip_steps) == (5500, 10_000_000, 3)


@pytest.mark.parametrize(
    ("env", "engine", "said"),
    [
        ("CartPole-v9", None, "nobody knows an environment 'CartPole-v9'; did you mean CartPole-v"),
        (
            "TicTacToe-v1",
            "gymnasium",
            "engine gymnasium knows no TicTacToe-v1; leave out --engine, and envpool runs it",
        ),
        ("CartPole-v1", "mujoco", "run on envpool or gymnasium, not on 'mujoco'"),
        ("orbit:Orbit", "envpool", "only engine gymnasium knows"),
        ("no_such_module:Thing", None, "there is no module no_such_module"),
        ("Basic-v1", None, "without bounds"),
    ],
)
def test_what_cannot_be_trained_is_said_in_one_line(
    env: str, engine: str | None, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--env", env, *(["--engine", engine] if engine else [])]) in (1, 2)
    shown = capfd.readouterr().err
    assert shown.count("\n") == 1 and said in shown
    with pytest.raises(UserError):
        job_for(env, engine)


def test_a_preset_and_an_environment_are_not_both_trained(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "cartpole", "--env", "CartPole-v1"]) == 2
    assert "name a preset or an --env, not both: cartpole and CartPole-v1" in capfd.readouterr().err


def test_list_says_what_an_environment_is_like(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--env", "MiniGrid-Empty-5x5-v0"]) == 0
    shown = capfd.readouterr().out
    for words in ("direction", "4–150", "mission", "one of 7 choices", "100 steps at most", "People are asked"):
        assert words in shown


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of somebody who follows docs/bring-your-own.md."""
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    (tmp_path / "orbit.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow  # most of a minute
def test_the_documents_own_environment_trains(workshop: Path) -> None:
    question = "Which of them circles?"
    done = backflip("train", "--env", "orbit:Orbit", *TINY, "--serial", "--name", "run", "--labels.question", question)
    assert done.returncode == 0, done.stderr
    assert "orbit:Orbit runs on gymnasium" in done.stderr
    folder = RunFolder(workshop / "runs" / "run")
    summary = json.loads(folder.summary.read_text())
    assert (summary["task"], summary["engine"], summary["labels_used"]) == ("orbit:Orbit", "gymnasium", 12)
    assert summary["policy_version"] > 1 and summary["reward_model_version"] >= 1
    assert len(labels_of(folder)) == 12
    store = start_embedded(folder.store)
    try:
        client = GatewayClient(store.url, folder.run)
        assert {client.scene(record.query.scene).question for record in replay(client)} == {question}
    finally:
        store.stop()
    assert (folder.path / "backflip.mp4").exists(), "its render was filmed"
    again = backflip("evaluate", folder.path, "--episodes", "2", "--json")
    assert json.loads(again.stdout)["metrics"]["steps_per_episode"] == 1000


def test_an_environment_that_never_works_is_not_begun_with(workshop: Path) -> None:
    code = (workshop / "orbit.py").read_text().replace("turning = ", "turning = self.arm + ")
    (workshop / "stuck.py").write_text(code)
    done = backflip("train", "--env", "stuck:Orbit", *TINY, "--name", "run")
    assert_one_line(done, "stuck:Orbit: ", "AttributeError: 'Orbit' object has no attribute 'arm'")
    assert not (workshop / "runs").exists()
