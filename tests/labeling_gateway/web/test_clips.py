"""What draws a clip, over HTTP."""

from __future__ import annotations

import time
from pathlib import Path

import av
import mujoco
import numpy as np

from actors.tasks.runners import HOPPER
from contracts.clip import Clip
from labeling_gateway.rendering.stage import set_stage
from tests.labeling_gateway.web.server import STEPS, Server, ask
from tests.labeling_gateway.web.test_labeling import lease
from tests.processes import descendants, end


def test_a_scene_and_its_poses_are_what_mujoco_says(server: Server) -> None:
    (query,) = ask(server, 1)
    ann = server.labeler()
    (pair,) = lease(ann)
    ref = pair["left"]
    assert (ref["draw"], ref["steps"], ref["timestep"]) == ("poses", STEPS, HOPPER.control_timestep)
    answered = ann.get(f"scenes/{ref['scene']}")
    assert "immutable" in answered.headers["cache-control"] and "private" in answered.headers["cache-control"]
    scene = answered.json()
    assert (scene["task"], scene["question"]) == ("hopper", HOPPER.question)
    assert [body["name"] for body in scene["bodies"]] == ["world", "torso", "thigh", "leg", "foot"]
    assert scene["camera"]["follow"] == 1
    assert {geom["type"] for geom in scene["geoms"]} == {"capsule"}
    answered = ann.get(f"clips/{ref['clip']}/poses")
    shape = int(answered.headers["x-steps"]), int(answered.headers["x-bodies"]), 7
    assert shape == (STEPS, 5, 7) and "immutable" in answered.headers["cache-control"]
    poses = np.frombuffer(answered.content, "<f4").reshape(shape)
    clip = Clip.from_bytes(server.gateway.clip_data(ref["clip"]))
    model = set_stage(HOPPER.scene()).compile()
    data = mujoco.MjData(model)
    for row in (0, STEPS - 1):
        data.qpos[:] = clip.state[row, : model.nq]
        mujoco.mj_forward(model, data)
        np.testing.assert_allclose(poses[row, :, :3], data.xpos, atol=1e-6)
        np.testing.assert_allclose(poses[row, :, 3:], data.xquat, atol=1e-6)
    assert query.scene == ref["scene"]


def test_what_has_no_poses_is_a_video_with_a_frame_a_step(server: Server, tmp_path: Path) -> None:
    ask(server, 1, cart_pole=True)
    ann = server.labeler()
    (pair,) = lease(ann)
    ref = pair["right"]
    assert ref["draw"] == "video"
    assert ann.get(f"scenes/{ref['scene']}").json()["bodies"] == []
    assert "video.mp4" in ann.get(f"clips/{ref['clip']}/poses").json()["error"]
    give_up = time.monotonic() + 120
    while (answered := ann.get(f"clips/{ref['clip']}/video.mp4")).status_code == 202:
        assert int(answered.headers["retry-after"]) >= 1
        assert time.monotonic() < give_up
        time.sleep(0.1)
    assert answered.status_code == 200
    assert answered.headers["content-type"] == "video/mp4" and "immutable" in answered.headers["cache-control"]
    (tmp_path / "a.mp4").write_bytes(answered.content)
    with av.open(str(tmp_path / "a.mp4")) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == STEPS
    assert all(frame.key_frame for frame in frames), "a page can seek each step"
    part = ann.get(f"clips/{ref['clip']}/video.mp4", headers={"Range": "bytes=0-99"})
    assert (part.status_code, len(part.content)) == (206, 100), "browsers ask for ranges"


def test_a_renderer_that_dies_is_started_again(server: Server) -> None:
    ask(server, 6, cart_pole=True)
    ann = server.labeler()
    refs = [side for pair in lease(ann, 5) for side in (pair["left"], pair["right"])]

    def drawn(ref: dict) -> bool:
        return ann.get(f"clips/{ref['clip']}/video.mp4").status_code == 200

    give_up = time.monotonic() + 200
    while not drawn(refs[0]):
        assert time.monotonic() < give_up
        time.sleep(0.05)
    assert server.process is not None
    end(descendants(server.process.pid))
    while not all(map(drawn, refs)):
        assert time.monotonic() < give_up
        time.sleep(0.05)


def test_what_is_not_there_is_not_found(server: Server) -> None:
    ann = server.labeler()
    for path in ("scenes/{}", "clips/{}/poses", "clips/{}/video.mp4"):
        missing = ann.get(path.format("0" * 64))
        assert missing.status_code == 404 and "0000" in missing.json()["error"]
        assert missing.headers["cache-control"] == "no-store"
        assert ann.get(path.format("nonsense")).status_code == 422
        assert server.stranger().get(path.format("0" * 64)).status_code == 401
