"""What the operating system knows of the processes that a test started (Linux: from /proc)."""

from __future__ import annotations

import ipaddress
import os
import re
import signal
import struct
from contextlib import suppress
from pathlib import Path

_LISTENING = "0A"


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and that nobody has asked about is dead."""
    return _stat(pid) is not None


def started(pid: int) -> int | None:
    """When it was started, in ticks since boot: with its id, this names a process for good."""
    found = _stat(pid)
    return None if found is None else int(found[19])


def descendants(pid: int) -> dict[int, int]:
    """Children of a process, theirs, and so on: id and start."""
    parents = {int(path.name): found for path in Path("/proc").glob("[0-9]*") if (found := _stat(int(path.name)))}
    family = {pid}
    while more := {child for child, stat in parents.items() if int(stat[1]) in family} - family:
        family |= more
    return {child: int(parents[child][19]) for child in family - {pid}}


def end(family: dict[int, int]) -> None:
    """Kills what is left of these processes, told by id and start from any that took their ids since."""
    for pid, start in family.items():
        if started(pid) == start:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def command(pid: int) -> str:
    """The command line, or what the process made of it; empty where it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler of its own for a signal; False where it is gone."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("SigCgt:"):
                return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False


def environment(pid: int) -> dict[str, str]:
    pairs = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def sockets(pid: int) -> set[str]:
    """Those that a process has open, by inode."""
    found: set[str] = set()
    with suppress(OSError):
        for entry in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):  # of one's own, that through which they were listed
                if match := re.match(r"socket:\[(\d+)\]", os.readlink(f"/proc/{pid}/fd/{entry}")):
                    found.add(match[1])
    return found


def listening(pid: int) -> list[str]:
    """Addresses, without ports, on which a process accepts TCP connections."""
    inodes = sockets(pid)
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENING and fields[9] in inodes:
                found.append(_address(fields[1].partition(":")[0]))
    return found


def on_loopback(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).is_loopback


def _address(words: str) -> str:
    """The kernel writes addresses as 32-bit words in the machine's order."""
    packed = b"".join(struct.pack("=I", int(words[start : start + 8], 16)) for start in range(0, len(words), 8))
    return str(ipaddress.ip_address(packed))


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat from the state on; None for what is dead."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields
