// Questions that this page holds: leased ahead with everything they show, renewed while held, given back at the end.

import { ask, type Pair, Refused, send, Unreachable } from "./api";
import { lengthOf, loadClip, type LoadedClip } from "./clips";
import { canPaint } from "./painter";

export interface Question {
  pair: Pair;
  left: LoadedClip;
  right: LoadedClip;
  length: number; // seconds of the longer clip
}

/** What an answer asks for besides being kept. */
export interface Asking {
  next: number;
  poses: boolean;
}

interface Held {
  pair: Pair;
  touched: number; // milliseconds; when it was leased or renewed
}

const HELD = 4; // questions: the shown one and three ahead; the server lets a rater hold five
const LOOK = 3_000; // milliseconds between two looks at what is held and whether that is enough
const RENEW_AFTER = 18_000; // leases last a minute, but one untouched for 25 seconds may be given to others

export class Supply {
  trouble: Error | null = null; // why the newest attempt failed
  empty = false; // the newest attempt found no question
  private ready: Question[] = [];
  private held = new Map<string, Held>(); // by query; the shown one and those being loaded too
  private filling = false;

  /**
   * `changed` is called when there are more questions, or none to be had.
   * `coming` says that an answer is on its way, which brings back what is missing.
   */
  constructor(
    private readonly changed: () => void,
    private readonly coming: () => boolean,
  ) {
    setInterval(() => void this.keepUp(), LOOK);
    document.addEventListener("visibilitychange", () => void this.keepUp());
    window.addEventListener("online", () => void this.fill());
    window.addEventListener("pagehide", () => this.giveBack());
  }

  /** The next question, if one is ready; it is held until `done` with it. */
  take(): Question | null {
    return this.ready.shift() ?? null;
  }

  /** For an answer: it brings back as many questions as are missing. */
  asking(): Asking {
    return { next: Math.max(0, HELD - this.held.size), poses: canPaint() };
  }

  /** Puts a question first, to be asked again. */
  putFirst(question: Question): void {
    this.ready.unshift(question);
    this.hold(question.pair);
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
    this.hold(pair);
    try {
      const [left, right] = await Promise.all([loadClip(pair.left), loadClip(pair.right)]);
      return { pair, left, right, length: Math.max(lengthOf(left), lengthOf(right)) };
    } catch (error) {
      this.release(pair);
      throw error;
    }
  }

  /** Takes in questions that were leased: in their order, those behind are loaded meanwhile. */
  async add(pairs: Pair[]): Promise<void> {
    this.empty = !pairs.length;
    this.trouble = null;
    const loading = pairs.map((pair) => this.prepare(pair));
    for (const one of loading) one.catch(() => undefined);
    try {
      for (const one of loading) {
        const question = await one;
        if (this.holds(question.pair.query)) this.ready.push(question);
        this.changed();
      }
    } catch (error) {
      this.trouble = error as Error;
    }
    this.changed();
  }

  /** Fetches ahead what no answer has brought: at first, and where there were too few. */
  async fill(): Promise<void> {
    const { next: count, poses } = this.asking();
    if (this.filling || !count || document.hidden) return;
    this.filling = true;
    try {
      await this.add((await ask<{ pairs: Pair[] }>("POST", "leases", { count, poses })).pairs);
    } catch (error) {
      this.trouble = error as Error;
      this.changed();
    } finally {
      this.filling = false;
    }
  }

  /** Keeps what is held while somebody looks, drops what ended meanwhile, and fetches what is missing. */
  private async keepUp(): Promise<void> {
    if (document.hidden) return;
    const old = performance.now() - RENEW_AFTER;
    for (const held of [...this.held.values()].filter((one) => one.touched < old)) {
      const { pair } = held;
      held.touched = performance.now();
      try {
        await send("POST", `leases/${pair.query}/renew`, { fence: pair.fence });
      } catch (error) {
        if (error instanceof Unreachable || (error instanceof Refused && error.passing)) return;
        if (this.held.get(pair.query)?.pair.fence === pair.fence) this.done(pair.query);
        this.changed();
      }
    }
    if (!this.coming()) void this.fill();
  }

  private hold(pair: Pair): void {
    this.held.set(pair.query, { pair, touched: performance.now() });
  }

  private release(pair: Pair): void {
    this.done(pair.query);
    send("DELETE", `leases/${pair.query}?fence=${pair.fence}`, undefined, true).catch(() => undefined);
  }

  private giveBack(): void {
    for (const { pair } of [...this.held.values()]) this.release(pair);
  }
}
