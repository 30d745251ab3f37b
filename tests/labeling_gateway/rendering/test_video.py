from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from labeling_gateway.rendering.video import Film, steps_per_frame, write_video

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
    film = Film(pictures, reward, np.zeros(steps), "turns")
    write_video(path, [[film]], STEP, every=every, speed=speed)


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
    write_video(tmp_path / "a.mp4", [[Film(frames(8), None, np.zeros(8))]], STEP)
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
        write_video(tmp_path / "a.mp4", [[Film(Breaks(), np.zeros(40), np.zeros(40))]], STEP)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"a\.mp4: 3 frames and 40 rewards for 40 steps, 4 to a frame"):
        write_video(tmp_path / "a.mp4", [[Film(frames(3), np.zeros(40), np.zeros(40))]], STEP, every=4)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_an_oserror(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        write(tmp_path / "missing" / "a.mp4")


def test_films_lie_in_their_grid_and_a_short_one_waits_on_its_last_frame(tmp_path: Path) -> None:
    def film(count: int, brightness: int) -> Film:
        return Film(np.full((count, 120, 160, 3), brightness, np.uint8), None, np.zeros(count))

    grid = [[film(20, 30), film(8, 90)], [film(20, 150), film(20, 210)]]
    write_video(tmp_path / "a.mp4", grid, 1 / 30)
    shown, _ = read(tmp_path / "a.mp4")
    assert len(shown) == 20
    for picture in shown:
        assert picture.shape == (240, 320, 3)
        corners = [picture[y : y + 20, x : x + 20].mean() for y in (10, 130) for x in (10, 170)]
        np.testing.assert_allclose(corners, [30, 90, 150, 210], atol=6)


def test_nothing_is_written_over_pictures_that_a_task_made_itself(tmp_path: Path) -> None:
    film = Film(np.full((8, 120, 160, 3), 90, np.uint8), np.ones(8), np.zeros(8), "turns", "some game", height=120)
    write_video(tmp_path / "a.mp4", [[film]], 1 / 30)
    picture = read(tmp_path / "a.mp4")[0][4]
    assert picture.shape == (138, 202, 3)
    np.testing.assert_allclose(picture[:119, :159], 90, atol=8)
    assert picture[122:136, :160].max() > 180, "it is written below"


def test_bars_of_one_model_have_one_scale_and_those_of_another_their_own(tmp_path: Path) -> None:
    def film(reward: float, model: str) -> Film:
        return Film(frames(8), np.full(8, reward), np.zeros(8), model=model)

    def length(picture: np.ndarray, cell: int) -> int:
        """Pixels of a cell's bar that are lit green."""
        row = picture[28, 202 * cell + 160 : 202 * (cell + 1)].astype(int)
        return int((row[:, 1] - row[:, 0] > 50).sum())

    write_video(tmp_path / "a.mp4", [[film(2.0, "a"), film(1.0, "a"), film(1.0, "b")]], 1 / 30)
    lengths = [length(read(tmp_path / "a.mp4")[0][4], cell) for cell in range(3)]
    assert lengths[0] == pytest.approx(2 * lengths[1], abs=2)
    assert lengths[2] == pytest.approx(lengths[0], abs=1)


def test_a_run_without_a_reward_model_keeps_its_place_beside_one_that_has_it(tmp_path: Path) -> None:
    without, having = Film(frames(8), None, np.zeros(8)), Film(frames(8), np.ones(8), np.zeros(8))
    write_video(tmp_path / "a.mp4", [[without, having]], 1 / 30)
    assert read(tmp_path / "a.mp4")[0][0].shape == (120, 404, 3)
