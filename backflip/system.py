"""What the training needs of the parts that surround the learner, however they are run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from actors.simulators.protocol import SimulationFault, Simulator
from actors.simulators.registry import make_simulator
from actors.worker import WorkerSpec
from backflip.config import WRAPPED, TrainConfig
from backflip.errors import UserError
from backflip.run_folder import RunFolder
from contracts.rollout import UNFITTED
from contracts.status import Status
from labeling_gateway.alarms import Alarm
from labeling_gateway.client import Counts, GatewayClient
from labeling_gateway.embedded import EmbeddedStore, start_embedded
from labeling_gateway.store import StoreError, connect
from learner.loop import Progress, RolloutSource
from reward_service.config import RewardConfig
from reward_service.versions import newest_version

_WORLD_SEEDS = 1_000  # seeds an actor has to itself, so that no two groups of worlds share one
_SEED_BLOCKS = 2_000_000  # EnvPool's seeds are 32-bit


@dataclass
class Facts:
    """What people want to know of the parts; the newest that was heard."""

    labels_used: int = 0
    labels_budget: int = 0  # what the owner of a labeling page made of it, else the config's
    labels_imported: int = 0
    log_entries_not_fitted: int = 0  # what the log has beyond the newest fit: answers, second opinions and withdrawals
    reward_version: int = 0
    held_out_accuracy: float | None = None
    held_out_answers: int = 0  # that it is taken over
    alarms: list[Alarm] = field(default_factory=list)  # every one of the run, ended ones too
    troubles: list[str] = field(default_factory=list)  # what went wrong although the run went on, a line a part
    parts: dict[str, Status] = field(default_factory=dict)  # by name, what each does or waits for


class System(Protocol):
    """Actors, and where the job learns from answers a reward service, a gateway, a teacher and a store."""

    @property
    def source(self) -> RolloutSource: ...

    def after_update(self, progress: Progress, total_steps: int) -> None:
        """Tell the other parts how far the run is."""
        ...

    def facts(self) -> Facts:
        """The newest that was heard; after `stop`, what was true at the end."""
        ...

    def notices(self) -> list[str]:
        """What whoever started the run should know of it: where its pages are, say."""
        ...

    def report(self, fields: dict[str, Any]) -> None:
        """Publish what the launcher says of the run, for the dashboard; never waits."""
        ...

    def stop(self) -> None:
        """Stops every part that was started; what is learnt and answered is on disk."""
        ...


@dataclass
class Store:
    """Where labels go: the user's own server, or an embedded one that lives with the run."""

    url: str
    embedded: EmbeddedStore | None

    def stop(self) -> None:
        if self.embedded is not None:
            self.embedded.stop()


def open_store(folder: RunFolder) -> Store:
    """``REDIS_URL`` if set, else an embedded Valkey in the run's folder.

    Raises:
        UserError: the server does not answer, cannot keep labels or be started, or lacks this run's answers.
    """
    require_store()
    url = os.environ.get("REDIS_URL", "")
    try:
        embedded = None if url else start_embedded(folder.store)
        store = Store(url if embedded is None else embedded.url, embedded)
        try:
            _require_answers(store, folder)
        except BaseException:
            store.stop()
            raise
    except StoreError as error:
        raise UserError(str(error)) from None
    return store


def _require_answers(store: Store, folder: RunFolder) -> None:
    """A resume goes on with the answers it had: with another store, nothing would say that they are gone."""
    fitted = newest_version(folder.reward_model).report
    client = GatewayClient(store.url, folder.run)
    try:
        counts = client.counts()
    finally:
        client.close()
    if counts.labels < fitted.answers:
        raise UserError(
            f"the label store holds {counts.labels} answers of {folder.path}, and its reward model was "
            f"fitted to {fitted.answers}: it is not this run's store; resume with the REDIS_URL it was trained with"
        )


def require_store() -> None:
    """Before anything is made: raises UserError where ``REDIS_URL`` names a store that cannot be used.

    It must answer, and promise that what it acknowledged is on disk.
    """
    url = os.environ.get("REDIS_URL", "")
    if not url:
        return
    try:
        connect(url, patient=False).close()  # one that is not there is not waited for
        client = GatewayClient(url, "")
        try:
            client.require_durable()
        finally:
            client.close()
    except StoreError as error:
        raise UserError(str(error)) from None


def label_parts(
    config: TrainConfig,
    counts: Counts,
    fitted: int,
    version: int,
    paused: Mapping[str, str],
    alarms: Sequence[Alarm] = (),
) -> dict[str, Status]:
    """What the parts that turn questions into a reward are doing, and what is wrong with the reward.

    Args:
        fitted: entries of the label log that reward model ``version`` was fitted to.
        paused: why raters are, by name.
    """
    parts = {
        "labeling gateway": Status(f"waiting for {counts.waiting}" if counts.waiting else "asking"),
        "label store": Status(f"holds {counts.used + counts.later + counts.imported:,} answers"),
    }
    if config.labels.source == "scripted":
        parts["teacher"] = Status("answering" if counts.open + counts.leased else "waiting for questions")
    if config.labels.has_page:
        unanswered = counts.open + counts.leased
        waits = [f"{unanswered} questions wait for their answers"] if unanswered else []
        waits += [f"{counts.wanting} for further raters"] if counts.wanting else []
        parts["people"] = Status(", ".join(waits) or "no question open")
    if paused:
        parts["raters"] = Status("; ".join(f"{name} is paused: {why}" for name, why in paused.items()), held_up=True)
    late = counts.labels - fitted
    if version == UNFITTED:
        needed = reward_config(config).first_fit
        held = counts.used + counts.later + counts.imported
        parts["reward service"] = Status(f"waiting for {needed} usable answers to fit version 1, {held} given so far")
    else:
        parts["reward service"] = Status(
            f"scoring by version {version}, "
            + (f"{late} label log {'entry' if late == 1 else 'entries'} not fitted yet" if late > 0 else "all fitted")
        )
    if standing := [alarm.words for alarm in alarms if alarm.ended_at is None]:
        parts["alarm"] = Status(f"the reward model may be fooled: {'; '.join(standing)}", held_up=True)
    return parts


def probe_task(config: TrainConfig, *, worlds: int = 1, seed: int = 0) -> Simulator:
    """The job's task, not staggered: for its spaces, its scene, or an evaluation.

    Raises:
        UserError: the engine has no such task, or it does not start here.
    """
    if config.engine == WRAPPED:
        raise UserError(f"{config.task} is stepped by the program that handed it to backflip.learned_reward, not by us")
    try:
        if config.engine == "envpool":
            from actors.simulators.envpool_probe import require_usable  # EnvPool takes a second to import

            require_usable(config.task)  # what crashes shall not crash us
        return make_simulator(
            config.engine,
            config.task,
            worlds=worlds,
            seed=seed,
            threads=os.cpu_count() or 1,
            stagger=False,
            question=config.labels.question,
        )
    except (ValueError, ImportError, SimulationFault) as error:
        raise UserError(str(error)) from None


def reward_config(config: TrainConfig) -> RewardConfig:
    """The ensemble's config, with a first fit that does not wait for more answers than are asked up front.

    Answers of another run are fitted at once, however few.
    """
    upfront = 1 if config.labels.from_ else max(1, config.labels.upfront_questions)
    return replace(config.reward_model, first_fit=min(config.reward_model.first_fit, upfront))


def worker_specs(config: TrainConfig, *, resumed_at: int = 0, threads: int | None = None) -> list[WorkerSpec]:
    """One spec an actor, each with seeds of its own.

    Args:
        resumed_at: steps that the run has done already, so that it does not see the same worlds over again.
        threads: overrides how many each simulates on.
    """
    actors = config.actors if threads is None else replace(config.actors, threads=threads)
    entropy = [config.seed, resumed_at] if resumed_at else config.seed
    seeds = np.random.SeedSequence(entropy).generate_state(actors.count)
    return [
        WorkerSpec(
            engine=config.engine,
            task=config.task,
            actors=actors,
            hidden=config.learner.hidden,
            encoder=config.learner.encoder,
            clip_steps=config.labels.clip_steps,
            seed=int(seed) % _SEED_BLOCKS * _WORLD_SEEDS,
            number=number,
            question=config.labels.question,
        )
        for number, seed in enumerate(seeds)
    ]
