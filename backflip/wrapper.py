"""The other way round: somebody else's training loop gets the learned reward, and its clips become questions."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper

from actors.clips import ClipCutter
from actors.passing import PassingSlabs, Step
from actors.sampler import Shot
from actors.simulators.protocol import SimulationFault
from actors.vector_worlds import Score, VectorWorlds
from backflip.config import TrainConfig
from backflip.errors import UserError
from backflip.first_reward import ClipSupply, missing
from backflip.newest_reward import NewestReward
from backflip.recorder import Recorder, last_snapshot
from backflip.run_report import SECONDS as REPORT_SECONDS
from backflip.run_report import RunReport
from backflip.services import Services
from backflip.system import Facts
from backflip.wrapped_run import open_wrapped_run, wrapped_config
from contracts.rollout import UNFITTED
from labeling_gateway.config import LabelsConfig
from learner.loop import Progress
from reward_service.config import RewardConfig

_SAY_SECONDS = 5.0
_IDLE_SECONDS = 0.1


class LearnedReward(VectorWrapper):
    """A vector environment whose reward is learned from comparisons of clips of what passes through it.

    Rewards are those of the newest version of the run's reward model, scaled to unit deviation; 0 as long as none
    is fitted. The environment's own reward, and whether an episode was ended by the environment rather than by
    time, are passed on in ``infos`` alone, as ``env_reward`` and ``env_terminated``: every end is reported as a
    truncation, so that the learner bootstraps it and is told nothing that people didn't say.

    See `backflip.learned_reward`.
    """

    def __init__(
        self,
        envs: VectorEnv,
        run: Path,
        *,
        steps: int,
        seed: int = 0,
        labels: LabelsConfig | None = None,
        reward_model: RewardConfig | None = None,
        question: str = "",
        score: Score | None = None,
    ) -> None:
        super().__init__(envs)
        try:
            self._worlds = VectorWorlds(envs, question, score)
            config = wrapped_config(self._worlds, run, steps, seed, labels, reward_model)
        except ValueError as error:
            raise UserError(str(error)) from None
        self._config = config
        worlds, length = self._worlds, config.labels.clip_steps
        random = np.random.default_rng(seed)
        self._cutter = ClipCutter(worlds.spaces, worlds.scene, length, config.actors.candidates, random)
        observed = worlds.spaces.observation
        self._observation = np.zeros((envs.num_envs, *observed.shape), observed.dtype)
        self._over = np.zeros(envs.num_envs, bool)  # whose episode has ended, and whose next step is no step
        self._seen = ClipSupply()
        self._ended = ExitStack()
        try:
            self._open(config, run)
        except BaseException:
            self._ended.close()
            raise

    def _open(self, config: TrainConfig, run: Path) -> None:
        spaces, scene = self._worlds.spaces, self._worlds.scene
        folder = self._ended.enter_context(open_wrapped_run(config, run, spaces))
        last = last_snapshot(folder)
        self._progress = Progress() if last is None else Progress(last.env_steps, wall_seconds=last.wall_seconds)
        self._reward = NewestReward(folder.reward_model, spaces)
        self._slabs = PassingSlabs(
            config.actors.slab_steps, self.num_envs, spaces, self._worlds.state_size, self._shots
        )
        self._services = Services(config, folder, spaces, scene)
        self._ended.callback(self._services.stop)
        for line in self._services.wait_up():
            print(line, file=sys.stderr, flush=True)
        self._services.listen()
        self._recorder = self._ended.enter_context(Recorder(folder, config, scene.timestep, self._progress))
        self._report, self._next_report = RunReport(folder), 0.0

    @property
    def facts(self) -> Facts:
        """Answers used, the reward model's version and accuracy, what each part does, what went wrong; a second old."""
        return self._services.facts

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        mask = (options or {}).get("reset_mask")
        begun = np.ones(self.num_envs, bool) if mask is None else np.array(mask, bool)
        observation, infos = self.env.reset(seed=seed, options=options)
        self._slabs.interrupt(begun & ~self._over)
        self._over &= ~begun
        self._observation = self._observed(self._worlds.observed, observation)
        return observation, infos

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        before, valid = self._observation, ~self._over
        action, state = self._worlds.acted(actions), self._worlds.state(before)
        pictures = self._pictures(self._slabs.filmed())
        observation, env_reward, terminated, truncated, infos = self.env.step(actions)
        terminated, truncated = np.asarray(terminated, bool), np.asarray(truncated, bool)
        ended = terminated | truncated
        self._observation = self._observed(self._worlds.observed, observation)
        self._over = self._still_over(ended)
        self._reward.follow(self._services.facts.reward_version)
        reward = np.where(valid, self._reward.score(before, self._worlds.spaces.action.encode(action)), np.float32(0.0))
        self._pass_on(
            Step(
                observation=before,
                action=action,
                state=state,
                score=self._worlds.score(self._shown_last(ended, infos), np.asarray(env_reward, np.float32)),
                reward=reward,
                terminated=terminated,
                truncated=truncated,
                valid=valid,
                pictures=pictures,
            )
        )
        everywhere = np.ones(self.num_envs, bool)
        infos = infos | {"env_reward": env_reward, "_env_reward": everywhere}
        infos |= {"env_terminated": terminated, "_env_terminated": everywhere}
        return observation, reward, np.zeros_like(ended), ended, infos

    def wait_for_reward(self, seconds: float = 3600.0) -> int:
        """Acts at random until a reward model is fitted, so that nothing is learned from rewards of 0.

        Once enough is asked it only waits, for whoever answers. Call `reset` afterwards, as before any training.

        Returns:
            The version of the reward model.

        Raises:
            UserError: there was none within ``seconds``; the message says what was waited for.
        """
        if not self._config.labels.questions and not self._services.facts.labels_imported:
            raise UserError("nobody answers, and there is nothing to begin with: no reward model will be fitted")
        assert self._services.gateway is not None
        give_up, say = time.monotonic() + seconds, time.monotonic() + _SAY_SECONDS
        self.reset(seed=self._config.seed)
        self.action_space.seed(self._config.seed)
        while (facts := self._services.facts).reward_version == UNFITTED:
            counts = self._services.gateway.counts()
            waits = missing(self._seen, self._config.labels, counts, facts)
            if time.monotonic() > give_up:
                raise UserError(f"no reward model after {seconds:.0f} s: {waits}")
            if time.monotonic() > say:
                print(f"no reward model yet: {waits}", file=sys.stderr, flush=True)
                say = time.monotonic() + _SAY_SECONDS
            asked = counts.asked >= self._config.labels.upfront_questions
            if asked:
                time.sleep(_IDLE_SECONDS)
            if not asked or not counts.open + counts.leased:  # where too few answers teach anything, more are asked
                if self._over.any() and self._worlds.autoreset is AutoresetMode.DISABLED:
                    self.reset(options={"reset_mask": self._over.copy()})
                self.step(self.action_space.sample())
        return facts.reward_version

    def close(self, **kwargs: Any) -> None:
        """Ends all that was started; what is answered is on disk."""
        self._ended.close()
        super().close(**kwargs)

    def _pass_on(self, step: Step) -> None:
        """What is wanted of a step beside the training: clips, progress, curves. It never waits."""
        version = self._reward.number
        self._progress.env_steps += int(step.valid.sum())
        whole = self._slabs.add(step, version)
        if whole is None:
            return
        rollout, track = whole
        gateway = self._services.gateway
        assert gateway is not None
        clips = self._cutter.cut(rollout, track)
        gateway.offer(clips)
        self._seen.take(rollout, len(clips))
        gateway.report_progress(self._progress.env_steps, self._config.steps)
        self._progress.episodes, self._progress.reward_version = rollout.episodes, version
        facts = self._services.facts
        snapshot = self._recorder.record(self._progress, rollout.policy_version, facts)
        if self._services.page is not None and time.monotonic() >= self._next_report:
            gateway.report_run(self._report.fields(snapshot, facts))
            self._next_report = time.monotonic() + REPORT_SECONDS

    def _shots(self) -> list[Shot]:
        """What the slab that begins is filmed for."""
        return self._cutter.shots(self.num_envs, self._config.actors.slab_steps, self._reward.number)

    def _pictures(self, worlds: np.ndarray) -> Sequence[np.ndarray]:
        """Of what these show just now."""
        try:
            return self._worlds.pictures(worlds, self._observation)
        except ValueError as error:
            raise SimulationFault(str(error)) from None

    def _observed(self, observe: Callable[[Any], np.ndarray], observation: Any) -> np.ndarray:
        try:
            return observe(observation)
        except ValueError as error:
            raise SimulationFault(str(error)) from None

    def _shown_last(self, ended: np.ndarray, infos: dict[str, Any]) -> np.ndarray:
        """What the worlds showed after the step, before any of them restarted: float32 [N, D]."""
        if self._worlds.autoreset is not AutoresetMode.SAME_STEP or not ended.any():
            return self._observation
        shown = self._observation.copy()
        shown[ended] = self._observed(self._worlds.observed_last, infos["final_obs"][ended])
        return shown

    def _still_over(self, ended: np.ndarray) -> np.ndarray:
        """Whose next step will be none: bool [N]."""
        match self._worlds.autoreset:
            case AutoresetMode.SAME_STEP:
                return np.zeros_like(ended)
            case AutoresetMode.NEXT_STEP:
                return ended
            case AutoresetMode.DISABLED:  # until it is reset
                return self._over | ended
