// Draws stages into ordinary canvases. One WebGL context serves them all: browsers allow few.

import * as three from "three";
import type { Stage } from "./stage";

const FEWEST_PIXELS = 100_000; // of one picture
const SLOW = 25; // milliseconds for one picture

let mostPixels = 1_000_000; // of one picture; fewer where there is no graphics card
let slowOnes = 0; // in a row

let renderer: three.WebGLRenderer | null | undefined;

/** Whether this browser draws in 3-D. `?video` in the address says no, for whoever prefers videos. */
export function canPaint(): boolean {
  if (renderer === undefined) {
    renderer = new URLSearchParams(location.search).has("video") ? null : start();
  }
  return renderer !== null;
}

/** Draws a stage as it is posed into a canvas, as large as the page shows it. */
export function paint(stage: Stage, canvas: HTMLCanvasElement): void {
  if (!canPaint() || !renderer) return;
  const began = performance.now();
  const { width, height } = fit(canvas);
  if (renderer.domElement.width < width || renderer.domElement.height < height) {
    const size = renderer.domElement;
    renderer.setSize(Math.max(size.width, width), Math.max(size.height, height), false);
  }
  const room = renderer.domElement.height - height;
  renderer.setViewport(0, room, width, height); // WebGL counts from the bottom
  renderer.setScissor(0, room, width, height);
  renderer.setScissorTest(true);
  renderer.render(stage.scene, stage.camera);
  canvas.getContext("2d", { alpha: false })?.drawImage(renderer.domElement, 0, 0, width, height, 0, 0, width, height);
  slowOnes = performance.now() - began > SLOW ? slowOnes + 1 : 0;
  if (slowOnes > 5) [mostPixels, slowOnes] = [Math.max(FEWEST_PIXELS, mostPixels / 2), 0];
}

/** Gives a canvas as many pixels as the screen has for it. */
function fit(canvas: HTMLCanvasElement): { width: number; height: number } {
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  const wanted = canvas.clientWidth * canvas.clientHeight * ratio * ratio;
  const scale = ratio * Math.min(1, Math.sqrt(mostPixels / Math.max(wanted, 1)));
  const width = Math.max(1, Math.round(canvas.clientWidth * scale));
  const height = Math.max(1, Math.round(canvas.clientHeight * scale));
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  return { width, height };
}

function start(): three.WebGLRenderer | null {
  try {
    const made = new three.WebGLRenderer({ antialias: true, powerPreference: "high-performance" });
    made.setPixelRatio(1);
    made.setSize(16, 16, false);
    made.shadowMap.enabled = true;
    made.shadowMap.type = three.PCFShadowMap;
    made.domElement.addEventListener("webglcontextlost", (event) => event.preventDefault()); // it comes back
    return made;
  } catch {
    return null;
  }
}
