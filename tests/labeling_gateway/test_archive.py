"""Labels leave a run in one file and start another."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.clip import Scene
from contracts.label import Choice, Lease, Opinion
from labeling_gateway.archive import export_labels, read_archive
from labeling_gateway.client import GatewayClient
from labeling_gateway.importing import Shape, import_labels
from labeling_gateway.replay import Record, replay
from tests.labeling_gateway.samples import STEPS, ask

SCENE = Scene(task="hopper", track="observation", timestep=0.02, question="Which is better?")
SHAPE = Shape(steps=STEPS, observation=(4,), action=2)


def answered(client: GatewayClient, count: int) -> None:
    """Answers of two raters, one of which was taken back and given again."""
    ask(client, count, scene=client.put_scene(SCENE))
    leases: list[Lease] = []
    while (held := client.lease("ann", 60)) is not None:
        client.answer(held, "ann", Choice.B, 0.1 + 0.2, flipped=True)
        leases.append(held)
    client.answer(leases[0], "bob", Choice.CANT_TELL, 2.0)
    client.answer(client.undo("ann", leases[1].query.id, 60), "ann", Choice.EQUAL, 3.0)
    client.undo("ann", leases[2].query.id, 60)


@pytest.fixture
def other(store_url: str) -> GatewayClient:
    return GatewayClient(store_url, f"other-{uuid.uuid4().hex[:8]}")


def standing(client: GatewayClient) -> list[Record]:
    """Those that no later label supersedes."""
    records = list(replay(client))
    replaced = {record.label.supersedes for record in records}
    return [one for one in records if one.offset not in replaced and one.label.choice is not Choice.WITHDRAWN]


def test_an_archive_holds_the_log_and_all_that_it_names(client: GatewayClient, tmp_path: Path) -> None:
    answered(client, 5)
    file = tmp_path / "labels.parquet"
    assert export_labels(client, file) == 9
    found = list(read_archive(file))
    assert [archived.record for archived in found] == list(replay(client))
    assert {archived.scene for archived in found} == {SCENE}
    assert {archived.run for archived in found} == {client.keys.run}
    assert pq.read_table(file, columns=["rater"])["rater"].to_pylist().count("bob") == 1


def test_the_same_log_gives_the_same_bytes(
    client: GatewayClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labeling_gateway.archive._ROWS_PER_GROUP", 4)
    answered(client, 9)
    one, two = tmp_path / "one", tmp_path / "two"
    export_labels(client, one)
    export_labels(client, two)
    assert one.read_bytes() == two.read_bytes()
    assert pq.ParquetFile(one).num_row_groups == 4
    assert len(list(read_archive(one))) == 13


def test_what_was_there_stays_where_an_export_fails(client: GatewayClient, tmp_path: Path) -> None:
    file = tmp_path / "labels.parquet"
    file.write_bytes(b"old")
    ask(client, 1)
    held = client.lease("ann", 60)
    assert held is not None
    client.answer(held, "ann", Choice.A, 1)
    with pytest.raises(LookupError, match="no scene"):
        export_labels(client, file)
    assert file.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["labels.parquet"]


def test_imported_answers_keep_what_their_raters_said(
    client: GatewayClient, other: GatewayClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labeling_gateway.importing._BATCH", 2)
    answered(client, 5)
    file = tmp_path / "labels.parquet"
    export_labels(client, file)
    assert import_labels(other, file, SHAPE) == 5
    before, after = standing(client), standing(other)
    said = [
        [(r.label.rater, r.label.choice, r.label.seconds, r.label.flipped, r.label.answered_at, r.clip_a) for r in run]
        for run in (before, after)
    ]
    assert said[0] == said[1]
    assert {record.label.opinion for record in after} == {Opinion.IMPORTED}
    assert other.scene(SCENE.hash) == SCENE
    counts = other.counts()
    assert (counts.asked, counts.used, counts.later, counts.open, counts.labels) == (0, 0, 0, 0, 5)
    assert len({record.label.query for record in [*before, *after]}) == 8, "their questions have names of their own"


def test_importing_twice_adds_nothing_twice(client: GatewayClient, other: GatewayClient, tmp_path: Path) -> None:
    answered(client, 5)
    file, second = tmp_path / "labels.parquet", tmp_path / "second.parquet"
    export_labels(client, file)
    import_labels(other, file, SHAPE)
    log = other.read_labels("", 100)
    assert import_labels(other, file, SHAPE) == 5
    export_labels(other, second)
    assert import_labels(other, second, SHAPE) == 5, "nor by way of another run"
    assert other.read_labels("", 100) == log


def test_imported_answers_can_be_withdrawn_and_stay_so(
    client: GatewayClient, other: GatewayClient, tmp_path: Path
) -> None:
    answered(client, 5)
    file = tmp_path / "labels.parquet"
    export_labels(client, file)
    import_labels(other, file, SHAPE)
    imported = next(record for record in standing(other) if record.label.rater == "ann")
    with pytest.raises(LookupError):
        other.undo("ann", imported.query.id, 60)
    with pytest.raises(LookupError):
        other.answer(Lease(imported.query, 1, 0.0), "eve", Choice.A, 1)
    assert other.withdraw("ann") == 4
    assert import_labels(other, file, SHAPE) == 1
    assert (other.counts().open, other.counts().imported) == (0, 1)


def test_clips_of_another_width_or_length_are_refused_naming_both(
    client: GatewayClient, other: GatewayClient, tmp_path: Path
) -> None:
    answered(client, 3)
    file = tmp_path / "labels.parquet"
    export_labels(client, file)
    for wanted in (replace(SHAPE, observation=(11,)), replace(SHAPE, action=3), replace(SHAPE, steps=50)):
        with pytest.raises(ValueError) as raised:
            import_labels(other, file, wanted)
        words = str(raised.value)
        assert f"clips of {STEPS} steps with 4 observations and 2 actions" in words
        assert f"{wanted.steps} steps with {wanted.observation[0]} observations and {wanted.action} actions" in words
    assert other.counts().labels == 0


def changed(file: Path, column: str, value: object, row: int = 1) -> None:
    table = pq.read_table(file)
    values = table[column].to_pylist()
    values[row] = value
    index = table.schema.get_field_index(column)
    pq.write_table(
        table.set_column(index, table.schema.field(index), pa.array(values, table.schema.types[index])), file
    )


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("clip_b", b"something else", "row 2: clip_b is not what question 000001 names"),
        ("scene", b"{}", "row 2: scene is not"),
        ("choice", "maybe", "row 2: 'maybe'"),
        ("query", "nope", "row 2: the label is of question nope"),
        ("query_bytes", b"{}", "row 2: expected a query"),
        ("clip_a", None, "row 2: "),
    ],
)
def test_a_damaged_row_is_named(client: GatewayClient, tmp_path: Path, column: str, value: object, words: str) -> None:
    answered(client, 3)
    file = tmp_path / "labels.parquet"
    export_labels(client, file)
    changed(file, column, value)
    with pytest.raises(ValueError, match=words) as raised:
        list(read_archive(file))
    assert str(file) in str(raised.value)


def test_what_is_no_archive_is_named(client: GatewayClient, other: GatewayClient, tmp_path: Path) -> None:
    file = tmp_path / "labels.parquet"
    file.write_bytes(b"PAR1 or not")
    with pytest.raises(ValueError, match=r"labels\.parquet is no label archive"):
        list(read_archive(file))
    pq.write_table(pa.table({"x": [1]}), file)
    with pytest.raises(ValueError, match="backflip export"):
        list(read_archive(file))
    answered(client, 3)
    export_labels(client, file)
    table = pq.read_table(file)
    pq.write_table(table.replace_schema_metadata(table.schema.metadata | {b"schema": b"1"}), file)
    with pytest.raises(ValueError, match="schema 1; this reads schema 2 or 3"):
        import_labels(other, file, SHAPE)
    pq.write_table(table.drop(["flipped"]), file)
    with pytest.raises(ValueError, match="other columns"):
        list(read_archive(file))


def test_an_archive_of_schema_2_is_read_and_its_questions_had_one_rater(client: GatewayClient, tmp_path: Path) -> None:
    answered(client, 3)
    file = tmp_path / "labels.parquet"
    export_labels(client, file)
    written = list(read_archive(file))
    for row, archived in enumerate(written):
        data = archived.record.query.to_bytes()
        changed(file, "query_bytes", data.replace(b'"opinions":1,', b"").replace(b'"schema":3', b'"schema":2'), row)
    table = pq.read_table(file)
    pq.write_table(table.replace_schema_metadata(table.schema.metadata | {b"schema": b"2"}), file)
    assert list(read_archive(file)) == written


def test_a_file_that_was_cut_or_overwritten_is_a_value_error(client: GatewayClient, tmp_path: Path) -> None:
    answered(client, 3)
    file = tmp_path / "labels.parquet"
    export_labels(client, file)
    whole = file.read_bytes()
    for damaged in (whole[:-30], whole[:200] + bytes(400) + whole[600:]):
        file.write_bytes(damaged)
        with pytest.raises(ValueError, match=str(file)):
            list(read_archive(file))
