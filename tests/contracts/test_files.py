"""A file is there whole, or as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.files import write_whole


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write_whole(file, "old")
    (tmp_path / "file.partial").mkdir()  # so that the next writing fails half-way
    with pytest.raises(OSError):
        write_whole(file, b"new")
    assert file.read_text() == "old"
    (tmp_path / "file.partial").rmdir()
    write_whole(file, b"new")
    assert file.read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
