"""One run's folder: where each file lies, and how it is written so that it is never half there."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backflip.config import TrainConfig
from backflip.errors import UserError
from contracts.files import write_whole

_ID = "run_id"
_COMMAND = "command"


@dataclass(frozen=True)
class RunFolder:
    """``runs/<name>/``. ``summary.json`` is written last: a run that has one is complete."""

    path: Path

    @property
    def run(self) -> str:
        """The run's id, which every key in the store carries: unlike its name, no other run has it."""
        try:
            return (self.path / _ID).read_text().strip()
        except FileNotFoundError:
            return self.path.name

    @property
    def command(self) -> str | None:
        """What the run was started with, and each resume after ` && `; None where nobody noted it."""
        try:
            return (self.path / _COMMAND).read_text().strip()
        except FileNotFoundError:
            return None

    def note_command(self, command: str) -> None:
        """After those before it."""
        commands = [command] if self.command is None else [self.command, command]
        write_whole(self.path / _COMMAND, " && ".join(commands) + "\n")

    @contextmanager
    def held(self) -> Iterator[None]:
        """One learner at a time: two would write over each other's work. Raises UserError where another has it."""
        handle = os.open(self.path, os.O_RDONLY)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # ends with this process, however it ends
            except BlockingIOError:
                raise UserError(f"{self.path} is being trained by another process; stop that one first") from None
            yield
        finally:
            os.close(handle)

    @property
    def config(self) -> Path:
        return self.path / "config.json"

    @property
    def checkpoint(self) -> Path:
        return self.path / "learner.safetensors"

    @property
    def summary(self) -> Path:
        return self.path / "summary.json"

    @property
    def progress(self) -> Path:
        """One JSON object a line, one line a second of training: the report's curves."""
        return self.path / "progress.jsonl"

    @property
    def video(self) -> Path:
        return self.path / "backflip.mp4"

    @property
    def videos(self) -> Path:
        """Several episodes in one picture."""
        return self.path / "episodes.mp4"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    def log_of(self, part: str) -> Path:
        """What a part's process said."""
        return self.logs / f"{part.replace(' ', '_')}.log"

    @property
    def tensorboard(self) -> Path:
        return self.path / "tensorboard"

    @property
    def store(self) -> Path:
        """The embedded label store's files."""
        return self.path / "store"

    @property
    def page(self) -> Path:
        """The labeling page's own files: secrets, videos."""
        return self.path / "page"

    @property
    def labels(self) -> Path:
        """What `backflip export` writes."""
        return self.path / "labels.parquet"

    @property
    def imported_labels(self) -> Path:
        """The answers that this run began with; there is none where it began with nothing."""
        return self.path / "imported.parquet"

    @property
    def reward_model(self) -> Path:
        """Every version of the reward model."""
        return self.path / "reward_model"

    def read_config(self) -> TrainConfig:
        """Raises UserError where this is no run."""
        try:
            return TrainConfig.from_json(self.config.read_text())
        except FileNotFoundError:
            raise UserError(f"{self.path} is not a run: it has no config.json") from None
        except ValueError as error:
            raise UserError(f"{self.config}: {error}") from None

    def write_config(self, config: TrainConfig) -> None:
        write_whole(self.config, config.to_json() + "\n")

    def write_json(self, path: Path, value: dict[str, Any]) -> None:
        write_whole(path, json.dumps(value, indent=2, default=str) + "\n")


def create_run_folder(config: TrainConfig) -> RunFolder:
    """Make the folder of a new run and write its config.

    Raises:
        UserError: the folder cannot be written, or a run of this name is there already.
    """
    name = config.name or f"{config.preset}-seed{config.seed}-{time.strftime('%Y%m%d-%H%M%S')}"
    folder = RunFolder(config.out / name)
    try:
        config.out.mkdir(parents=True, exist_ok=True)
        folder.path.mkdir()
        folder.logs.mkdir()
        write_whole(folder.path / _ID, f"{name}-{secrets.token_hex(4)}\n")
        folder.write_config(config)
    except FileExistsError:
        if not config.out.is_dir():
            raise UserError(f"cannot write the run's folder {folder.path}: {config.out} is a file") from None
        raise UserError(
            f"{folder.path} exists already; choose another --name, or go on with `backflip resume {folder.path}`"
        ) from None
    except OSError as error:
        raise UserError(f"cannot write the run's folder {folder.path}: {error.strerror}") from None
    return folder


def open_run_folder(path: Path) -> RunFolder:
    """An existing run. Raises UserError where there is none."""
    folder = RunFolder(path.resolve())
    folder.read_config()
    return folder
