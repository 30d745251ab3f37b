// What surrounds a scene: floor and sky, as the studio of the videos has them.

import * as three from "three";

export const HORIZON = new three.Color().setRGB(0.9, 0.93, 0.95, three.SRGBColorSpace);
const SKY = new three.Color().setRGB(0.55, 0.72, 0.9, three.SRGBColorSpace);
const TILE = "rgb(214, 222, 229)";
const OTHER_TILE = "rgb(189, 201, 212)";
const GROUT = "rgb(168, 183, 197)";
const SQUARES = 64; // of floor along each side

/** Squares of two shades with grid lines, and a sheet above them that catches shadows. */
export function ground(square: number): three.Mesh[] {
  const picture = document.createElement("canvas");
  picture.width = picture.height = 256;
  const pen = picture.getContext("2d") as CanvasRenderingContext2D;
  pen.fillStyle = TILE;
  pen.fillRect(0, 0, 256, 256);
  pen.fillStyle = OTHER_TILE;
  pen.fillRect(0, 0, 128, 128);
  pen.fillRect(128, 128, 128, 128);
  pen.strokeStyle = GROUT;
  pen.lineWidth = 2;
  for (const line of [0, 128, 256]) {
    pen.strokeRect(line, -2, 0, 260);
    pen.strokeRect(-2, line, 260, 0);
  }
  const texture = new three.CanvasTexture(picture);
  texture.colorSpace = three.SRGBColorSpace;
  texture.wrapS = texture.wrapT = three.RepeatWrapping;
  texture.repeat.set(SQUARES / 2, SQUARES / 2);
  texture.anisotropy = 8;
  const sheet = new three.PlaneGeometry(SQUARES * square, SQUARES * square);
  const floor = new three.Mesh(sheet, new three.MeshBasicMaterial({ map: texture }));
  const shadows = new three.Mesh(sheet, new three.ShadowMaterial({ opacity: 0.34, color: 0x0d2136 }));
  shadows.position.z = 0.001;
  shadows.receiveShadow = true;
  return [floor, shadows];
}

/** A dome of radius 1 around the camera, of the colour that the floor fades into where it meets it. */
export function sky(): three.Mesh {
  const dome = new three.SphereGeometry(1, 24, 16);
  const points = dome.getAttribute("position");
  const colours = new Float32Array(points.count * 3);
  const colour = new three.Color();
  for (let index = 0; index < points.count; index++) {
    const height = Math.max(0, points.getY(index)); // the dome is turned to stand on z below
    colour.copy(HORIZON).lerp(SKY, Math.min(1, height * 1.4));
    colour.toArray(colours, index * 3);
  }
  dome.setAttribute("color", new three.BufferAttribute(colours, 3));
  dome.rotateX(Math.PI / 2);
  const mesh = new three.Mesh(
    dome,
    new three.MeshBasicMaterial({ vertexColors: true, side: three.BackSide, fog: false, depthWrite: false }),
  );
  mesh.renderOrder = -1;
  mesh.frustumCulled = false;
  return mesh;
}
