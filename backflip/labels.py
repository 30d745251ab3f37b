"""Answers outlive their run: they are written to one file, and another run begins with them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from backflip.config import TrainConfig
from backflip.errors import UserError
from backflip.run_folder import RunFolder, create_run_folder, open_run_folder
from backflip.system import open_store
from contracts.files import write_whole
from contracts.spaces import Spaces
from labeling_gateway.archive import export_labels
from labeling_gateway.client import GatewayClient
from labeling_gateway.importing import Shape, import_labels, require_fitting
from labeling_gateway.store import StoreError


def export_run(path: Path, output: Path | None = None) -> tuple[Path, int]:
    """Writes the archive of a run's labels; returns the file and how many labels it holds.

    The run's embedded store is started for it, unless ``REDIS_URL`` names the store.

    Raises:
        UserError: there is no such run, it is being trained on its embedded store, its store cannot be
            used, or nobody has answered anything.
        OSError: the file cannot be written.
    """
    folder = open_run_folder(path)
    target = output or folder.labels
    if not target.resolve().parent.is_dir():
        raise UserError(f"cannot write {target}: there is no folder {target.resolve().parent}")
    with _log_of(folder) as client:
        try:
            if not client.counts().labels:
                raise UserError(f"there is nothing to export: {folder.path} has no answers")
            return target, export_labels(client, target)
        except (StoreError, LookupError, ValueError) as error:
            raise UserError(f"cannot export the answers of {folder.path}: {error}") from error


def create_run(config: TrainConfig, spaces: Spaces) -> RunFolder:
    """The folder of a new run, and in it the answers that `labels.from` names: whole and fitting, or nothing is made.

    Raises:
        UserError: there are none, a reward model of this job could not learn from them, or the folder cannot be made.
    """
    with _labels_to_begin_with(config, spaces) as archive:
        folder = create_run_folder(config)
        if archive is not None:
            write_whole(folder.imported_labels, archive.read_bytes())
    return folder


@contextmanager
def _labels_to_begin_with(config: TrainConfig, spaces: Spaces) -> Iterator[Path | None]:
    """The archive that `labels.from` names, if it names one. Raises UserError, see `create_run`."""
    source = config.labels.from_
    if source is None:
        yield None
        return
    if not config.needs_labels:
        raise UserError("labels.from is of no use with --reward true, which learns from no answers")
    with ExitStack() as temporary:
        archive = Path(source)
        if archive.is_dir():
            beside = Path(temporary.enter_context(tempfile.TemporaryDirectory()))
            archive, _ = export_run(archive, beside / "labels.parquet")
        try:
            require_fitting(archive, _shape(config, spaces))
        except FileNotFoundError:
            raise UserError(f"labels.from names {source}, which is neither a file nor a run's folder") from None
        except ValueError as error:
            raise UserError(f"cannot begin with the answers of {source}: {error}") from None
        yield archive


def bring_labels(config: TrainConfig, folder: RunFolder, spaces: Spaces, client: GatewayClient) -> int:
    """Commits the answers that a run begins with to its log, those that are not there; returns how many stand.

    Raises:
        UserError: the archive in the run's folder is damaged.
        StoreError: some may be there; a resume brings the others.
    """
    if not folder.imported_labels.exists():
        return 0
    try:
        return import_labels(client, folder.imported_labels, _shape(config, spaces))
    except ValueError as error:
        raise UserError(str(error)) from None


@contextmanager
def _log_of(folder: RunFolder) -> Iterator[GatewayClient]:
    with ExitStack() as opened:
        if not os.environ.get("REDIS_URL"):
            opened.enter_context(folder.held())  # whoever trains it has its embedded store
        store = open_store(folder)
        opened.callback(store.stop)
        client = GatewayClient(store.url, folder.run)
        opened.callback(client.close)
        yield client


def _shape(config: TrainConfig, spaces: Spaces) -> Shape:
    return Shape(config.labels.clip_steps, spaces.observation.shape, spaces.action.size)
