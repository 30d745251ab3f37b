"""How the service says no: a status of gRPC and one line."""

from __future__ import annotations

import grpc


class Refused(Exception):
    """Becomes the call's status."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code


def invalid(message: str) -> Refused:
    return Refused(grpc.StatusCode.INVALID_ARGUMENT, message)
