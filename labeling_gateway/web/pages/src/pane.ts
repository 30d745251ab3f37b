// A place on the page that shows one clip at the clock's moment.

import type { Clock } from "./clock";
import { lengthOf, type LoadedClip } from "./clips";
import { paint } from "./painter";
import type { View } from "./view";
import { made } from "./page";

const DRIFT = 0.06; // seconds that a video may be off the clock while it plays

export class Pane {
  private readonly canvas = made("canvas", { className: "picture" });
  private clip: LoadedClip | null = null;
  private drawn = "";

  constructor(readonly element: HTMLElement) {
    element.append(this.canvas);
  }

  show(clip: LoadedClip | null): void {
    if (this.clip?.kind === "video") this.clip.video.remove();
    this.clip = clip;
    this.drawn = "";
    this.canvas.hidden = clip?.kind === "video";
    if (clip?.kind === "video") {
      clip.video.className = "picture";
      clip.video.hidden = false;
      this.element.append(clip.video);
    }
  }

  /** Draws the clip's moment, unless it is what the pane shows already. */
  draw(clock: Clock, view: View): void {
    if (!this.clip) return;
    if (this.clip.kind === "video") {
      this.follow(this.clip.video, clock, lengthOf(this.clip));
      return;
    }
    const { stage, poses, followed, ref } = this.clip;
    const step = Math.min(clock.at / ref.timestep, ref.steps - 1);
    const size = [this.canvas.clientWidth, this.canvas.clientHeight];
    const now = [step, view.turned, view.raised, view.zoom, ...size].join();
    if (now === this.drawn || !size[0] || !size[1]) return;
    this.drawn = now;
    const from = 2 * Math.floor(step);
    const to = Math.min(from + 2, followed.length - 2);
    const share = step - Math.floor(step);
    const along = (axis: number) =>
      (followed[from + axis] ?? 0) * (1 - share) + (followed[to + axis] ?? 0) * share;
    stage.pose(poses, step);
    stage.aim(view, size[0] / size[1], [along(0), along(1)]);
    paint(stage, this.canvas);
  }

  /** What a view needs to know of the scene's own camera. */
  get camera() {
    return this.clip?.kind === "poses" ? this.clip.stage.view.camera : undefined;
  }

  private follow(video: HTMLVideoElement, clock: Clock, length: number): void {
    const wanted = Math.min(clock.at, length - 1e-3);
    const running = clock.playing && clock.at < length - 0.02;
    if (video.playbackRate !== clock.speed) video.playbackRate = clock.speed;
    const tolerance = running ? DRIFT * Math.max(1, clock.speed) : 0.01;
    if (!video.seeking && Math.abs(video.currentTime - wanted) > tolerance) video.currentTime = wanted;
    if (running && video.paused) video.play().catch(() => undefined); // it is sought along instead
    if (!running && !video.paused) video.pause();
  }
}
