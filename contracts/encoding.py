"""Canonical bytes: the same value always encodes to the same bytes, so a hash can name it.

Arrays travel as safetensors (no pickle, ever); everything else as JSON with sorted keys.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

_HEADER = "backflip"


def canonical_json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def content_hash(data: bytes) -> str:
    """The name of these bytes: SHA-256, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def pack(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> bytes:
    """Header and arrays as one safetensors blob."""
    contiguous = {name: np.ascontiguousarray(array) for name, array in sorted(arrays.items())}
    return save(contiguous, metadata={_HEADER: canonical_json(header).decode()})


def unpack(data: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The inverse of `pack`.

    Raises:
        ValueError: these bytes were not written by `pack`.
    """
    try:
        arrays = load(data)
        size = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + size])["__metadata__"]
        header = json.loads(metadata[_HEADER])
    except (SafetensorError, KeyError, ValueError) as error:
        raise ValueError(f"not a Backflip record of {len(data)} bytes: {error}") from error
    if not isinstance(header, dict):
        raise ValueError(f"not a Backflip record of {len(data)} bytes: its header is no object")
    return header, arrays


def require_schema(header: Any, kind: str, *schemas: int) -> None:
    """Raises ValueError unless the header says that it is a ``kind`` of one of these schema versions."""
    found = (header.get("kind"), header.get("schema")) if isinstance(header, dict) else (None, None)
    if found not in [(kind, schema) for schema in schemas]:
        expected = " or ".join(map(str, schemas))
        raise ValueError(f"expected a {kind} of schema {expected}, found {found[0]} of schema {found[1]}")


@contextmanager
def reading(kind: str) -> Iterator[None]:
    """Turns a field that is missing, unknown or of another type into a ValueError."""
    try:
        yield
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a whole {kind}: {type(error).__name__} {error}") from error
