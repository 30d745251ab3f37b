// How long somebody has been answering without a break.

const BREAK = 3 * 60_000; // milliseconds without an answer that count as a rest
const TIRED = 20 * 60_000;

export class Stint {
  private since: number | null = null;
  private newest = 0;
  private reminded = 0;

  /** An answer was given, at a time in milliseconds. Minutes of the stint where a rest is due; else null. */
  answered(now: number): number | null {
    if (this.since === null || now - this.newest > BREAK) {
      this.since = this.reminded = now;
    }
    this.newest = now;
    if (now - this.reminded < TIRED) return null;
    this.reminded = now; // again after as long
    return Math.round((now - this.since) / 60_000);
  }
}
