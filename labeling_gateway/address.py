"""Where the labeling page listens, and who could reach it there."""

from __future__ import annotations

from contracts.loopback import is_loopback


def split_address(address: str) -> tuple[str, int]:
    """Host and port of HOST:PORT, [::1]:PORT included. Raises ValueError where it is none."""
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (host and colon and port.isascii() and port.isdigit() and int(port) < 65536):
        raise ValueError(f"labels.address must be HOST:PORT, such as 127.0.0.1:8020, not {address!r}")
    return host, int(port)


def check_address(address: str, *, allow_remote: bool) -> None:
    """Raises ValueError where it is no address, or lies beyond loopback and that was not asked for."""
    host, _ = split_address(address)
    if not allow_remote and not is_loopback(host):
        raise ValueError(f"labels.address {address} can be reached by others; add labels.allow-remote if they shall")
