// Answers on their way: sent one after the other, kept until the server says that they are on disk.

import { type Answer, ask, pause, Refused, type Saved } from "./api";
import type { Asking } from "./supply";

export type Delivery = "idle" | "sending" | "waiting" | "logged-out";

const LONGEST_WAIT = 8_000; // milliseconds between two attempts

export class Outbox {
  delivery: Delivery = "idle";
  private entries: Answer[];
  private sending: Promise<void> | null = null;
  private wake: () => void = () => undefined;

  /**
   * What a reload interrupted is kept in the tab's storage, under `name`.
   * Each answer is sent with what `asking` says, such as how many questions are to come back with its receipt.
   * `saved` hears of each answer that is on disk, `lost` of each that the server will not take, and why.
   */
  constructor(
    private readonly name: string,
    private readonly asking: () => Asking,
    private readonly saved: (answer: Answer, receipt: Saved) => void,
    private readonly lost: (answer: Answer, reason: string) => void,
    private readonly changed: () => void,
  ) {
    this.entries = JSON.parse(sessionStorage.getItem(name) ?? "[]") as Answer[];
    window.addEventListener("online", () => this.wake());
    window.addEventListener("beforeunload", (event) => {
      if (this.delivery === "waiting") event.preventDefault(); // the browser asks whether to leave
    });
  }

  get size(): number {
    return this.entries.length;
  }

  post(answer: Answer): void {
    this.entries.push(answer);
    this.keep();
    this.start();
  }

  /** Takes an answer back; false where it is with the server already, or will be in a moment. */
  recall(query: string): boolean {
    const index = this.entries.findIndex((answer) => answer.query === query);
    // The first of them is on its way. If it does not get through it is sent until it is known to be saved.
    if (index < 1) return false;
    this.entries.splice(index, 1);
    this.keep();
    return true;
  }

  /** Until nothing is on its way. */
  async emptied(): Promise<void> {
    while (this.sending) await this.sending;
  }

  /** Sends what is there; at first, what a reload interrupted. */
  start(): void {
    if (this.entries.length && !this.sending) {
      this.sending = this.deliver().finally(() => {
        this.sending = null;
        this.changed();
      });
    }
  }

  private async deliver(): Promise<void> {
    let wait = 500;
    for (let answer = this.entries[0]; answer; answer = this.entries[0]) {
      try {
        if (this.delivery === "idle") this.turn("sending");
        const receipt = await ask<Saved>("POST", "answers", { ...answer, ...this.asking() });
        this.remove(answer);
        wait = 500;
        this.turn(this.entries.length ? "sending" : "idle");
        this.saved(answer, receipt);
      } catch (error) {
        if (error instanceof Refused && error.status !== 401 && !error.passing) {
          this.remove(answer);
          this.turn(this.entries.length ? "sending" : "idle");
          this.lost(answer, error.message);
          continue;
        }
        const refused = error instanceof Refused ? error : null;
        this.turn(refused?.status === 401 ? "logged-out" : "waiting");
        await Promise.race([
          pause(Math.max(wait, 1000 * (refused?.retrySeconds ?? 0))),
          new Promise<void>((woken) => (this.wake = woken)),
        ]);
        wait = Math.min(2 * wait, LONGEST_WAIT);
      }
    }
  }

  private turn(delivery: Delivery): void {
    this.delivery = delivery;
    this.changed();
  }

  private remove(answer: Answer): void {
    this.entries = this.entries.filter((entry) => entry !== answer);
    this.keep();
  }

  private keep(): void {
    sessionStorage.setItem(this.name, JSON.stringify(this.entries));
    this.changed();
  }
}
