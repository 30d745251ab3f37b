"""What the store keeps to ask about: questions, the clips that they name, and what draws these."""

from __future__ import annotations

from collections.abc import Iterator

from contracts.clip import Scene
from contracts.encoding import content_hash
from contracts.label import ALARM, Query
from labeling_gateway import queue_scripts
from labeling_gateway.durable import Command
from labeling_gateway.run_store import RunStore
from labeling_gateway.store import StoreError

_PAGE = 500  # questions looked up in one round trip
_AHEAD = 1_000_000_000  # places, more than a run has questions: what an alarm is about is asked first


def put_scene(store: RunStore, scene: Scene) -> str:
    data = scene.to_bytes()
    name = content_hash(data)
    store.session.commit(("SET", store.keys.scene(name), data))
    return name


def scene(store: RunStore, hash: str) -> Scene:
    (data,) = store.session.run(("GET", store.keys.scene(hash)))
    if data is None:
        raise LookupError(f"run {store.keys.run} has no scene {hash}")
    return Scene.from_bytes(data)


def ask(store: RunStore, queries: list[Query], clips: dict[str, bytes], budget: int) -> int:
    keys = store.keys
    store.session.commit(*(("SET", keys.clip(name), data) for name, data in clips.items()))
    commands: list[Command] = []
    for query in queries:
        names = (keys.clip(query.clip_a), keys.clip(query.clip_b))
        ahead = _AHEAD if query.chosen_by == ALARM else 0
        fields = (query.id, query.to_bytes(), budget, *names, query.opinions, ahead)
        commands.append(store.script(queue_scripts.ASK, *fields))
    replies = store.session.commit(*commands)
    if b"clips" in replies:
        lost = queries[replies.index(b"clips")].id
        raise StoreError(f"the store has lost a clip of question {lost} right after it was put")
    return replies.count(b"asked")


def asked(store: RunStore) -> Iterator[Query]:
    (ids,) = store.session.run(("LRANGE", store.keys.asked, 0, -1))
    for start in range(0, len(ids), _PAGE):
        page = [("HGET", store.keys.query(id.decode()), "body") for id in ids[start : start + _PAGE]]
        yield from map(Query.from_bytes, store.session.run(*page))


def query(store: RunStore, id: str) -> Query:
    (body,) = store.session.run(("HGET", store.keys.query(id), "body"))
    if body is None:
        raise LookupError(f"run {store.keys.run} has no question {id}")
    return Query.from_bytes(body)


def clip_bytes(store: RunStore, query: Query) -> tuple[bytes, bytes]:
    names = (query.clip_a, query.clip_b)
    found = store.session.run(*(("GET", store.keys.clip(name)) for name in names))
    for name, data in zip(names, found, strict=True):
        if data is None:
            raise LookupError(f"run {store.keys.run} has no clip {name}, which question {query.id} names")
    return found[0], found[1]


def clip_data(store: RunStore, hash: str) -> bytes:
    (data,) = store.session.run(("GET", store.keys.clip(hash)))
    if data is None:
        raise LookupError(f"run {store.keys.run} has no clip {hash}")
    return data


def clips_data(store: RunStore, hashes: list[str]) -> dict[str, bytes]:
    found = store.session.run(*(("GET", store.keys.clip(hash)) for hash in hashes)) if hashes else []
    return {hash: data for hash, data in zip(hashes, found, strict=True) if data is not None}
