"""Line charts as SVG text that takes its colours from the page: crisp at any size, light or dark."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 440.0, 250.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 46.0, 14.0, 30.0
_POINTS = 300  # of a line: more would not show

Format = Callable[[float], str]


def plain(value: float) -> str:
    """Short: 0.25, 3.4, 120, 15k, 2.5M."""
    rounded = float(f"{value:.3g}")  # first, since 999,936 is 1M and not 1000k
    size = abs(rounded)
    for unit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size >= unit * (10 if suffix == "k" else 1):
            return f"{rounded / unit:.3g}{suffix}"
    return f"{value:.3g}" if size < 1000 else f"{value:.0f}"


def percent(value: float) -> str:
    return f"{100 * value:.0f}%"


@dataclass(frozen=True)
class Line:
    """One curve. Values that are not known yet are None and leave a gap."""

    name: str
    values: Sequence[float | None]
    colour: int = 0  # index into the page's --line-0, --line-1, …
    right: bool = False  # against an axis of its own, on the right


@dataclass(frozen=True)
class Chart:
    """``limits`` fixes the vertical axis, ``from_zero`` its lower end; ``rule`` is a labelled line, such as chance."""

    title: str
    x: Sequence[float]
    lines: Sequence[Line]
    x_name: str = "steps"
    format: Format = plain
    limits: tuple[float, float] | None = None
    from_zero: bool = False
    rule: tuple[float, str] | None = None
    note: str = ""

    @property
    def empty(self) -> bool:
        return len(self.x) < 2 or not any(_known(line.values) for line in self.lines)

    def figure(self) -> str:
        """An HTML ``figure``: title, legend, drawing, note."""
        legend = ""
        if len(self.lines) > 1:
            legend = "".join(
                f'<span class="key line-{line.colour}">{escape(line.name)}{" (right)" if line.right else ""}</span>'
                for line in self.lines
            )
        note = f"<p>{escape(self.note)}</p>" if self.note else ""
        caption = f"<figcaption><h3>{escape(self.title)}</h3>{legend}</figcaption>"
        return f"<figure>{caption}\n{self._drawing()}\n{note}</figure>"

    def _drawing(self) -> str:
        first, last = min(self.x), max(self.x)
        across = _Scale(first, last if last > first else first + 1, _LEFT, _WIDTH - _RIGHT)
        parts = [
            f'<svg viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" role="img" aria-label="{escape(self.title, quote=True)}">'
        ]
        sides = [[line for line in self.lines if line.right == right] for right in (False, True)]
        for right, lines in enumerate(sides):
            known = [value for line in lines for value in _known(line.values)]
            if known:
                parts += self._side(bool(right), lines, known, across)
        for tick in _ticks(across.low, across.high, 5):
            at = across(tick)
            parts.append(
                f'<text class="tick" x="{at:.1f}" y="{_HEIGHT - 13:.1f}" text-anchor="middle">{plain(tick)}</text>'
            )
        name = escape(self.x_name)
        parts.append(
            f'<text class="tick" x="{_WIDTH / 2:.0f}" y="{_HEIGHT - 1:.0f}" text-anchor="middle">{name}</text>'
        )
        return "\n".join([*parts, "</svg>"])

    def _side(self, right: bool, lines: list[Line], known: list[float], across: _Scale) -> list[str]:
        low, high = self.limits or _padded(known + [0.0] * self.from_zero)
        up = _Scale(low, high, _HEIGHT - _BOTTOM, _TOP)
        parts = []
        for tick in _ticks(low, high, 5):
            at = up(tick)
            if not right:
                parts.append(f'<path class="grid" d="M{_LEFT:.0f} {at:.1f}H{_WIDTH - _RIGHT:.0f}"/>')
            place, anchor = (_WIDTH - _RIGHT + 6, "start") if right else (_LEFT - 6, "end")
            style = f"tick text-{lines[0].colour}" if right else "tick"
            name = self.format(tick)
            parts.append(f'<text class="{style}" x="{place:.0f}" y="{at + 4:.1f}" text-anchor="{anchor}">{name}</text>')
        if self.rule is not None and not right:
            at = up(self.rule[0])
            parts.append(f'<path class="rule" d="M{_LEFT:.0f} {at:.1f}H{_WIDTH - _RIGHT:.0f}"/>')
            parts.append(f'<text class="tick" x="{_LEFT + 4:.0f}" y="{at - 4:.1f}">{escape(self.rule[1])}</text>')
        for line in lines:
            parts.append(f'<path class="curve line-{line.colour}" d="{self._path(line, across, up)}"/>')
            final = [(x, value) for x, value in zip(self.x, line.values, strict=True) if value is not None][-1:]
            for x, value in final:
                parts.append(
                    f'<circle class="dot line-{line.colour}" cx="{across(x):.1f}" cy="{up(value):.1f}" r="3"/>'
                )
                if not any(other.right for other in self.lines):
                    place = min(max(up(value) + 4, _TOP + 4), _HEIGHT - _BOTTOM)
                    parts.append(
                        f'<text class="last text-{line.colour}" x="{across(x) + 6:.1f}" y="{place:.1f}">'
                        f"{self.format(value)}</text>"
                    )
        return parts

    def _path(self, line: Line, across: _Scale, up: _Scale) -> str:
        step = max(1, len(self.x) // _POINTS)
        rows = sorted({*range(0, len(self.x), step), len(self.x) - 1})
        commands, pen_down = [], False
        for row in rows:
            value = line.values[row]
            if value is None:
                pen_down = False
                continue
            commands.append(f"{'L' if pen_down else 'M'}{across(self.x[row]):.1f} {up(value):.1f}")
            pen_down = True
        return "".join(commands)


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + min(max(share, -0.02), 1.02) * (self.end - self.start)


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _padded(known: list[float]) -> tuple[float, float]:
    """Limits round all values, with 0 where it is near."""
    low, high = min(known), max(known)
    span = high - low or abs(high) or 1.0
    if 0 < low < span:
        low = 0.0
    return (low - 0.05 * span if low else 0.0), high + 0.05 * span


def _ticks(low: float, high: float, wanted: int) -> list[float]:
    """Round numbers within the limits."""
    rough = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(tick * step, 12) for tick in range(first, math.floor(high / step + 1e-9) + 1)]
