"""A reward model of frames: fitted from clips of a game, kept, served as bytes, and made anew from the log."""

from __future__ import annotations

import grpc
import numpy as np
import pytest
import torch

from contracts.clip import Clip
from contracts.label import Choice
from contracts.spaces import ObservationSpace
from reward_service import inference_pb2 as pb
from reward_service import protocol
from reward_service.client import RewardClient, RewardRequestError
from reward_service.config import RewardConfig, RewardServiceConfig
from reward_service.dataset import Comparisons
from reward_service.ensemble import initial_convolutions
from reward_service.server import serve
from reward_service.trainer import Trainer, logged_fits, replay
from reward_service.versions import RewardModel
from tests.reward_service.synthetic import MemoryLog

SPACE, ACTIONS, STEPS = ObservationSpace((2, 64, 64), 2), 3, 6
CONFIG = RewardConfig(
    members=2, first_fit=40, first_fit_steps=80, fit_minimum=40, fit_steps=40, batch_queries=16, step_stride=3
)


def game(rng: np.random.Generator) -> tuple[Clip, float]:
    """A ball on a grey court, and how far to the right it was in all: what the teacher counts."""
    at = np.clip(rng.integers(0, 60) + 3 * rng.integers(-1, 2) * np.arange(STEPS + 1), 0, 58)
    frames = np.full((STEPS + 1, 64, 64), 90, np.uint8)
    height = rng.integers(0, 58)
    for frame, x in zip(frames, at, strict=True):
        frame[height : height + 5, x : x + 5] = 236
    observation = np.stack([frames[step : step + 2] for step in range(STEPS)])
    nothing = np.zeros((STEPS, 0), np.float32)
    return Clip(observation, np.zeros((STEPS, ACTIONS), np.float32), nothing, "scene", 0, 0, stack=2), float(at.sum())


def log_of(answers: int, seed: int) -> MemoryLog:
    rng, log = np.random.default_rng(seed), MemoryLog()
    for number in range(answers):
        (a, right_a), (b, right_b) = game(rng), game(rng)
        id = f"game-{seed}-{number}"
        # As they come from the store: views of frames that were kept once.
        log.pairs[id] = Clip.from_bytes(a.to_bytes()), Clip.from_bytes(b.to_bytes())
        log.append(id, Choice.A if right_a > right_b else Choice.B)
    return log


@pytest.fixture(scope="module")
def log() -> MemoryLog:
    return log_of(160, 0)


@pytest.fixture(scope="module")
def model(log: MemoryLog, tmp_path_factory: pytest.TempPathFactory) -> RewardModel:
    torch.set_num_threads(1)
    model = RewardModel(CONFIG.members, SPACE, ACTIONS, tmp_path_factory.mktemp("model"))
    trainer = Trainer(CONFIG, log, model, seed=0)
    for log.visible in (80, 160):
        trainer.poll()
    return model


def batch(rows: int = 40, seed: int = 9) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    clips = [game(rng)[0] for _ in range(-(-rows // STEPS))]
    observation = np.concatenate([clip.observation for clip in clips])[:rows]
    return observation, rng.random((rows, ACTIONS)).astype(np.float32)


def test_it_learns_from_answers_where_the_ball_should_be(model: RewardModel) -> None:
    assert model.newest.number == 2
    report = model.newest.report
    assert report.held_out_queries > 8 and report.held_out_accuracy is not None and report.held_out_accuracy > 0.8
    rng = np.random.default_rng(5)
    clips = [game(rng) for _ in range(60)]
    reward = [model.score(clip.observation, clip.action)[0].sum() for clip, _ in clips]
    assert np.corrcoef(reward, [right for _, right in clips])[0, 1] > 0.6


def test_a_checkpoint_and_a_replay_of_the_log_are_the_same_model(log: MemoryLog, model: RewardModel) -> None:
    observation, action = batch()
    expected = model.score(observation, action)[1]
    read = RewardModel(CONFIG.members, SPACE, ACTIONS, model.directory)
    np.testing.assert_array_equal(read.score(observation, action)[1], expected)
    again = replay(CONFIG, log, SPACE, ACTIONS, logged_fits(model.directory))
    assert again is not None
    assert again.score(observation, action) == pytest.approx(expected, abs=1e-4)


def test_actions_change_nothing_and_a_part_scores_as_the_whole(model: RewardModel) -> None:
    observation, action = batch(300)
    whole = model.score(observation, action)[0]
    np.testing.assert_array_equal(model.score(observation, action * 0)[0], whole)
    assert model.score(observation[130:170], action[130:170])[0] == pytest.approx(whole[130:170], abs=1e-4)


def test_frames_are_kept_small_and_shown_as_they_were(log: MemoryLog) -> None:
    data = Comparisons(CONFIG.members, SPACE, ACTIONS, seed=0)
    data.follow(log)
    queries = data.rows(held_out=False).queries[[3, 0]]
    shown = data.inputs(queries, 1, 3)
    assert (shown.dtype, shown.shape) == (np.uint8, (2, 2, 2, 2, 64, 64))
    first, _ = log.entries[0]
    every = np.stack([clip.observation for pair in log.pairs.values() for clip in pair])
    mean, deviation = data.statistics()
    once = np.concatenate([np.concatenate((clips[0, :1], clips[:, 1])) for clips in every]).astype(float)
    np.testing.assert_allclose(mean, np.stack([once.mean(0)] * 2), atol=1e-9)
    np.testing.assert_allclose(deviation, np.sqrt(((once - once.mean(0)) ** 2).mean()), rtol=1e-6)
    assert first


@pytest.fixture(scope="module")
def address(model: RewardModel):
    serving = serve(RewardServiceConfig("run", "127.0.0.1:0", str(model.directory), 0, SPACE, ACTIONS), model)
    yield serving.address
    serving.stop()


@pytest.mark.parametrize("shared_memory", [False, True])
def test_frames_cross_the_wire_and_shared_memory_as_bytes(
    model: RewardModel, address: str, shared_memory: bool
) -> None:
    client = RewardClient(address, shared_memory=shared_memory)
    observation, action = batch(60)
    scores = client.score(observation, action, members=True)
    reward, members, version = model.score(observation, action)
    np.testing.assert_array_equal(scores.reward, reward)
    assert scores.member_reward is not None
    np.testing.assert_array_equal(scores.member_reward, members)
    assert scores.version == version
    client.close()


def test_metadata_says_that_frames_are_bytes(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        method = channel.unary_unary(
            f"/{protocol.SERVICE}/ModelMetadata",
            request_serializer=pb.ModelMetadataRequest.SerializeToString,
            response_deserializer=pb.ModelMetadataResponse.FromString,
        )
        found = method(pb.ModelMetadataRequest(name="reward"))
    inputs = [(tensor.name, tensor.datatype, list(tensor.shape)) for tensor in found.inputs]
    assert inputs == [("observation", "UINT8", [-1, 2, 64, 64]), ("action", "FP32", [-1, ACTIONS])]


def test_typed_contents_serve_and_what_is_no_byte_is_named(model: RewardModel, address: str) -> None:
    observation, action = batch(2)

    def infer(pixels: list[int], shape: list[int]) -> list[float]:
        tensor = pb.ModelInferRequest.InferInputTensor
        contents = pb.InferTensorContents
        request = pb.ModelInferRequest(
            model_name="reward",
            inputs=[
                tensor(name="observation", datatype="UINT8", shape=shape, contents=contents(uint_contents=pixels)),
                tensor(
                    name="action", datatype="FP32", shape=[2, ACTIONS], contents=contents(fp32_contents=action.ravel())
                ),
            ],
        )
        with grpc.insecure_channel(address) as channel:
            method = channel.unary_unary(
                f"/{protocol.SERVICE}/ModelInfer",
                request_serializer=pb.ModelInferRequest.SerializeToString,
                response_deserializer=pb.ModelInferResponse.FromString,
            )
            return protocol.from_wire(method(request).raw_output_contents[0], [-1]).tolist()

    pixels = observation.ravel().tolist()
    assert infer(pixels, [2, 2, 64, 64]) == model.score(observation, action)[0].tolist()
    with pytest.raises(grpc.RpcError, match="'observation' has numbers above 255"):
        infer([256, *pixels[1:]], [2, 2, 64, 64])
    with pytest.raises(grpc.RpcError, match="expected four dimensions"):
        infer(pixels, [2, 2 * 64 * 64])


def test_floats_in_place_of_frames_are_named(address: str) -> None:
    observation, action = batch(3)
    client = RewardClient(address)
    with pytest.raises(RewardRequestError, match="'observation' is of datatype 'FP32'; expected 'UINT8'"):
        client.score(observation.astype(np.float32), action)
    with pytest.raises(RewardRequestError, match=r"observation has shape \[3, 2, 60, 64\]; expected \[3, 2, 64, 64\]"):
        client.score(observation[:, :, 4:], action)
    client.close()


def test_frames_that_are_too_small_are_named() -> None:
    with pytest.raises(ValueError, match="40x20 are too small for the reward model's convolutions"):
        initial_convolutions(3, (3, 40, 20), 0)
