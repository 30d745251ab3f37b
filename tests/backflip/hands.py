"""A scripted pair of hands in front of a labeling page: it answers by keys alone, and knows which clip is better."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, Response

from backflip.run_folder import RunFolder
from contracts.clip import Clip
from labeling_gateway.client import GatewayClient
from tests.processes import command, descendants, environment

LOOK = 350  # milliseconds; the page takes no answer to clips that nobody can have seen


class Hands:
    """Looks at which question the page shows, and presses the key of the clip with the higher score of the task."""

    def __init__(self, page: Page, client: GatewayClient) -> None:
        self.page = page
        self.given: dict[str, str] = {}  # keys by question
        self._client = client
        self._leased: list[Response] = []
        self._sides: dict[str, tuple[str, str]] = {}  # clips on the left and on the right, by question
        page.on("response", self._notice)

    def answer(self, patience: float = 120.0) -> bool:
        """Answers the next question; False where the page says that no more answers are wanted.

        Raises:
            AssertionError: none came within ``patience`` seconds.
        """
        give_up = time.monotonic() + patience
        while time.monotonic() < give_up:
            if self._headline() == "All done – thank you!":
                return False
            query = self._shown()
            if query is not None and query not in self.given:
                self.page.wait_for_timeout(LOOK)
                self.given[query] = self._key(query)
                self.page.keyboard.press(self.given[query])
                return True
            self.page.wait_for_timeout(30)
        raise AssertionError(f"no question in {patience:.0f} s; the page says: {self._headline()}")

    def _shown(self) -> str | None:
        """The newest question that was on the screen since the page was opened."""
        return self.page.evaluate("performance.getEntriesByName('backflip:shown').at(-1)?.detail")

    def _headline(self) -> str:
        return self.page.evaluate(
            "(({hidden, innerText}) => hidden ? '' : innerText)(document.querySelector('#waiting-what'))"
        )

    def _key(self, query: str) -> str:
        left, right = (self._score(clip) for clip in self._clips(query))
        return "ArrowDown" if left == right else "ArrowLeft" if left > right else "ArrowRight"

    def _score(self, clip: str) -> float:
        oracle = Clip.from_bytes(self._client.clip_data(clip), with_oracle=True).oracle
        assert oracle is not None
        return float(oracle.sum(dtype="float64"))

    def _clips(self, query: str) -> tuple[str, str]:
        for response in self._leased:
            said = json.loads(response.body())
            for pair in said.get("pairs", []) + said.get("next", []):
                self._sides[pair["query"]] = pair["left"]["clip"], pair["right"]["clip"]
        self._leased.clear()
        return self._sides[query]

    def _notice(self, response: Response) -> None:
        if response.url.endswith(("/api/v1/leases", "/api/v1/answers")) and response.ok:
            self._leased.append(response)


@contextmanager
def store_of(process: int, folder: RunFolder) -> Iterator[GatewayClient]:
    """The label store of a run that is being trained by a process of ours."""
    (page,) = [pid for pid in descendants(process) if "labeling_gateway.web" in command(pid)]
    client = GatewayClient(environment(page)["BACKFLIP_STORE_URL"], folder.run)
    yield client
    client.close()
