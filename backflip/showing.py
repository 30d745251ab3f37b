"""What is done with a finished run: measured afresh, drawn, served."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from actors.simulators.protocol import SimulationFault, Simulator
from backflip.config import TrainConfig
from backflip.display import Display, telling
from backflip.errors import UserError
from backflip.evaluation import EpisodeTrack, Evaluation, evaluate
from backflip.run_folder import RunFolder, open_run_folder
from backflip.system import probe_task
from labeling_gateway.rendering.drawing import draw
from labeling_gateway.rendering.sketches import CannotDraw
from labeling_gateway.rendering.video import Film, steps_per_frame, write_video
from learner.checkpoint import load_policy_snapshot
from learner.policy import Policy
from reward_service.config import RewardServiceConfig
from reward_service.server import AddressInUse, serve
from reward_service.versions import RewardModel

_DRAWN_SECONDS = 10.0
"""Of a long episode, that are drawn at the end of a training: a frame takes the ray tracer a fifth of a second."""


def evaluate_run(path: Path, *, episodes: int, seed: int) -> Evaluation:
    """Raises UserError where there is no such run, it has no policy yet, or its worlds fail."""
    folder = open_run_folder(path)
    config = folder.read_config()
    with closing(probe_task(config, worlds=episodes, seed=seed)) as simulator:
        try:
            return evaluate(policy_of_run(folder, config, simulator), simulator)
        except SimulationFault as error:
            raise UserError(str(error)) from None


def draw_run(
    folder: RunFolder, config: TrainConfig, simulator: Simulator, evaluation: Evaluation, display: Display
) -> None:
    """The typical episode of an evaluation as `backflip.mp4`; where a task cannot be drawn, say so and go on."""
    display.say("drawing the policy (the first time on a machine this takes half a minute)")
    track, timestep = typical(evaluation), simulator.control_timestep
    if track.pictures is None and len(track) * timestep > _DRAWN_SECONDS:
        display.say(f"the first {_DRAWN_SECONDS:g} s of an episode; `backflip video {folder.path}` draws all of one")
        track = track.first(round(_DRAWN_SECONDS / timestep))
    try:
        with _reward_model(folder, config, simulator) as model:
            film = _film(folder, model, simulator, track, config.preset, display.say)
        write_video(folder.video, [[film]], timestep, every=steps_per_frame(timestep))
    except CannotDraw as error:
        display.say(f"no video: {error}")


def video_of_run(
    path: Path, output: Path | None, *, seed: int, grid: tuple[int, int] = (1, 1), beside: Path | None = None
) -> Path:
    """Draw episodes of a run's policy; returns the file.

    Args:
        grid: rows and columns of episodes, each of another world.
        beside: another run, whose episodes are drawn on the right of these, from the same starts.

    Raises:
        UserError: there is no such run, its worlds fail or cannot be drawn, or the file cannot be written.
    """
    folder = open_run_folder(path)
    shown = [folder] if beside is None else [folder, open_run_folder(beside)]
    rows, columns = grid
    timesteps: list[float] = []
    films: list[list[Film]] = [[] for _ in range(rows)]
    across = columns * len(shown)
    size = (480, 360) if across <= 2 else (320, 240)
    target = output or (folder.video if rows * across == 1 else folder.videos)
    try:
        for run in shown:
            config = run.read_config()
            with (
                closing(probe_task(config, worlds=rows * columns, seed=seed)) as simulator,
                _reward_model(run, config, simulator) as model,
            ):
                timesteps.append(simulator.control_timestep)
                if len(set(timesteps)) > 1:
                    raise UserError(
                        f"{shown[0].path} and {shown[1].path} have steps of different length: one clock fits one"
                    )
                tracks = evaluate(policy_of_run(run, config, simulator), simulator, filmed=rows * columns).tracks
                _say(f"drawing {run.path}, which can take a minute an episode")
                title = config.preset if beside is None else run.path.name
                cells = [_film(run, model, simulator, track, title, _say, size) for track in tracks]
            for row in range(rows):
                films[row] += cells[row * columns : (row + 1) * columns]
        write_video(target, films, timesteps[0], every=steps_per_frame(timesteps[0]))
    except (CannotDraw, SimulationFault) as error:
        raise UserError(str(error)) from None
    except OSError as error:
        raise UserError(f"cannot write {target}: {error.strerror or error}") from None
    return target


def serve_reward_of_run(path: Path, address: str, *, allow_remote: bool) -> None:
    """Serve every version of a run's reward model until SIGINT or SIGTERM.

    Raises:
        UserError: there is no such run or no fitted model in it, or the address cannot be listened on.
    """
    folder = open_run_folder(path)
    config = folder.read_config()
    simulator = probe_task(config)
    simulator.close()
    with _reward_model(folder, config, simulator) as model:
        if model is None:
            raise UserError(f"{folder.path} has no fitted reward model to serve")
        service = RewardServiceConfig(
            run=folder.run,
            address=address,
            directory=str(folder.reward_model),
            seed=config.seed,
            observation=simulator.spaces.observation,
            action_size=simulator.spaces.action.size,
            reward=config.reward_model,
            allow_remote=allow_remote,
        )
        try:
            server = serve(service, model)
        except (AddressInUse, ValueError) as error:
            raise UserError(str(error)) from None
        print(f"serving reward model version {model.newest.number} of {folder.run} on {server.address}", flush=True)
        told = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: told.set())
        told.wait()
        server.stop()


def typical(evaluation: Evaluation) -> EpisodeTrack:
    """The whole episode whose true return is the median: neither the luckiest nor the worst. Of films, the only one."""
    if evaluation.tracks[0].pictures is not None:
        return evaluation.tracks[0]
    whole = [track for track in evaluation.tracks if not track.failed]
    order = np.argsort([track.score.sum() for track in whole], kind="stable")
    return whole[int(order[len(order) // 2])]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def policy_of_run(folder: RunFolder, config: TrainConfig, simulator: Simulator) -> Policy:
    """The newest one that it saved. Raises UserError where there is none, or it can't be read."""
    policy = Policy(config.learner.policy(simulator.spaces))
    try:
        policy.load(load_policy_snapshot(folder.checkpoint))
    except FileNotFoundError:
        raise UserError(f"{folder.path} has no policy yet: nothing was learnt before it ended") from None
    except ValueError as error:
        raise UserError(f"{folder.checkpoint}: {error}") from None
    return policy


@contextmanager
def _reward_model(folder: RunFolder, config: TrainConfig, simulator: Simulator) -> Iterator[RewardModel | None]:
    """The run's model as it was last published; None if it never was, or the run has none."""
    if not folder.reward_model.exists():
        yield None
        return
    spaces, members = simulator.spaces, config.reward_model.members
    threads = os.cpu_count() or 1
    with closing(RewardModel(members, spaces.observation, spaces.action.size, folder.reward_model, threads)) as model:
        yield None if model.newest.ensemble is None else model


def _film(
    folder: RunFolder,
    model: RewardModel | None,
    simulator: Simulator,
    track: EpisodeTrack,
    title: str,
    say: Callable[[str], None],
    size: tuple[int, int] = (480, 360),
) -> Film:
    """An episode drawn, with what the run's reward model thinks of it. Raises CannotDraw."""
    every = steps_per_frame(simulator.control_timestep)
    filmed = track.pictures
    if filmed is None:
        drawn = telling(say, "drew frames:")
        frames = draw(simulator.scene, track.state, *size, every=every, drawn=drawn)
    else:
        frames = filmed[::every]
    return Film(
        frames=frames,
        predicted=None if model is None else model.score(track.observation, track.action)[0],
        odometer=track.odometer[: len(track.observation)],
        odometer_name=simulator.odometer_name,
        title=title,
        model=folder.run,
        height=None if filmed is None else size[1],
    )
