"""One run's part of the label store."""

from __future__ import annotations

from dataclasses import dataclass

from labeling_gateway import answer_scripts, queue_scripts
from labeling_gateway.durable import Command, Session, script
from labeling_gateway.store import Keys, connect


@dataclass(frozen=True)
class RunStore:
    """The run's keys and the session that reaches them. Thread-safe."""

    keys: Keys
    session: Session

    @staticmethod
    def open(store_url: str, run: str) -> RunStore:
        """Raises StoreUnreachable."""
        return RunStore(Keys(run), Session(connect(store_url), store_url, [*queue_scripts.ALL, *answer_scripts.ALL]))

    def script(self, source: str, *arguments: str | bytes | float) -> Command:
        """The command that runs one of the store's scripts on this run."""
        keys = self.keys
        names = [
            keys.queue,
            keys.leases,
            keys.totals,
            keys.asked,
            keys.labels,
            keys.later,
            keys.beside,
            keys.golds,
            keys.cursors,
            keys.paused,
            keys.control,
        ]
        return script(source, names, keys.prefix, *arguments)
