"""Where the labeling page may listen."""

from __future__ import annotations

from contracts.address import is_loopback, split_address


def check_address(address: str, *, allow_remote: bool) -> None:
    """Raises ValueError where it is no address, or lies beyond loopback and that was not asked for."""
    try:
        host, _ = split_address(address)
    except ValueError as error:
        raise ValueError(f"labels.address {error}") from None
    if not allow_remote and not is_loopback(host):
        raise ValueError(f"labels.address {address} can be reached by others; add labels.allow-remote if they shall")
