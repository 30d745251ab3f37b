"""Any gymnasium environment, registered or a user's own class, many worlds in one process."""

from __future__ import annotations

import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from actors.simulators.gymnasium_physics import require_physics
from actors.simulators.gymnasium_scene import about_environment, scene_of
from actors.simulators.gymnasium_worlds import World, find, make
from actors.simulators.protocol import FaultWatch, Transition
from actors.simulators.spaces import Controls, Flattening, UnsupportedSpace
from contracts.spaces import ObservationSpace, Spaces


class GymnasiumSimulator:
    """N worlds of a gymnasium environment, in step; see `actors.simulators.protocol.Simulator`.

    The worlds are stepped one after the other by gymnasium's own `SyncVectorEnv`: an actor is a
    process already, and more actors are how a slow environment is sampled faster. An ended episode
    is reset within the same step (`AutoresetMode.SAME_STEP`), so no row shows a step across an end.

    Clips are MuJoCo states where the environment has a ``model`` and ``data``, else observations.
    The environment's reward becomes the score and nothing else.

    Args:
        stagger: start worlds at random elapsed times, as the MuJoCo engine does.

    Raises:
        UnknownTask: there is no such environment.
        ValueError: it cannot be made, or its observation or action is of no kind that is known here.
    """

    def __init__(self, task: str, worlds: int, seed: int, stagger: bool = True) -> None:
        maker = find(task)
        first, self.episode_steps = make(task, maker)
        try:
            flatten, self._controls = Flattening(first.observation_space), Controls(first.action_space)
        except UnsupportedSpace as error:
            raise ValueError(f"gymnasium environment {task} {error}") from None
        self.parts = flatten.parts
        self.spaces = Spaces(ObservationSpace((flatten.size,)), self._controls.action)
        self.worlds = worlds
        seeds, starts = np.random.SeedSequence(seed).spawn(2)
        self._seeds: list[int | None] | None = [int(number) for number in seeds.generate_state(worlds)]
        elapsed = np.random.default_rng(starts).integers(0, self.episode_steps, worlds) if stagger else [0] * worlds
        made = [first] + [make(task, maker)[0] for _ in range(worlds - 1)]
        fenced = [
            World(env, f"{task}: world {number}", flatten, self.episode_steps, int(elapsed[number]))
            for number, env in enumerate(made)
        ]
        self._worlds = fenced
        self._vector = SyncVectorEnv(
            [lambda world=world: world for world in fenced], autoreset_mode=AutoresetMode.SAME_STEP
        )
        self._faults = FaultWatch(task)
        self._about = about_environment(task, first)
        self.odometer_name = self._about.odometer_name
        self.scene, self._saved = scene_of(task, self._about, World(first, f"{task}: world 0", flatten, 1))
        self.control_timestep = self.scene.timestep
        self._observation = np.zeros((worlds, flatten.size), np.float32)
        self._length = np.zeros(worlds, np.int64)  # of the episode that each world is in
        self.state_size = self.state().shape[1]

    def reset(self) -> np.ndarray:
        self._observation, _ = self._vector.reset(seed=self._seeds)
        self._length[:] = 0
        self._seeds = None  # a second reset goes on with the worlds' own randomness
        return self._observation.copy()

    def step(self, action: np.ndarray) -> Transition:
        observation, reward, terminated, truncated, infos = self._vector.step(self._controls(action))
        final_observation = observation.copy()
        if "final_obs" in infos:
            for world in np.flatnonzero(infos["_final_obs"]):
                final_observation[world] = infos["final_obs"][world]
        valid = np.array([not world.fault for world in self._worlds])
        for number in np.flatnonzero(~valid):
            self._faults.report(np.array([number]), self._worlds[number].fault)
        self._observation = observation
        self._length += valid
        odometer = self._length if self.odometer_name else np.zeros(self.worlds)
        self._length = np.where(terminated | truncated, 0, self._length)
        return Transition(
            observation=observation.copy(),
            final_observation=final_observation,
            terminated=terminated,
            truncated=truncated,
            valid=valid,
            score=np.where(valid, self._about.score(final_observation, reward), 0.0).astype(np.float32),
            odometer=np.where(valid, odometer, 0.0).astype(np.float32),
        )

    def state(self) -> np.ndarray:
        if self._saved is None:
            return self._observation.copy()
        # Asked for anew at every step: some environments make new data at a reset.
        return np.stack([self._saved.state(*require_physics(world)) for world in self._worlds])

    def measure(self, state: np.ndarray) -> dict[str, float]:
        """Nothing beyond an episode's length and score, which evaluation counts for every task."""
        return {}

    def close(self) -> None:
        self._vector.close()
