"""What a vendor's own table in vendors.toml says, checked by the vendor that it is for."""

from __future__ import annotations

from collections.abc import Collection

from labeling_gateway.vendors.interface import Settings


class Options:
    """Reads one vendor's options; `done` complains of those that nobody read.

    Every method raises ValueError, in one line, where an option is wrong.
    """

    def __init__(self, settings: Settings) -> None:
        self._left = dict(settings.options)

    def take(self, name: str, default: object = None) -> object:
        """Any value. Raises ValueError where it has to be there and is not."""
        if name not in self._left and default is None:
            raise ValueError(f"options.{name} is missing")
        return self._left.pop(name, default)

    def text(self, name: str, default: str | None = None) -> str:
        value = self.take(name, default)
        if not isinstance(value, str):
            raise ValueError(f"options.{name} must be a text, not {value!r}")
        return value

    def one_of(self, name: str, choices: Collection[str], default: str) -> str:
        value = self.text(name, default)
        if value not in choices:
            raise ValueError(f"options.{name} must be one of {', '.join(choices)}, not {value!r}")
        return value

    def whole(self, name: str, default: int | None = None) -> int:
        value = self.take(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"options.{name} must be a whole number, 1 or more, not {value!r}")
        return value

    def done(self) -> None:
        if self._left:
            raise ValueError(f"there is no option {', '.join(sorted(self._left))}")


def secret(settings: Settings, name: str) -> str:
    """Raises ValueError where the owner names no environment variable for it."""
    if name not in settings.secrets:
        raise ValueError(f'secrets.{name} must name the environment variable that holds it, such as {name} = "NAME"')
    return settings.secrets[name]
