"""Amounts of money: Decimals in Python, whole millionths in the store, floats nowhere."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

_MICRO = Decimal("0.000001")
_MOST = Decimal(10) ** 9


def amount(value: object, what: str) -> Decimal:
    """What a config says, as "0.05" or 12; TOML's own decimals are floats, and refused.

    Raises:
        ValueError: it is no amount, below nothing, or finer than a millionth.
    """
    wrong = ValueError(f'{what} must be an amount in quotes, such as "0.05", with six decimals at most, not {value!r}')
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise wrong
    try:
        found = Decimal(value)
        if not (found.is_finite() and 0 <= found < _MOST and found == found.quantize(_MICRO)):
            raise wrong
    except InvalidOperation:
        raise wrong from None
    return found


def to_micros(value: Decimal) -> int:
    return int(value / _MICRO)


def from_micros(value: int) -> Decimal:
    return value * _MICRO


def shown(value: Decimal) -> str:
    """For people: 12.50, 0.005."""
    text = f"{value:f}"
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.rstrip('0'):0<2}"
