"""Questions as a labeler sees them: leased, counted as theirs, and with what draws them."""

from __future__ import annotations

import base64
import time

import numpy as np

from contracts.clip import Clip
from contracts.label import Lease
from labeling_gateway.leasing import Given, Taken, Turn
from labeling_gateway.rendering.geometry import poses
from labeling_gateway.web.desk import Desk
from labeling_gateway.web.models import ClipRef, Pair, ShownClip


async def take_turn(desk: Desk, rater: str, given: Given | None, wanted: int) -> Taken:
    """Commits an answer, if one is given, and leases up to ``wanted`` questions that count as this rater's.

    Raises:
        StoreUnreachable, NotDurable: the answer may be kept or not; sent again it does no harm.
        Refusal: too many wait.
    """
    let_go = desk.holdings.let_go(rater, given.held.query.id) if given is not None else None
    places = desk.holdings.reserve(rater, wanted)
    try:
        while places < wanted and (forgotten := desk.holdings.forgotten(rater)) is not None:
            # Nobody seems to look at this one: it is given back for its place.
            desk.holdings.let_go(rater, forgotten.query.id)
            await desk.call(desk.client.release, forgotten, rater)
            places += desk.holdings.reserve(rater, 1)
        taken = await desk.turns.take(Turn(rater, given, places))
        for lease in taken.leases:
            desk.holdings.hold(rater, lease)
        return taken
    except BaseException:
        if let_go is not None:
            desk.holdings.hold(rater, let_go)
        raise
    finally:
        desk.holdings.settle(rater, places)


async def show(desk: Desk, leases: list[Lease], rater: str, *, with_poses: bool = False) -> list[Pair]:
    """The pairs of leases as this rater sees them. Raises LookupError, ValueError, StoreUnreachable."""
    pairs = [
        _pair(desk, lease, rater, with_poses)
        if desk.at_hand(lease.query.clip_a, lease.query.clip_b)
        else await desk.call(_pair, desk, lease, rater, with_poses)
        for lease in leases
    ]
    for pair in pairs:
        desk.prepare(pair.left, pair.right)
    return pairs


def clip_ref(desk: Desk, hash: str, clip: Clip) -> ClipRef:
    """In a thread, unless it is at hand. How a clip is drawn."""
    scene = desk.scene(clip.scene)
    draw = "poses" if scene.track == "mujoco" else "video"
    return ClipRef(clip=hash, scene=clip.scene, steps=len(clip), timestep=scene.timestep, draw=draw)


def clip_poses(desk: Desk, hash: str) -> np.ndarray:
    """In a thread, unless it is at hand. Float32 [steps, bodies, 7]; raises LookupError where a clip has none."""
    clip = desk.clip(hash)
    scene = desk.scene(clip.scene)
    if scene.track != "mujoco":
        raise LookupError(f"{scene.task} has no poses; ask for video.mp4")
    return poses(scene, clip.state).astype("<f4", copy=False)


def _pair(desk: Desk, held: Lease, rater: str, with_poses: bool) -> Pair:
    query = held.query
    left, right = (_shown(desk, hash, with_poses) for hash in (query.clip_a, query.clip_b))
    flipped = desk.tickets.flipped(query.id, held.fence, rater) if held.flipped is None else held.flipped
    if flipped:
        left, right = right, left
    return Pair(
        query=query.id,
        fence=desk.tickets.seal_fence(query.id, held.fence, rater, flipped=flipped),
        deadline=held.deadline,
        seconds_left=held.deadline - time.time(),
        question=desk.scene(query.scene).question,
        left=left,
        right=right,
    )


def _shown(desk: Desk, hash: str, with_poses: bool) -> ShownClip:
    ref = clip_ref(desk, hash, desk.clip(hash))
    brought = with_poses and ref.draw == "poses"
    return ShownClip(
        **ref.model_dump(), poses=base64.b64encode(clip_poses(desk, hash).tobytes()).decode() if brought else None
    )
