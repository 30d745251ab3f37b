"""A run's folder: made once, read back as written, and refused in one line where it cannot be."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from backflip.config import LARGEST_SEED, TrainConfig
from backflip.errors import UserError
from backflip.presets import PRESETS
from backflip.run_folder import RunFolder, create_run_folder, open_run_folder


def config(out: Path, **changes: object) -> TrainConfig:
    return replace(PRESETS["cartpole"].config, out=out, **changes)  # pyright: ignore[reportArgumentType]


def test_a_run_is_opened_as_it_was_made(tmp_path: Path) -> None:
    for name, preset in PRESETS.items():
        made = create_run_folder(replace(preset.config, out=tmp_path / "new" / "runs", name=name, seed=3))
        opened = open_run_folder(made.path)
        assert opened.read_config() == replace(preset.config, out=tmp_path / "new" / "runs", name=name, seed=3)
        assert opened.run == made.run
        assert not opened.summary.exists()


def test_names_tell_preset_and_seed_and_ids_are_unlike(tmp_path: Path) -> None:
    unnamed = create_run_folder(config(tmp_path, seed=5))
    assert unnamed.path.name.startswith("cartpole-seed5-20")
    here, there = (create_run_folder(config(tmp_path / side, name="mine")) for side in ("a", "b"))
    assert here.run.startswith("mine-") and there.run.startswith("mine-")
    assert here.run != there.run, "else two runs of a name would share their labels in one store"


def test_a_name_is_given_once(tmp_path: Path) -> None:
    create_run_folder(config(tmp_path, name="mine"))
    with pytest.raises(UserError, match=r"mine exists already; choose another --name, or .*backflip resume"):
        create_run_folder(config(tmp_path, name="mine"))


@pytest.mark.parametrize("name", ["", "a/b", "../a", "/", "."])
def test_a_name_is_one_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="name must be one folder's name"):
        config(tmp_path, name=name)


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write the run's folder .*file/mine: .*file is a file"):
        create_run_folder(config(tmp_path / "file", name="mine"))


@pytest.mark.parametrize(
    "text, said",
    [
        (None, "is not a run: it has no config.json"),
        ("", "Expecting value"),
        ("[]", "not a run's config"),
        ("{}", "not a run's config"),
        ('{"actors": {"wheels": 4}}', "wheels"),
        ('{"actors": {"count": 0}}', "actors.count must be at least 1, not 0"),
    ],
)
def test_what_is_no_run_is_refused_in_a_line(text: str | None, said: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    with pytest.raises(UserError) as failure:
        open_run_folder(tmp_path)
    assert said in str(failure.value)
    assert str(tmp_path) in str(failure.value)
    assert "\n" not in str(failure.value)


def test_config_of_another_version_names_the_field_it_does_not_know(tmp_path: Path) -> None:
    folder = create_run_folder(config(tmp_path, name="old"))
    fields = json.loads(folder.config.read_text()) | {"colour": "red"}
    folder.config.write_text(json.dumps(fields))
    with pytest.raises(UserError, match="colour"):
        folder.read_config()


@pytest.mark.parametrize("change", [{"steps": 0}, {"seed": -1}, {"seed": LARGEST_SEED + 1}])
def test_a_number_out_of_range_is_named(change: dict[str, int], tmp_path: Path) -> None:
    ((name, value),) = change.items()
    with pytest.raises(ValueError, match=f"^{name} must .* not {value}$"):
        config(tmp_path, **change)


def test_a_folder_from_before_ids_is_known_by_its_name(tmp_path: Path) -> None:
    assert RunFolder(tmp_path).run == tmp_path.name


def test_a_folder_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    folder = create_run_folder(config(tmp_path, name="mine"))
    with (
        folder.held(),
        pytest.raises(UserError, match=r"mine is being trained by another process"),
        open_run_folder(folder.path).held(),
    ):
        pass
    with folder.held():
        pass


def test_the_command_is_kept(tmp_path: Path) -> None:
    folder = create_run_folder(config(tmp_path, name="mine"))
    assert folder.command is None
    folder.note_command("backflip train cartpole --name mine")
    assert open_run_folder(folder.path).command == "backflip train cartpole --name mine"
