"""A JSON server on loopback, of whatever a test says it answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Handle = Callable[[str, str, dict[str, str], bytes], tuple[int, Any]]
"""Method, path with its query, headers in lower case, and body, to status and JSON."""


@contextmanager
def answering(handle: Handle, torn: Callable[[], bool] = lambda: False) -> Iterator[int]:
    """Its port.

    Args:
        torn: whether the connection breaks instead of an answer, after all was done.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, fields = handle(self.command, self.path, headers, body)
            data = json.dumps(fields).encode() if status != 204 else b""
            if torn():
                self.close_connection = True
                return
            with suppress(OSError):  # whoever asked may be dead by now
                self.send_response(status)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        do_GET = do_POST = do_DELETE = _serve  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
