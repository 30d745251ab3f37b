// The gateway's API as the pages use it; docs/labeling-api.md describes it.

export interface ClipRef {
  clip: string;
  scene: string;
  steps: number;
  timestep: number; // seconds between two steps
  draw: "poses" | "video";
}

export interface ShownClip extends ClipRef {
  poses?: string | null; // float32 in base64, where they were asked for and there are any
}

export interface Pair {
  query: string;
  fence: string;
  deadline: number;
  seconds_left: number;
  question: string;
  left: ShownClip;
  right: ShownClip;
}

export type Choice = "left" | "right" | "equal" | "cant_tell";

export interface Answer {
  query: string;
  fence: string;
  choice: Choice;
  seconds: number; // from showing to answer
}

export interface Saved {
  offset: string;
  opinion: "first" | "later";
  repeated: boolean;
  mine: number;
  used: number;
  next: Pair[]; // leased in the same call
}

export interface Session {
  role: "labeler" | "owner";
  rater: string;
  run: string;
  expires_at: number;
}

export interface Task {
  question: string;
  task: string;
  budget: number;
  asked: number;
  used: number;
  open: number;
  mine: number;
  mine_per_hour: number;
  waiting: string;
  paused: boolean;
  paused_reason: string | null; // why this rater is given nothing
  minimum_seconds: number; // that a question must be looked at
}

export interface Geom {
  body: number;
  type: "sphere" | "capsule" | "box" | "cylinder" | "ellipsoid" | "mesh" | "plane";
  size: number[];
  pos: [number, number, number];
  quat: [number, number, number, number]; // w, x, y, z
  rgba: [number, number, number, number];
  mesh: number | null;
}

export interface SceneView {
  task: string;
  question: string;
  timestep: number;
  camera: {
    lookat: [number, number, number];
    distance: number;
    azimuth: number;
    elevation: number;
    follow: number | null;
    fovy: number;
  };
  floor: { height: number; square: number };
  bodies: { name: string; parent: number }[];
  geoms: Geom[];
  meshes: { vertices: number[]; faces: number[] }[];
}

/** The server refused, or said that it cannot just now. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    reason: string,
    readonly retrySeconds: number,
  ) {
    super(reason);
  }

  /** Whether asking again later may help. */
  get passing(): boolean {
    return this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

/** No answer came: the connection is gone, or the server is. */
export class Unreachable extends Error {}

const PATIENCE = 20_000; // milliseconds that one request may take

/** One request of the API. Throws Refused or Unreachable. */
export async function send(method: string, path: string, body?: unknown, keepalive = false): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(`/api/v1/${path}`, {
      method,
      keepalive,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(PATIENCE),
    });
  } catch {
    throw new Unreachable("no connection");
  }
  if (response.ok) return response;
  const retry = Number(response.headers.get("Retry-After")) || 1;
  const problem = (await response.json().catch(() => null)) as { error?: string } | null;
  throw new Refused(response.status, problem?.error ?? `the server says ${response.status}`, retry);
}

/** One request, and its answer as JSON. Throws Refused or Unreachable. */
export async function ask<Answered>(method: string, path: string, body?: unknown): Promise<Answered> {
  return (await (await send(method, path, body)).json()) as Answered;
}

/** Who is logged in, after using and forgetting an invitation or token in the address's fragment. */
export async function logIn(): Promise<Session> {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const invitation = fragment.get("invitation");
  const token = fragment.get("owner_token");
  if (invitation || token) {
    // Out of the address bar and the history, where others would see it.
    history.replaceState(null, "", location.pathname + location.search);
    return ask("POST", "sessions", invitation ? { invitation } : { owner_token: token });
  }
  return ask("GET", "session");
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((done) => setTimeout(done, milliseconds));
}
