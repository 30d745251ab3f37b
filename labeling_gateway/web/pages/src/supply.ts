// Questions that this page holds: leased ahead with everything they show, kept by a heartbeat, given back at the end.

import { ask, type Pair, Refused, send, Unreachable } from "./api";
import { lengthOf, loadClip, type LoadedClip } from "./clips";

export interface Question {
  pair: Pair;
  left: LoadedClip;
  right: LoadedClip;
  length: number; // seconds of the longer clip
}

const AHEAD = 3; // questions besides the one that is shown; the server lets a rater hold five
const HEARTBEAT = 10_000; // milliseconds; leases last a minute
const LOOK_AGAIN = 2_000; // where there were no questions

export class Supply {
  trouble: Error | null = null; // why the newest attempt failed
  empty = false; // the newest attempt found no question
  private ready: Question[] = [];
  private held = new Map<string, Pair>(); // by query; the shown one and those being loaded too
  private filling = false;

  /** `changed` is called when there are more questions, or none to be had. */
  constructor(private readonly changed: () => void) {
    setInterval(() => void this.fill(), LOOK_AGAIN);
    setInterval(() => void this.renew(), HEARTBEAT);
    document.addEventListener("visibilitychange", () => void this.renew());
    window.addEventListener("online", () => void this.fill());
    window.addEventListener("pagehide", () => this.giveBack());
  }

  /** The next question, if one is ready; it is held until `done` with it. */
  take(): Question | null {
    const next = this.ready.shift() ?? null;
    if (next) void this.fill();
    return next;
  }

  /** Puts a question first, to be asked again. */
  putFirst(question: Question): void {
    this.ready.unshift(question);
    this.held.set(question.pair.query, question.pair);
  }

  /** It was answered: the heartbeat lets go of it. */
  done(query: string): void {
    this.held.delete(query);
    this.ready = this.ready.filter((question) => question.pair.query !== query);
  }

  holds(query: string): boolean {
    return this.held.has(query);
  }

  /** Loads what a pair shows, and holds it. Throws Refused, Unreachable, Error. */
  async prepare(pair: Pair): Promise<Question> {
    this.held.set(pair.query, pair);
    try {
      const [left, right] = await Promise.all([loadClip(pair.left), loadClip(pair.right)]);
      return { pair, left, right, length: Math.max(lengthOf(left), lengthOf(right)) };
    } catch (error) {
      this.release(pair);
      throw error;
    }
  }

  /** Fetches ahead, where there is room. */
  async fill(): Promise<void> {
    const wanted = AHEAD - this.ready.length;
    if (this.filling || wanted <= 0 || document.hidden) return;
    this.filling = true;
    try {
      const { pairs } = await ask<{ pairs: Pair[] }>("POST", "leases", { count: wanted });
      this.empty = !pairs.length;
      this.trouble = null;
      // In their order; those behind are loaded meanwhile.
      const loading = pairs.map((pair) => this.prepare(pair));
      for (const one of loading) one.catch(() => undefined);
      for (const one of loading) {
        const question = await one;
        if (this.holds(question.pair.query)) this.ready.push(question);
        this.changed();
      }
    } catch (error) {
      this.trouble = error as Error;
    } finally {
      this.filling = false;
      this.changed();
    }
  }

  /** Keeps what is held while somebody looks, and drops what ended meanwhile. */
  private async renew(): Promise<void> {
    if (document.hidden) return;
    for (const pair of [...this.held.values()]) {
      try {
        await send("POST", `leases/${pair.query}/renew`, { fence: pair.fence });
      } catch (error) {
        if (error instanceof Unreachable || (error instanceof Refused && error.passing)) return;
        if (this.held.get(pair.query)?.fence === pair.fence) this.done(pair.query);
        this.changed();
      }
    }
    void this.fill();
  }

  private release(pair: Pair): void {
    this.done(pair.query);
    send("DELETE", `leases/${pair.query}?fence=${pair.fence}`, undefined, true).catch(() => undefined);
  }

  private giveBack(): void {
    for (const pair of [...this.held.values()]) this.release(pair);
  }
}
