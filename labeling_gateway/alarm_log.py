"""What the store keeps for alarms: those raised and ended, and what models claimed of questions."""

from __future__ import annotations

import json
from dataclasses import replace

from contracts.encoding import canonical_json
from labeling_gateway.alarms import Alarm
from labeling_gateway.durable import Command
from labeling_gateway.evidence import Claim
from labeling_gateway.run_store import RunStore


def note_alarm(store: RunStore, alarm: Alarm) -> None:
    store.session.commit(("RPUSH", store.keys.alarms, canonical_json(alarm.fields())))


def alarms(store: RunStore) -> list[Alarm]:
    (entries,) = store.session.run(("LRANGE", store.keys.alarms, 0, -1))
    found: dict[tuple[str, float], Alarm] = {}
    for entry in entries:  # an alarm that has ended is noted a second time
        alarm = Alarm(**json.loads(entry))
        key = alarm.sign, alarm.raised_at
        found[key] = replace(found.get(key, alarm), ended_at=alarm.ended_at, ended_env_steps=alarm.ended_env_steps)
    return list(found.values())


def note_claims(store: RunStore, claims: dict[str, Claim]) -> None:
    commands: list[Command] = [
        ("HSET", store.keys.claims, query, canonical_json([claim.chance, claim.unanimous, claim.doubted]))
        for query, claim in claims.items()
    ]
    store.session.run(*commands)


def claims(store: RunStore) -> dict[str, Claim]:
    (found,) = store.session.run(("HGETALL", store.keys.claims))
    return {query.decode(): Claim(*json.loads(claim)) for query, claim in found.items()}
