"""Any gymnasium environment, registered or a user's own class, many worlds in one process."""

from __future__ import annotations

from dataclasses import dataclass, replace

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from actors.simulators.atari_games import ale_scores
from actors.simulators.envpool_tasks import About, about
from actors.simulators.frames import Frames, as_pictures, observing
from actors.simulators.gymnasium_physics import edited_by, physics_of, require_physics, scene_of
from actors.simulators.gymnasium_worlds import Maker, World, filming, find, make, stacked
from actors.simulators.protocol import FaultWatch, Transition
from actors.simulators.saved_model import SavedModel, save
from actors.simulators.spaces import Controls, Flattening, UnsupportedSpace
from contracts.clip import Scene, Track
from contracts.spaces import Spaces


class GymnasiumSimulator:
    """N worlds of a gymnasium environment, in step; see `actors.simulators.protocol.Simulator` and `Draws`.

    The worlds are stepped one after the other by gymnasium's own `SyncVectorEnv`: an actor is a
    process already, and more actors are how a slow environment is sampled faster. An ended episode
    is reset within the same step (`AutoresetMode.SAME_STEP`), so no row shows a step across an end.

    Clips are MuJoCo states where the environment has a ``model`` and ``data``; else films of what its
    `render` draws, or of the frames that it observes; else observations, and ``unfilmed`` says why.
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
            observe = observing(first.observation_space, stacked(first), ale_scores(task))
            self._controls = Controls(first.action_space)
        except UnsupportedSpace as error:
            first.close()
            raise ValueError(f"gymnasium environment {task} {error}") from None
        self._observe, self._shown = observe, _shown(task, first, maker, observe)
        self.unfilmed = self._shown.unfilmed
        if self._shown.maker is not maker:
            first.close()
            first, _ = make(task, self._shown.maker)
        self.parts = observe.parts
        self.score_blanked = isinstance(observe, Frames) and observe.score_blanked
        self.spaces = Spaces(observe.space, self._controls.action)
        self.worlds = worlds
        seeds, starts = np.random.SeedSequence(seed).spawn(2)
        self._seeds: list[int | None] | None = [int(number) for number in seeds.generate_state(worlds)]
        elapsed = np.random.default_rng(starts).integers(0, self.episode_steps, worlds) if stagger else [0] * worlds
        made = [first] + [make(task, self._shown.maker)[0] for _ in range(worlds - 1)]
        fenced = [
            World(env, f"{task}: world {number}", observe, self.episode_steps, int(elapsed[number]))
            for number, env in enumerate(made)
        ]
        self._worlds = fenced
        self._vector = SyncVectorEnv(
            [lambda world=world: world for world in fenced], autoreset_mode=AutoresetMode.SAME_STEP
        )
        self.faults = FaultWatch(task, worlds)
        self._about = _about(task, first)
        self.odometer_name = self._about.odometer_name
        look = World(first, f"{task}: world 0", observe, self.episode_steps)
        self.scene, self._saved = _scene(task, self._about, look, self._shown.track)
        self.control_timestep = self.scene.timestep
        self._observation = np.zeros((worlds, *observe.space.shape), observe.space.dtype)
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
            self.faults.report(np.array([number]), self._worlds[number].fault)
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
        match self.scene.track:
            case "mujoco":
                assert self._saved is not None
                # Asked for anew at every step: some environments make new data at a reset.
                return np.stack([self._saved.state(*require_physics(world)) for world in self._worlds])
            case "frames":
                return np.empty((self.worlds, 0), np.float32)
            case "observation":
                return self._observation.copy()

    def pictures(self, worlds: np.ndarray) -> np.ndarray:
        if self._shown.renders:
            return np.stack([self._worlds[number].picture() for number in worlds])
        assert isinstance(self._observe, Frames)
        return as_pictures(self._observation[worlds], self._observe.channels)

    def measure(self, state: np.ndarray) -> dict[str, float]:
        """Nothing beyond an episode's length and score, which evaluation counts for every task."""
        return {}

    def close(self) -> None:
        self._vector.close()


def _about(task: str, env: gymnasium.Env) -> About:
    """What is known of the id; of a user's own environment, what its ``metadata`` says of question and pace."""
    known = about(task)
    step = getattr(env.unwrapped, "dt", None) if physics_of(env) is not None else None
    if isinstance(step, float) and step > 0:
        known = replace(known, timestep=step)
    return known.beside(env.metadata)


@dataclass(frozen=True)
class _Shown:
    """How people are shown its worlds."""

    track: Track
    maker: Maker  # of worlds that can be shown so
    renders: bool = False  # whether its `render` is filmed
    unfilmed: str = ""  # why it is not, where nothing better is known either


def _shown(task: str, env: gymnasium.Env, maker: Maker, observe: Flattening | Frames) -> _Shown:
    if physics_of(env) is not None:
        return _Shown("mujoco", maker)
    try:
        return _Shown("frames", filming(task, env, maker), renders=True)
    except ValueError as error:
        return _Shown("frames" if observe.space.is_frames else "observation", maker, unfilmed=str(error))


def _scene(task: str, known: About, world: World, track: Track) -> tuple[Scene, SavedModel | None]:
    """What draws its clips, and the model that this is made of where it has one."""
    if track != "mujoco":
        return Scene(task=task, track=track, timestep=known.timestep, question=known.question), None
    edited = edited_by(world)
    model, _ = require_physics(world)
    saved = save(model, edited)
    return scene_of(task, model, saved, timestep=known.timestep, question=known.question), saved
