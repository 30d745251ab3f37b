"""Many worlds of one task on mujoco-warp: thousands on a GPU; on the CPU, to test the same path.

A control step never waits for the device. On a GPU it is one captured graph: physics steps, observation,
score, end by time, and the reset of the worlds that ended. On the CPU the physics steps are one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import mujoco_warp
import numpy as np
import torch
import warp
from torch import Tensor

from actors.simulators.mujoco_engine import LARGEST
from actors.simulators.protocol import FaultWatch, Transition
from actors.simulators.starts import draw_starts
from actors.tasks.task import State, Task
from contracts.spaces import ActionSpace, ObservationSpace, Spaces

_WARM_UPS = 3  # runs before a capture: kernels are compiled, and torch has chosen its own

warp.config.log_level = warp.LOG_WARNING
warp.init()


@dataclass
class DeviceTransition:
    """As `actors.simulators.protocol.Transition`, on the device; the next step writes over it."""

    observation: Tensor  # float32 [N, D]
    final_observation: Tensor  # float32 [N, D]
    truncated: Tensor  # bool [N]
    valid: Tensor  # bool [N]
    score: Tensor  # float32 [N]
    odometer: Tensor  # float32 [N]


class WarpSimulator:
    """N worlds of a task; see `actors.simulators.protocol.Simulator`.

    `reset` and `step` speak numpy, as every engine does; `reset_on_device` and `step_on_device` are
    what they are made of, for whoever has the policy on the same device.

    Args:
        stagger: as the CPU engine's.
        device: ``cpu`` or ``cuda:0``.
    """

    def __init__(self, task: Task, worlds: int, seed: int, stagger: bool = True, device: str = "cpu") -> None:
        self.device = torch.device(device)
        model = task.model()
        self.task = task
        self.worlds = worlds
        self.scene = task.scene()
        self.control_timestep = task.control_timestep
        self.episode_steps = task.episode_steps
        self.odometer_name = task.odometer_name
        self.state_size = model.nq + model.nv
        self._host_model = model
        self._stagger = stagger
        self._random = np.random.default_rng(seed)
        self.faults = FaultWatch(task.name, worlds)
        with warp.ScopedDevice(warp.device_from_torch(self.device)):
            self._model = mujoco_warp.put_model(model)
            self._data = mujoco_warp.make_data(model, nworld=worlds)
        data = self._data
        self._qpos, self._qvel, self._act, self._ctrl, self._warmstart = (
            warp.to_torch(field) for field in (data.qpos, data.qvel, data.act, data.ctrl, data.qacc_warmstart)
        )
        self._state = State(self._qpos, self._qvel)
        if task.derived:
            derived = (warp.to_torch(field) for field in (data.xpos, data.xmat, data.sensordata))
            self._state = State(self._qpos, self._qvel, self._act, *derived)
        starts = draw_starts(task, worlds, seed)
        self._starts = [
            torch.as_tensor(part, device=self.device)
            for part in (starts.qpos, starts.qvel, starts.observation, starts.odometer)
        ]
        # Each world goes through the store by the same odd stride: it meets every start before one twice.
        self._stride = 2 * int(self._random.integers(len(starts.odometer) // 2)) + 1
        self._row = torch.arange(worlds, device=self.device)
        self._elapsed = torch.zeros(worlds, dtype=torch.int64, device=self.device)
        self._odometer_start = torch.zeros(worlds, device=self.device)
        low, high = torch.as_tensor(model.actuator_ctrlrange.T, dtype=torch.float32, device=self.device)
        self._middle, self._half_range = (low + high) / 2, (high - low) / 2
        self._action = torch.zeros((worlds, model.nu), device=self.device)
        self._transition = self._empty_transition(starts.observation.shape[-1])
        self.spaces = Spaces(ObservationSpace(starts.observation.shape[-1:]), ActionSpace("continuous", model.nu))
        self._simulate, self._run = self._physics, self._control_step
        with warp.ScopedDevice(warp.device_from_torch(self.device)):
            if self.device.type == "cuda":
                self._run = self._captured_on_gpu()
            else:
                self._simulate = self._captured_on_cpu()

    def reset_on_device(self) -> Tensor:
        """Start every world anew: the first observations, [N, D]."""
        self._restart(torch.ones(self.worlds, dtype=torch.bool, device=self.device))
        if self._stagger:
            elapsed = self._random.integers(0, self.episode_steps, self.worlds)
            self._elapsed.copy_(torch.as_tensor(elapsed))
        return self._transition.observation

    def step_on_device(self, action: Tensor) -> DeviceTransition:
        """Act in every world, [N, A] in [-1, 1] (clipped). Nothing waits for the device."""
        self._action.copy_(action)
        self._run()
        return self._transition

    def report_faults(self, worlds: np.ndarray) -> None:
        """For whoever steps on the device: which worlds had an invalid step. Raises SimulationFault."""
        self.faults.report(worlds, "its state is not finite")

    def reset(self) -> np.ndarray:
        return self.reset_on_device().cpu().numpy().copy()

    def step(self, action: np.ndarray) -> Transition:
        found = self.step_on_device(torch.from_numpy(action))
        valid = found.valid.cpu().numpy().copy()
        self.report_faults(np.flatnonzero(~valid))
        return Transition(
            observation=found.observation.cpu().numpy().copy(),
            final_observation=found.final_observation.cpu().numpy().copy(),
            terminated=np.zeros(self.worlds, bool),
            truncated=found.truncated.cpu().numpy().copy(),
            valid=valid,
            score=found.score.cpu().numpy().copy(),
            odometer=found.odometer.cpu().numpy().copy(),
        )

    def state_on_device(self) -> Tensor:
        """As `state`, [N, S]."""
        return torch.cat((self._qpos, self._qvel), -1)

    def state(self) -> np.ndarray:
        return self.state_on_device().cpu().numpy()

    def measure(self, state: np.ndarray) -> dict[str, float]:
        return self.task.measure(self._host_model, state)

    def close(self) -> None:
        """Nothing to give back: the device's memory goes with its tensors."""

    def _control_step(self) -> None:
        """Everything between an action and the next observation, in calls to the device alone."""
        before = State(self._qpos.clone(), self._qvel.clone())
        action = self._action.clamp(-1.0, 1.0)
        self._ctrl.copy_(self._middle + self._half_range * action)
        self._simulate()
        found, after = self._transition, self._state
        # One comparison catches NaN, infinity and divergence alike.
        found.valid.copy_((self._qpos.abs() < LARGEST).all(-1) & (self._qvel.abs() < LARGEST).all(-1))
        self._elapsed += 1
        found.truncated.copy_((self._elapsed >= self.episode_steps) | ~found.valid)
        final_observation = self.task.observe(torch, after)
        found.score.copy_(self.task.score(torch, before, action, after))
        if self.task.odometer is not None:
            found.odometer.copy_(self.task.odometer(torch, after) - self._odometer_start)
        found.observation.copy_(final_observation)
        self._restart(found.truncated)
        found.final_observation.copy_(torch.where(found.valid[:, None], final_observation, found.observation))
        for values in (found.score, found.odometer):
            values.copy_(torch.where(found.valid, values, 0.0))

    def _physics(self) -> None:
        model, data = self._model, self._data
        for _ in range(self.task.frame_skip):
            mujoco_warp.step(model, data)
        if self.task.derived:
            # What follows from the new positions and velocities; what hangs on forces stays that of the last step.
            mujoco_warp.fwd_kinematics(model, data)
            mujoco_warp.com_vel(model, data)
            mujoco_warp.sensor_pos(model, data)
            mujoco_warp.sensor_vel(model, data)

    def _restart(self, ended: Tensor) -> None:
        """Put the worlds that ended, bool [N], into a start each; the rest stay as they are."""
        qpos, qvel, observation, odometer = (part[self._row] for part in self._starts)
        each = ended[:, None]
        for values, start in (
            (self._qpos, qpos),
            (self._qvel, qvel),
            (self._transition.observation, observation),
            (self._act, torch.zeros_like(self._act)),
            (self._warmstart, torch.zeros_like(self._warmstart)),
        ):
            values.copy_(torch.where(each, start, values))
        self._odometer_start.copy_(torch.where(ended, odometer, self._odometer_start))
        self._elapsed.copy_(torch.where(ended, 0, self._elapsed))
        self._row.copy_(torch.where(ended, (self._row + self._stride) % len(self._starts[0]), self._row))

    def _empty_transition(self, observation_size: int) -> DeviceTransition:
        def empty(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.zeros((self.worlds, *shape), dtype=dtype, device=self.device)

        return DeviceTransition(
            observation=empty(observation_size),
            final_observation=empty(observation_size),
            truncated=empty(dtype=torch.bool),
            valid=empty(dtype=torch.bool),
            score=empty(),
            odometer=empty(),
        )

    def _captured_on_cpu(self) -> Callable[[], None]:
        """Warp's part of the control step, which without a capture spends its time in Python."""
        self._physics()  # compiles
        with warp.ScopedCapture() as capture:
            self._physics()
        graph = capture.graph
        assert graph is not None
        return lambda: warp.capture_launch(graph)

    def _captured_on_gpu(self) -> Callable[[], None]:
        """The whole control step as one CUDA graph, of Warp's kernels and torch's alike."""
        stream = torch.cuda.Stream(self.device)
        stream.wait_stream(torch.cuda.current_stream(self.device))
        graph = torch.cuda.CUDAGraph()
        with warp.ScopedStream(warp.stream_from_torch(stream)):
            with torch.cuda.stream(stream):
                for _ in range(_WARM_UPS):
                    self._control_step()
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                warp.capture_begin(external=True, force_module_load=False)
                try:
                    self._control_step()
                finally:
                    warp.capture_end()
        torch.cuda.current_stream(self.device).wait_stream(stream)
        return graph.replay
