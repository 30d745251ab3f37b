"""Where a part listens, and who can reach it there."""

from __future__ import annotations

import ipaddress


def split_address(address: str) -> tuple[str, int]:
    """Host and port of HOST:PORT, [::1]:PORT included. Raises ValueError where it is none."""
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (host and colon and port.isascii() and port.isdigit() and int(port) < 2**16) or "/" in host:
        raise ValueError(f"{address!r} is not an address; it must be HOST:PORT, such as 127.0.0.1:8020")
    return host, int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it. A name other than localhost may lead anywhere."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
