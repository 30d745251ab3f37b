"""Reading the command line with tyro, and its complaints in one line like all others."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable
from typing import TypeVar

from backflip.errors import UserError

Parsed = TypeVar("Parsed")


class UsageError(UserError):
    """The command line itself is wrong: nothing was started."""


def parsed(parse: Callable[[], Parsed], prog: str) -> Parsed:
    """What ``parse``, a call of tyro, makes of the arguments; it must not run anything.

    Raises:
        UsageError: the arguments are wrong.
        SystemExit: help was asked for, and printed.
    """
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return parse()
    except SystemExit as end:
        if end.code:
            raise UsageError(f"{_in_one_line(said.getvalue())} (see `{prog} --help`)") from None
        raise


def _in_one_line(box: str) -> str:
    """tyro draws a box: its title, what is wrong, and below a rule what else there is to say."""
    title, *rows = [line.strip("╭╮╰╯│─ ") for line in box.strip().splitlines()] or [""]
    rule = rows.index("") if "" in rows else len(rows)
    text = " ".join(rows[:rule])
    # A value that a config refuses: which dataclass was being built tells nobody anything.
    text = re.sub(r"^Error parsing (?!-)\S+: ", "", text)
    if title in ("Missing subcommand", "Required options"):
        text = f"{title}: {text}"
    rest = " ".join(rows[rule:])
    near = re.search(r"Perhaps you meant: (--[\w.-]+)", rest)
    return (text or " ".join(box.split())) + (f"; perhaps you meant {near[1]}" if near else "")
