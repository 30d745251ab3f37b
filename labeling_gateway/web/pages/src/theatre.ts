// The two clips of a question, on one clock, with what plays and turns them.

import { Clock, SPEEDS } from "./clock";
import { found, made, say } from "./page";
import { Pane } from "./pane";
import type { Question } from "./supply";
import { steer, View } from "./view";

export class Theatre {
  readonly view = new View();
  private readonly clock = new Clock();
  private readonly panes = [new Pane(found("left-pane")), new Pane(found("right-pane"))] as const;
  private readonly done = found("course-done");
  private readonly speeds = found<HTMLSelectElement>("speed");
  private question: Question | null = null;
  private shown: (() => void) | null = null;
  private next = 0; // earliest moment of the next picture

  constructor() {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) this.play(false);
    SPEEDS.forEach((speed, index) => {
      this.speeds.append(made("option", { value: String(index), textContent: `${named(speed)}×`, title: `key ${index + 1}` }));
    });
    this.speed(4);
    this.speeds.addEventListener("change", () => {
      this.speed(Number(this.speeds.value) + 1);
      this.speeds.blur();
    });
    found("play").addEventListener("click", () => this.play());
    found("view-reset").addEventListener("click", () => this.view.reset());
    for (const pane of this.panes) steer(pane.element, this.view);
    this.scrub(found("course"));
    requestAnimationFrame((now) => this.draw(now));
  }

  /** Shows a question's clips from their beginning; `shown` is called once both are on the screen. */
  show(question: Question | null, shown?: () => void): void {
    this.question = question;
    this.shown = shown ?? null;
    if (question) document.body.classList.toggle("filmed", question.left.kind === "video");
    this.panes[0].show(question?.left ?? null);
    this.panes[1].show(question?.right ?? null);
    if (question) this.clock.restart(question.length);
    this.next = 0;
  }

  play(playing = !this.clock.playing): void {
    this.clock.playing = playing;
    say(found("play"), playing ? "Pause" : "Play");
  }

  /** Speed of a key, 1 to 9. */
  speed(key: number): void {
    this.clock.speed = SPEEDS[key - 1] ?? 1;
    this.speeds.value = String(key - 1);
  }

  step(direction: number): void {
    this.play(false);
    this.clock.step(direction * (this.question?.left.ref.timestep ?? 0.02));
  }

  turn(azimuth: number, elevation: number): void {
    this.view.turn(azimuth, elevation, this.panes[0].camera);
  }

  private draw(now: number): void {
    requestAnimationFrame((later) => this.draw(later));
    this.clock.tick(now);
    if (!this.question || now < this.next) return;
    const began = performance.now();
    for (const pane of this.panes) pane.draw(this.clock, this.view);
    this.done.style.transform = `scaleX(${this.clock.share})`;
    // Where pictures take long, without a graphics card, keys and the network still get their turn.
    const took = performance.now() - began;
    if (took > 20) this.next = now + 2 * took;
    this.shown?.();
    this.shown = null;
  }

  private scrub(course: HTMLElement): void {
    const seek = (event: PointerEvent) => {
      const { left, width } = course.getBoundingClientRect();
      this.clock.seek((event.clientX - left) / width);
    };
    course.addEventListener("pointerdown", (event) => {
      course.setPointerCapture(event.pointerId);
      seek(event);
    });
    course.addEventListener("pointermove", (event) => {
      if (course.hasPointerCapture(event.pointerId)) seek(event);
    });
  }
}

function named(speed: number): string {
  const quarters: Record<number, string> = { 0.25: "¼", 0.5: "½", 0.75: "¾", 1.5: "1½" };
  return quarters[speed] ?? String(speed);
}
