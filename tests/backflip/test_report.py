from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from backflip.charts import Chart, Line, plain
from backflip.report import write_report
from backflip.run_folder import RunFolder

SUMMARY = {
    "preset": "hopper-backflip",
    "seed": 3,
    "reward_source": "learned",
    "env_steps": 2_000_000,
    "wall_seconds": 150.0,
    "steps_per_second": 13333.3,
    "simulated_seconds": 16_000.0,
    "times_real_time": 106.7,
    "labels_used": 100,
    "reward_model_accuracy": 0.83,
    "reward_model_accuracy_of": 90,
    "true_return": 5000.0,
    "metrics": {"steps_per_episode": 400.0, "landings_per_episode": 1.5, "flips_per_episode": 3.21},
    "odometer_name": "flips",
    "versions": {"mujoco": "4.0.0"},
    "command": "backflip train hopper-backflip --seed 3 --name '<b>bold</b>'",
}


def progress(rows: int = 30) -> list[dict[str, Any]]:
    return [
        {
            "env_steps": 1000 * row,
            "odometer": None if row < 5 else row / 10,
            "true_return": None if row < 5 else 10.0 * row,
            "predicted_return": row - 3.0,
            "labels_used": 3 * row,
            "reward_model_accuracy": None if row < 8 else 0.8,
            "steps_per_second": 10_000.0,
            "policy_lag": 1.0,
        }
        for row in range(rows)
    ]


def report(path: Path, summary: dict[str, Any], records: list[dict[str, Any]], tail: str = "") -> str:
    folder = RunFolder(path)
    folder.progress.write_text("".join(json.dumps(record) + "\n" for record in records) + tail)
    write_report(folder, summary)
    return folder.report.read_text()


def test_a_report_shows_the_key_figures_the_curves_and_how_it_was_made(tmp_path: Path) -> None:
    page = report(tmp_path, SUMMARY, progress())
    assert re.search(r"<dt>flips an episode</dt><dd>3\.21</dd>", page)
    assert page.index("flips an episode") < page.index("landings an episode"), "what the task counts comes first"
    assert "<dt>held-out accuracy, of 90 answers</dt><dd>83%</dd>" in page and "<dd>107×</dd>" in page
    assert re.findall(r"<h3>(.*?)</h3>", page) == [
        "Flips an episode",
        "Return an episode",
        "Answers used",
        "Reward model&#x27;s accuracy on held-out answers",
        "Steps a second",
        "Policy lag, in versions",
    ]
    assert "backflip train hopper-backflip --seed 3 --name &#x27;&lt;b&gt;bold&lt;/b&gt;&#x27;" in page
    assert "<td>mujoco</td><td>4.0.0</td>" in page
    assert "$" not in page, "nothing of the template is left to fill in"


def test_a_report_asks_nothing_of_the_network(tmp_path: Path) -> None:
    (tmp_path / "backflip.mp4").write_bytes(b"")
    page = report(tmp_path, SUMMARY, progress())
    assert re.findall(r'(?:src|href|url)\s*[=(]\s*"?([^">)]*)', page) == ["backflip.mp4"]
    assert "http" not in page.replace("http-equiv", "") and "<script" not in page


def test_without_a_video_there_is_no_hole(tmp_path: Path) -> None:
    assert "<video" not in report(tmp_path, SUMMARY, progress())


def test_the_baseline_says_so_and_shows_no_answers(tmp_path: Path) -> None:
    page = report(tmp_path, SUMMARY | {"reward_source": "true", "labels_used": 0}, progress())
    assert "the task&#x27;s own score: the baseline" in page
    assert "Answers used" not in page and "held-out accuracy" not in page


def test_missing_and_broken_values_are_left_out(tmp_path: Path) -> None:
    sparse = [{"env_steps": 0}, {"env_steps": 10, "odometer": float("nan")}, {"env_steps": 20, "odometer": 1.0}]
    summary = {"preset": "x", "reward_model_accuracy": None, "odometer_name": "flips"}
    page = report(tmp_path, summary, sparse, tail='{"env_st')
    assert "Flips an episode" in page
    assert "nan" not in page.lower().replace("nance", "") and "None" not in page


def test_a_run_too_short_for_curves_has_a_report_all_the_same(tmp_path: Path) -> None:
    assert "too short for curves" in report(tmp_path, SUMMARY, [])


def test_a_gap_in_a_curve_stays_a_gap() -> None:
    chart = Chart("t", [0.0, 1.0, 2.0, 3.0, 4.0], [Line("a", [1.0, 2.0, None, 2.0, 3.0])])
    [path] = re.findall(r'class="curve line-0" d="(.*?)"', chart.figure())
    assert path.count("M") == 2 and path.count("L") == 2


def test_a_level_curve_and_a_single_axis_value_can_be_drawn() -> None:
    for values in ([0.0, 0.0], [5.0, 5.0], [-1.0, -1.0]):
        assert "curve" in Chart("t", [0.0, 1.0], [Line("a", values)]).figure()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (0.25, "0.25"),
        (120.0, "120"),
        (999.7, "1000"),
        (9500.0, "9500"),
        (9994.0, "9994"),
        (9996.0, "10k"),
        (15_000.0, "15k"),
        (999_400.0, "999k"),
        (999_500.0, "1M"),
        (999_936.0, "1M"),
        (2.5e6, "2.5M"),
        (123_456_789.0, "123M"),
        (999_600_000.0, "1G"),
        (-999_936.0, "-1M"),
        (-3e6, "-3M"),
    ],
)
def test_numbers_are_short(value: float, shown: str) -> None:
    assert plain(value) == shown
