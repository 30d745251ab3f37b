"""A run's report: one page of key figures, curves and the video, readable offline and on a phone."""

from __future__ import annotations

import json
import math
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from backflip.charts import Chart, Line, percent, plain
from backflip.run_folder import RunFolder
from contracts.files import write_whole

_MISSING = "–"


def write_report(folder: RunFolder, summary: dict[str, Any]) -> None:
    """Write ``report.html`` from the summary, ``progress.jsonl`` and, if it is there, the video.

    The page asks for nothing but the video beside it.
    """
    progress = _read_progress(folder)
    video = folder.video.exists()
    page = Template((files("backflip") / "report.html").read_text())
    curves = "\n".join(chart.figure() for chart in _charts(summary, progress) if not chart.empty)
    write_whole(
        folder.report,
        page.substitute(
            title=escape(f"{_text(summary, 'preset')} · Backflip"),
            heading=escape(_text(summary, "preset")),
            lead=escape(_lead(summary)),
            top="top with-video" if video else "top",
            video=_video(folder, summary) if video else "",
            figures="\n".join(
                _figure(name, value, first=row == 0) for row, (name, value) in enumerate(_figures(summary))
            ),
            curves=curves or "<p>The run was too short for curves.</p>",
            command=escape(_text(summary, "command")),
            numbers=_rows(_numbers(summary)),
            versions=_rows({str(name): str(value) for name, value in (summary.get("versions") or {}).items()}),
            footer=escape(
                f"Run {folder.run}. The numbers are in summary.json, the curves in progress.jsonl, beside this page."
            ),
        ),
    )


def _read_progress(folder: RunFolder) -> list[dict[str, Any]]:
    """Every whole line; a run that was killed may have left half of one."""
    if not folder.progress.exists():
        return []
    records = []
    for line in folder.progress.read_text().splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and _number(record.get("env_steps")) is not None:
            records.append(record)
    return records


def _charts(summary: dict[str, Any], progress: list[dict[str, Any]]) -> list[Chart]:
    x = [float(record["env_steps"]) for record in progress]

    def column(name: str) -> list[float | None]:
        return [_number(record.get(name)) for record in progress]

    counted = str(summary.get("odometer_name") or "")
    charts = [Chart(f"{counted.capitalize()} an episode", x, [Line(counted, column("odometer"))])] if counted else []
    true_return = Line("true", column("true_return"))
    if not _learned(summary):
        return [*charts, Chart("True return an episode", x, [true_return]), _speed(x, column("steps_per_second"))]
    charts += [
        Chart(
            "Return an episode",
            x,
            [true_return, Line("predicted", column("predicted_return"), colour=1, right=True)],
            note="The true score is for reading only: training never sees it. The two have units of their own.",
        ),
        Chart("Answers used", x, [Line("answers", column("labels_used"), colour=2)], from_zero=True),
        Chart(
            "Reward model's accuracy on held-out answers",
            x,
            [Line("accuracy", column("reward_model_accuracy"), colour=1)],
            format=percent,
            limits=(0.4, 1.0),
            rule=(0.5, "a coin toss"),
        ),
        _speed(x, column("steps_per_second")),
        Chart("Policy lag, in versions", x, [Line("lag", column("policy_lag"), colour=1)], from_zero=True),
    ]
    return charts


def _speed(x: list[float], values: list[float | None]) -> Chart:
    return Chart("Steps a second", x, [Line("steps a second", values, colour=2)], from_zero=True)


def _lead(summary: dict[str, Any]) -> str:
    if summary.get("policy_version") == 0:
        source = "Never updated: all steps were over before a reward model was fitted"
    elif _learned(summary):
        source = f"Learnt from {_shown(summary, 'labels_used')} answers to “which clip is better?”, no reward written"
    else:
        source = "Learnt from the task's own score: the baseline"
    simulated, wall = _number(summary.get("simulated_seconds")), _number(summary.get("wall_seconds"))
    if simulated is None or wall is None:
        return f"{source}. Seed {_shown(summary, 'seed')}."
    return f"{source}. {_duration(simulated)} of experience in {_duration(wall)}. Seed {_shown(summary, 'seed')}."


def _figures(summary: dict[str, Any]) -> list[tuple[str, str]]:
    metrics = summary.get("metrics") or {}
    counted = f"{summary.get('odometer_name')}_per_episode"
    ordered = sorted(metrics.items(), key=lambda item: item[0] != counted)
    # Where episodes end by time only, their length says nothing.
    telling = [item for item in ordered if item[0] == counted or item[0] != "steps_per_episode"] or ordered
    figures = [(_words(name), _short(value)) for name, value in telling]
    if _learned(summary):
        accuracy = _number(summary.get("reward_model_accuracy"))
        figures.append(("answers", _shown(summary, "labels_used")))
        taken_over = _number(summary.get("reward_model_accuracy_of"))  # which reports of older runs don't know
        name = f"held-out accuracy, of {taken_over:,.0f} answers" if taken_over else "held-out accuracy"
        figures.append((name, _MISSING if accuracy is None else percent(accuracy)))
    times, rate = (_number(summary.get(name)) for name in ("times_real_time", "steps_per_second"))
    figures.append(("times real time", _MISSING if times is None else f"{times:,.0f}×"))
    figures.append(("steps a second", _MISSING if rate is None else f"{rate:,.0f}"))
    return figures


def _numbers(summary: dict[str, Any]) -> dict[str, str]:
    """All that the summary measured, flat."""
    elsewhere = {"preset", "command", "odometer_name"}
    flat = {name: value for name, value in summary.items() if name not in elsewhere}
    measured = flat | (summary.get("metrics") or {})
    return {
        _words(name): f"{round(value, 3):,}" if isinstance(value, int | float) else str(value or _MISSING)
        for name, value in measured.items()
        if not isinstance(value, dict | list)
    }


def _figure(name: str, value: str, *, first: bool) -> str:
    style = ' class="first"' if first else ""
    return f"<div{style}><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"


def _rows(values: dict[str, str]) -> str:
    return "".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in values.items())


def _video(folder: RunFolder, summary: dict[str, Any]) -> str:
    name = escape(folder.video.name, quote=True)
    bar = " On the right, how much the reward model thinks a person would approve of each step."
    return (
        f'<div class="film"><video src="{name}" controls loop muted autoplay playsinline></video>'
        f"<p>The final policy.{bar if _learned(summary) else ''}</p></div>"
    )


def _learned(summary: dict[str, Any]) -> bool:
    return summary.get("reward_source") != "true"


def _number(value: Any) -> float | None:
    """A finite number, or None for anything else that a file may hold."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _text(summary: dict[str, Any], name: str) -> str:
    return str(summary.get(name) or _MISSING)


def _shown(summary: dict[str, Any], name: str) -> str:
    value = _number(summary.get(name))
    return _MISSING if value is None else f"{value:,.0f}"


def _short(value: Any) -> str:
    number = _number(value)
    if number is None:
        return _MISSING
    return f"{number:.2f}" if abs(number) < 100 else plain(number)


def _words(name: str) -> str:
    return name.replace("_per_episode", " an episode").replace("_", " ")


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} seconds"
    if seconds < 3 * 3600:
        return f"{seconds / 60:.1f} minutes" if seconds < 3600 else f"{seconds / 3600:.1f} hours"
    return f"{seconds / 3600:.0f} hours"
