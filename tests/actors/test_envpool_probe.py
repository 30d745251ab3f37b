from __future__ import annotations

import ctypes.util
import sys
from pathlib import Path
from typing import Any

import envpool
import pytest

from actors.simulators import envpool_probe
from actors.simulators.envpool_probe import require_usable


@pytest.mark.parametrize("task", ["Highway-v0", "Enduro-v5:keep-even", "NoSuchTask-v0"])
def test_a_task_that_starts_is_usable_and_one_that_is_none_is_not_our_matter(task: str) -> None:
    require_usable(task)


@pytest.mark.skipif(ctypes.util.find_library("Qt5Gui") is not None, reason="Qt is installed here: nothing is missing")
def test_a_missing_system_library_is_named_with_what_installs_it() -> None:
    with pytest.raises(ValueError, match=r"BigfishEasy-v0 lacks libQt5\w+\.so\.5: .*apt install") as caught:
        require_usable("BigfishEasy-v0")
    assert "\n" not in str(caught.value)


def test_what_is_tried_is_what_a_run_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever of it ends the process ends the one that tries."""
    done: list[str] = []
    options: dict[str, Any] = {}
    make = envpool.make

    class Watched:
        def __init__(self, task: str, **given: Any) -> None:
            options.update(given)
            self._pool = make(task, **given)

        def __getattr__(self, name: str) -> Any:
            done.append(name)
            return getattr(self._pool, name)

    monkeypatch.setattr(envpool, "make", Watched)
    envpool_probe._try("Highway-v0")
    assert [name for name in done if name in ("reset", "step", "render")] == ["reset", "step", "render"]
    assert options["render_mode"] == "rgb_array"


def test_a_start_that_ends_its_process_does_not_end_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deadly = tmp_path / "python"
    deadly.write_text("#!/bin/sh\nkill -SEGV $$\n")
    deadly.chmod(0o755)
    envpool_probe._trouble.cache_clear()
    monkeypatch.setattr(sys, "executable", str(deadly))
    with pytest.raises(ValueError, match=r"Snake-v1 cannot be used here: .* with SIGSEGV"):
        require_usable("Snake-v1")
    envpool_probe._trouble.cache_clear()
