"""Answers of another run, brought into the log of this one, where its reward model learns from them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from contracts.clip import Clip
from contracts.encoding import content_hash
from contracts.label import Choice, Label, Opinion, Query
from labeling_gateway.archive import ArchivedLabel, read_archive
from labeling_gateway.client import GatewayClient

_BATCH = 100  # answers in one round trip
_ORIGIN = "~"  # between a question's id and what tells its run


@dataclass(frozen=True)
class Shape:
    """What a clip must be like for a run's reward model to learn from it."""

    steps: int
    observation: tuple[int, ...]
    action: int


def import_labels(client: GatewayClient, path: Path, wanted: Shape) -> int:
    """Commits the standing answers of an archive as answers of another run; returns how many the log holds now.

    Rater, choice, time and side are kept. They count beside the budget. Gold answers and repeats, which teach
    nothing, stay out. Nothing is imported unless all of the archive is sound and fits; what was imported before
    is not imported again.

    Raises:
        ValueError: the archive is damaged, or its clips are not as ``wanted``; the message names both.
        OSError: it cannot be read.
        StoreUnreachable, NotDurable: some may be there; import it again.
    """
    replaced = require_fitting(path, wanted)
    batch: list[ArchivedLabel] = []
    for archived in read_archive(path):
        label = archived.record.label
        taught = label.choice is not Choice.WITHDRAWN and label.opinion not in (Opinion.GOLD, Opinion.REPEAT)
        if archived.record.offset in replaced or not taught:
            continue
        batch.append(archived)
        if len(batch) == _BATCH:
            _commit(client, batch)
            batch.clear()
    _commit(client, batch)
    return client.counts().imported


def require_fitting(path: Path, wanted: Shape) -> set[str]:
    """Reads the whole archive; returns the offsets of labels that a later one supersedes. Raises as `import_labels`."""
    replaced: set[str] = set()
    for archived in read_archive(path):
        replaced.add(archived.record.label.supersedes)
        _require_shape(archived, path, wanted)
    return replaced


def _commit(client: GatewayClient, batch: list[ArchivedLabel]) -> None:
    for scene in {archived.scene.hash: archived.scene for archived in batch}.values():
        client.put_scene(scene)
    clips: dict[str, bytes] = {}
    answers: list[tuple[Query, Label]] = []
    for archived in batch:
        record = archived.record
        clips |= {record.query.clip_a: record.clip_a, record.query.clip_b: record.clip_b}
        answers.append((_of_its_run(record.query, archived.run), record.label))
    client.import_answers(answers, clips)


def _of_its_run(query: Query, run: str) -> Query:
    """Under a name that no question of another run has; one that was imported there keeps the name it has."""
    return query if _ORIGIN in query.id else replace(query, id=f"{query.id}{_ORIGIN}{content_hash(run.encode())[:8]}")


def _require_shape(archived: ArchivedLabel, path: Path, wanted: Shape) -> None:
    for data in (archived.record.clip_a, archived.record.clip_b):
        clip = Clip.from_bytes(data)
        found = Shape(len(clip), clip.observation.shape[1:], clip.action.shape[1])
        if found != wanted:
            raise ValueError(
                f"{path} has clips of {found.steps} steps with {_numbers(found.observation)} observations and "
                f"{found.action} actions each (task {archived.scene.task}), and this run's have {wanted.steps} steps "
                f"with {_numbers(wanted.observation)} observations and {wanted.action} actions"
            )


def _numbers(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
