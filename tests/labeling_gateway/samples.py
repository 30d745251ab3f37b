"""Clips, questions and a reward model for this room's tests."""

from __future__ import annotations

import numpy as np

from contracts.clip import Clip
from contracts.encoding import content_hash
from contracts.label import Label, Lease, Query
from labeling_gateway.client import GatewayClient

STEPS = 5


def clip(number: int, *, oracle: bool = True, scene: str = "scene") -> Clip:
    rng = np.random.default_rng(number)
    observation = rng.normal(size=(STEPS, 4)).astype(np.float32)
    return Clip(
        observation=observation,
        action=rng.normal(size=(STEPS, 2)).astype(np.float32),
        state=observation,
        scene=scene,
        policy_version=number,
        actor=0,
        oracle=observation[:, 0] if oracle else None,
    )


def clips(count: int, first: int = 0) -> list[Clip]:
    return [clip(number) for number in range(first, first + count)]


def score(observation: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, int]:
    """Three members that disagree."""
    return np.stack([observation[:, 0], observation[:, 1], action[:, 0]], axis=1), 1


def ask(
    client: GatewayClient,
    count: int,
    *,
    budget: int = 10_000,
    scene: str = "scene",
    opinions: int = 1,
    chosen_by: str = "uniform",
) -> list[Query]:
    """Puts ``count`` questions in the queue, past any schedule."""
    queries: list[Query] = []
    data: dict[str, bytes] = {}
    first = client.counts().asked
    for number in range(first, first + count):
        a, b = (clip(2 * number + side, scene=scene).to_bytes() for side in (0, 1))
        names = content_hash(a), content_hash(b)
        data |= {names[0]: a, names[1]: b}
        queries.append(
            Query(
                id=f"{number:06d}",
                clip_a=names[0],
                clip_b=names[1],
                scene=scene,
                chosen_by=chosen_by,
                disagreement=0.0,
                policy_version=0,
                reward_version=0,
                opinions=opinions,
            )
        )
    client.ask(queries, data, budget)
    return queries


def lease(client: GatewayClient, rater: str = "ann", seconds: float = 60.0) -> Lease:
    found = client.lease(rater, seconds)
    assert found is not None
    return found


def log(client: GatewayClient) -> list[Label]:
    return [label for _, label in client.read_labels("", 10_000)]
