"""Actors on a real Ray: slabs come, restarts happen, and what fails or waits says so."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import ray

from actors.config import ActorsConfig
from actors.ray_actor import ServiceAddresses
from actors.ray_pool import ActorPool
from actors.simulators.registry import make_simulator
from actors.worker import ActorFailed, WorkerSpec
from backflip.distributed import DistributedSystem, _start_ray  # pyright: ignore[reportPrivateUsage]
from backflip.presets import PRESETS
from backflip.run_folder import create_run_folder
from contracts.rollout import TRUE_REWARD, UNFITTED, Rollout
from labeling_gateway.config import LabelsConfig
from labeling_gateway.embedded import free_port
from learner.policy import PolicySpec
from learner.ppo import PPOConfig
from reward_service.config import RewardServiceConfig
from reward_service.server import serve
from reward_service.versions import RewardModel
from tests.actors.short import snapshot_of
from tests.processes import alive

SPACES = make_simulator("mujoco", "hopper-backflip", worlds=1, seed=0).spaces
POLICY = PolicySpec(SPACES, hidden=(8,))
ALONE = ServiceAddresses("run", None, None)


def deaths(pool: ActorPool) -> int:
    return sum(trouble.deaths for trouble in pool.troubles)


def specs(count: int, task: str = "hopper-backflip") -> list[WorkerSpec]:
    actors = ActorsConfig(count=count, worlds=4, slab_steps=8, threads=1)
    first = WorkerSpec("mujoco", task, actors, hidden=(8,), clip_steps=4, seed=0)
    return [replace(first, seed=1000 * number, number=number) for number in range(count)]


@pytest.fixture(scope="module", autouse=True)
def own_ray() -> Iterator[None]:
    _start_ray(slabs=0)
    yield
    ray.shutdown()


Opened = Callable[[list[WorkerSpec], ServiceAddresses], ActorPool]


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Opens pools, and closes them again."""
    pools: list[ActorPool] = []

    def open_pool(specs: list[WorkerSpec], services: ServiceAddresses = ALONE) -> ActorPool:
        pools.append(ActorPool(specs, services))
        return pools[-1]

    yield open_pool
    for pool in pools:
        pool.close()


def take(pool: ActorPool, enough: Callable[[list[Rollout]], bool], seconds: float = 120.0) -> list[Rollout]:
    """Slabs as they come, until there are enough."""
    slabs: list[Rollout] = []
    give_up = time.monotonic() + seconds
    while not enough(slabs):
        assert time.monotonic() < give_up, (len(slabs), pool.statuses())
        slabs += pool.collect()
    return slabs


@pytest.mark.slow
def test_with_an_odd_number_of_actors_no_slab_grows_too_old_either(opened: Opened) -> None:
    pool = opened(specs(3), ALONE)
    pool.wait_ready()
    pool.publish(snapshot_of(POLICY, version=0))
    time.sleep(1.5)  # as many slabs wait as may
    for version in range(1, 12):  # and from now on the learner is slower than the actors
        slabs = take(pool, bool)
        assert max(version - 1 - slab.policy_version for slab in slabs) <= PPOConfig().max_lag
        pool.publish(snapshot_of(POLICY, version=version))
        time.sleep(0.1)


def test_slabs_versions_room_and_a_killed_actor(opened: Opened) -> None:
    pool = opened(specs(2), ALONE)
    pool.wait_ready()
    assert pool.collect() == [], "no weights, no slabs; it gives up waiting after a while"

    pool.publish(snapshot_of(POLICY, version=5))
    slabs = take(pool, lambda slabs: {slab.actor for slab in slabs} == {0, 1})
    assert all(slab.policy_version == 5 and slab.reward_version == TRUE_REWARD for slab in slabs)
    assert all(slab.reward.shape == (8, 4) and slab.valid.all() for slab in slabs)

    # Actors don't run ahead of a learner that is busy, so that lag stays bounded.
    time.sleep(1.5)
    pool.publish(snapshot_of(POLICY, version=6, seed=1))
    slabs = take(pool, lambda slabs: bool(slabs) and slabs[-1].policy_version == 6)
    assert 1 <= sum(slab.policy_version == 5 for slab in slabs) <= 2 * 2

    first, second = pool.process_ids()
    os.kill(first, signal.SIGKILL)
    # The other goes on at once, the killed one comes back with the newest weights, and it differs.
    slabs = take(pool, lambda _: deaths(pool) == 1)
    slabs += take(pool, lambda slabs: sum(slab.actor == 0 for slab in slabs) >= 2 and deaths(pool) == 1)
    assert sum(slab.actor == 1 for slab in slabs) >= 2
    assert {slab.policy_version for slab in slabs} <= {5, 6}
    again, still = pool.process_ids()
    assert again != first and still == second
    assert [trouble.words() for trouble in pool.troubles] == ["died once", ""]
    assert not alive(first)


def test_an_actor_that_cannot_start_says_why_in_a_line(opened: Opened, tmp_path: Path) -> None:
    log_file = tmp_path / "actor-0.log"
    pool = opened([replace(spec, log_file=log_file) for spec in specs(1, task="hoper")], ALONE)
    with pytest.raises(ActorFailed) as failure:
        pool.wait_ready()
    assert str(failure.value).startswith("engine mujoco has no task 'hoper'; did you mean hopper")
    assert "\n" not in str(failure.value)
    assert "actor-0 ERROR the actor failed" in log_file.read_text()


def test_an_actor_that_is_not_up_in_time_is_not_waited_for(opened: Opened) -> None:
    with pytest.raises(ActorFailed, match="not every one of 1 was up after 0 s"):
        opened(specs(1), ALONE).wait_ready(timeout=0.01)


def test_work_that_cannot_be_handed_out_ends_the_collecting(opened: Opened) -> None:
    pool = opened(specs(1), ALONE)
    pool.wait_ready()
    pool._snapshot = threading.Lock()  # which cannot be sent
    with pytest.raises(ActorFailed, match=r"^work cannot be handed out to the actors: "):
        take(pool, bool)


def test_an_actor_whose_code_raises_ends_the_collecting(opened: Opened) -> None:
    pool = opened(specs(1), ALONE)
    pool.wait_ready()
    pool.publish(snapshot_of(PolicySpec(SPACES, hidden=(9,))))
    with pytest.raises(ActorFailed, match=r"^actor 0: policy has \d+ numbers, snapshot 1 has"):
        take(pool, bool)


OWN = "tests.actors.own_environments"


def owns(*names: str) -> list[WorkerSpec]:
    """An actor for each of these environments."""
    made = zip(specs(len(names)), names, strict=True)
    return [replace(spec, engine="gymnasium", task=f"{OWN}:{name}") for spec, name in made]


def test_the_others_go_on_without_an_actor_whose_worlds_fail_for_good(opened: Opened) -> None:
    pool = opened(owns("NeverRight", "Counter", "Counter"), ALONE)
    pool.wait_ready()
    spaces = make_simulator("gymnasium", f"{OWN}:Counter", worlds=1, seed=0).spaces
    pool.publish(snapshot_of(PolicySpec(spaces, hidden=(8,))))
    slabs = take(pool, lambda slabs: len(slabs) >= 40 and bool(pool.troubles[0].stopped))
    assert {slab.actor for slab in slabs if slab.steps} == {1, 2} and deaths(pool) == 0
    assert [bool(trouble.stopped) for trouble in pool.troubles] == [True, False, False]
    stopped, *others = pool.statuses(timeout=60.0)
    words, *nothing = [trouble.words() for trouble in pool.troubles]
    assert words.endswith(f"steps failed and were left out, {stopped.doing}") and nothing == ["", ""]
    assert "stopped" not in pool.troubles[0].words(shown=True), "beside its status"
    assert stopped.held_up and not any(other.held_up for other in others)
    assert (
        stopped.doing.startswith(f"stopped: {OWN}:NeverRight: ") and "RuntimeError: the motor is off" in stopped.doing
    )


@pytest.mark.slow  # half a minute
def test_the_last_actor_whose_worlds_fail_for_good_ends_the_collecting(opened: Opened) -> None:
    pool = opened(owns("NeverRight", "NeverRight"), ALONE)
    pool.wait_ready()
    spaces = make_simulator("gymnasium", f"{OWN}:Counter", worlds=1, seed=0).spaces
    pool.publish(snapshot_of(PolicySpec(spaces, hidden=(8,))))
    with pytest.raises(ActorFailed, match=rf"^actor \d: {OWN}:NeverRight: .* world \d: RuntimeError: the motor is off"):
        take(pool, lambda _: False)


def test_sampling_waits_for_the_reward_service_and_says_so(opened: Opened, tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    pool = opened(specs(1), ServiceAddresses("run", address, None))
    pool.wait_ready()
    pool.publish(snapshot_of(POLICY))
    give_up = time.monotonic() + 90
    while "for the reward service" not in pool.statuses()[0].doing:
        assert time.monotonic() < give_up, pool.statuses()
        time.sleep(0.1)
    assert pool.collect() == []
    model = RewardModel(3, SPACES.observation, SPACES.action.size, tmp_path)
    config = RewardServiceConfig("run", address, str(tmp_path), 0, SPACES.observation, SPACES.action.size)
    serving = serve(config, model)
    slabs = take(pool, lambda slabs: len(slabs) >= 3)
    assert {slab.reward_version for slab in slabs} == {UNFITTED}
    assert "for the reward service" not in pool.statuses()[0].doing
    serving.stop()


@pytest.mark.slow  # half a minute
def test_a_closed_pool_leaves_no_actor(opened: Opened) -> None:
    pool = opened(specs(1), ALONE)
    pool.wait_ready()
    (pid,) = pool.process_ids()
    pool.close()
    give_up = time.monotonic() + 60
    while alive(pid):
        assert time.monotonic() < give_up
        time.sleep(0.05)


def test_a_program_that_has_a_ray_keeps_it(tmp_path: Path) -> None:
    changes = {"actors": specs(1)[0].actors, "labels": LabelsConfig(clip_steps=4)}
    config = replace(PRESETS["hopper-backflip"].config, out=tmp_path, reward="true", **changes)
    task = make_simulator("mujoco", config.task, worlds=1, seed=0)
    node = ray.get_runtime_context().get_node_id()
    folder = create_run_folder(replace(config, name="run"))
    system = DistributedSystem(config, folder, SPACES, task.scene)
    system.source.publish(snapshot_of(PolicySpec(SPACES, config.learner.hidden), version=1))
    [slab] = take(system.source, bool)
    assert slab.policy_version == 1
    system.stop()
    assert ray.is_initialized() and ray.get_runtime_context().get_node_id() == node
