"""What a person sees while a run goes on: a live panel, or plain lines where there is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from backflip.charts import plain
from backflip.config import TrainConfig
from backflip.recorder import Snapshot
from backflip.system import Facts

_LINE_SECONDS = 5.0
_SILENT_SECONDS = 2.0  # that something may take without a word


class Display:
    """Use as a context; `show` is cheap and may be called as often as one likes."""

    def __init__(self, config: TrainConfig, folder: str, odometer_name: str) -> None:
        self._config = config
        self._folder = folder
        self._odometer_name = odometer_name
        self._console = Console(file=sys.stderr)
        self._live = Live(console=self._console, auto_refresh=False) if self._console.is_terminal else None
        self._next = 0.0

    def __enter__(self) -> Display:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def show(self, now: Snapshot, facts: Facts) -> None:
        clock = time.monotonic()
        if clock < self._next:
            return
        if self._live is not None:
            self._live.update(self._panel(now, facts), refresh=True)
            self._next = clock + 0.25
        else:
            self.say(self._line(now, facts))
            self._next = clock + _LINE_SECONDS

    def _line(self, now: Snapshot, facts: Facts) -> str:
        waiting = "; ".join(f"{part}: {status.doing}" for part, status in facts.parts.items() if status.held_up)
        parts = [
            f"{plain(now.env_steps)} steps",
            f"{now.simulated_seconds / 3600:.2f} h simulated in {_clock(now.wall_seconds)}",
            f"{now.steps_per_second:,.0f} steps/s ({now.times_real_time:.0f}x real time)",
        ]
        if self._config.needs_labels:
            parts.append(f"answers {now.labels_used}/{now.labels_budget}")
            parts.append(f"accuracy {_accuracy(now)}")
        if self._odometer_name:
            parts.append(f"{self._odometer_name} {_number(now.odometer)}")
        parts.append(f"policy v{now.policy_version}, reward v{now.reward_model_version}")
        return " | ".join([*parts, *filter(None, [waiting]), *facts.troubles])

    def _panel(self, now: Snapshot, facts: Facts) -> Table:
        table = Table(title=f"Backflip · {self._config.preset} · seed {self._config.seed}", title_style="bold")
        table.add_column("what")
        table.add_column("now", min_width=44)
        share = min(1.0, now.env_steps / now.total_steps)
        bar = "█" * round(30 * share) + "░" * (30 - round(30 * share))
        beyond = f", {plain(now.env_steps)} until all is answered" if now.env_steps > now.total_steps else ""
        table.add_row("progress", f"{bar} {share:.0%} of {plain(now.total_steps)} steps{beyond}")
        table.add_row("simulated", f"{now.simulated_seconds / 3600:.2f} h in {_clock(now.wall_seconds)}")
        table.add_row("speed", f"{now.steps_per_second:,.0f} steps/s, {now.times_real_time:.0f} times real time")
        if self._config.needs_labels:
            table.add_row("answers", f"{now.labels_used} of {now.labels_budget}")
            table.add_row("held-out accuracy", _accuracy(now))
        if self._odometer_name:
            table.add_row(f"{self._odometer_name} an episode", _number(now.odometer))
        table.add_row("predicted / true return", f"{_number(now.predicted_return)} / {_number(now.true_return)}")
        table.add_row(
            "versions", f"policy {now.policy_version} (lag {now.policy_lag:.1f}), reward {now.reward_model_version}"
        )
        if now.dropped_slabs or now.skipped_slabs:
            table.add_row("slabs left out", f"{now.dropped_slabs} too old, {now.skipped_slabs} before the first fit")
        table.add_row("learner", f"learning, waits for slabs {now.waiting_share:.0%} of the time")
        for part, status in facts.parts.items():
            table.add_row(part, f"[bold red]{escape(status.doing)}[/]" if status.held_up else escape(status.doing))
        for trouble in facts.troubles:
            table.add_row("trouble", escape(trouble))
        table.add_row("folder", escape(self._folder))
        return table


def telling(say: Callable[[str], None], what: str) -> Callable[[int, int], None]:
    """Takes how many of how many are done, and says so after two seconds, and then every five; not at the end."""
    due = time.monotonic() + _SILENT_SECONDS

    def tell(count: int, total: int) -> None:
        nonlocal due
        if count < total and time.monotonic() >= due:
            due = time.monotonic() + _LINE_SECONDS
            say(f"{what} {count} of {total}")

    return tell


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d} min"


def _accuracy(now: Snapshot) -> str:
    if now.reward_model_accuracy is None:
        return "–"
    taken_over = now.reward_model_accuracy_of  # unknown of a model that an older version of this program fitted
    return f"{now.reward_model_accuracy:.0%}" + (f" of {taken_over:,}" if taken_over else "")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
