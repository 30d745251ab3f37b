// Geoms of MuJoCo as meshes of three.js.

import * as three from "three";
import type { Geom } from "./api";

/** One geom, in its body's frame. */
export function solid(geom: Geom, meshes: three.BufferGeometry[]): three.Mesh {
  const [red, green, blue, alpha] = geom.rgba;
  const material = new three.MeshStandardMaterial({
    color: new three.Color().setRGB(red, green, blue, three.SRGBColorSpace),
    roughness: 0.5,
    transparent: alpha < 1,
    opacity: alpha,
  });
  const mesh = new three.Mesh(shape(geom, meshes), material);
  const [w, x, y, z] = geom.quat;
  mesh.position.set(...geom.pos);
  mesh.quaternion.set(x, y, z, w);
  mesh.castShadow = geom.type !== "plane" && alpha > 0.4;
  mesh.receiveShadow = true;
  return mesh;
}

function shape(geom: Geom, meshes: three.BufferGeometry[]): three.BufferGeometry {
  const [a = 0, b = 0, c = 0] = geom.size;
  switch (geom.type) {
    case "sphere":
      return new three.SphereGeometry(a, 32, 20);
    case "ellipsoid":
      return new three.SphereGeometry(1, 32, 20).scale(a, b, c);
    case "capsule": // three.js lays them along y
      return new three.CapsuleGeometry(a, 2 * b, 10, 28).rotateX(Math.PI / 2);
    case "cylinder":
      return new three.CylinderGeometry(a, a, 2 * b, 32).rotateX(Math.PI / 2);
    case "box":
      return new three.BoxGeometry(2 * a, 2 * b, 2 * c);
    case "plane": // size 0 means without end
      return new three.PlaneGeometry(2 * (a || 50), 2 * (b || 50));
    case "mesh":
      return meshes[geom.mesh ?? -1] ?? new three.BufferGeometry();
  }
}

export function meshOf(mesh: { vertices: number[]; faces: number[] }): three.BufferGeometry {
  const geometry = new three.BufferGeometry();
  geometry.setAttribute("position", new three.Float32BufferAttribute(mesh.vertices, 3));
  geometry.setIndex(mesh.faces);
  geometry.computeVertexNormals();
  return geometry;
}
