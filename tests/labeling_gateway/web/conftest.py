from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from labeling_gateway.embedded import EmbeddedStore
from tests.labeling_gateway.web.browser import browser, playwright  # noqa: F401  # fixtures
from tests.labeling_gateway.web.server import Server, serving


@pytest.fixture(scope="module")
def shared(valkey: EmbeddedStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One page for all tests of a module that do not mind each other."""
    with serving(valkey.url, tmp_path_factory.mktemp("shared")) as started:
        yield started


@pytest.fixture
def server(valkey: EmbeddedStore, tmp_path: Path) -> Iterator[Server]:
    """A page of a run of its own."""
    with serving(valkey.url, tmp_path) as started:
        yield started
