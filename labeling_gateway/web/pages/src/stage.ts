// A scene in three.js, in MuJoCo's conventions: metres, z up.

import * as three from "three";
import type { SceneView } from "./api";
import { meshOf, solid } from "./solids";
import { ground, HORIZON, sky } from "./surroundings";
import type { View } from "./view";

const INK = 0x1f3a56; // drop lines
const SUN = new three.Vector3(-0.35, -0.45, 1.35); // towards it

/** Everything that one kind of clip needs to be drawn; posed anew for each picture. */
export class Stage {
  readonly scene = new three.Scene();
  readonly camera = new three.PerspectiveCamera(40, 1, 0.02, 400);
  private readonly bodies: three.Group[] = [];
  private readonly sky = sky();
  private readonly floor = new three.Group();
  private readonly sun = new three.DirectionalLight(0xffffff, 2.1);
  private readonly drops: Drops;

  constructor(readonly view: SceneView) {
    this.scene.fog = new three.Fog(HORIZON, 1, 10);
    this.scene.add(this.sky, this.floor, this.sun, this.sun.target);
    this.scene.add(new three.HemisphereLight(0xffffff, 0xb8c4d0, 1.25));
    this.floor.add(...ground(view.floor.square));
    this.bodies = view.bodies.map(() => new three.Group());
    const meshes = view.meshes.map(meshOf);
    for (const geom of view.geoms) this.bodies[geom.body]?.add(solid(geom, meshes));
    this.scene.add(...this.bodies);
    this.drops = new Drops(view);
    this.scene.add(this.drops.lines, this.drops.marks);
    this.shade();
  }

  /** Puts every body where it is at a moment between two steps: poses [steps, bodies, 7]. */
  pose(poses: Float32Array, step: number): void {
    const width = this.bodies.length * 7;
    const last = poses.length / width - 1;
    const from = Math.min(Math.floor(step), last);
    const share = Math.min(step, last) - from;
    const next = Math.min(from + 1, last);
    this.bodies.forEach((body, index) => {
      const a = from * width + index * 7;
      const b = next * width + index * 7;
      position.fromArray(poses, a).lerp(end.fromArray(poses, b), share);
      quaternion(poses, a, turn).slerp(quaternion(poses, b, turnEnd), share);
      body.position.copy(position);
      body.quaternion.copy(turn);
    });
    this.scene.updateMatrixWorld();
    this.drops.fall(this.bodies, this.view.floor.height);
  }

  /** Points the camera, for a picture so wide by so high; `followed` is added to what it looks at. */
  aim(view: View, aspect: number, followed: [number, number]): void {
    const from = this.view.camera;
    const azimuth = three.MathUtils.degToRad(from.azimuth + view.turned);
    const elevation = three.MathUtils.degToRad(from.elevation + view.raised);
    // Narrow pictures show as much to the sides as wider ones do.
    const distance = from.distance * view.zoom * Math.max(1, 1.15 / aspect);
    const [x, y, z] = from.lookat;
    const target = position.set(x + followed[0], y + followed[1], z);
    const forward = end.set(
      Math.cos(elevation) * Math.cos(azimuth),
      Math.cos(elevation) * Math.sin(azimuth),
      Math.sin(elevation),
    );
    this.camera.position.copy(target).addScaledVector(forward, -distance);
    // Never below the floor, where there is nothing to see.
    this.camera.position.z = Math.max(this.camera.position.z, this.view.floor.height + 0.03 * from.distance);
    this.camera.up.set(0, 0, 1);
    this.camera.lookAt(target);
    this.camera.fov = from.fovy;
    this.camera.aspect = aspect;
    this.camera.near = distance / 60;
    this.camera.far = distance * 30;
    this.camera.updateProjectionMatrix();
    const fog = this.scene.fog as three.Fog;
    [fog.near, fog.far] = [distance * 1.2, distance * 5.5];

    this.sky.position.copy(this.camera.position);
    this.sky.scale.setScalar(this.camera.far * 0.9);
    const period = 2 * this.view.floor.square; // the pattern stays where it is while its sheet moves along
    this.floor.position.set(Math.round(target.x / period) * period, Math.round(target.y / period) * period, 0);
    this.floor.position.z = this.view.floor.height;
    this.sun.target.position.copy(target);
    this.sun.position.copy(target).addScaledVector(SUN, from.distance * 1.5);
  }

  private shade(): void {
    const { distance } = this.view.camera;
    this.sun.castShadow = true;
    this.sun.shadow.mapSize.set(1024, 1024);
    this.sun.shadow.radius = 3;
    this.sun.shadow.bias = -0.0005;
    this.sun.shadow.normalBias = distance * 0.003;
    const half = distance * 0.8;
    Object.assign(this.sun.shadow.camera, { left: -half, right: half, top: half, bottom: -half });
    Object.assign(this.sun.shadow.camera, { near: 0.1, far: distance * 5 });
    this.sun.shadow.camera.updateProjectionMatrix();
  }
}

/** Lines from the ends of limbs, and from what the camera follows, straight down to the floor. */
class Drops {
  readonly lines: three.LineSegments;
  readonly marks: three.InstancedMesh;
  private readonly of: number[];
  private readonly positions: three.BufferAttribute;

  constructor(view: SceneView) {
    const parents = new Set(view.bodies.map((body) => body.parent));
    const solid = new Set(view.geoms.map((geom) => geom.body));
    this.of = view.bodies
      .map((_, index) => index)
      .filter((index) => index > 0 && solid.has(index) && (!parents.has(index) || index === view.camera.follow));
    this.positions = new three.BufferAttribute(new Float32Array(this.of.length * 6), 3);
    const geometry = new three.BufferGeometry().setAttribute("position", this.positions);
    const ink = { color: INK, transparent: true, depthWrite: false };
    this.lines = new three.LineSegments(geometry, new three.LineBasicMaterial({ ...ink, opacity: 0.55 }));
    const ring = new three.RingGeometry(0.6, 1, 24);
    ring.scale(view.camera.distance * 0.012, view.camera.distance * 0.012, 1);
    this.marks = new three.InstancedMesh(
      ring,
      new three.MeshBasicMaterial({ ...ink, opacity: 0.6 }),
      Math.max(this.of.length, 1),
    );
    this.marks.count = this.of.length;
    this.lines.frustumCulled = this.marks.frustumCulled = false;
  }

  fall(bodies: three.Group[], floor: number): void {
    const above = floor + 0.004;
    this.of.forEach((index, row) => {
      const body = bodies[index] as three.Group;
      middle(body, position);
      this.positions.setXYZ(2 * row, position.x, position.y, position.z);
      this.positions.setXYZ(2 * row + 1, position.x, position.y, above);
      this.marks.setMatrixAt(row, matrix.makeTranslation(position.x, position.y, above));
    });
    this.positions.needsUpdate = true;
    this.marks.instanceMatrix.needsUpdate = true;
  }
}

const position = new three.Vector3();
const end = new three.Vector3();
const turn = new three.Quaternion();
const turnEnd = new three.Quaternion();
const matrix = new three.Matrix4();

/** Middle of a body's solids, in the world. */
function middle(body: three.Group, into: three.Vector3): three.Vector3 {
  into.set(0, 0, 0);
  for (const child of body.children) into.add(child.position);
  return into.divideScalar(Math.max(body.children.length, 1)).applyMatrix4(body.matrixWorld);
}

function quaternion(poses: Float32Array, body: number, into: three.Quaternion): three.Quaternion {
  const [w, x, y, z] = poses.subarray(body + 3, body + 7) as unknown as [number, number, number, number];
  return into.set(x, y, z, w);
}
