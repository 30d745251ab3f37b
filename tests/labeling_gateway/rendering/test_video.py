from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from labeling_gateway.rendering.video import steps_per_frame, write_video

STEP = 0.008


def frames(count: int) -> np.ndarray:
    """The n-th is grey of brightness n."""
    return np.arange(count, dtype=np.uint8)[:, None, None, None] + np.zeros((1, 120, 160, 3), np.uint8)


def read(path: Path) -> tuple[list[np.ndarray], float]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name in ("h264", "libx264") and stream.codec_context.pix_fmt == "yuv420p"
        rate = stream.average_rate
        assert rate is not None
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)], float(rate)


def write(path: Path, steps: int = 40, every: int = 1, speed: float = 1.0, reward: np.ndarray | None = None) -> None:
    reward = np.linspace(-1.0, 1.0, steps) if reward is None else reward
    pictures = frames(-(-steps // every))
    write_video(path, pictures, reward, STEP, np.zeros(steps), "turns", every=every, speed=speed)


@pytest.mark.parametrize(("every", "speed"), [(1, 1.0), (4, 1.0), (2, 0.5), (1, 0.5)])
def test_a_video_takes_as_long_as_the_episode_did(tmp_path: Path, every: int, speed: float) -> None:
    write(tmp_path / "a.mp4", steps=400 if every > 1 else 200, every=every, speed=speed)
    shown, rate = read(tmp_path / "a.mp4")
    assert len(shown) / rate == pytest.approx((400 if every > 1 else 200) * STEP / speed, rel=0.02)
    assert 25 <= rate <= 40


def test_slow_simulators_show_every_step() -> None:
    assert steps_per_frame(0.008) == 4
    assert steps_per_frame(0.05) == 1


def test_the_bar_is_red_on_the_left_for_bad_and_green_on_the_right_for_good(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", reward=np.repeat([-1.0, 1.0], 20))
    shown, _ = read(tmp_path / "a.mp4")
    width = 160 + 42
    bar = slice(26, 31)
    for frame, (side, high, low) in ((shown[1], (-12, 0, 1)), (shown[-1], (12, 1, 0))):
        middle = 160 + (width - 160) // 2
        lit = frame[bar, middle + side].mean(0)
        dark = frame[bar, middle - side].mean(0)
        assert lit[high] > lit[low] + 60, "its colour says which"
        assert dark.max() < 80, "the other side is empty"


def test_without_a_reward_model_there_is_no_bar(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", frames(8), None, STEP, np.zeros(8), "")
    assert read(tmp_path / "a.mp4")[0][0].shape == (120, 160, 3)


def test_nothing_half_written_is_left(tmp_path: Path) -> None:
    class Breaks:
        def __len__(self) -> int:
            return 40

        def __getitem__(self, row: int) -> np.ndarray:
            if row > 20:
                raise RuntimeError("the renderer died")
            return frames(1)[0]

    with pytest.raises(RuntimeError, match="died"):
        write_video(tmp_path / "a.mp4", Breaks(), np.zeros(40), STEP, np.zeros(40), "")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"a\.mp4: 3 frames and 40 rewards for 40 steps, 4 to a frame"):
        write_video(tmp_path / "a.mp4", frames(3), np.zeros(40), STEP, np.zeros(40), "", every=4)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_an_oserror(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        write(tmp_path / "missing" / "a.mp4")
