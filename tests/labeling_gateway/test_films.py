"""Films are drawn one after the other, whatever one clip does."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from labeling_gateway.films import Films


def test_a_clip_that_cannot_be_read_keeps_nobody_else_waiting(tmp_path: Path) -> None:
    def load(hash: str) -> tuple[bytes, bytes]:
        raise ValueError(f"{hash} is no clip") if hash == "torn" else LookupError(f"there is no clip {hash}")

    films = Films(tmp_path, load)
    try:
        for hash, said in (("torn", "ValueError: torn is no clip"), ("gone", "there is no clip gone")):
            deadline = time.monotonic() + 30.0
            with pytest.raises(ValueError, match=said):
                while films.find(hash) is None:
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
    finally:
        films.close()
