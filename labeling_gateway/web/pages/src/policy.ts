// The current policy's newest clip, and beside it the predicted reward of each of its moments.

import { ask, Refused } from "./api";
import { Clock } from "./clock";
import { lengthOf, loadClip } from "./clips";
import { count, found, say } from "./page";
import type { PolicyView } from "./owner";
import { Pane } from "./pane";
import { steer, View } from "./view";

const EVERY = 10_000; // milliseconds between two looks for a newer clip

export class Policy {
  private readonly clock = new Clock();
  private readonly view = new View();
  private readonly pane = new Pane(found("policy-pane"));
  private readonly bar = found<HTMLCanvasElement>("reward-bar");
  private shown: PolicyView | null = null;

  constructor() {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) this.clock.playing = false;
    steer(found("policy-pane"), this.view);
    void this.look();
    setInterval(() => void this.look(), EVERY);
  }

  draw(now: number): void {
    this.clock.tick(now);
    if (!this.shown) return;
    this.pane.draw(this.clock, this.view);
    const { reward, clip } = this.shown;
    drawReward(this.bar, reward, Math.min(Math.floor(this.clock.at / clip.timestep), clip.steps - 1));
  }

  private async look(): Promise<void> {
    if (document.hidden) return;
    try {
      const view = await ask<PolicyView>("GET", "policy");
      if (view.clip.clip === this.shown?.clip.clip && view.reward_version === this.shown.reward_version) return;
      const clip = await loadClip(view.clip);
      this.pane.show(clip);
      this.clock.restart(lengthOf(clip));
      this.shown = view;
      this.bar.hidden = !view.reward.length;
      const model = view.reward.length ? `, judged by reward model ${count(view.reward_version)}` : "";
      say(found("policy-about"), `Policy ${count(view.policy_version)}${model}. Drag to look from another side.`);
    } catch (error) {
      if (!this.shown && error instanceof Refused) say(found("policy-about"), `${error.message}.`);
    }
  }
}

/** A bar for this moment's reward on top; those before it trail below, fading. As in the run's videos. */
function drawReward(canvas: HTMLCanvasElement, reward: number[], step: number): void {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth * ratio, canvas.clientHeight * ratio];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const pen = canvas.getContext("2d");
  if (!pen || !reward.length) return;
  const sizes = reward.map(Math.abs).sort((a, b) => a - b);
  const scale = sizes[Math.floor(0.98 * (sizes.length - 1))] || 1; // a few extreme steps don't stretch it
  const [middle, half, top, thick] = [width / 2, width * 0.42, height * 0.22, height * 0.07];
  const thin = Math.max(2 * ratio, height / 110);
  pen.fillStyle = "#181d24";
  pen.fillRect(0, 0, width, height);
  pen.fillStyle = "#28303a";
  pen.fillRect(middle - half, top, 2 * half, thick);

  const stroke = (at: number, value: number, high: number, light: number) => {
    const share = Math.max(-1, Math.min(1, value / scale)) * half;
    pen.globalAlpha = light;
    pen.fillStyle = share >= 0 ? "#3dc785" : "#ec6058";
    pen.fillRect(Math.min(middle, middle + share), at, Math.abs(share), high);
    pen.globalAlpha = 1;
  };
  stroke(top, reward[step] ?? 0, thick, 1);
  const trail = top + thick + 2 * thin;
  const rows = Math.floor((height * 0.92 - trail) / (thin + ratio));
  for (let row = 0; row < Math.min(rows, step); row++) {
    stroke(trail + row * (thin + ratio), reward[step - 1 - row] ?? 0, thin, 0.75 * (1 - row / rows));
  }
  pen.fillStyle = "#6e7a88";
  pen.fillRect(middle, top - thin, ratio, height * 0.94 - top);
  pen.textAlign = "center";
  pen.fillStyle = "#ecf0f4";
  pen.font = `${13 * ratio}px system-ui, sans-serif`;
  pen.fillText("predicted", middle, height * 0.075);
  pen.fillText("reward", middle, height * 0.075 + 15 * ratio);
  pen.fillStyle = "#a5b2c0";
  pen.fillText((reward[step] ?? 0).toFixed(2), middle, top - 6 * ratio);
}
