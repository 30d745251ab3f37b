"""`backflip export` and `--labels.from`, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backflip.run_folder import open_run_folder
from labeling_gateway.archive import read_archive
from tests.backflip.commands import SMALL, assert_one_line, backflip, labels_of

ANSWERS = 25


@pytest.fixture(scope="module")
def archive(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("archive") / "answers.parquet"
    done = backflip("export", finished, "--output", file)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{file}: {ANSWERS} labels\n"
    return file


def test_an_export_holds_every_answer(finished: Path, archive: Path) -> None:
    assert [archived.record.label for archived in read_archive(archive)] == labels_of(open_run_folder(finished))


@pytest.mark.parametrize("source", ["file", pytest.param("run", marks=pytest.mark.slow)])
def test_another_run_begins_with_them_beside_its_budget(
    finished: Path, archive: Path, tmp_path: Path, source: str
) -> None:
    named = archive if source == "file" else finished
    words = ("--steps", "600", "--labels.budget", "5", "--labels.from", named, "--name", "heir", "--out", tmp_path)
    done = backflip("train", "cartpole", "--serial", *SMALL, *words)
    assert done.returncode == 0, done.stderr
    assert f"began with {ANSWERS} answers of {named}, beside the budget" in done.stderr
    folder = open_run_folder(tmp_path / "heir")
    summary = json.loads(folder.summary.read_text())
    assert summary["reward_model_version"] >= 1
    assert summary["labels_used"] <= 5
    assert summary["skipped_slabs"] == 0, "there was a reward from the first slab on"
    log = labels_of(folder)
    assert [label.opinion.value for label in log[:ANSWERS]] == ["imported"] * ANSWERS
    assert [label.choice for label in log[:ANSWERS]] == [a.record.label.choice for a in read_archive(archive)]
    done = backflip("resume", folder.path, "--steps", "1200")
    assert done.returncode == 0, done.stderr
    assert labels_of(folder)[: len(log)] == log
    assert [label.opinion.value for label in labels_of(folder)].count("imported") == ANSWERS


def test_answers_about_another_robot_are_refused_before_a_folder_is_made(archive: Path, tmp_path: Path) -> None:
    done = backflip("train", "hopper-backflip", "--labels.from", archive, "--out", tmp_path)
    assert_one_line(done, str(archive), "with 4 observations and 2 actions", "with 12 observations and 3 actions")
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    done = backflip("train", "cartpole", "--labels.from", tmp_path / "none", "--out", tmp_path)
    assert_one_line(done, f"labels.from names {tmp_path / 'none'}, which is neither a file nor a run's folder")
    assert_one_line(backflip("export", tmp_path / "none"), "is not a run")


def test_a_run_that_is_being_trained_is_not_exported(finished: Path, tmp_path: Path) -> None:
    with open_run_folder(finished).held():
        assert_one_line(backflip("export", finished, "--output", tmp_path / "x"), "being trained by another process")
    assert_one_line(backflip("export", finished, "--output", tmp_path / "no" / "x"), "there is no folder")
