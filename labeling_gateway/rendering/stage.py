"""The studio that a task's model is filmed in: floor, sky, lights and colours, whatever the model brought."""

from __future__ import annotations

import mujoco
import numpy as np

from contracts.clip import Camera, Scene

CAMERA = "backflip_camera"
FLOOR = "backflip_floor"
FIELD_OF_VIEW = 40.0  # degrees, vertical

_SQUARES = 56  # along the floor
_TEXELS = 2048
_TILE, _LINE = np.array((0.80, 0.84, 0.87)), np.array((0.73, 0.78, 0.82))
_HORIZON = np.array((0.90, 0.93, 0.95))
_SKY = np.array((0.62, 0.76, 0.90))

_PLAIN = (0.8, 0.6, 0.4)  # the colour that gymnasium's models leave their geoms in
_NEAR_ROOT, _FAR_FROM_ROOT = np.array((0.98, 0.60, 0.16)), np.array((0.62, 0.16, 0.33))

_HIDDEN = 5  # a group of geoms that is not drawn

_AMBIENT = 0.45
_SUN = np.array((0.35, 0.45, -1.0))  # direction of its light


def set_stage(scene: Scene) -> mujoco.MjSpec:
    """The scene's model, dressed. Joints, and so the meaning of a state, are untouched."""
    spec = mujoco.MjSpec.from_string(scene.mjcf)
    for light in list(spec.lights):
        spec.delete(light)
    for geom in spec.geoms:
        geom.material = ""
    spec.default.geom.material = ""
    for asset in [*spec.materials, *spec.textures]:
        spec.delete(asset)
    _paint(spec)
    _lay_floor(spec, scene.camera)
    _hang_sky(spec)
    _light(spec)
    spec.worldbody.add_camera(name=CAMERA, fovy=FIELD_OF_VIEW)
    return spec


def floor_period(camera: Camera) -> float:
    """Metres after which the floor's pattern repeats: two squares."""
    return 2 * _square(camera)


def _square(camera: Camera) -> float:
    return round(camera.distance / 8, 2)


def _paint(spec: mujoco.MjSpec) -> None:
    """Uncoloured limbs turn from orange at the torso to plum at the feet, so that poses read well."""
    spec.add_material(name="backflip_skin", specular=0.35, shininess=0.4)
    depths = {geom: _depth(geom.parent) for geom in spec.geoms}
    deepest = max(depths.values(), default=1)
    for geom, depth in depths.items():
        geom.material = "backflip_skin"
        if np.allclose(geom.rgba[:3], _PLAIN, atol=0.01):
            share = (depth - 1) / max(deepest - 1, 1)
            geom.rgba = (*(_NEAR_ROOT + share * (_FAR_FROM_ROOT - _NEAR_ROOT)), 1.0)


def _depth(body: mujoco.MjsBody) -> int:
    """Bodies between this one and the world; the world itself has 0."""
    depth = 0
    while body.name != "world":
        body, depth = body.parent, depth + 1
    return depth


def _lay_floor(spec: mujoco.MjSpec, camera: Camera) -> None:
    """Squares that fade into the horizon, in the place of the model's own planes.

    Where there is none, or it is out of sight, the floor lies a little below the scene.
    """
    planes = [geom for geom in spec.geoms if geom.type == mujoco.mjtGeom.mjGEOM_PLANE]
    for plane in planes:
        plane.group = _HIDDEN
    height = max([plane.pos[2] for plane in planes] + [camera.lookat[2] - 0.35 * camera.distance])
    half = _SQUARES * _square(camera) / 2
    texture = spec.add_texture(
        name=FLOOR, type=mujoco.mjtTexture.mjTEXTURE_2D, width=_TEXELS, height=_TEXELS, nchannel=3
    )
    texture.data = _floor_pixels().tobytes()
    material = spec.add_material(name=FLOOR, specular=0.0)
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = FLOOR
    spec.worldbody.add_geom(
        name=FLOOR,
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        size=(half, half, 0.1),
        pos=(0.0, 0.0, height),
        material=FLOOR,
        rgba=(1.0, 1.0, 1.0, 1.0),
        contype=0,
        conaffinity=0,
    )


def _floor_pixels() -> np.ndarray:
    """uint8 [_TEXELS, _TEXELS, 3]."""
    along = (np.arange(_TEXELS) + 0.5) / _TEXELS
    square = np.floor(along * _SQUARES).astype(int)
    checker = ((square[:, None] + square[None, :]) % 2)[..., None]
    colour = _LINE + checker * (_TILE - _LINE)
    radius = np.hypot(along[:, None] - 0.5, along[None, :] - 0.5)[..., None] * 2
    haze = np.clip((radius - 0.15) / 0.75, 0.0, 1.0)
    haze = haze * haze * (3 - 2 * haze)
    return ((colour + haze * (_HORIZON - colour)) * 255).round().astype(np.uint8)


def _hang_sky(spec: mujoco.MjSpec) -> None:
    """A gradient whose middle, the horizon, is the colour that the floor fades into."""
    spec.add_texture(
        name="backflip_sky",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=_SKY,
        rgb2=2 * _HORIZON - _SKY,
        width=256,
        height=256,
    )


def _light(spec: mujoco.MjSpec) -> None:
    """One sun with shadows. Ambient and diffuse light add up to 1 on the floor: it shows its own colours."""
    spec.visual.headlight.active = False
    slant = -_SUN[2] / np.linalg.norm(_SUN)
    spec.worldbody.add_light(
        name="backflip_sun",
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
        pos=(0.0, 0.0, 10.0),
        dir=_SUN,
        ambient=(_AMBIENT,) * 3,
        diffuse=((1 - _AMBIENT) / slant,) * 3,
        specular=(0.4,) * 3,
        castshadow=True,
    )
