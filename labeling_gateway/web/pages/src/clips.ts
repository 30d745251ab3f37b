// Clips, loaded whole before they are shown: as poses, or as video where there are none or no WebGL.

import { type ClipRef, pause, type SceneView, send, type ShownClip } from "./api";
import { canPaint } from "./painter";
import { Stage } from "./stage";

export interface PosedClip {
  kind: "poses";
  ref: ClipRef;
  stage: Stage;
  poses: Float32Array; // [steps, bodies, 7]: x, y, z, then the quaternion w, x, y, z
  followed: Float32Array; // [steps, 2]: where the camera goes along
}

export interface FilmedClip {
  kind: "video";
  ref: ClipRef;
  video: HTMLVideoElement; // of this showing alone
}

export type LoadedClip = PosedClip | FilmedClip;

const VIDEO_PATIENCE = 15_000; // milliseconds from the file being there to its first picture
const KEPT = 60; // clips of poses; each has some kilobytes
const STEADY_SECONDS = 0.4; // that a camera's way is averaged over, so that it does not shake with what it follows

const stages = new Map<string, Promise<Stage>>();
const posed = new Map<string, Promise<PosedClip>>();

/** Seconds that a clip lasts. */
export function lengthOf(clip: LoadedClip): number {
  return clip.ref.steps * clip.ref.timestep;
}

/** Everything that showing a clip needs. Throws Refused or Unreachable. */
export function loadClip(ref: ShownClip): Promise<LoadedClip> {
  return ref.draw === "poses" && canPaint() ? loadPosed(ref) : loadFilmed(ref);
}

function loadPosed(ref: ShownClip): Promise<PosedClip> {
  const known = posed.get(ref.clip);
  posed.delete(ref.clip);
  const clip = known ?? readPosed(ref);
  posed.set(ref.clip, clip); // as the newest
  clip.catch(() => posed.delete(ref.clip));
  for (const oldest of posed.keys()) {
    if (posed.size <= KEPT) break;
    posed.delete(oldest);
  }
  return clip;
}

async function readPosed(ref: ShownClip): Promise<PosedClip> {
  const [stage, bytes] = await Promise.all([loadStage(ref.scene), ref.poses ? decoded(ref.poses) : fetched(ref.clip)]);
  const poses = new Float32Array(bytes);
  const bodies = stage.view.bodies.length;
  const followed = way(poses, bodies, stage.view.camera.follow, Math.round(STEADY_SECONDS / ref.timestep));
  return { kind: "poses", ref, stage, poses, followed };
}

async function fetched(clip: string): Promise<ArrayBuffer> {
  return (await send("GET", `clips/${clip}/poses`)).arrayBuffer();
}

function decoded(base64: string): ArrayBuffer {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)).buffer;
}

function loadStage(scene: string): Promise<Stage> {
  let stage = stages.get(scene);
  if (!stage) {
    stage = send("GET", `scenes/${scene}`).then(async (response) => new Stage((await response.json()) as SceneView));
    stages.set(scene, stage);
    stage.catch(() => stages.delete(scene));
  }
  return stage;
}

/** Horizontal way of a body, [steps, 2], averaged over so many steps. */
function way(poses: Float32Array, bodies: number, follow: number | null, window: number): Float32Array {
  const steps = poses.length / (bodies * 7);
  const found = new Float32Array(steps * 2);
  if (follow === null) return found;
  for (let step = 0; step < steps; step++) {
    const reach = Math.min(Math.floor(window / 2), step, steps - 1 - step);
    for (let axis = 0; axis < 2; axis++) {
      let sum = 0;
      for (let near = step - reach; near <= step + reach; near++) {
        sum += poses[(near * bodies + follow) * 7 + axis] ?? 0;
      }
      found[step * 2 + axis] = sum / (2 * reach + 1);
    }
  }
  return found;
}

async function loadFilmed(ref: ClipRef): Promise<FilmedClip> {
  const address = `clips/${ref.clip}/video.mp4`;
  let response = await send("GET", address);
  while (response.status === 202) { // it is being drawn
    await pause(500 * Math.min(Number(response.headers.get("Retry-After")) || 1, 5));
    response = await send("GET", address);
  }
  await response.arrayBuffer(); // into the browser's cache, which the video reads from
  const video = document.createElement("video");
  Object.assign(video, { muted: true, playsInline: true, preload: "auto", disablePictureInPicture: true });
  const ready = new Promise<void>((done, failed) => {
    video.addEventListener("canplay", () => done(), { once: true });
    video.addEventListener("error", () => failed(new Error("this browser cannot play the clip's video")), { once: true });
    setTimeout(() => failed(new Error("the clip's video did not come")), VIDEO_PATIENCE);
  });
  // In the page, though unseen: browsers put off loading what is nowhere.
  video.hidden = true;
  document.body.append(video);
  video.src = `/api/v1/${address}`;
  try {
    await ready;
  } catch (error) {
    video.remove();
    throw error;
  }
  return { kind: "video", ref, video };
}
