"""The gateway's face: what actors, the learner, labelers and the reward service do with questions and labels.

Everything goes through the label store; no call needs the gateway's process.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from redis.client import PubSub

from contracts.clip import Clip, Scene
from contracts.encoding import canonical_json, content_hash
from contracts.label import Choice, Label, Lease, Query
from labeling_gateway import alarm_log, label_log, leasing, ownership, questions, queue_scripts
from labeling_gateway.alarms import Alarm
from labeling_gateway.evidence import Claim
from labeling_gateway.hasty import Hasty
from labeling_gateway.leasing import Given, Taken, Turn
from labeling_gateway.raters import RaterBook
from labeling_gateway.replies import Answered, Checks, Control, Counts, Progress, Rater, Receipt, Rules
from labeling_gateway.run_store import RunStore
from labeling_gateway.store import StoreError, connect  # noqa: F401  # other rooms catch the one


class GatewayClient:
    """One run's questions and labels. Thread-safe; reconnects by itself.

    Every method waits up to about five seconds for a store that restarts, then raises
    StoreUnreachable; but `offer`, `report_progress`, `report_run` and `show_newest` never wait and drop
    what they cannot deliver at once. What the methods of labelers and of the owner change is on disk
    when they return; where they raise NotDurable or StoreUnreachable it may or may not be kept, and
    calling them again does no harm.

    Raises:
        StoreUnreachable: nothing at ``store_url`` speaks the Redis protocol.
    """

    def __init__(self, store_url: str, run: str) -> None:
        self._store = RunStore.open(store_url, run)
        self.keys = self._store.keys
        self._session = self._store.session
        self._hasty = Hasty(lambda: connect(store_url, patient=False))
        self._raters = RaterBook()

    def close(self) -> None:
        self._hasty.close()
        with self._session.reached() as client:
            client.close()

    # What actors and the learner do; neither ever waits.

    def offer(self, clips: list[Clip]) -> None:
        """Candidate clips, which the gateway may ask about. Nobody keeps them until it does."""
        channel = self.keys.candidates
        self._hasty.send([("PUBLISH", channel, clip.to_bytes()) for clip in clips])

    def report_progress(self, env_steps: int, total_steps: int) -> None:
        """How many of the run's steps are done; the schedule of questions follows it."""
        self._hasty.send([("HSET", self.keys.progress, "env_steps", env_steps, "total_steps", total_steps)])

    def report_run(self, fields: dict[str, Any]) -> None:
        """What the launcher says of the run, for people to look at; replaces what it said before."""
        self._hasty.send([("SET", self.keys.report, canonical_json(fields))])

    def put_scene(self, scene: Scene) -> str:
        """Keeps what draws this run's clips; returns its hash."""
        return questions.put_scene(self._store, scene)

    # What labelers do.

    def lease(self, rater: str, seconds: float, draw: Callable[[], float] = random.random) -> Lease | None:
        """The oldest question that this rater has not answered, for ``seconds``; None where none is open.

        It is new, or for several raters and lacks some. By the chances in `Checks` it is a gold question
        instead that this rater was never asked, or an earlier one of their own with the sides swapped. A
        rater who is paused is given nothing.

        Args:
            draw: uniform from 0 to 1; decides what a rater is checked by.
        """
        return leasing.lease(self._store, rater, seconds, draw)

    def renew(self, lease: Lease, rater: str, seconds: float) -> Lease | None:
        """The same lease, from now on for ``seconds``; None where it has ended or is another's."""
        return leasing.renew(self._store, lease, rater, seconds)

    def release(self, lease: Lease, rater: str) -> bool:
        """Gives a question back unanswered; False where the lease had already ended, or is another's."""
        return leasing.release(self._store, lease, rater)

    def answer(
        self, lease: Lease, rater: str, choice: Choice, seconds: float, flipped: bool = False, leased_to: str = ""
    ) -> Receipt:
        """Commits an answer and returns once it is on disk; a repetition gets the first one's receipt.

        An answer to a question that somebody else has answered, or has been leased meanwhile, is
        kept as a later opinion; to a gold question or a repeat, as what it is.

        Args:
            seconds: from showing to answer.
            flipped: clip b was shown on the left.
            leased_to: whose lease it is, where not the rater's own: a vendor's, whose worker the rater is.

        Raises:
            LookupError: no such question.
            ValueError: it was looked at for less than `Checks.minimum_seconds`.
        """
        return leasing.answer(self._store, rater, Given(lease, choice, seconds, flipped, leased_to))

    def take_turns(self, turns: list[Turn], seconds: float, draw: Callable[[], float] = random.random) -> list[Taken]:
        """Commits answers of many raters, then leases questions, all in one round trip.

        A question that cannot be leased is left out and hurts no answer. A lease that a broken
        connection swallowed ends after ``seconds``.
        """
        return leasing.take_turns(self._store, turns, seconds, draw)

    def undo(self, rater: str, query_id: str, seconds: float, offset: str = "") -> Lease:
        """Takes the rater's answer back and leases the question anew; a repetition gets the same lease.

        A first opinion no longer counts against the budget, until the question is answered again.

        Args:
            offset: of the answer that is meant, so that no newer one is taken back; "" for whichever stands.

        Raises:
            LookupError: this rater has no such answer to it, given in this run, that stands.
        """
        return leasing.undo(self._store, rater, query_id, seconds, offset)

    # What the run's owner does.

    def withdraw(self, rater: str) -> int:
        """Takes back every answer of a rater that stands; returns how many.

        Questions that this leaves without a first opinion are open again. Once interrupted, the next
        call does the rest.
        """
        return ownership.withdraw(self._store, rater)

    def control(self) -> Control:
        return ownership.control(self._store)

    def rules(self) -> Rules:
        """That, and on whom the owner has decided, in one round trip."""
        return ownership.rules(self._store)

    def set_paused(self, paused: bool) -> None:
        """Whether the gateway asks nothing new."""
        ownership.set_paused(self._store, paused)

    def set_budget(self, budget: int) -> None:
        """Replaces the budget of the run's config. Below what is asked already, no more is asked."""
        ownership.set_budget(self._store, budget)

    def set_checks(self, checks: Checks) -> None:
        """How raters are checked from now on, whoever asks."""
        ownership.set_checks(self._store, checks)

    def mark_gold(self, query_id: str, right: Choice) -> None:
        """Says what the right answer to a question is, which others are then asked to see how good they are.

        Raises:
            LookupError: it was not asked in this run.
            ValueError: the answer names neither clip.
        """
        ownership.mark_gold(self._store, query_id, right)

    def unmark_gold(self, query_id: str) -> None:
        """From now on nobody is asked; answers to it no longer say how good a rater is. Raises LookupError."""
        ownership.unmark_gold(self._store, query_id)

    def golds(self) -> dict[str, Choice]:
        """The right answer to each gold question, by the question's id."""
        return ownership.golds(self._store)

    def pause_rater(self, rater: str, reason: str) -> None:
        """From now on this rater is given nothing, and is told the reason; what they hold they may answer."""
        ownership.pause_rater(self._store, rater, reason)

    def pause_rater_once(self, rater: str, reason: str) -> bool:
        """As `pause_rater`; False, and nothing is changed, where this rater was ever paused before."""
        return ownership.pause_rater_once(self._store, rater, reason)

    def resume_rater(self, rater: str) -> None:
        ownership.resume_rater(self._store, rater)

    def paused_raters(self) -> dict[str, str]:
        """Why each is paused, by name."""
        return ownership.paused_raters(self._store)

    def note_invitation(self, fields: dict[str, Any]) -> None:
        """Keeps what is to be known of an invitation, by its field ``id``."""
        ownership.note_invitation(self._store, fields)

    def invitations(self) -> list[dict[str, Any]]:
        """What was noted of each, and whether it is ``revoked``, in the order of their ids."""
        return ownership.invitations(self._store)

    def revoke_invitation(self, id: str) -> None:
        """For good; of a session or of an invitation that nobody noted, too."""
        ownership.revoke_invitation(self._store, id)

    def run_report(self) -> dict[str, Any] | None:
        """What the launcher last said of the run; None as long as it has said nothing."""
        (data,) = self._session.run(("GET", self.keys.report))
        return None if data is None else json.loads(data)

    def newest_clips(self, count: int) -> list[tuple[str, Clip]]:
        """Up to ``count`` of the newest candidates with their hashes, newest first; nobody keeps them for long."""
        (found,) = self._session.run(("LRANGE", self.keys.newest, 0, count - 1))
        return [(content_hash(data), Clip.from_bytes(data)) for data in found]

    def history(self, limit: int, before: str = "") -> list[Answered]:
        """Up to ``limit`` labels with their questions, newest first, before an offset ("" for the newest)."""
        return label_log.history(self._store, limit, before)

    def raters(self) -> list[Rater]:
        """Everybody whom the log names or who is paused, by name."""
        return self._raters.read(self.read_labels, self.golds(), self.paused_raters())

    # What follows the log and looks questions up.

    def read_labels(self, after: str, limit: int) -> list[tuple[str, Label]]:
        """Up to ``limit`` labels with their offsets, in log order, after an offset ("" for the first)."""
        return label_log.read_labels(self._store, after, limit)

    def query(self, id: str) -> Query:
        """Raises LookupError where no such question was asked."""
        return questions.query(self._store, id)

    def clips(self, query: Query, *, with_oracle: bool = False) -> tuple[Clip, Clip]:
        """Both clips; the oracle is for scripted teachers and evaluation only."""
        a, b = (Clip.from_bytes(data, with_oracle=with_oracle) for data in self.clip_bytes(query))
        return a, b

    def clip_bytes(self, query: Query) -> tuple[bytes, bytes]:
        """Both clips as they were put. Raises LookupError where one is missing."""
        return questions.clip_bytes(self._store, query)

    def clip_data(self, hash: str) -> bytes:
        """One clip as it was put. Raises LookupError where there is none."""
        return questions.clip_data(self._store, hash)

    def clips_data(self, hashes: list[str]) -> dict[str, bytes]:
        """Those of these clips that there are, as they were put."""
        return questions.clips_data(self._store, hashes)

    def scene(self, hash: str) -> Scene:
        """Raises LookupError where no such scene was put."""
        return questions.scene(self._store, hash)

    def counts(self) -> Counts:
        """All at one moment, but for what the gateway says of itself."""
        return label_log.counts(self._store)

    def growth(self, after: str, limit: int) -> tuple[list[tuple[str, Label]], Counts]:
        """`read_labels` and `counts` in one round trip."""
        return label_log.growth(self._store, after, limit)

    def alarms(self) -> list[Alarm]:
        """Every alarm of the run, as it was raised, in that order; those that stand have not ended."""
        return alarm_log.alarms(self._store)

    # What brings in answers of another run.

    def import_answers(self, answers: list[tuple[Query, Label]], clips: dict[str, bytes]) -> int:
        """Keeps the clips (by hash), then the answers, beside the budget; returns how many were new.

        On return all is on disk. A rater's answer to a question that is there already stays as it is.
        """
        return ownership.import_answers(self._store, answers, clips)

    # What only the gateway does.

    def require_durable(self) -> None:
        """Raises NotDurable where the store cannot promise to keep labels."""
        self._session.require_durable()

    def expire_leases(self) -> int:
        """Puts questions whose lease has ended back into the queue; returns how many."""
        (reply,) = self._session.run(self._store.script(queue_scripts.EXPIRE))
        return reply

    def progress(self) -> Progress | None:
        """None as long as the learner has said nothing."""
        (found,) = self._session.run(("HMGET", self.keys.progress, "env_steps", "total_steps"))
        return Progress(int(found[0]), int(found[1])) if None not in found else None

    def ask(self, queries: list[Query], clips: dict[str, bytes], budget: int) -> int:
        """Keeps the clips (by hash), then queues the questions; returns how many the budget allowed.

        On return all is on disk. The clips are there before any of the questions can be leased. Those
        chosen by `ALARM` go before all others that are open.
        """
        return questions.ask(self._store, queries, clips, budget)

    def note_alarm(self, alarm: Alarm) -> None:
        """Keeps an alarm that was raised, or has ended; on disk when this returns."""
        alarm_log.note_alarm(self._store, alarm)

    def note_claims(self, claims: dict[str, Claim]) -> None:
        """What the model that chose them says of questions, by their ids, before anybody answers."""
        alarm_log.note_claims(self._store, claims)

    def claims(self) -> dict[str, Claim]:
        """By question."""
        return alarm_log.claims(self._store)

    def asked(self) -> Iterator[Query]:
        """All questions, in the order they were asked."""
        return questions.asked(self._store)

    def subscribe(self) -> PubSub:
        """Candidate clips as they are offered."""
        with self._session.reached() as client:
            channel = client.pubsub(ignore_subscribe_messages=True)
            channel.subscribe(self.keys.candidates)
            return channel

    def receive(self, channel: PubSub, seconds: float) -> bytes | None:
        """The next candidate's bytes, or None after ``seconds`` without one."""
        with self._session.reached():
            message = channel.get_message(timeout=seconds)
        return message["data"] if message else None

    def report_gateway(self, candidates: int, waiting: str) -> None:
        """What the gateway says of itself, for `counts`."""
        self._session.run(("HSET", self.keys.gateway, "candidates", candidates, "waiting", waiting))

    def show_newest(self, clips: list[bytes]) -> None:
        """Candidates for people to look at, newest first; they replace those before."""
        if clips:
            key = self.keys.newest
            self._hasty.send([("LPUSH", key, *reversed(clips)), ("LTRIM", key, 0, len(clips) - 1)])
