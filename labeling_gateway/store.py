"""The label store (Redis 7.0 or newer, or Valkey): how it is reached and what its keys are called."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import redis
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.retry import Retry

RETRIES = 8  # with the backoff below at most about five seconds


class StoreError(RuntimeError):
    """Something is wrong with the label store; the message is one line for people."""


class StoreUnreachable(StoreError):
    """The store does not answer, after a bounded number of tries."""


class NotDurable(StoreError):
    """The store cannot promise that what it acknowledged is on disk."""


@dataclass(frozen=True)
class Keys:
    """Every key of one run. The braces keep a run on one node where the store is a cluster."""

    run: str

    @property
    def prefix(self) -> str:
        return f"backflip:{{{self.run}}}:"

    @property
    def labels(self) -> str:
        """Stream: the label log. Never trimmed."""
        return self.prefix + "labels"

    @property
    def asked(self) -> str:
        """List: ids of all queries, in the order they were asked."""
        return self.prefix + "asked"

    @property
    def queue(self) -> str:
        """Sorted set: open queries by the order they were asked."""
        return self.prefix + "queue"

    @property
    def leases(self) -> str:
        """Sorted set: leased queries by deadline."""
        return self.prefix + "leases"

    @property
    def later(self) -> str:
        """Sorted set: queries that lack later opinions, by the order in which they came to lack one."""
        return self.prefix + "later"

    @property
    def beside(self) -> str:
        """Sorted set: leases beside the queue, query and rater, by deadline."""
        return self.prefix + "beside"

    @property
    def golds(self) -> str:
        """Sorted set: queries whose right answer the owner gave, in the order they were marked."""
        return self.prefix + "golds"

    @property
    def cursors(self) -> str:
        """Hash: of each rater, how far into `later` and `golds` nothing is for them, and how many answers they gave."""
        return self.prefix + "cursors"

    @property
    def paused(self) -> str:
        """Hash: why a rater is given nothing, by name; "" for one who was let go on."""
        return self.prefix + "paused"

    @property
    def totals(self) -> str:
        """Hash: fences given out; opinions of each kind that stand."""
        return self.prefix + "totals"

    @property
    def progress(self) -> str:
        """Hash: env_steps and total_steps, as the learner last said."""
        return self.prefix + "progress"

    @property
    def gateway(self) -> str:
        """Hash: what the gateway last said of itself, for people to read."""
        return self.prefix + "gateway"

    @property
    def control(self) -> str:
        """Hash: what the owner has set: paused, budget; and the job: how raters are checked."""
        return self.prefix + "control"

    @property
    def invitations(self) -> str:
        """Hash: what was noted of each invitation, JSON by its id."""
        return self.prefix + "invitations"

    @property
    def revoked(self) -> str:
        """Hash: ids of invitations and sessions that were revoked."""
        return self.prefix + "revoked"

    @property
    def report(self) -> str:
        """What the launcher last said of the run, JSON, for people to read."""
        return self.prefix + "report"

    @property
    def newest(self) -> str:
        """List: a few of the newest candidates, newest first, for people to look at."""
        return self.prefix + "newest"

    @property
    def alarms(self) -> str:
        """List: alarms in the order they were raised and ended, JSON."""
        return self.prefix + "alarms"

    @property
    def claims(self) -> str:
        """Hash: what the reward model that chose a question claimed of it, JSON by the question's id."""
        return self.prefix + "claims"

    @property
    def candidates(self) -> str:
        """Channel: clips that may be asked about."""
        return self.prefix + "candidates"

    def query(self, id: str) -> str:
        """Hash: the query's body, its place in the queue, its lease, and its answers; see `lua`."""
        return f"{self.prefix}query:{id}"

    def clip(self, hash: str) -> str:
        return f"{self.prefix}clip:{hash}"

    def scene(self, hash: str) -> str:
        return f"{self.prefix}scene:{hash}"


def masked(url: str) -> str:
    """The URL as people may see it: without its password or its options."""
    try:
        parts = urlsplit(url)
        user = f"{parts.username or ''}:***@" if parts.password else ""
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{user}{parts.hostname or ''}{port}{parts.path}"
    except ValueError:
        return "the given address"


def connect(url: str, *, patient: bool = True) -> redis.Redis:
    """A client that reconnects by itself, after it has seen the store answer.

    With ``patient`` a call waits up to about five seconds for a store that restarts; without, a call
    fails at once, for callers that must never wait.

    Raises:
        StoreUnreachable: nothing there speaks the Redis protocol, or it wants another password.
    """
    client = _client(url, patient)
    try:
        with suppress(redis.ConnectionError, redis.TimeoutError), _client(url, patient=False) as probe:
            try:
                probe.ping()
            except redis.AuthenticationError as error:  # which patience would not mend
                raise StoreUnreachable(describe(url, error)) from error
        client.ping()
    except redis.RedisError as error:
        raise StoreUnreachable(describe(url, error)) from error
    return client


def describe(url: str, error: redis.RedisError) -> str:
    """One line about a store that failed, with the password left out."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return f"cannot use the label store at {masked(url)}: {reason}; check that it runs and that REDIS_URL names it"


def _client(url: str, patient: bool) -> redis.Redis:
    retry = Retry(ExponentialWithJitterBackoff(base=0.05, cap=1.0), RETRIES) if patient else Retry(NoBackoff(), 0)
    try:
        return redis.Redis.from_url(
            url,
            protocol=2,
            retry=retry,
            socket_timeout=10.0 if patient else 0.5,
            socket_connect_timeout=2.0 if patient else 0.5,
        )
    except ValueError as error:  # whose text may quote the password
        raise StoreUnreachable(
            f"{masked(url)} is no store address; expected redis://[:password@]host:port/0, rediss:// or unix://"
        ) from error
