"""The label log as one Parquet file, with the clips and scenes that its labels name: it outlives the run's store.

One row a label, in log order, superseded ones too. The same log gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from contracts.clip import Scene
from contracts.encoding import content_hash
from contracts.files import writing_whole
from contracts.label import READABLE, SCHEMA, Choice, Label, Opinion, Query
from labeling_gateway.client import GatewayClient
from labeling_gateway.replay import Record, replay

KIND = "backflip label archive"

_ROWS_PER_GROUP = 256  # which are in memory at once, with their clips
_COLUMNS = pa.schema(
    [
        ("offset", pa.string()),
        ("query", pa.string()),
        ("rater", pa.string()),
        ("choice", pa.string()),
        ("opinion", pa.string()),
        ("fence", pa.int64()),
        ("answered_at", pa.float64()),
        ("seconds", pa.float64()),
        ("flipped", pa.bool_()),
        ("supersedes", pa.string()),
        ("query_bytes", pa.binary()),
        ("clip_a", pa.binary()),
        ("clip_b", pa.binary()),
        ("scene", pa.binary()),
    ]
)


@dataclass(frozen=True)
class ArchivedLabel:
    """A row: one label, and everything that it names."""

    run: str  # where it was given
    record: Record
    scene: Scene


def export_labels(client: GatewayClient, path: Path) -> int:
    """Writes the archive of a run's whole log; returns how many labels it holds.

    Raises:
        OSError: it cannot be written; what was there stays.
        LookupError: the log names a question, a clip or a scene that the store does not have.
        ValueError: a clip is not the one that its question names.
    """
    metadata = {"kind": KIND, "schema": str(SCHEMA), "run": client.keys.run}
    scenes: dict[str, bytes] = {}
    rows: list[dict[str, object]] = []
    count = 0
    with (
        writing_whole(path) as file,
        pq.ParquetWriter(file, _COLUMNS.with_metadata(metadata), compression="zstd") as writer,
    ):
        for count, record in enumerate(replay(client), 1):  # noqa: B007
            name = record.query.scene
            if name not in scenes:
                scenes[name] = client.scene(name).to_bytes()
            rows.append(_row(record, scenes[name]))
            if len(rows) == _ROWS_PER_GROUP:
                writer.write_table(pa.Table.from_pylist(rows, _COLUMNS))
                rows.clear()
        if rows:
            writer.write_table(pa.Table.from_pylist(rows, _COLUMNS))
    return count


def read_archive(path: Path) -> Iterator[ArchivedLabel]:
    """Every label of an archive, in log order, each checked before it is given.

    Raises:
        ValueError: the file is no archive of a readable schema, or what a row holds is not what it names.
        OSError: it cannot be read.
    """
    with path.open("rb") as opened:
        try:
            file = pq.ParquetFile(opened)
        except pa.ArrowException as error:
            raise ValueError(f"{path} is no label archive: {_line(error)}") from error
        run = _require_archive(file.schema_arrow, path)
        number = 0
        batches = file.iter_batches(_ROWS_PER_GROUP)
        while True:
            try:
                batch = next(batches, None)
                rows = [] if batch is None else batch.to_pylist()
            except (pa.ArrowException, OSError, ValueError) as error:
                raise ValueError(f"{path} is damaged after row {number}: {_line(error)}") from error
            if batch is None:
                return
            for row in rows:
                number += 1
                try:
                    archived = ArchivedLabel(run, *_read(row))
                except (ValueError, TypeError, AttributeError) as error:
                    raise ValueError(f"{path}, row {number}: {_line(error)}") from error
                yield archived


def _row(record: Record, scene: bytes) -> dict[str, object]:
    label = record.label
    return {
        "offset": record.offset,
        "query": label.query,
        "rater": label.rater,
        "choice": label.choice.value,
        "opinion": label.opinion.value,
        "fence": label.fence,
        "answered_at": label.answered_at,
        "seconds": label.seconds,
        "flipped": label.flipped,
        "supersedes": label.supersedes,
        "query_bytes": record.query.to_bytes(),
        "clip_a": record.clip_a,
        "clip_b": record.clip_b,
        "scene": scene,
    }


def _read(row: dict) -> tuple[Record, Scene]:
    label = Label(
        query=row["query"],
        rater=row["rater"],
        choice=Choice(row["choice"]),
        opinion=Opinion(row["opinion"]),
        fence=row["fence"],
        answered_at=row["answered_at"],
        seconds=row["seconds"],
        supersedes=row["supersedes"],
        flipped=row["flipped"],
    )
    query = Query.from_bytes(row["query_bytes"])
    if query.id != label.query:
        raise ValueError(f"the label is of question {label.query}, and the row holds {query.id}")
    named = {"clip_a": query.clip_a, "clip_b": query.clip_b, "scene": query.scene}
    for column, name in named.items():
        if content_hash(row[column]) != name:
            raise ValueError(f"{column} is not what question {query.id} names")
    return Record(row["offset"], label, query, row["clip_a"], row["clip_b"]), Scene.from_bytes(row["scene"])


def _require_archive(schema: pa.Schema, path: Path) -> str:
    """The run's id. Raises ValueError where this is another kind of file."""
    metadata = {name.decode(): value.decode() for name, value in (schema.metadata or {}).items()}
    if metadata.get("kind") != KIND or "run" not in metadata:
        raise ValueError(f"{path} is no label archive; one is written by `backflip export`")
    if metadata.get("schema") not in [str(schema) for schema in READABLE]:
        readable = " or ".join(map(str, READABLE))
        raise ValueError(f"{path} is a label archive of schema {metadata.get('schema')}; this reads schema {readable}")
    if not schema.equals(_COLUMNS):
        raise ValueError(f"{path} has other columns than a label archive: {', '.join(schema.names)}")
    return metadata["run"]


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
