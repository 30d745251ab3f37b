"""`backflip train --env ID`: what is chosen for an id, and whole runs of a user's own class."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from backflip.cli import main
from backflip.environments import job_for
from backflip.errors import UserError
from backflip.run_folder import RunFolder
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
    ],
)
def test_the_engine_is_chosen_and_said(env: str, engine: str | None, taken: str, said: str) -> None:
    job = job_for(env, engine)
    assert job.config.engine == taken and job.config.task == env
    assert said in job.choice and "\n" not in job.choice


def test_clips_are_as_long_as_episodes_allow() -> None:
    lengths = {env: job_for(env).config.labels.clip_steps for env in ("CartPole-v1", "Pendulum-v1", "TicTacToe-v1")}
    assert lengths["Pendulum-v1"] == 50
    assert 5 <= lengths["CartPole-v1"] <= 15
    assert 2 <= lengths["TicTacToe-v1"] <= 4


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
        ("Pong-v5", None, "observes frames"),
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


def test_the_documents_own_environment_trains(workshop: Path) -> None:
    question = "Which of them circles?"
    done = backflip("train", "--env", "orbit:Orbit", *TINY, "--name", "run", "--labels.question", question)
    assert done.returncode == 0, done.stderr
    assert "orbit:Orbit runs on gymnasium" in done.stderr
    folder = RunFolder(workshop / "runs" / "run")
    summary = json.loads(folder.summary.read_text())
    assert (summary["task"], summary["engine"], summary["labels_used"]) == ("orbit:Orbit", "gymnasium", 12)
    assert summary["policy_version"] > 1 and summary["reward_model_version"] >= 1
    assert len(labels_of(folder)) == 12
    again = backflip("evaluate", folder.path, "--episodes", "2", "--json")
    assert json.loads(again.stdout)["metrics"]["steps_per_episode"] == 1000


FAILING = """
import os

import ray

from orbit import Orbit


def first_of_all():
    try:
        os.mkdir({folder!r})
    except FileExistsError:
        return False
    return True


BROKEN = ray.is_initialized() and {broken}  # in an actor, that is


class Stuck(Orbit):
    def step(self, action):
        if BROKEN:
            raise RuntimeError("the table is tilted")
        return super().step(action)
"""


def test_an_environment_that_fails_in_one_actor_does_not_stop_the_others(workshop: Path) -> None:
    (workshop / "stuck.py").write_text(FAILING.format(folder=str(workshop / "taken"), broken="first_of_all()"))
    done = backflip("train", "--env", "stuck:Stuck", *TINY, "--name", "run")
    assert done.returncode == 0, done.stderr
    assert (workshop / "taken").exists(), "one actor did fail"
    assert re.search(r"actor \d stops, the others go on: stuck:Stuck: .*RuntimeError: the table is tilted", done.stderr)
    assert "Traceback" not in done.stderr
    assert RunFolder(workshop / "runs" / "run").summary.exists()


def test_an_environment_that_fails_in_every_actor_ends_the_run_in_one_line(workshop: Path) -> None:
    (workshop / "stuck.py").write_text(FAILING.format(folder="", broken="True"))
    done = backflip("train", "--env", "stuck:Stuck", *TINY, "--name", "run")
    assert_one_line(done, "stuck:Stuck: ", "worlds failed within a minute", "RuntimeError: the table is tilted")


def test_an_environment_that_never_works_is_not_begun_with(workshop: Path) -> None:
    (workshop / "stuck.py").write_text(FAILING.replace("ray.is_initialized() and {broken}", "True").format(folder=""))
    done = backflip("train", "--env", "stuck:Stuck", *TINY, "--name", "run")
    assert_one_line(done, "stuck:Stuck: ", "RuntimeError: the table is tilted")
    assert not (workshop / "runs").exists()
